"""Reading .npz files: every layout, and every kind of damage ends in an InputError."""

import io
import pickle
import re
import zipfile
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.named import load
from tsrl.data.npz import read_npz, stored_forms
from tsrl.errors import InputError

X = np.arange(24, dtype=np.float64).reshape(4, 3, 2)
FULL = {
    "x_train": X,
    "y_train": np.array([2, 0, 1, 1]),
    "x_test": X[:2],
    "y_test": np.array([1, 2]),
    "classes": np.array(["red", "green", "blue"]),
}


@pytest.fixture
def toy(tmp_path):
    """Saves arrays as toy.npz and returns its path."""

    def save(**arrays):
        np.savez(tmp_path / "toy.npz", **arrays)
        return tmp_path / "toy.npz"

    return save


def test_full_layout(toy):
    dataset = load(toy(**FULL, subject_train=np.arange(4)))
    assert (dataset.name, dataset.source) == ("toy", "npz file toy.npz")
    np.testing.assert_array_equal(dataset.x_train, X)
    np.testing.assert_array_equal(dataset.x_test, X[:2])
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.float32
    assert dataset.y_train.tolist() == [2, 0, 1, 1]
    assert dataset.y_test.tolist() == [1, 2]
    assert dataset.classes == ("red", "green", "blue")


def test_train_alone(toy):
    for key in ("x", "x_train"):
        dataset = load(toy(**{key: X}))
        np.testing.assert_array_equal(dataset.x_train, X)
        assert (dataset.y_train, dataset.x_test, dataset.y_test, dataset.classes) == (None, None, None, ())
    assert load(toy(x=X, y=np.array([5, 5, 7, 5]))).y_train.tolist() == [0, 0, 1, 0]


def test_test_series_may_have_another_length(toy):
    assert load(toy(x_train=X, x_test=X[:, :1])).x_test.shape == (4, 1, 2)


@pytest.mark.parametrize(
    ("train", "test", "ids", "names"),
    [
        ([7, -1, 7, 3], [3], [2, 0, 2, 1], ("-1", "3", "7")),
        ([1.0, 2.0, 1.0, 2.0], [2], [0, 1, 0, 1], ("1", "2")),
        ([True, False, True, True], [True], [1, 0, 1, 1], ("0", "1")),
        (["b", "a", "b", "c"], ["c"], [1, 0, 1, 2], ("a", "b", "c")),
        ([b"b", b"a", b"b", b"a"], ["a"], [1, 0, 1, 0], ("a", "b")),
        (["10", "9", "10", "-2"], ["9"], [2, 1, 2, 0], ("-2", "9", "10")),
        (["10", "9", "x", "9"], ["9"], [0, 1, 2, 1], ("10", "9", "x")),
        (["nan", "inf", "2", "2"], ["2"], [2, 1, 0, 0], ("2", "inf", "nan")),
    ],
)
def test_labels_are_numbered_in_the_order_of_train(toy, train, test, ids, names):
    dataset = load(toy(x_train=X, y_train=np.array(train), x_test=X[: len(test)], y_test=np.array(test)))
    assert dataset.y_train.tolist() == ids
    assert dataset.y_test.tolist() == [ids[train.index(label.encode() if b"a" in train else label)] for label in test]
    assert dataset.classes == names


def test_classes_keep_their_names_when_train_lacks_one(toy):
    dataset = load(toy(**FULL | {"y_train": np.array([2, 0, 2, 2]), "y_test": np.array([0, 2])}))
    assert dataset.y_train.tolist() == [1, 0, 1, 1]
    assert dataset.classes == ("red", "blue")


Y = "npz file toy.npz: y_train: "
WRONG = {
    "rank": ({"x_train": X[..., 0]}, "npz file toy.npz: x_train: found shape (4, 3), want [N, T, C]; add the channel "),
    "rank of x": ({"x": X[..., 0]}, "npz file toy.npz: x_train: found shape (4, 3), want [N, T, C]; add the channel "),
    "rank of test": ({"x_test": X[..., 0]}, "npz file toy.npz: x_test: found shape (4, 3), want [N, T, C]; add the "),
    "text": ({"x_train": X.astype(str)}, "npz file toy.npz: x_train: found dtype <U32"),
    "objects": (
        {"x_train": X.astype(object)},
        "npz file toy.npz: x_train: found pickled objects, which are never loaded, or a damaged array",
    ),
    "object labels": (
        {"y_train": FULL["y_train"].astype(object)},
        Y + "found pickled objects, which are never loaded, or a damaged array",
    ),
    "object classes": (
        {"classes": FULL["classes"].astype(object)},
        "npz file toy.npz: classes: found pickled objects, which",
    ),
    "one channel in test": ({"x_test": X[:2, :, :1]}, "npz file toy.npz: x_test: found 1 channels, want 2 as in x_"),
    "no series in test": ({"x_test": X[:0], "y_test": np.zeros(0, int)}, "npz file toy.npz: x_test: found 0 series"),
    "few labels": ({"y_train": np.array([0, 1, 2])}, Y + "found shape (3,), want (4,), one label for each series"),
    "no labels": ({"y_train": np.zeros(0, int)}, "npz file toy.npz: y_test: found the label 1, want one that"),
    "rank of labels": ({"y_train": FULL["y_train"][:, None]}, Y + "found shape (4, 1), want one axis"),
    "fractions": ({"y_train": np.array([0, 1, 0.5, 2])}, Y + "found the value 0.5, want whole numbers or text"),
    "NaN label": ({"y_train": np.array([0, 1, np.nan, 2])}, Y + "found the value nan, want whole numbers or text"),
    "complex labels": ({"y_train": np.array([0, 1, 2, 1j])}, Y + "found dtype complex128, want whole numbers or text"),
    "broken text": (
        {"y_train": np.array([b"a", b"b", b"\xff", b"a"])},
        Y + "found bytes that are not UTF-8 (UnicodeDecodeError)",
    ),
    "beyond classes": ({"y_train": np.array([1, 2, 3, 1])}, Y + "found the label 3, want 0 to 2 (classes)"),
    "not a class": ({"y_train": np.array(["red", "pink", "red", "red"])}, Y + "found the label 'pink', want one of cl"),
    "unseen": ({"y_train": np.array([0, 1, 0, 1])}, "npz file toy.npz: y_test: found the label 2, want one that y_"),
    "unseen text": (
        {"y_train": np.array(["red"] * 4), "y_test": np.array(["blue", "red"])},
        "npz file toy.npz: y_test: found the label 'blue', want one that y_train has",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_named(toy, case):
    change, message = WRONG[case]
    arrays = FULL | change
    if "x" in change:
        del arrays["x_train"]
    with pytest.raises(InputError, match="^" + re.escape(message)):
        load(toy(**arrays))


@pytest.mark.parametrize("lacking", ["x_test", "y_train"])
def test_test_labels_need_test_series_and_training_labels(toy, lacking):
    arrays = {key: value for key, value in FULL.items() if key != lacking}
    with pytest.raises(InputError, match=f"^npz file toy.npz: found y_test without {lacking}"):
        load(toy(**arrays))


def test_missing_keys_and_file(toy, tmp_path):
    with pytest.raises(InputError, match=r"^npz file toy.npz: found the keys a, b, want x_train or x$"):
        load(toy(a=X, b=X))
    with pytest.raises(InputError, match=r"^npz file toy.npz: found the keys .*, \.\.\., want x_train or x$"):
        load(toy(**{f"SMAP__{k}": X for k in range(200)}))
    with pytest.raises(InputError, match=r"^dataset: found no file at .*gone.npz$"):
        load(tmp_path / "gone.npz")
    with pytest.raises(InputError, match=r"^dataset: found no file at"):
        load(f"{tmp_path}/folder.npz/.npz")


class Bomb:
    """Unpickling it fails the test."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_never_loaded(toy, tmp_path):
    bombs = np.array([Bomb()] * 4, dtype=object)
    for key in ("x_train", "y_train", "x_test", "y_test", "classes"):
        with pytest.raises(
            InputError, match=f"^npz file toy.npz: {key}: found pickled objects, which are never loaded"
        ):
            load(toy(**FULL | {key: bombs}))
    assert load(toy(**FULL, notes=bombs)).name == "toy"
    for name, content in [("raw", pickle.dumps(Bomb())), ("lone", npy(bombs)), ("array", npy(X))]:
        (tmp_path / f"{name}.npz").write_bytes(content)
        with pytest.raises(InputError, match=rf"^npz file {name}.npz: found no readable archive, .* \(BadZipFile\)"):
            load(tmp_path / f"{name}.npz")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@cache
def npz(compressed):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **FULL)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "toy.npz"


def outcome(path):
    """The source of what was read, or the message of the InputError; any other error passes through."""
    try:
        return load(path).source
    except InputError as error:
        return str(error)


@settings(deadline=None)
@given(data=st.data(), compressed=st.booleans())
def test_truncated_files(scratch, data, compressed):
    whole = npz(compressed)
    scratch.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(InputError, match=r"^npz file toy\.npz: "):
        read_npz(scratch)


@settings(deadline=None)
@given(
    content=st.binary(max_size=300), prefix=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\x00"])
)
def test_random_bytes(scratch, content, prefix):
    scratch.write_bytes(prefix + content)
    with pytest.raises(InputError, match=r"^npz file toy\.npz: "):
        load(scratch)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), compressed=st.booleans())
def test_flipped_bytes(scratch, data, compressed):
    """A changed byte may go unnoticed (in a time stamp, say); nothing but an InputError may come of it."""
    content = bytearray(npz(compressed))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    scratch.write_bytes(content)
    assert "toy.npz" in outcome(scratch)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), key=st.sampled_from(["x_train", "y_train"]))
def test_damaged_array_headers(scratch, data, key):
    """The zip file is sound (its checksums fit); the array inside it is not."""
    members = {name: npy(array) for name, array in FULL.items()}
    member = bytearray(members[key])
    for _ in range(data.draw(st.integers(1, 4))):
        member[data.draw(st.integers(0, 127))] = data.draw(st.sampled_from(b"0123456789(),'{}<>|fiObUV: \n\\\x00\xff"))
    members[key] = bytes(member[: data.draw(st.integers(0, len(member)))])
    with zipfile.ZipFile(scratch, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    assert "toy.npz" in outcome(scratch)


def test_forms_of_the_arrays_alone(tmp_path):
    """A member that is no array is not read by anybody, so it is in nobody's way."""
    np.savez(tmp_path / "own.npz", x=X, y=np.arange(len(X)))
    records = np.zeros(2, [("\u00e4", np.float64)])
    third = io.BytesIO()
    np.lib.format.write_array(third, records, (3, 0))
    with zipfile.ZipFile(tmp_path / "own.npz", "a") as archive:
        archive.writestr("readme.txt", "who made it")
        archive.writestr("empty.npy", "")
        archive.writestr("records.npy", third.getvalue())
        archive.writestr("notes.npy", b"\x93NUMPX")
    assert stored_forms(tmp_path / "own.npz") == {"x": (X.shape, X.dtype), "y": ((len(X),), np.dtype(int))}
    with zipfile.ZipFile(tmp_path / "own.npz", "a") as archive:
        archive.writestr("cut.npy", b"\x93NUMPY\x01\x00\x76\x00{")
    with pytest.raises(InputError, match=r"npz file own\.npz: found no readable archive"):
        stored_forms(tmp_path / "own.npz")
