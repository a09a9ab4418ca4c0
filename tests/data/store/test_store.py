"""Stores: every layout is read as the array it came from, in bounded memory, and every damage ends in an InputError."""

import json
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from parquet_files import F32, F64, FLAT, TOLD, X, save

from tsrl.data.scaling import Scaler
from tsrl.data.store import open_store, store_scaler, write_store
from tsrl.data.store import read as store_module
from tsrl.errors import InputError

ROWS = np.arange(len(X))
UNEQUAL = X.copy()
UNEQUAL[[2, 7], 4:] = np.nan
UNEQUAL[5, 1] = np.nan


def without_padding(x):
    """Each series up to its last step that is not missing in all channels."""
    return [series[: np.flatnonzero(~np.isnan(series).all(-1))[-1] + 1] for series in x]


LAYOUTS = {
    "flat": (FLAT, pa.list_(F32), TOLD, X),
    "flat, large lists": (FLAT, pa.large_list(F32), TOLD, X),
    "flat, fixed": (FLAT, pa.list_(F32, 12), TOLD, X),
    "flat, float64": ([row.astype(float) for row in FLAT], pa.list_(F64), TOLD, X),
    "flat, ints": ([np.round(9 * row).astype(int) for row in FLAT], pa.list_(pa.int16()), TOLD, np.round(9 * X)),
    "flat, unequal": ([series.reshape(-1) for series in without_padding(UNEQUAL)], pa.list_(F32), TOLD, UNEQUAL),
    "nested": ([series.tolist() for series in X], pa.list_(pa.list_(F32)), None, X),
    "nested, fixed inside": ([series.tolist() for series in X], pa.list_(pa.list_(F32, 2)), None, X),
    "nested, all fixed": ([series.tolist() for series in X], pa.list_(pa.list_(F32, 2), 6), None, X),
    "nested, unequal": ([series.tolist() for series in without_padding(UNEQUAL)], None, None, UNEQUAL),
    "null is missing": ([[None, 1.0, 2.0, 3.0]] * 3, None, TOLD, [[[np.nan, 1], [2, 3]]] * 3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_in_the_order_asked_for(layout, tmp_path):
    column, kind, metadata, expected = LAYOUTS[layout]
    store = open_store(save(tmp_path / "x.parquet", column, kind, metadata))
    expected = np.asarray(expected, np.float32)
    assert (len(store), store.length, store.channels) == expected.shape
    assert store.starts[-1] == len(expected)
    assert (np.diff(store.starts) <= 4).all()
    for rows in (np.arange(len(store)), [2, 0, 2, 1], np.array([], int), np.arange(len(store))[::-1]):
        found = store.take(rows)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected[np.asarray(rows, int)])


def test_other_columns_are_not_read_and_channels_may_be_an_argument(tmp_path):
    table = pa.table({"id": ["a"] * 11, "x": FLAT, "note": [b"\x80"] * 11})
    pq.write_table(table, tmp_path / "x.parquet")
    np.testing.assert_array_equal(open_store(tmp_path / "x.parquet", channels=2).take(ROWS), X)
    assert open_store(tmp_path / "x.parquet", channels=1).take([0]).shape == (1, 12, 1)


series = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(2, 5), st.just(2)),
    elements=st.floats(-1e6, 1e6, width=32) | st.just(np.float32(np.nan)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(series, min_size=1, max_size=5), st.integers(1, 5), st.integers(1, 3), st.data())
def test_what_is_written_is_read(tmp_path_factory, batches, rows_per_group, groups_per_file, data):
    for batch in batches:
        batch[:, 0] = np.nan_to_num(batch[:, 0])
    folder = tmp_path_factory.mktemp("written") / "x"
    write_store(folder, batches, rows_per_group=rows_per_group, groups_per_file=groups_per_file)
    length = max(batch.shape[1] for batch in batches)
    padding = [((0, 0), (0, length - batch.shape[1]), (0, 0)) for batch in batches]
    padded = [np.pad(batch, pad, constant_values=np.nan) for batch, pad in zip(batches, padding, strict=True)]
    x = np.concatenate(padded)
    groups = data.draw(st.integers(1, 3))
    store = open_store(folder, cache_bytes=groups * x[0].nbytes * min(rows_per_group, len(x)))
    rows = data.draw(st.lists(st.integers(0, len(x) - 1), max_size=9))
    np.testing.assert_array_equal(store.take(rows), x[rows])
    np.testing.assert_array_equal(store.take(np.arange(len(x))), x)
    expected, found = Scaler.of(x), store_scaler(store)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-5, atol=1e-6)


@pytest.fixture
def reads(monkeypatch):
    """Numbers of the row groups read, in turn."""
    found, read = [], store_module.read_group

    def counted(group, *arguments):
        found.append(int(group.file.stem[-5:]) * 2 + group.number)
        return read(group, *arguments)

    monkeypatch.setattr(store_module, "read_group", counted)
    return found


@pytest.fixture
def folder(tmp_path):
    """40 series in ten groups of four, two in a file."""
    x = np.random.default_rng(1).normal(size=(40, 6, 2)).astype(np.float32)
    return write_store(tmp_path / "x", np.array_split(x, 7), rows_per_group=4, groups_per_file=2)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 16])
@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_an_epoch_reads_each_group_once_and_keeps_a_window_of_them(folder, reads, window, batch_size):
    store = open_store(folder, cache_bytes=window * 4 * 48)
    assert store.window == window
    for rows in store.order(0, 0, batch_size):
        store.take(rows)
        assert sum(group.nbytes for group in store._cache.values()) <= store.cache_bytes
    # The rows left over at the end of an epoch may be all that is asked of a group.
    assert len(reads) == len(set(reads)) >= 10 - batch_size // 4
    assert set(reads) <= set(range(10))


def test_the_group_that_was_not_used_for_longest_gives_way(folder, reads):
    store = open_store(folder, cache_bytes=2 * 4 * 48)
    for row in (0, 4, 0, 8, 0, 4):
        store.take([row])
    assert reads == [0, 1, 2, 1]


def test_reading_from_several_threads_gives_each_its_rows(folder, monkeypatch):
    store = open_store(folder, cache_bytes=2 * 4 * 48)
    x = open_store(folder).take(np.arange(40))
    wrong, reading, read_group = [], [], store_module.read_group

    def alone(group, *arguments):
        reading.append(group)
        time.sleep(0.001)
        wrong.extend(reading[1:])
        found = read_group(group, *arguments)
        reading.remove(group)
        return found

    monkeypatch.setattr(store_module, "read_group", alone)

    def read(seed):
        random = np.random.default_rng(seed)
        for _ in range(30):
            rows = random.integers(0, 40, 9)
            if not np.array_equal(store.take(rows), x[rows]):
                wrong.append(rows)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not wrong


def test_the_fingerprint_tells_files_and_windows_apart(tmp_path):
    def found(x, name, rows_per_group=4, **options):
        return open_store(write_store(tmp_path / name / "x", [x], rows_per_group=rows_per_group), **options).fingerprint

    other = X.copy()
    other[3, 2, 1] += 10
    prints = [found(X, "a"), found(other, "b"), found(X, "c", 3), found(X, "d", cache_bytes=4 * 48), found(X[:9], "e")]
    assert len(set(prints)) == len(prints)
    assert found(X, "f") == prints[0]


@pytest.mark.parametrize("rows", [[11], [-1], [[0]], [0.5], 3])
def test_rows_that_are_not_there_are_refused(tmp_path, rows):
    store = open_store(write_store(tmp_path / "x", [X]))
    with pytest.raises(InputError, match=r"rows: found .* want a list of numbers from 0 to 10"):
        store.take(rows)


def test_what_is_not_there_or_no_store_is_refused(tmp_path):
    for path, message in [
        (tmp_path / "none", "store: found no file or folder at"),
        (tmp_path, "found no file that ends in .parquet"),
    ]:
        with pytest.raises(InputError, match=message):
            open_store(path)
    with pytest.raises(InputError, match=r"x.parquet: found the columns y, want x"):
        open_store(save(tmp_path / "x.parquet", FLAT, name="y"))
    with pytest.raises(
        InputError, match=r"row group 0: found 11 series of 6 steps and 2 channels, 528 bytes in memory"
    ):
        open_store(write_store(tmp_path / "w", [X]), cache_bytes=527)


def test_files_that_disagree_are_refused(tmp_path):
    save(tmp_path / "a.parquet", FLAT, None, TOLD)
    save(tmp_path / "b.parquet", FLAT, None, {b"tsrl": json.dumps({"channels": 3})})
    with pytest.raises(InputError, match=r"b.parquet: found 3 channels, want 2 as in a.parquet"):
        open_store(tmp_path)
    save(tmp_path / "b.parquet", [row.tolist() for row in X])
    with pytest.raises(InputError, match=r"b.parquet: found nested lists, want flat ones as in a.parquet"):
        open_store(tmp_path)


def test_a_folder_holds_the_files_of_its_manifest(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["length"] == 6
    extra = folder / "part-00009.parquet"
    extra.write_bytes((folder / "part-00001.parquet").read_bytes())
    with pytest.raises(InputError, match=r"found the further file part-00009.parquet, want the files of manifest.json"):
        open_store(folder)
    extra.unlink()
    kept = (folder / "part-00003.parquet").read_bytes()
    (folder / "part-00003.parquet").unlink()
    with pytest.raises(InputError, match=r"found no file part-00003.parquet"):
        open_store(folder)
    (folder / "part-00003.parquet").write_bytes(kept)
    for broken in ("{", "[]", '{"rows": 3, "length": 6}', '{"rows": {}, "length": "6"}'):
        (folder / "manifest.json").write_text(broken)
        with pytest.raises(InputError, match=r"x/manifest.json: found"):
            open_store(folder)
    manifest["rows"]["part-00003.parquet"] = 7
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"part-00003.parquet: found 8 series, want 7 as in manifest.json"):
        open_store(folder)
