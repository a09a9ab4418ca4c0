"""Sets that are not here are downloaded at first use, and once."""

import hashlib
import zipfile

import numpy as np
import pytest
from set_files import ts_text
from web import Page

from tsrl.data import archives
from tsrl.data.archives import Facts
from tsrl.data.builders import specs
from tsrl.data.builders.spec import ClassifyFacts, File, ForecastFacts, Rows, Series, Source, Spec
from tsrl.data.downloads import is_downloaded
from tsrl.data.forecasting import load_forecast
from tsrl.data.named import load
from tsrl.data.tables.settings import Table
from tsrl.errors import InputError

X = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)
LABELS = ["b", "a", "b", "a", "a"]


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path


@pytest.fixture
def archive(nothing_here, local_web, monkeypatch):
    """A web server with the zip file of Toy, a set of the archive."""
    packed = nothing_here / "packed.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("Toy_TRAIN.ts", ts_text(X, LABELS))
        file.writestr("Toy_TEST.ts", ts_text(X[:2], LABELS[:2]))
    local_web.pages["/Toy.zip"] = Page(packed.read_bytes())
    table = archives._table() | {"Toy": Facts("Toy", "UEA", 5, 2, 6, 2, 2, 0)}
    monkeypatch.setattr(archives, "_table", lambda: table)
    monkeypatch.setattr(archives, "_ADDRESSES", (local_web.address + "/{name}.zip",))
    return local_web


def test_an_archive_set_is_downloaded_once(archive, nothing_here, capsys, caplog):
    pytest.importorskip("aeon")
    assert not is_downloaded("Toy")
    data = load("Toy")
    digest = hashlib.sha256(archive.pages["/Toy.zip"].body).hexdigest()
    assert caplog.messages == [f"Toy.zip: sha256 {digest}, unverified: no published checksum is known"]
    np.testing.assert_array_equal(data.x_train, X)
    assert (data.source, data.classes, data.y_test.tolist()) == ("UEA archive", ("a", "b"), [1, 0])
    assert is_downloaded("Toy")
    archive.pages.clear()
    assert load("Toy").fingerprint() == data.fingerprint()
    assert len(archive.requests) == len(caplog.messages) == 1
    assert capsys.readouterr().out == ""
    # An own file of that name comes first, and so does the zip file in the data folder.
    folder = nothing_here / "own"
    folder.mkdir()
    (nothing_here / "tfds" / "downloads" / "archives" / "Toy.zip").rename(folder / "Toy.zip")
    assert load("Toy", folder).fingerprint() == data.fingerprint()
    np.savez(folder / "Toy.npz", x_train=X[:3])
    assert len(load("Toy", folder).x_train) == 3


def test_a_download_that_fails_says_what_to_do(archive, nothing_here):
    archive.pages.clear()
    with pytest.raises(InputError, match=r"(?s)Toy.zip.*404.*Toy.zip, or its two files, may be put"):
        load("Toy")
    assert not is_downloaded("Toy")


def read_forecast(paths):
    count = int(paths[0].read_text())
    time = np.datetime64("2020-01-01", "s") + np.arange(count) * np.timedelta64(3600, "s")
    return Series(np.arange(count * 2, dtype=np.float32).reshape(count, 2), time, ("p", "q"))


def read_classes(paths):
    parts = {"train": [0, 1, 2], "validation": [3, 1], "test": [4, 2]}
    y = np.array([1, 0, 1, 1, 0], np.int32)
    return {part: Rows(X[rows], y[rows], np.array(list("vwxyz"))[rows]) for part, rows in parts.items()}


@pytest.fixture
def named_sets(nothing_here, local_web, monkeypatch):
    """Two published sets on the web server: Rate to forecast, Moves to classify."""
    local_web.pages |= {"/rate.txt": Page(b"40"), "/moves.txt": Page(b"-")}

    def spec(name, file, read, facts):
        source = Source((File(file, (f"{local_web.address}/{file}",)),), read)
        return Spec(name, "1.0.0", "made up", "@misc{x}", "none", "home", (source,), facts)

    forecast = ForecastFacts(40, ("p", "q"), ("", ""), "2020-01-01T00:00:00", "2020-01-02T15:00:00")
    rows = {"train": 3, "validation": 2, "test": 2}
    classify = ClassifyFacts(rows, 6, ("left", "right"), ("", ""), ("no", "yes"), "subject")
    added = {
        "Rate": spec("Rate", "rate.txt", read_forecast, forecast),
        "Moves": spec("Moves", "moves.txt", read_classes, classify),
    }
    import tensorflow_datasets as tfds

    from tsrl.data.builders import tfds_builders

    for name, one in added.items():
        monkeypatch.setitem(specs.SPECS, name, one)
        about = {"SPEC": one, "name": one.builder, "VERSION": tfds.core.Version(one.version)}
        made = type(name, (tfds_builders.PublishedBuilder,), about, skip_registration=True)
        monkeypatch.setitem(tfds_builders.BUILDERS, name, made)
    return local_web


def test_a_named_set_is_prepared_at_first_use(named_sets, caplog):
    data = load_forecast("Rate")
    assert [message.partition(":")[0] for message in caplog.messages] == ["rate.txt"]
    assert (data.values.shape, data.columns) == ((40, 2), ("p", "q"))
    assert data.source == "Rate, prepared from its published files"
    moves = load("Moves")
    np.testing.assert_array_equal(moves.x_train, X[:3])
    assert (moves.y_test.tolist(), moves.classes, moves.rows["group_train"].tolist()) == (
        [0, 1],
        ("no", "yes"),
        ["v", "w", "x"],
    )
    one = load_forecast("Rate", table=Table(values=("q",)))
    assert one.columns == ("q",)
    np.testing.assert_array_equal(one.values, data.values[:, 1:])
    with pytest.raises(InputError, match=r"^table.time: found 'date' for the published set Rate, which is no table"):
        load_forecast("Rate", table=Table(time="date"))
    named_sets.pages.clear()
    assert load_forecast("Rate").fingerprint() == data.fingerprint()
    assert len(named_sets.requests) == 2


def test_files_put_by_hand_are_taken_instead(named_sets, nothing_here):
    named_sets.pages.clear()
    folder = nothing_here / "own"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "rate.txt").write_text("40")
    assert load_forecast("Rate", folder).values.shape == (40, 2)
    with pytest.raises(InputError, match=r"Moves: found no way to download it, want moves\.txt"):
        load("Moves", folder)
