"""Sets of the UEA archive in their published archives."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tsrl.data.builders.specs import SPECS
from tsrl.data.builders.uea import read_uea
from tsrl.errors import InputError

pytest.importorskip("aeon")


def header(labels):
    kinds = "@timestamps false\n@missing false\n@univariate false\n@equalLength true\n"
    return f"#comment\n@problemName P\n{kinds}@classLabel true {' '.join(labels)}\n@data\n"


def archive(path, train, test, name="P"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/{name}_TRAIN.ts", train)
        archive.writestr(f"{name}/{name}_TEST.ts", test)
        archive.writestr(f"{name}/{name}_TRAIN.arff", "other")
    return path


def read(tmp_path, lines, labels=("left", "right"), classes=("left", "right")):
    train = header(labels) + lines
    return read_uea([archive(tmp_path / "P.zip", train, train)], "P", classes)


def test_series_and_labels(tmp_path):
    found = read(tmp_path, "1,2,3:-4.5,1e2,6:right\n7,8,9:0,0,1:left\n", ("right", "left"))
    for split in ("train", "test"):
        np.testing.assert_array_equal(found[split].x[0], np.array([[1, -4.5], [2, 100], [3, 6]], np.float32))
        assert found[split].x.shape == (2, 3, 2)
        assert found[split].y.tolist() == [1, 0]
        assert found[split].group is None


@pytest.mark.parametrize(
    ("labels", "classes", "ids"),
    [
        (("8.0", "9.0"), tuple("0123456789"), [8, 9]),
        (("5", "3"), ("3", "5"), [1, 0]),
        (("0.0", "1.0"), ("left", "right"), [0, 1]),
        (("Right", "LEFT"), ("left", "right"), [1, 0]),
    ],
)
def test_other_ways_to_write_labels(tmp_path, labels, classes, ids):
    found = read(tmp_path, "".join(f"1,2:3,4:{label}\n" for label in labels), labels, classes)
    assert found["train"].y.tolist() == ids


@pytest.mark.parametrize(
    ("lines", "labels", "message"),
    [
        ("1,2:3,4:up\n", ("up", "down"), r"P.zip: found the label 'up', want one of left, right"),
        ("1,2:3,4:2\n", ("2",), "P.zip: found the label '2'"),
        ("1,2:3,4:0.5\n", ("0.5",), "P.zip: found the label '0.5'"),
        ("1,2:3,x:left\n", ("left", "right"), "P_TRAIN.ts: found"),
        ("", ("left", "right"), "P_TRAIN.ts: found"),
    ],
)
def test_wrong_lines(tmp_path, lines, labels, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, lines, labels)


def test_wrong_archives(tmp_path):
    with pytest.raises(InputError, match=r"P_TRAIN.ts: found no @classLabel"):
        read_uea([archive(tmp_path / "P.zip", "words", "words")], "P", ("left",))
    with pytest.raises(InputError, match=r"P.zip: found 0 files named ...Q_TRAIN.ts"):
        read_uea([tmp_path / "P.zip"], "Q", ("left",))
    targets = header(()).replace("@classLabel true ", "@targetLabel true") + "1,2:3,4:0.5\n"
    with pytest.raises(InputError, match=r"P.zip: found no labels, want one of left, right"):
        read_uea([archive(tmp_path / "P.zip", targets, targets)], "P", ("left", "right"))


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
            expected[split] = (x[:40], y[:40])
            lines = [
                ":".join([*(",".join(map(repr, map(float, channel))) for channel in series.T), facts.classes[label]])
                for series, label in zip(*expected[split], strict=True)
            ]
            texts.append(header(facts.classes) + "\n".join(lines) + "\n")
    for source in SPECS[name].sources:
        found = source.read([archive(tmp_path / source.files[0].name, *texts, name)])
        for split, (x, y) in expected.items():
            np.testing.assert_array_equal(found[split].x, x)
            np.testing.assert_array_equal(found[split].y, y)
