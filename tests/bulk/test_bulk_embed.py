"""Files in, files out: every format gives what `Embedder.embed` gives; wrong rows are told apart."""

import json

import jobs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs import X, content, embedded, parquet, records, vectors

import tsrl
from tsrl.bulk import embed_files
from tsrl.data.store import write_store
from tsrl.encoders import PooledConv
from tsrl.errors import InputError
from tsrl.evaluate.anomaly import masked_score


def run(source, out, saved, **further):
    return embed_files(jobs.settings(source, out, saved, **further))


def store(folder):
    return write_store(folder / "store", [X], rows_per_group=4, groups_per_file=2)


def wide(folder):
    path = folder / "wide.parquet"
    columns = {name: pa.array(list(X[..., i].astype(float))) for i, name in enumerate("ab")}
    pq.write_table(pa.table(columns), path, row_group_size=6)
    return path


def flat(folder):
    path = folder / "flat.parquet"
    kind = pa.list_(pa.float64(), X[0].size)
    pq.write_table(pa.table({"x": pa.array(list(X.reshape(23, -1).astype(float)), kind)}), path, row_group_size=23)
    return path


def npz(folder, save=np.savez):
    save(folder / "x.npz", x=X)
    return folder / "x.npz"


@pytest.mark.parametrize(
    ("make", "further"),
    [
        (store, {}),
        (lambda folder: parquet(folder / "many" / "nested.parquet").parent, {}),
        (flat, {}),
        (wide, {"columns": ("a", "b")}),
        (npz, {}),
        (lambda folder: npz(folder, np.savez_compressed), {}),
        (lambda folder: records(folder / "x.array_record", X), {}),
        (store, {"batch_size": 3}),
    ],
)
def test_every_format_gives_what_embed_gives(make, further, model, saved, tmp_path):
    found = run(make(tmp_path), tmp_path / "out", saved, **further)
    assert (found.rows, found.errors, found.kept) == (23, 0, 0)
    table = embedded(tmp_path / "out")
    np.testing.assert_allclose(vectors(table), model.embed(X), atol=1e-5)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 6)
    # Part and row are the place in the input.
    assert len(set(zip(*(table.column(name).to_pylist() for name in ("part", "row")), strict=True))) == 23
    assert json.loads((tmp_path / "out" / "done.json").read_text()) == {"rows": 23, "errors": 0, "parts": found.parts}
    assert not list((tmp_path / "out").glob(".tmp*"))


def test_parts_are_row_groups_and_ids_are_carried_over(saved, tmp_path):
    ids = pa.array([f"m{i}" for i in range(23)])
    source = parquet(tmp_path / "x.parquet", ids=ids)
    assert run(source, tmp_path / "out", saved).parts == 5
    tables = [pq.read_table(path) for path in sorted((tmp_path / "out").glob("part-*.parquet"))]
    assert [len(table) for table in tables] == [5, 5, 5, 5, 3]
    assert tables[1].column("id").to_pylist() == [f"m{i}" for i in range(5, 10)]
    assert tables[4].column("row").to_pylist() == [0, 1, 2]
    np.savez(tmp_path / "x.npz", x=X, id=np.arange(23) * 7)
    run(tmp_path / "x.npz", tmp_path / "out2", saved)
    assert embedded(tmp_path / "out2").column("id").to_pylist() == list(range(0, 161, 7))


def test_levels_and_scores(model, saved, tmp_path):
    series = [*X[:6], X[6, :7], X[7, :9]]
    source = parquet(tmp_path / "x.parquet", series)
    run(source, tmp_path / "steps", saved, level="steps", scores=True, sizes=(16,))
    table = embedded(tmp_path / "steps")
    rows = [np.array(row, np.float32) for row in table.column("embedding").to_pylist()]
    assert [row.shape for row in rows] == [(len(one), 6) for one in series]
    padded = np.stack([np.pad(one, ((0, 16 - len(one)), (0, 0)), constant_values=np.nan) for one in series])
    z = model.encode(padded)
    for row, one in zip(rows, z, strict=True):
        np.testing.assert_allclose(row, one[: len(row)], atol=1e-5)
    hidden = padded.copy()
    hidden[np.arange(8), [len(one) - 1 for one in series]] = np.nan
    masked = model.encode(hidden)
    want = [masked_score(z[i], masked[i])[len(one) - 1] for i, one in enumerate(series)]
    np.testing.assert_allclose(table.column("score").to_pylist(), want, rtol=1e-4)
    run(source, tmp_path / "series", saved, scores=True, sizes=(16,))
    both = embedded(tmp_path / "series")
    np.testing.assert_allclose(both.column("score").to_pylist(), want, rtol=1e-4)
    np.testing.assert_allclose(vectors(both), model.embed(padded), atol=1e-5)


def test_wrong_rows_are_recorded_with_their_reason(model, saved, tmp_path):
    series = list(X[:12].astype(object))
    series[1] = None
    series[2] = np.full((12, 2), np.nan)
    series[3] = np.where(np.arange(24).reshape(12, 2) == 5, np.inf, X[3])
    series[4] = np.where(np.arange(24).reshape(12, 2) == 5, 1e300, X[4].astype(float))
    series[5] = X[5, :, :1]
    series[6] = X[:0, 0]
    series[7] = np.where(np.arange(12)[:, None] < 6, np.nan, X[7])
    kind = pa.list_(pa.list_(pa.float64()))
    source = parquet(tmp_path / "x.parquet", series, pa.array(range(100, 112)), kind, rows=8)
    found = run(source, tmp_path / "out", saved, sizes=(12,))
    assert (found.rows, found.errors) == (12, 6)
    errors = embedded(tmp_path / "out", "errors")
    assert errors.column("id").to_pylist() == [101, 102, 103, 104, 105, 106]
    assert errors.column("row").to_pylist() == [1, 2, 3, 4, 5, 6]
    assert errors.column("reason").to_pylist() == [
        "found null, want a list of numbers",
        "found no step with all channels observed, want at least one",
        "found values infinite in float32, want finite, NaN = missing",
        "found values infinite in float32, want finite, NaN = missing",
        "found 1 channels in a step, want 2 channels",
        "found no steps, want at least one",
    ]
    kept = [0, 7, 8, 9, 10, 11]
    table = embedded(tmp_path / "out")
    assert table.column("id").to_pylist() == [100 + row for row in kept]
    np.testing.assert_allclose(
        vectors(table), model.embed(np.stack([series[i] for i in kept]).astype(float)), atol=1e-5
    )
    assert [path.name for path in sorted((tmp_path / "out").glob("errors*"))] == ["errors-00000.parquet"]
    # A second call takes the first one's word.
    assert run(source, tmp_path / "out", saved, sizes=(12,))._replace(seconds=0) == found._replace(kept=2, seconds=0)


def test_records_that_are_no_series(saved, tmp_path):
    source = records(tmp_path / "x.array_record", [X[0], b"no array", np.array(["a"]), X[1, :, :1], X[2]])
    assert run(source, tmp_path / "out", saved).errors == 3
    reasons = embedded(tmp_path / "out", "errors").column("reason").to_pylist()
    assert [reason.split(",")[0] for reason in reasons] == [
        "found no bytes of a .npy file (ValueError)",
        "found dtype <U1",
        "found shape (12",
    ]


def test_a_series_of_a_refused_length(saved, tmp_path):
    source = parquet(tmp_path / "x.parquet", [X[0], np.concatenate([X[0], X[1]])])
    assert run(source, tmp_path / "out", saved, sizes=(8, 20)).errors == 1
    (reason,) = embedded(tmp_path / "out", "errors").column("reason").to_pylist()
    assert reason == "found 24 steps, want at most 20 (sizes)"


@pytest.fixture(scope="module")
def flattening(tmp_path_factory):
    """A model whose embedding is as wide as its series are long, and that has fewer representations than steps."""
    folder = tmp_path_factory.mktemp("flattening") / "model"
    encoder = PooledConv(width=4, features=4, layers=1, kernel_size=3)
    model = tsrl.pretrain(X, method="simclr", steps=1, batch_size=4, encoder=encoder)
    model.save(folder)
    return model, folder


def test_a_model_of_one_length(flattening, tmp_path):
    model, folder = flattening
    source = parquet(tmp_path / "x.parquet", [X[0], X[1, :9], np.concatenate([X[0], X[1]])])
    assert run(source, tmp_path / "out", folder).errors == 1
    padded = np.stack([X[0], np.pad(X[1, :9], ((0, 3), (0, 0)), constant_values=np.nan)])
    np.testing.assert_allclose(vectors(embedded(tmp_path / "out")), model.embed(padded), atol=1e-5)
    (reason,) = embedded(tmp_path / "out", "errors").column("reason").to_pylist()
    assert reason.startswith("found 24 steps, which the model refuses: embeddings of ")
    with pytest.raises(InputError, match=r"sizes: found embeddings of \d+ and \d+ numbers, want one width"):
        run(source, tmp_path / "out2", folder, sizes=(12, 24))
    with pytest.raises(InputError, match=r"model: found 12 steps, which it refuses: \d+ representations of 12 steps"):
        run(source, tmp_path / "out2", folder, level="steps")
    assert not (tmp_path / "out2").exists()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=20), rows=st.integers(1, 7), batch_size=st.integers(1, 5)
)
def test_a_row_does_not_depend_on_its_neighbours(lengths, rows, batch_size, model, saved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    random = np.random.default_rng(sum(lengths))
    series = [random.normal(size=(length, 2)).astype(np.float32) for length in lengths]
    sizes = (10, 30)
    run(parquet(folder / "x.parquet", series, rows=rows), folder / "out", saved, batch_size=batch_size, sizes=sizes)
    for one, found in zip(series, vectors(embedded(folder / "out")), strict=True):
        extra = sizes[len(one) > 10] - len(one)
        want = model.embed(np.pad(one, ((0, extra), (0, 0)), constant_values=np.nan)[None])[0]
        np.testing.assert_allclose(found, want, atol=1e-5)


def test_large_groups_are_read_and_written_in_blocks(saved, tmp_path, monkeypatch):
    source = parquet(tmp_path / "x.parquet", rows=23)
    run(source, tmp_path / "whole", saved, batch_size=4)
    monkeypatch.setattr("tsrl.bulk.encode.BLOCK_VALUES", 5 * X[0].size)
    run(source, tmp_path / "blocks", saved, batch_size=4)
    assert pq.read_metadata(tmp_path / "whole" / "part-00000.parquet").num_row_groups == 1
    assert pq.read_metadata(tmp_path / "blocks" / "part-00000.parquet").num_row_groups == 5
    whole, blocks = embedded(tmp_path / "whole"), embedded(tmp_path / "blocks")
    assert whole.column("row").to_pylist() == blocks.column("row").to_pylist()
    np.testing.assert_allclose(vectors(whole), vectors(blocks), atol=1e-6)


def test_two_jobs_leave_the_same_bytes(saved, tmp_path):
    source = store(tmp_path)
    run(source, tmp_path / "one", saved)
    run(source, tmp_path / "two", saved)
    assert content(tmp_path / "one") == content(tmp_path / "two")
