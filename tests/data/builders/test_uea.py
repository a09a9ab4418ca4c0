"""The UEA archive's .ts files, compared with aeon's reader."""

import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tsrl.data.builders.specs import SPECS
from tsrl.data.builders.uea import read_uea
from tsrl.errors import InputError

HEADER = "%comment\n@problemName P\n@univariate false\n@equalLength true\n@classLabel true left right\n@data\n"


def archive(path, train, test, name="P"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/{name}_TRAIN.ts", train)
        archive.writestr(f"{name}/{name}_TEST.ts", test)
        archive.writestr(f"{name}/{name}_TRAIN.arff", "other")
    return path


def read(tmp_path, lines, classes=("left", "right")):
    return read_uea([archive(tmp_path / "P.zip", HEADER + lines, HEADER + "1,2,3:4,5,6:left\n")], "P", classes)


def test_series_and_labels(tmp_path):
    found = read(tmp_path, "1,2,3:-4.5,1e2,6:Right\n\n7,8,9:0,0,1:left\n")
    np.testing.assert_array_equal(found["train"].x[0], np.array([[1, -4.5], [2, 100], [3, 6]], np.float32))
    assert found["train"].y.tolist() == [1, 0]
    assert found["test"].x.shape == (1, 3, 2)
    assert found["test"].group is None


def test_two_files_instead_of_an_archive(tmp_path):
    paths = [tmp_path / "P_TRAIN.ts", tmp_path / "P_TEST.ts"]
    paths[0].write_text(HEADER + "1,2:left\n")
    paths[1].write_text(HEADER + "3,4:right\n5,6:left\n")
    found = read_uea(paths, "P", ("left", "right"))
    assert (found["train"].x.shape, found["test"].y.tolist()) == ((1, 2, 1), [1, 0])


@pytest.mark.parametrize(
    ("labels", "classes", "ids"),
    [
        (("8.0", "9"), tuple("0123456789"), [8, 9]),
        (("5", "3"), ("3", "5"), [1, 0]),
        (("0.0", "1.0"), ("left", "right"), [0, 1]),
    ],
)
def test_numbers_as_labels(tmp_path, labels, classes, ids):
    train = "@data\n" + "".join(f"1,2:{label}\n" for label in labels)
    found = read_uea([archive(tmp_path / "P.zip", train, train)], "P", classes)
    assert found["train"].y.tolist() == ids


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,2:3,4:up\n", r"P.zip: P_TRAIN.ts: line 7: found the label 'up', want one of left, right"),
        ("1,2:3,4:2\n", "found the label '2'"),
        ("1,2:3,4:0.5\n", "found the label '0.5'"),
        ("1,2:3,x:left\n", "line 7: channel 1: could not convert string to float: 'x'"),
        ("1,2:3,4:left\n1,2:3,:left\n", "line 8: channel 1"),
        ("1,2:3,4,5:left\n", r"line 7: found channels of \[2, 3\] steps, want one length"),
        ("1,2:3,4:left\n1,2:left\n", r"line 8: found \(2, 1\) steps and channels, want \(2, 2\)"),
        ("left\n", "line 7: found channels of"),
        ("", "found no series after @data"),
    ],
)
def test_wrong_lines(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, lines)


def test_not_a_ts_file(tmp_path):
    with pytest.raises(InputError, match=r"P_TRAIN.ts: found no line @data"):
        read_uea([archive(tmp_path / "P.zip", "words", "words")], "P", ("left",))


@pytest.mark.parametrize("name", ["BasicMotions", "UnitTest"])
def test_equals_aeons_reader(tmp_path, name):
    """On the sets inside the installed package."""
    if find_spec("aeon") is None:
        pytest.skip("aeon is not installed")
    from aeon.datasets import load_from_ts_file

    folder = Path(find_spec("aeon").origin).parent / "datasets" / "data" / name
    files = {split: folder / f"{name}_{split}.ts" for split in ("TRAIN", "TEST")}
    expected = {split: load_from_ts_file(str(path)) for split, path in files.items()}
    classes = tuple(sorted(set(expected["TRAIN"][1])))
    path = archive(tmp_path / f"{name}.zip", *(file.read_bytes() for file in files.values()), name)
    found = read_uea([path], name, classes)
    for split, (x, y) in expected.items():
        rows = found[split.lower()]
        np.testing.assert_array_equal(rows.x, x.transpose(0, 2, 1).astype(np.float32))
        assert [classes[label] for label in rows.y] == list(y)


@pytest.mark.parametrize("name", ["PenDigits", "FingerMovements"])
def test_real_values_in_the_published_format(real_data, tmp_path, name):
    """No published file is at hand: one is written from the first series."""
    (path,) = Path(real_data).rglob(f"{name}.npz")
    facts = SPECS[name].facts
    texts, expected = [], {}
    with np.load(path) as stored:
        for split in ("train", "test"):
            x, y = stored[f"x_{split}"], stored[f"y_{split}"]
            assert x.shape == (facts.rows[split], facts.length, len(facts.channels))
            assert set(y.tolist()) == set(range(len(facts.classes)))
            expected[split] = (x[:20], y[:20])
            lines = [
                ":".join([*(",".join(map(repr, map(float, channel))) for channel in series.T), facts.classes[label]])
                for series, label in zip(*expected[split], strict=True)
            ]
            texts.append("@data\n" + "\n".join(lines))
    found = SPECS[name].sources[0].read([archive(tmp_path / f"{name}.zip", *texts, name)])
    for split, (x, y) in expected.items():
        np.testing.assert_array_equal(found[split].x, x)
        np.testing.assert_array_equal(found[split].y, y)
