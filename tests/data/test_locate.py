"""A name or path becomes a file."""

import re
from pathlib import Path

import pytest

from tsrl.data.locate import PAIRED_SUFFIXES, locate, named_files, stem_of, suffix_of
from tsrl.errors import InputError

SUFFIXES = (".npz", ".csv", ".csv.gz", *PAIRED_SUFFIXES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    for name in (
        *("A.npz", "deep/B.csv", "deep/C.csv.gz", "D_TRAIN.ts", "D_TEST.ts", "E/E_TRAIN.tsv", "E/E_TEST.tsv"),
        *("F.ts", "README.txt", "G.mat", "H.npz", "H.csv", "I.arff"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "J.npz").mkdir()
    return tmp_path


def test_names(folder):
    found = {name: [path.name for path in paths] for name, paths in named_files(folder, SUFFIXES).items()}
    assert found == {
        "A": ["A.npz"],
        "B": ["B.csv"],
        "C": ["C.csv.gz"],
        "D": ["D_TRAIN.ts"],
        "E": ["E_TRAIN.tsv"],
        "F": ["F.ts"],
        "H": ["H.csv", "H.npz"],
        "I": ["I.arff"],
    }
    assert locate("E", folder, SUFFIXES) == folder / "E" / "E_TRAIN.tsv"
    assert locate("Beta", folder, SUFFIXES, {"Beta": "B"}) == folder / "deep" / "B.csv"
    assert locate("G", folder, SUFFIXES) is None
    assert locate("A", folder, (".csv",)) is None
    assert locate("A", None, SUFFIXES) is None


def test_a_name_of_several_files_is_refused(folder):
    with pytest.raises(InputError, match=re.escape("found H more than once in the data folder (H.csv, H.npz)")):
        locate("H", folder, SUFFIXES)
    assert locate("H", folder, (".npz",)) == folder / "H.npz"


def test_paths(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert locate("deep/B.csv", None, SUFFIXES) == Path("deep/B.csv")
    for missing in ("deep/A.npz", "J.npz"):
        with pytest.raises(InputError, match=f"found no file at {missing}"):
            locate(missing, folder, SUFFIXES)


def test_the_setting_names_the_folder(folder, monkeypatch):
    monkeypatch.setenv("TSRL_DATA_DIR", str(folder))
    assert locate("A", None, SUFFIXES) == folder / "A.npz"


def test_suffixes():
    assert suffix_of("x/My.CSV.GZ", SUFFIXES) == ".csv.gz"
    assert suffix_of("x.gz", SUFFIXES) == ""
    assert stem_of(Path("a/My.csv.gz"), SUFFIXES) == "My"
    assert stem_of(Path("a/My_TRAIN.ts"), SUFFIXES) == "My"
    assert stem_of(Path("a/My_TRAIN.npz"), SUFFIXES) == "My_TRAIN"
