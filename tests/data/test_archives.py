"""The archives' table against every set on this machine, and their files read and downloaded by name."""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from set_files import table_text, ts_text
from web import Page, serving

from tsrl.data import archives
from tsrl.data.archives import archive_names, download_archive, facts, read_archive
from tsrl.data.npz import read_npz
from tsrl.data.packaged import packaged_sets, read_packaged
from tsrl.errors import InputError

DATA_DIR = os.environ.get("TSRL_DATA_DIR")
needs_aeon = pytest.mark.skipif(find_spec("aeon") is None, reason="aeon is not installed")


def check(name, arrays):
    """The table's row against arrays from elsewhere."""
    row = facts(name)
    steps = {int(steps) for x in (arrays.x_train, arrays.x_test) for steps in (~np.isnan(x).all(2)).sum(1)}
    assert (len(arrays.x_train), len(arrays.x_test)) == (row.n_train, row.n_test)
    assert arrays.x_train.shape[2] == row.channels == arrays.x_test.shape[2]
    assert len(arrays.classes) == row.classes == len(np.unique(arrays.y_train))
    if row.length:
        assert arrays.x_train.shape[1] == row.length
    else:
        assert len(steps) > 1


def test_the_table():
    ucr, uea = archive_names("UCR"), archive_names("UEA")
    assert (len(ucr), len(uea), len(archive_names())) == (128, 30, 158)
    rows = [facts(name) for name in archive_names()]
    assert len({row.name for row in rows}) == len({row.zenodo for row in rows}) == 158
    assert all(row.channels == 1 for row in rows if row.archive == "UCR")
    assert all(row.channels > 1 for row in rows if row.archive == "UEA")
    assert all(row.n_train >= row.classes > 1 and row.n_test > 0 and row.length >= 0 for row in rows)
    assert sum(row.length == 0 for row in rows) == 11 + 4


@needs_aeon
def test_the_names_are_those_of_aeon():
    from aeon.datasets import tsc_datasets

    assert set(archive_names("UCR")) == set(tsc_datasets.univariate)
    assert set(archive_names("UEA")) == set(tsc_datasets.multivariate)
    unequal = {*tsc_datasets.univariate_variable_length, *tsc_datasets.multivariate_unequal_length}
    assert {name for name in archive_names() if not facts(name).length} == unequal & set(archive_names())
    assert {name: facts(name).zenodo for name in archive_names()}.items() <= tsc_datasets.tsc_zenodo.items()


# HAR and Epilepsy are other sets there than the archive's.
ON_DISK = sorted(
    path for path in Path(DATA_DIR or "/nowhere").glob("classification/*.npz") if path.stem in set(archive_names())
)


@pytest.mark.skipif(not ON_DISK, reason="TSRL_DATA_DIR names no folder with archive sets")
def test_the_table_against_the_sets_on_disk():
    checked = [path for path in ON_DISK if path.stem != "Epilepsy"]
    assert len(checked) == 54
    for path in checked:
        arrays = read_npz(path)
        check(path.stem, arrays)


@needs_aeon
def test_the_table_against_the_packaged_sets():
    names = set(packaged_sets()) & set(archive_names())
    assert len(names) >= 7
    for name in names:
        check(name, read_packaged(packaged_sets()[name]))


def test_wrong_names():
    with pytest.raises(InputError, match="found 'Gunpoint', want a UCR or UEA set; did you mean GunPoint"):
        facts("Gunpoint")
    with pytest.raises(InputError, match="want UCR or UEA"):
        archive_names("UEC")
    with pytest.raises(InputError, match="found no folder"):
        read_archive("GunPoint", Path("/nowhere"))


def smooth_subspace(kind="equal"):
    """Both splits of a small set with the published sizes, and its files' texts."""
    random = np.random.default_rng(0)
    splits = {}
    for split, count in (("TRAIN", 150), ("TEST", 150)):
        x = random.normal(size=(count, 15, 1)).astype(np.float32)
        if kind == "missing":
            x[random.random(x.shape) < 0.1] = np.nan
        splits[split] = (x, [str(1 + row % 3) for row in range(count)])
    return splits


def files(splits, name="SmoothSubspace", text=ts_text, ending=".ts"):
    return {f"{name}_{split}{ending}": text(x, labels) for split, (x, labels) in splits.items()}


def pack(path, contents):
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in contents.items():
            archive.writestr(member, text)
    return path


def same(found, splits):
    for split, (x, labels) in splits.items():
        np.testing.assert_array_equal(getattr(found, f"x_{split.lower()}"), x)
        assert [found.classes[label] for label in getattr(found, f"y_{split.lower()}")] == labels


@needs_aeon
@pytest.mark.parametrize("kind", ["equal", "missing"])
@pytest.mark.parametrize("inside", ["", "SmoothSubspace/"])
def test_from_a_zip_file(tmp_path, kind, inside):
    splits = smooth_subspace(kind)
    contents = {inside + name: text for name, text in files(splits).items()}
    # The archive's own zip files hold further versions and a description.
    contents |= {inside + "SmoothSubspace_eq_TRAIN.ts": "", inside + "SmoothSubspace.txt": "about"}
    (tmp_path / "deep").mkdir()
    pack(tmp_path / "deep" / "SmoothSubspace.zip", contents)
    same(read_archive("SmoothSubspace", tmp_path), splits)
    assert [path.name for path in tmp_path.rglob("*")] == ["deep", "SmoothSubspace.zip"]


@needs_aeon
def test_unequal_lengths(tmp_path):
    source = read_packaged(packaged_sets()["PickupGestureWiimoteZ"])
    contents = {}
    for split, x, y in (("TRAIN", source.x_train, source.y_train), ("TEST", source.x_test, source.y_test)):
        labels = [source.classes[label] for label in y]
        contents[f"PickupGestureWiimoteZ_{split}.ts"] = ts_text(x, labels, equal=False)
    pack(tmp_path / "PickupGestureWiimoteZ.zip", contents)
    found = read_archive("PickupGestureWiimoteZ", tmp_path)
    for key in ("x_train", "y_train", "x_test", "y_test", "classes"):
        np.testing.assert_array_equal(getattr(found, key), getattr(source, key))


@pytest.mark.parametrize("ending", [".tsv", ".txt"])
def test_the_2018_layout_in_a_folder(tmp_path, ending):
    splits = smooth_subspace("missing")
    (tmp_path / "UCR" / "SmoothSubspace").mkdir(parents=True)
    for name, text in files(splits, text=table_text, ending=ending).items():
        (tmp_path / "UCR" / "SmoothSubspace" / name).write_text(text)
    same(read_archive("SmoothSubspace", tmp_path), splits)
    (tmp_path / f"SmoothSubspace_TRAIN{ending}").write_text("")
    with pytest.raises(InputError, match=r"more than once \(SmoothSubspace_TRAIN.*, UCR/SmoothSubspace/"):
        read_archive("SmoothSubspace", tmp_path)


def test_nothing_and_half_of_it(tmp_path):
    with pytest.raises(InputError, match=r"found neither SmoothSubspace_TRAIN\.ts nor SmoothSubspace\.zip"):
        read_archive("SmoothSubspace", tmp_path)
    (tmp_path / "SmoothSubspace_TRAIN.tsv").write_text(table_text(*smooth_subspace()["TRAIN"]))
    with pytest.raises(InputError, match=r"SmoothSubspace_TEST\.tsv"):
        read_archive("SmoothSubspace", tmp_path)


def changed(**parts):
    splits = smooth_subspace()
    for split, change in parts.items():
        splits[split] = change(*splits[split])
    return splits


@needs_aeon
@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (changed(TRAIN=lambda x, y: (x[1:], y[1:])), "found 149 training series, want 150 as published"),
        (changed(TEST=lambda x, y: (x[1:], y[1:])), "found 149 test series, want 150"),
        (changed(**dict.fromkeys(["TRAIN", "TEST"], lambda x, y: (x[:, 1:], y))), "found 14 steps, want 15"),
        (changed(**dict.fromkeys(["TRAIN", "TEST"], lambda x, y: (x.repeat(2, 2), y))), "found 2 channels, want 1"),
        (changed(**dict.fromkeys(["TRAIN", "TEST"], lambda x, y: (x, ["1"] * 150))), "found 1 classes, want 3"),
    ],
)
def test_other_sizes_than_published(tmp_path, splits, message):
    pack(tmp_path / "SmoothSubspace.zip", files(splits))
    with pytest.raises(InputError, match=f"UCR archive: SmoothSubspace: {message}"):
        read_archive("SmoothSubspace", tmp_path)


def test_a_split_that_was_drawn_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_SPLIT_ANEW", ("SmoothSubspace",))
    x, labels = (np.concatenate(parts) for parts in zip(*smooth_subspace().values(), strict=True))
    for cut, message in ((100, None), (101, "found 299 series, want 300")):
        splits = {"TRAIN": (x[:100], labels[:100]), "TEST": (x[cut:], labels[cut:])}
        for name, text in files(splits, text=table_text, ending=".tsv").items():
            (tmp_path / name).write_text(text)
        if message is None:
            assert len(read_archive("SmoothSubspace", tmp_path).x_test) == 200
        else:
            with pytest.raises(InputError, match=message):
                read_archive("SmoothSubspace", tmp_path)


@pytest.fixture
def web(monkeypatch):
    with serving() as server:
        addresses = (server.address + "/site/{name}.zip", server.address + "/records/{zenodo}/all")
        monkeypatch.setattr(archives, "_ADDRESSES", addresses)
        yield server


@needs_aeon
def test_download(web, tmp_path):
    splits = smooth_subspace()
    body = pack(tmp_path / "here.zip", files(splits)).read_bytes()
    web.pages[f"/records/{facts('SmoothSubspace').zenodo}/all"] = Page(body)
    calls = []
    path = download_archive("SmoothSubspace", tmp_path / "cache", lambda *call: calls.append(call))
    assert path == tmp_path / "cache" / "SmoothSubspace.zip"
    assert calls[-1] == (len(body), len(body))
    same(read_archive("SmoothSubspace", tmp_path / "cache"), splits)
    assert [request[0].partition("/")[2].partition("/")[0] for request in web.requests] == ["site", "records"]
    download_archive("SmoothSubspace", tmp_path / "cache")
    assert len(web.requests) == 2


def test_a_download_of_something_else(web, tmp_path):
    good = files(smooth_subspace())
    whole = pack(tmp_path / "a.zip", good).read_bytes()
    bodies = {
        "want a whole one": b"<html>not found</html>",
        "a whole one": whole[:-40],
        "found a path, want one inside": pack(tmp_path / "b.zip", good | {"../x": "1"}).read_bytes(),
        "found no SmoothSubspace_TRAIN": pack(tmp_path / "c.zip", {"SmoothSubspace_TRAIN.ts": "1"}).read_bytes(),
    }
    for message, body in bodies.items():
        web.pages["/site/SmoothSubspace.zip"] = Page(body)
        with pytest.raises(InputError, match=message):
            download_archive("SmoothSubspace", tmp_path / "cache")
        assert [path.name for path in (tmp_path / "cache").iterdir()] in ([], ["SmoothSubspace.zip.lock"])


def test_the_published_addresses():
    row = facts("GunPoint")
    first, second = (address.format(**row._asdict()) for address in archives._ADDRESSES)
    assert first == "https://timeseriesclassification.com/aeon-toolkit/GunPoint.zip"
    assert second == f"https://zenodo.org/api/records/{row.zenodo}/files-archive"
