"""The CSV file of EEG seconds."""

import zipfile

import numpy as np
import pytest

from tsrl.data.builders.epilepsy import read_epilepsy
from tsrl.data.builders.specs import SPECS
from tsrl.errors import InputError

COLUMNS = ",".join(f"X{step}" for step in range(1, 179))


def line(row, label, name=None):
    return ",".join([name or f"X{row % 23}.V1.{row // 23}", *(str(row * 178 + step) for step in range(178)), label])


def write(path, rows, heading="Unnamed"):
    path.write_text("\n".join([f"{heading},{COLUMNS},y", *rows]) + "\n")
    return path


def lines(count=50):
    return [line(row, str(row % 5 + 1)) for row in range(count)]


@pytest.mark.parametrize("heading", ["Unnamed", "", '""', "Unnamed: 0"])
def test_every_row_is_in_one_split(tmp_path, heading):
    found = read_epilepsy([write(tmp_path / "data.csv", lines(), heading)])
    assert {split: len(rows.y) for split, rows in found.items()} == {"train": 32, "validation": 8, "test": 10}
    seen = []
    for rows in found.values():
        assert rows.x.shape[1:] == (178, 1)
        numbers = (rows.x[:, 0, 0] // 178).astype(int)
        np.testing.assert_array_equal(rows.x[..., 0], numbers[:, None] * 178 + np.arange(178))
        assert rows.y.tolist() == [int(number % 5 == 0) for number in numbers]
        assert rows.group.tolist() == [f"V1.{number // 23}" for number in numbers]
        seen += numbers.tolist()
    assert sorted(seen) == list(range(50))


def test_the_draw_is_that_of_the_published_code(tmp_path):
    """Which calls the function twice on the arrays, with seed 42, and not on row numbers."""
    from sklearn.model_selection import train_test_split

    path = write(tmp_path / "data.csv", lines(101))
    x = np.array([row.split(",")[1:-1] for row in lines(101)], float)
    y = np.array([int(row.split(",")[-1] == "1") for row in lines(101)])
    x_rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    x_train, x_validation, y_train, y_validation = train_test_split(x_rest, y_rest, test_size=0.2, random_state=42)
    found = read_epilepsy([path])
    expected = {"train": (x_train, y_train), "validation": (x_validation, y_validation), "test": (x_test, y_test)}
    for split, (values, labels) in expected.items():
        np.testing.assert_array_equal(found[split].x[..., 0], values)
        np.testing.assert_array_equal(found[split].y, labels)


def test_the_published_number_of_rows_gives_the_published_splits(tmp_path):
    rows = [",".join([f"X1.V1.{row}", *["0"] * 178, str(row % 5 + 1)]) for row in range(11_500)]
    found = read_epilepsy([write(tmp_path / "data.csv", rows)])
    assert {split: len(part.y) for split, part in found.items()} == SPECS["EpilepsyEEG"].facts.rows


def test_in_an_archive(tmp_path):
    write(tmp_path / "Epileptic Seizure Recognition.csv", lines())
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(tmp_path / "Epileptic Seizure Recognition.csv", "Epileptic Seizure Recognition.csv")
    assert len(read_epilepsy([tmp_path / "archive.zip"])["test"].y) == 10


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (line(3, "6"), r"data.csv: column 'y': found '6' in row 5, want 1 to 5"),
        (line(3, ""), "column 'y': found '' in row 5"),
        (line(3, "1")[:-2], "found 179 cells in row 5, want 180"),
        (line(3, "1", "someone"), "column 'Unnamed': found 'someone' in row 5, want a name such as X21.V1.791"),
        (line(3, "1").replace(",540,", ",abc,"), "column 'X7': found 'abc' in row 5, want numbers"),
    ],
)
def test_wrong_rows(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        read_epilepsy([write(tmp_path / "data.csv", [*lines(4), row, *lines(9)])])


def test_wrong_tables(tmp_path):
    (tmp_path / "data.csv").write_text("")
    with pytest.raises(InputError, match=r"data.csv: found the columns \[\] to \[\], want a name, X1 to X178, y"):
        read_epilepsy([tmp_path / "data.csv"])
    with pytest.raises(InputError, match="found 4 rows, want enough to split"):
        read_epilepsy([write(tmp_path / "data.csv", lines(4))])
