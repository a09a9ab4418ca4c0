"""Every name is listed with what is known of it, and where it would be read from."""

import os
import subprocess
import sys

import numpy as np
import pytest
from set_files import ts_text

from tsrl.data.archives import archive_names
from tsrl.data.builders.specs import SPECS
from tsrl.data.catalogue import catalogue, entry
from tsrl.data.named import load
from tsrl.errors import InputError

DATA_DIR = os.environ.get("TSRL_DATA_DIR")
X = np.random.default_rng(0).normal(size=(4, 6, 2)).astype(np.float32)
MISSION = [
    *("ETTh1", "ETTh2", "ETTm1", "ETTm2", "Exchange", "Weather", "WTH", "FingerMovements", "PenDigits", "HAR"),
    *("EpilepsyEEG", "WISDM", "NAB", "SMAP", "MSL", "KPI", "Yahoo"),
]


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """No data folder, nothing prepared."""
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path


def test_all_names_are_listed_without_any_file(nothing_here):
    entries = catalogue()
    names = [one.name for one in entries]
    assert {*MISSION, *archive_names()} <= set(names)
    assert len({(one.name, one.task) for one in entries}) == len(entries)
    assert entries == sorted(entries, key=lambda one: (one.task, one.name.lower()))
    states = {one.name: one.state for one in entries}
    assert states["ETTh1"] == states["FordA"] == "download"
    assert states["Yahoo"] == states["NAB"] == "by hand"
    assert not [one for one in entries if one.state == "here" and not one.source.startswith("aeon ")]
    # A set that is not here is not shown without its shape, but for those put by hand.
    assert not [one.name for one in entries if "?" in one.shape and one.state != "by hand"]


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("ETTm2", "69680 x 7", None),
        ("Weather", "52696 x 21", None),
        ("WTH", "35064 x 12", None),
        ("HAR", "7352+2947 x 128 x 9", 6),
        ("PenDigits", "7494+3498 x 8 x 2", 10),
        ("CharacterTrajectories", "1422+1436 x varies x 3", 20),
    ],
)
def test_what_is_known_of_a_set(nothing_here, name, shape, classes):
    found = entry(name)
    assert (found.shape, found.classes) == (shape, classes)
    assert found.licence


def test_own_files_come_first(nothing_here):
    folder = nothing_here / "data"
    folder.mkdir()
    np.savez(folder / "Own.npz", x_train=X, x_test=X[:1], classes=["a", "b", "c"])
    np.savez(folder / "Numbers.npz", x_train=X, y_train=np.ones(4), x_test=X, y_test=np.ones(4))
    np.savez(folder / "Pump.npz", values=X[0], labels=np.zeros(6, int))
    np.savez(folder / "Long.npz", values=X[0], time=np.arange(6))
    np.savez(folder / "Other.npz", z=X)
    (folder / "exchange_rate.csv").write_text("date,a\n")
    (folder / "users.csv").write_text("id,a\n")
    (folder / "GunPoint_TRAIN.ts").write_text(ts_text(X[..., :1], ["1", "2", "1", "2"]))
    (folder / "sub").mkdir()
    for place in (folder, folder / "sub"):
        np.savez(place / "Twice.npz", x_train=X)
    found = {one.name: one for one in catalogue(folder) if "file" in one.source and one.state == "here"}
    assert {name: (one.task, one.shape, one.classes) for name, one in found.items()} == {
        "Own": ("classify", "4+1 x 6 x 2", 3),
        "Numbers": ("regress", "4+4 x 6 x 2", None),
        "Pump": ("anomaly", "1 x 6 x 2", None),
        "Long": ("forecast", "6 x 2", None),
        "Exchange": ("forecast", "7588 x 8", None),
        "users": ("table", "?", None),
        "GunPoint": ("classify", "?", None),
    }
    assert entry("Exchange", folder).source == "csv file exchange_rate.csv"


def test_what_is_damaged_is_in_nobodys_way(nothing_here):
    folder = nothing_here / "data"
    folder.mkdir()
    np.savez(folder / "Own.npz", x_train=X)
    np.savez(folder / "Flat.npz", values=np.float64(1), labels=np.float64(0))
    np.savez(folder / "Point.npz", x_train=np.float64(1), x_test=np.float64(1))
    for name in ("broken.npz", "GunPoint.npz", "NAB.zip", "Yahoo.zip", "other.zip"):
        (folder / name).write_bytes(b"PK")
    np.savez(folder / "UnitTest.npz", x_train=X)
    with (folder / "UnitTest.npz").open("r+b") as file:
        file.truncate(200)
    found = {one.name: one for one in catalogue(folder)}
    assert {name for name, one in found.items() if one.state == "damaged"} == {
        *("broken", "GunPoint", "UnitTest", "NAB", "Yahoo")
    }
    # The file is what the name stands for, though the set is in a package too.
    assert entry("GunPoint", folder) == ("GunPoint", "", "?", None, "", "npz file GunPoint.npz", "damaged", True)
    assert found["NAB"][1:] == ("anomaly", "? x ? x 1", None, "MIT", "the damaged zip file NAB.zip", "damaged", True)
    assert (found["Own"].shape, found["Flat"].shape, found["Point"].shape) == ("4 x 6 x 2", "1 x ? x ?", "?")


def test_archives_of_anomalies_are_counted_by_their_names(nothing_here):
    """None of these files could be read."""
    for name in (
        *("NAB/labels/combined_windows.json", "NAB/data/real/a.csv", "NAB/data/real/b.csv", "data/my/own.csv"),
        *("1_UCR_Anomaly_a_1_2_3.txt", "2_UCR_Anomaly_b_1_2_3.txt", "3_UCR_Anomaly_c_1_2_3.txt"),
        *("phase2_train.csv", "labeled_anomalies.csv", "A1Benchmark/real_1.csv"),
    ):
        (nothing_here / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (nothing_here / "data" / name).write_bytes(b"\0")
    found = {one.name: one for one in catalogue(nothing_here / "data") if one.task == "anomaly"}
    shapes = {name: one.shape for name, one in found.items()}
    assert shapes == {
        "NAB": "2 x ? x 1", "UCRAnomaly": "3 x ? x 1", "KPI": "? x ? x 1", "SMAP": "? x ? x 25", "MSL": "? x ? x 55",
        "Yahoo": "1 x ? x 1",
    }  # fmt: skip
    assert {one.state for one in found.values()} == {"here"}
    for name in ("a", "b"):
        (nothing_here / "data" / "NAB" / "data" / "real" / f"{name}.csv").unlink()
    assert entry("NAB", nothing_here / "data").state == "damaged"
    packed = {f"{craft}__{channel}__label": X for craft, channel in [("SMAP", "A"), ("SMAP", "B"), ("MSL", "C")]}
    np.savez(nothing_here / "both.npz", **packed)
    (nothing_here / "data" / "labeled_anomalies.csv").unlink()
    assert [entry(craft, nothing_here).shape for craft in ("SMAP", "MSL")] == ["2 x ? x 25", "1 x ? x 55"]


def test_files_put_by_hand_are_here(nothing_here):
    folder, manual = nothing_here / "data", nothing_here / "tfds" / "downloads" / "manual"
    for place in (folder / "sub", manual):
        place.mkdir(parents=True)
    (folder / "FordB.zip").write_bytes(b"")
    (folder / "sub" / "UCI HAR Dataset.zip").write_bytes(b"")
    (manual / "mpi_roof_2020a.zip").write_bytes(b"")
    found = {one.name: one for one in catalogue(folder)}
    assert (found["FordB"].state, found["FordB"].source) == ("here", "zip file FordB.zip")
    assert (found["HAR"].state, found["HAR"].source) == ("here", "made of UCI HAR Dataset.zip")
    assert found["HAR"].shape == "7352+2947 x 128 x 9"
    assert found["FordA"].state == found["Weather"].state == "download"
    (manual / "mpi_roof_2020b.zip").write_bytes(b"")
    weather = entry("Weather", folder)
    assert weather.source == "made of mpi_roof_2020a.zip, mpi_roof_2020b.zip"
    # Of two the reader does not know which.
    for name in ("FordB.zip", "sub/FordB.zip", "UCI HAR Dataset.zip"):
        (folder / name).write_bytes(b"")
    found = {one.name: (one.state, one.source) for one in catalogue(folder)}
    assert found["FordB"] == ("damaged", "zip file FordB.zip more than once")
    assert found["HAR"] == ("damaged", "UCI HAR Dataset.zip more than once")
    for name in ("FordB", "HAR"):
        with pytest.raises(InputError, match="more than once"):
            load(name, folder)


def test_prepared_and_downloaded_sets_are_here(nothing_here):
    spec = SPECS["HAR"]
    prepared = nothing_here / "tfds" / spec.builder / spec.version
    prepared.mkdir(parents=True)
    (prepared / "dataset_info.json").write_text("{}")
    kept = nothing_here / "tfds" / "downloads" / "archives"
    kept.mkdir(parents=True)
    (kept / "FordA.zip").write_bytes(b"")
    assert entry("HAR").state == entry("FordA").state == "here"
    assert entry("FordB").state == "download"


def test_names_that_are_not_listed(nothing_here):
    with pytest.raises(InputError, match="found 'ETTh3'; did you mean ETTh"):
        entry("ETTh3")


def test_a_name_for_two_tasks_wants_its_task(nothing_here):
    np.savez(nothing_here / "ETTh1.npz", x_train=X)
    with pytest.raises(InputError, match="found 'ETTh1' for classify, forecast, want --task"):
        entry("ETTh1", nothing_here)
    assert entry("ETTh1", nothing_here, "classify").shape == "4 x 6 x 2"


@pytest.mark.skipif(not DATA_DIR, reason="TSRL_DATA_DIR names no data folder")
def test_what_is_on_disk_is_here():
    found = {one.name: one for one in catalogue(DATA_DIR)}
    for name in ("ETTh1", "Exchange", "Weather", "FingerMovements", "PenDigits", "HAR", "NAB", "SMAP", "MSL"):
        assert found[name].state == "here"
    # Shapes read from the files are the published ones.
    published = {one.name: one for one in catalogue_without_files()}
    for name in ("FingerMovements", "PenDigits", "HAR"):
        assert found[name].shape == published[name].shape


def catalogue_without_files():
    setting = os.environ.pop("TSRL_DATA_DIR")
    try:
        return catalogue()
    finally:
        os.environ["TSRL_DATA_DIR"] = setting


def test_listing_imports_nothing_heavy():
    heavy = "{'jax', 'sklearn', 'aeon', 'tensorflow_datasets', 'pyarrow', 'pandas'}"
    code = f"import sys; from tsrl.data.catalogue import catalogue; catalogue(); print({heavy} & set(sys.modules))"
    environment = {name: value for name, value in os.environ.items() if name != "TSRL_DATA_DIR"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout == "set()\n"
