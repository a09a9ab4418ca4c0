"""HAR's text files."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tsrl.data.builders.har import read_har
from tsrl.data.builders.specs import SPECS
from tsrl.errors import InputError

FACTS = SPECS["HAR"].facts
ROWS = {"train": 3, "test": 2}


def arrays():
    """Windows of 4 steps."""
    random = np.random.default_rng(0)
    return {
        split: (random.normal(size=(count, 4, 9)).astype(np.float32), np.arange(count) % 6, np.arange(count) + 20)
        for split, count in ROWS.items()
    }


def texts(splits):
    """The published files: fixed-width numbers, activities from 1."""
    files = {"UCI HAR Dataset/README.txt": "words"}
    for split, (x, y, subject) in splits.items():
        folder = f"UCI HAR Dataset/{split}"
        for channel, name in enumerate(FACTS.channels):
            rows = "".join("".join(f" {value: .7e}" for value in row) + "\n" for row in x[:, :, channel])
            files[f"{folder}/Inertial Signals/{name}_{split}.txt"] = rows
        files[f"{folder}/y_{split}.txt"] = "".join(f"{label + 1}\n" for label in y)
        files[f"{folder}/subject_{split}.txt"] = "".join(f"{number}\n" for number in subject)
        files[f"{folder}/X_{split}.txt"] = "features that are not read"
    return files


def archive(place, files):
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return place


def read(path):
    return read_har([path], FACTS.channels, FACTS.classes)


@pytest.mark.parametrize("nested", [False, True])
def test_windows_activities_and_subjects(tmp_path, nested):
    expected = arrays()
    files = texts(expected)
    if nested:
        inner = archive(io.BytesIO(), files)
        files = {"UCI HAR Dataset.zip": inner.getvalue(), "UCI HAR Dataset.names": "words"}
    found = read(archive(tmp_path / "UCI_HAR_Dataset.zip", files))
    for split, (x, y, subject) in expected.items():
        np.testing.assert_allclose(found[split].x, x, rtol=1e-6)
        assert found[split].x.dtype == np.float32
        np.testing.assert_array_equal(found[split].y, y)
        assert found[split].group.tolist() == [str(number) for number in subject]


TRAIN = "UCI HAR Dataset/train"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (f"{TRAIN}/y_train.txt", "1\n2\n7\n", r"HAR.zip: /train/y_train.txt: found 7 in row 3, want 1 to 6"),
        (f"{TRAIN}/y_train.txt", "1\n0\n1\n", "found 0 in row 2"),
        (f"{TRAIN}/y_train.txt", "1\n1.5\n1\n", "found 1.5 in row 2"),
        (f"{TRAIN}/y_train.txt", "1\nnan\n1\n", "found nan in row 2"),
        (f"{TRAIN}/y_train.txt", "1\n2\n", r"y_train.txt: found \(2, 1\) rows and columns, want \(3, 1\)"),
        (f"{TRAIN}/subject_train.txt", "", r"subject_train.txt: found an empty file"),
        (
            f"{TRAIN}/Inertial Signals/body_gyro_z_train.txt",
            "1 2 3 4\n1 2 x 4\n1 2 3 4\n",
            r"body_gyro_z_train.txt: .*'x'.* at row 1, column 3",
        ),
        (
            f"{TRAIN}/Inertial Signals/body_gyro_z_train.txt",
            "1 2 3\n" * 3,
            r"body_gyro_z_train.txt: found \(3, 3\) rows and columns, want \(3, 4\)",
        ),
        (f"{TRAIN}/Inertial Signals/body_gyro_z_train.txt", "1 2 3 4\n1 2 3\n", r"body_gyro_z_train.txt: .*columns"),
    ],
)
def test_wrong_files(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read(archive(tmp_path / "HAR.zip", texts(arrays()) | {name: text}))


def test_numbers_beyond_float32_are_infinite(tmp_path):
    name = f"{TRAIN}/Inertial Signals/body_gyro_z_train.txt"
    found = read(archive(tmp_path / "HAR.zip", texts(arrays()) | {name: "1 2 1e300 4\n" * 3}))
    assert np.isinf(found["train"].x).sum() == 3


def test_a_file_is_missing(tmp_path):
    files = texts(arrays())
    del files["UCI HAR Dataset/test/Inertial Signals/total_acc_x_test.txt"]
    with pytest.raises(InputError, match=r"found 0 files named .../test/Inertial Signals/total_acc_x_test.txt"):
        read(archive(tmp_path / "HAR.zip", files))


def test_real_values_in_the_published_format(real_data, tmp_path):
    """No published file is at hand: one is written from the first windows."""
    (path,) = Path(real_data).rglob("HAR.npz")
    with np.load(path) as stored:
        assert stored["channels"].tolist() == list(FACTS.channels)
        assert stored["classes"].tolist() == list(FACTS.classes)
        expected = {}
        for split in ("train", "test"):
            x, y, subject = (stored[f"{key}_{split}"] for key in ("x", "y", "subject"))
            assert x.shape == (FACTS.rows[split], FACTS.length, len(FACTS.channels))
            expected[split] = (x[:20], y[:20], subject[:20])
    found = SPECS["HAR"].sources[0].read([archive(tmp_path / "UCI_HAR_Dataset.zip", texts(expected))])
    for split, (x, y, subject) in expected.items():
        np.testing.assert_allclose(found[split].x, x, rtol=1e-6)
        np.testing.assert_array_equal(found[split].y, y)
        assert found[split].group.tolist() == [str(number) for number in subject]
