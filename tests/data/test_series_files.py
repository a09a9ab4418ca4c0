"""Every format against arrays written by hand, and every damage as an InputError."""

import pickle
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from set_files import arff_text, relational_arff_text, table_text, ts_text, tsf_text

from tsrl.data.packaged import packaged_sets, read_packaged
from tsrl.data.series_files import read_series_file, stack
from tsrl.errors import InputError

NAN = np.nan
needs_aeon = pytest.mark.skipif(find_spec("aeon") is None, reason="aeon is not installed")
ONE = np.array([[1.5, NAN, 3], [4, -5e-3, 6], [7, 8, 9]], np.float32)[..., None]
TWO = np.stack([ONE[..., 0], np.arange(9).reshape(3, 3)], -1).astype(np.float32)
UNEQUAL = np.array([[[1, 2], [NAN, 4], [5, 6]], [[7, 8], [9, 1], [NAN, NAN]], [[3, 3]] + [[NAN, NAN]] * 2], np.float32)
NAMES = ["Walk", "Run", "Walk"]


def save(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def npy(path, array):
    np.save(path, array, allow_pickle=True)
    return path


def test_stack_pads_at_the_end():
    unequal = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0], [6.0]])]
    want = [[[1, 3], [2, 4], [NAN, NAN]], [[5, 6], [NAN, NAN], [NAN, NAN]]]
    np.testing.assert_array_equal(stack(unequal, 3), np.array(want, np.float32))
    assert stack(np.zeros((4, 2, 7)), 7).shape == (4, 7, 2)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "i2", "?", "f2"])
def test_npy(tmp_path, dtype):
    values = np.arange(24).reshape(2, 4, 3).astype(dtype)
    for array, want in (
        (values, values),
        (values[0], values[0][..., None]),
        (values[0, 0], values[0, 0][None, :, None]),
    ):
        found = read_series_file(npy(tmp_path / "x.npy", array))
        np.testing.assert_array_equal(found.x_train, want.astype(np.float32))
        assert found.x_train.dtype == np.float32
        assert found._replace(x_train=None) == (None, None, None, None, (), None, None, {})


@needs_aeon
@pytest.mark.parametrize(("x", "equal"), [(ONE, True), (TWO, True), (UNEQUAL, False)])
def test_ts(tmp_path, x, equal):
    found = read_series_file(save(tmp_path / "a.ts", ts_text(x, NAMES, equal=equal)))
    np.testing.assert_array_equal(found.x_train, x)
    assert (found.classes, found.y_train.tolist(), found.x_test) == (("Run", "Walk"), [1, 0, 1], None)


@needs_aeon
def test_both_splits(tmp_path):
    train = save(tmp_path / "A_TRAIN.ts", ts_text(UNEQUAL[1:], NAMES[1:], equal=False))
    test = save(tmp_path / "A_TEST.ts", ts_text(UNEQUAL, NAMES, equal=False))
    found = read_series_file(train)
    np.testing.assert_array_equal(found.x_train, UNEQUAL[1:])
    np.testing.assert_array_equal(found.x_test, UNEQUAL)
    assert (found.y_train.tolist(), found.y_test.tolist()) == ([0, 1], [1, 0, 1])
    assert read_series_file(test).x_test is None
    save(test, ts_text(ONE, NAMES))
    with pytest.raises(InputError, match=r"found 1 channels in A_TEST\.ts, want 2"):
        read_series_file(train)
    save(test, ts_text(TWO, NAMES).replace("true Run Walk", "false").replace(":Run", "").replace(":Walk", ""))
    with pytest.raises(InputError, match="labels in only one"):
        read_series_file(train)


@needs_aeon
def test_arff(tmp_path):
    for x, text in ((ONE, arff_text), (TWO, relational_arff_text)):
        found = read_series_file(save(tmp_path / "a.arff", text(x, NAMES)))
        np.testing.assert_array_equal(found.x_train, x)
        assert (found.classes, found.y_train.tolist()) == (("Run", "Walk"), [1, 0, 1])


@pytest.mark.parametrize(("ending", "separator"), [("tsv", "\t"), ("txt", ","), ("txt", "   "), ("TSV", "\t")])
def test_table(tmp_path, ending, separator):
    labels = ["10", "-1", "1.0000000e+01"]
    found = read_series_file(save(tmp_path / f"a.{ending}", table_text(ONE, labels, separator) + "\n"))
    np.testing.assert_array_equal(found.x_train, ONE)
    assert (found.classes, found.y_train.tolist()) == (("-1", "10"), [1, 0, 1])


@needs_aeon
def test_tsf(tmp_path):
    series = {"T1": np.array([1, NAN, 3.5]), "T2": np.array([4.0])}
    found = read_series_file(save(tmp_path / "a.tsf", tsf_text(series)))
    want = np.array([[1, NAN, 3.5], [4, NAN, NAN]], np.float32)[..., None]
    np.testing.assert_array_equal(found.x_train, want)
    assert found.rows["id_train"].tolist() == ["T1", "T2"]
    assert (found.y_train, found.x_test) == (None, None)


@needs_aeon
@pytest.mark.parametrize("name", ["ArrowHead", "BasicMotions", "GunPoint"])
def test_the_packaged_files_of_other_formats_hold_the_same(name):
    path = packaged_sets()[name]
    want = read_packaged(path)
    others = [other for ending in (".arff", ".tsv") if (other := path.with_suffix(ending)).is_file()]
    assert others
    for other in others:
        found = read_series_file(other)
        np.testing.assert_allclose(found.x_train, want.x_train, rtol=1e-6)
        assert found.y_train.tolist() == want.y_train.tolist()
        assert [label.lower() for label in found.classes] == [label.lower() for label in want.classes]


@needs_aeon
def test_a_packaged_tsf_file():
    path = next(iter(packaged_sets().values())).parents[1] / "m1_yearly_dataset" / "m1_yearly_dataset.tsf"
    found = read_series_file(path)
    rows = [line.split(":") for line in path.read_text(encoding="cp1252").partition("@data\n")[2].splitlines()]
    assert found.rows["id_train"].tolist() == [row[0] for row in rows]
    for x, row in zip(found.x_train[..., 0], rows, strict=True):
        values = np.array(row[-1].split(","), np.float32)
        np.testing.assert_array_equal(x[: len(values)], values)
        assert np.isnan(x[len(values) :]).all()


@needs_aeon
def test_targets_of_a_regression_set_are_left_out(tmp_path):
    text = ts_text(ONE, ["1.5", "2.5", "0"]).replace("@classLabel true 0 1.5 2.5", "@targetLabel true")
    found = read_series_file(save(tmp_path / "a.ts", text))
    np.testing.assert_array_equal(found.x_train, ONE)
    assert (found.y_train, found.classes) == (None, ())


TS = ts_text(TWO, NAMES)


@needs_aeon
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "want a name that ends in"),
        ("a.ts", "", "no @classLabel"),
        ("a.ts", TS.replace("@classLabel true Run Walk\n", ""), "no @classLabel"),
        ("a.ts", TS[: TS.index("@data")], "found"),
        ("a.ts", TS[: TS.index("@data") + 6], "found"),
        ("a.ts", TS.replace("@univariate false", "@univariate true"), "found"),
        ("a.ts", ts_text(TWO[:1], NAMES[:1]).replace("@univariate false", "@univariate true"), "found 2 channels"),
        ("a.ts", TS.replace("Run Walk", "Run Sit"), "found the label 'walk'"),
        ("a.ts", TS.replace("1.5", "x"), "damaged"),
        ("a.ts", TS.replace("1.5,", ""), "damaged"),
        ("a.ts", TS.replace("1.5", "1e39"), "beyond"),
        ("a.arff", arff_text(ONE, NAMES).replace("Run,Walk", "Run,Sit"), "found the label 'Walk'"),
        ("a.arff", "@data\n", "no series"),
        ("a.arff", arff_text(ONE, NAMES).replace("1.5,", ""), "damaged"),
        ("a.tsv", "", "no series"),
        ("a.tsv", "1\n2\n", "no series"),
        ("a.tsv", "1\t2\t3\n1\t2\n", "found 2 values in row 2, want 3"),
        ("a.tsv", "1\t2\nx\t3\n", "found text in row 2"),
        ("a.tsv", "1\t1_0\n", "found text in row 1"),
        ("a.tsv", "1.5\t2\n", "y_train: found the value 1.5"),
        ("a.tsv", "nan\t2\n", "y_train: found the value nan"),
        ("a.tsf", tsf_text({}), "found"),
        ("a.tsf", tsf_text({"a": np.array([1.0]), "b": np.array([1.0, 2])}, equal=True), "found lengths from 1 to 2"),
        ("a.tsf", tsf_text({"a": np.array([NAN])}), "damaged"),
        ("a.npy", b"", "damaged"),
        ("a.npy", pickle.dumps([1, 2]), "damaged"),
    ],
)
def test_wrong_files(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_series_file(save(tmp_path / name, content))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [np.array(1.0), np.zeros((1, 1, 1, 1)), np.array(["a"]), np.array([1j]), np.array([{}], object), np.zeros((0, 3))],
)
def test_wrong_arrays(tmp_path, array):
    with pytest.raises(InputError, match=r"a\.npy: found"):
        read_series_file(npy(tmp_path / "a.npy", array))


def test_an_npz_file_called_npy(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="found an archive"):
        read_series_file((tmp_path / "a.npz").rename(tmp_path / "a.npy"))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="found no file"):
        read_series_file(tmp_path / "a.ts")


def test_what_aeon_reads_needs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "aeon", None)
    with pytest.raises(InputError, match=r"want it \(pip install 'tsrl\[archives\]'\)"):
        read_series_file(save(tmp_path / "a.ts", TS))


@cache
def whole(ending, folder):
    text = {
        ".ts": TS,
        ".arff": arff_text(ONE, NAMES),
        ".tsv": table_text(ONE, [1, 2, 1]),
        ".txt": table_text(ONE, [1, 2, 1], " "),
        ".tsf": tsf_text({"T1": ONE[1, :, 0], "T2": ONE[2, :2, 0]}),
    }
    return text[ending].encode() if ending in text else npy(Path(folder) / "whole.npy", ONE).read_bytes()


@needs_aeon
@pytest.mark.parametrize("ending", [".npy", ".ts", ".arff", ".tsv", ".txt", ".tsf"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_an_input_error_or_a_set(tmp_path, ending, data):
    content = whole(ending, str(tmp_path))
    swaps = st.one_of(st.binary(max_size=2), st.sampled_from([b"\n", b",", b":", b"e9", b"NaN", b"inf"]))
    how = data.draw(st.sampled_from(["random", "cut", "changed"]))
    if how == "random":
        content = data.draw(st.binary(max_size=200))
    elif how == "cut":
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content = content[:place] + data.draw(swaps) + content[place + 1 :]
    path = save(tmp_path / f"damaged{ending}", content)
    try:
        found = read_series_file(path)
    except InputError as error:
        assert path.name in str(error)  # noqa: PT017 (damage may also go unnoticed)
    else:
        assert found.x_train.ndim == 3
        assert found.x_train.size
        assert found.y_train is None or len(found.y_train) == len(found.x_train)
