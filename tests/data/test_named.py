"""Finding data sets by name, and the checks of `Dataset`."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tsrl.data.dataset import Dataset
from tsrl.data.named import available, load
from tsrl.errors import InputError

DATA_DIR = os.environ.get("TSRL_DATA_DIR")
X = np.arange(24, dtype=np.float32).reshape(4, 3, 2)


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch):
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)


@pytest.fixture
def folder(tmp_path):
    """One/Alpha, two/Beta, Twin in both, BasicMotions (also in aeon), one file without series, one that is no npz."""
    for path in ("one/Alpha", "two/deep/Beta", "one/Twin", "two/Twin", "BasicMotions"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        np.savez(tmp_path / path, x_train=X)
    np.savez(tmp_path / "Events", time=np.arange(3))
    (tmp_path / "Broken.npz").write_bytes(b"PK\x03\x04 and no more")
    return tmp_path


@pytest.fixture
def no_aeon(monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon", None)


@pytest.mark.usefixtures("no_aeon")
def test_available_lists_what_can_be_loaded(folder, monkeypatch):
    found = available(folder)
    assert found == {name: f"npz file {name}.npz" for name in ("Alpha", "BasicMotions", "Beta")}
    assert list(found) == sorted(found)
    for name in found:
        assert load(name, folder).source == found[name]
    assert available() == {}
    monkeypatch.setenv("TSRL_DATA_DIR", str(folder))
    assert available() == found


def test_own_file_comes_before_the_packaged_set(folder):
    assert load("BasicMotions", folder).source == "npz file BasicMotions.npz"
    assert load("BasicMotions", folder).x_train.shape == X.shape


def test_path_and_setting(folder, monkeypatch):
    assert load(folder / "two" / "deep" / "Beta.npz").name == "Beta"
    monkeypatch.chdir(folder)
    assert load("one/Twin.npz").name == "Twin"
    monkeypatch.setenv("TSRL_DATA_DIR", str(folder))
    assert load("Beta").name == "Beta"
    # The argument wins.
    with pytest.raises(InputError, match="'Beta'"):
        load("Beta", folder / "one")


def test_ambiguous_name(folder):
    with pytest.raises(InputError, match=r"found Twin more than once .*\(one/Twin.npz, two/Twin.npz\)"):
        load("Twin", folder)


def test_ambiguous_name_is_not_available_from_aeon_either(folder):
    np.savez(folder / "one" / "BasicMotions", x_train=X)
    assert "BasicMotions" not in available(folder)
    with pytest.raises(InputError, match="found BasicMotions more than once"):
        load("BasicMotions", folder)


@pytest.mark.parametrize("name", ["Events", "Broken"])
def test_file_without_series_says_so(folder, name):
    with pytest.raises(InputError, match=f"^npz file {name}.npz: found"):
        load(name, folder)


@pytest.mark.parametrize("name", ["Alfa", "alpha", "../Alpha", "*lpha", "Alpha/"])
def test_unknown_name_gets_the_nearest(folder, name):
    with pytest.raises(InputError, match=re.escape(f"dataset: found {name!r}, want") + ".*did you mean.*Alpha"):
        load(name, folder)


@pytest.mark.usefixtures("no_aeon")
def test_unknown_name_without_aeon_or_folder():
    with pytest.raises(InputError, match=r"found 'Nothing'.*TSRL_DATA_DIR names.*pip install 'tsrl\[archives\]'"):
        load("Nothing")


def test_installed_aeon_is_not_advertised(folder):
    pytest.importorskip("aeon")
    with pytest.raises(InputError, match="did you mean BasicMotions") as caught:
        load("BasicMotion", folder)
    assert "pip install" not in str(caught.value)
    with pytest.raises(InputError, match="did you mean GunPoint"):
        load("gunpoint")


def test_missing_folder(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"^data_dir: found no folder at .*nowhere"):
        load("Alpha", tmp_path / "nowhere")
    monkeypatch.setenv("TSRL_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"^TSRL_DATA_DIR: found no folder at .*nowhere"):
        available()


def test_listing_imports_neither_aeon_nor_jax():
    code = "import sys, tsrl.data; tsrl.data.available(); print({'aeon', 'jax', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


WRONG = {
    "x_train": ({"x_train": X[..., 0]}, "words: x_train: found shape (4, 3), want [N, T, C]; add the channel axis"),
    "x_test": ({"x_test": X[:, :0]}, "words: x_test: found 0 time steps in shape (4, 0, 2), want at least 1"),
    "channels": ({"x_test": X[..., :1]}, "words: x_test: found 1 channels, want 2 as in x_train"),
    "count": ({"y_train": np.zeros(3, int)}, "words: y_train: found shape (3,), want (4,), one label for each series"),
    "no x_test": ({"y_test": np.zeros(0, int)}, "words: y_test: found shape (0,), want (0,)"),
    "floats": ({"y_train": np.zeros(4)}, "words: y_train: found dtype float64, want integers"),
    "range": ({"y_train": np.arange(4)}, "words: y_train: found labels 0 to 3, want from 0 to below 2 (classes)"),
    "range by one": (
        {"y_train": np.array([0, 1, 2, 0])},
        "words: y_train: found labels 0 to 2, want from 0 to below 2",
    ),
    "negative": ({"y_train": np.arange(4) - 3}, "words: y_train: found labels -3 to 0, want from 0 to below 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_dataset_is_checked(case):
    change, message = WRONG[case]
    with pytest.raises(InputError, match="^" + re.escape(message)):
        Dataset(**{"name": "toy", "source": "words", "x_train": X, "classes": ("a", "b")} | change)


def test_dataset_converts():
    dataset = Dataset("toy", "words", X.astype(np.float64), np.array([0, 1, 1, 0], np.uint8), classes=["a", "b"])
    assert dataset.x_train.dtype == np.float32
    assert dataset.y_train.dtype == np.int32
    assert dataset.classes == ("a", "b")


@pytest.mark.skipif(not DATA_DIR, reason="TSRL_DATA_DIR names no data folder")
def test_every_listed_set_of_the_data_folder_loads():
    found = {name: source for name, source in available(DATA_DIR).items() if source.startswith("npz file")}
    if not found:
        pytest.skip("TSRL_DATA_DIR has no .npz files with series")
    for name in found:
        dataset = load(name, DATA_DIR)
        assert dataset.name == name
        assert DATA_DIR not in dataset.source
        if dataset.y_train is not None:
            assert set(dataset.y_train) == set(range(len(dataset.classes)))


def test_a_grouped_split_keeps_groups_together(tmp_path):
    """Three rows a subject; the published split has rows of most subjects in both parts."""
    x = np.arange(24 * 5, dtype=np.float32).reshape(24, 5, 1)
    subject, y = np.arange(24) % 8, np.arange(24) // 3 % 2
    order = np.random.default_rng(0).permutation(24)
    parts = {"train": order[:15], "test": order[15:]}
    arrays = {
        f"{name}_{split}": a[rows]
        for split, rows in parts.items()
        for name, a in (("x", x), ("y", y), ("subject", subject))
    }
    np.savez(tmp_path / "people.npz", **arrays)
    published = load(tmp_path / "people.npz")
    assert set(published.rows["group_train"]) & set(published.rows["group_test"])
    split = published.resplit("grouped", 3)
    assert not set(split.rows["group_train"]) & set(split.rows["group_test"])
    assert len(split.x_train) + len(split.x_test) == 24
    assert split.source == "npz file people.npz, split by group with seed 3"
    # Every row keeps its label and its subject.
    for rows, labels, groups in (
        (split.x_train, split.y_train, split.rows["group_train"]),
        (split.x_test, split.y_test, split.rows["group_test"]),
    ):
        number = (rows[:, 0, 0] / 5).astype(int)
        np.testing.assert_array_equal(labels, y[number])
        np.testing.assert_array_equal(groups, subject[number])
    assert load(tmp_path / "people.npz").resplit("grouped", 3).fingerprint() == split.fingerprint()
    assert published.resplit("grouped", 4).fingerprint() != split.fingerprint()


def test_a_grouped_split_needs_groups(tmp_path):
    np.savez(tmp_path / "plain.npz", x_train=np.ones((3, 4, 1)), x_test=np.ones((2, 4, 1)))
    with pytest.raises(InputError, match=r"found no group_train in npz file plain\.npz, want them to split by group"):
        load(tmp_path / "plain.npz").resplit("grouped", 0)
    wrong = {"x_train": np.ones((3, 4, 1)), "x_test": np.ones((2, 4, 1)), "group_train": [1, 2], "group_test": [1, 2]}
    np.savez(tmp_path / "wrong.npz", **wrong)
    with pytest.raises(InputError, match=r"group_train: found shape \(2,\), want one group for each series"):
        load(tmp_path / "wrong.npz")
