"""Series with their ids, and embeddings joined to them."""

import datetime

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tsrl.data.tables.read import read_table
from tsrl.errors import InputError

TABLE = {
    "who": ["b", "a", "b", "a", "b", "c"],
    "when": np.array([0, 0, 1, 1, 2, 5]),
    "x": [1.0, 10, 2, 20, 3, 7],
    "kind": [1, 0, 1, 0, 1, 1],
}


@pytest.fixture
def table():
    return read_table(TABLE, id="who", time="when", label="kind")


def test_embeddings_of_series(table, tmp_path):
    z = np.arange(6, dtype=np.float32).reshape(3, 2)
    joined = table.with_ids(jnp.asarray(z))
    assert joined.to_pydict() == {"who": ["b", "a", "c"], "z0": [0, 2, 4], "z1": [1, 3, 5]}
    assert joined.schema.field("z0").type == pa.float32()
    parquet.write_table(joined, tmp_path / "z.parquet")
    assert parquet.read_table(tmp_path / "z.parquet").equals(joined)


def test_embeddings_of_steps(table):
    z = np.arange(9).reshape(3, 3, 1)
    assert table.with_ids(z, "f").to_pydict() == {
        "who": ["b", "b", "b", "a", "a", "c"],
        "when": [0, 1, 2, 0, 1, 5],
        "f0": [0, 1, 2, 3, 4, 6],
    }
    untimed = read_table({"x": np.arange(3.0)})
    assert untimed.with_ids(z[:1]).to_pydict() == {"id": [0, 0, 0], "step": [0, 1, 2], "z0": [0, 1, 2]}


def test_time_stamps_return_with_their_zone():
    stamps = np.array(["2024-01-01T12:00", "2024-01-01T13:00"], "datetime64[us]")
    plain, zoned = ({"timezone": zone} for zone in (None, "Europe/Berlin"))
    for chosen, kind in ((plain, pa.timestamp("us")), (zoned, pa.timestamp("us", "UTC"))):
        table = read_table({"when": stamps, "x": [1.0, 2]}, time="when", **chosen)
        joined = table.with_ids(np.zeros((1, 2, 1)))
        assert joined.schema.field("when").type == kind
        again = read_table(joined, id="id", time="when", values="z0")
        np.testing.assert_array_equal(again.time, table.time)
    assert joined["when"][0].as_py() == datetime.datetime(2024, 1, 1, 11, tzinfo=datetime.UTC)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (3, 2, 4), (3, 3, 4, 1)])
def test_wrong_embeddings(table, shape):
    with pytest.raises(InputError, match=r"z: found float64 in shape .*, want \[3, D\] or \[3, 3, D\] of numbers"):
        table.with_ids(np.zeros(shape))


def test_names_that_occur_twice():
    with pytest.raises(InputError, match="prefix: found 'z', which makes a second column 'z1', want another"):
        read_table({"z1": ["a", "b"], "x": [1.0, 2]}, id="z1").with_ids(np.zeros((2, 2)))


def test_take(table):
    part = table.take(np.array([2, 1]))
    assert (part.ids.tolist(), part.labels.tolist(), part.lengths.tolist(), len(part)) == (
        ["c", "a"],
        [1, 0],
        [1, 2],
        2,
    )
    assert (part.x.shape, part.time.shape) == ((2, 2, 1), (2, 2))
    assert part.x[1, :, 0].tolist() == [10, 20]
    assert part.steps().tolist() == [[True, False], [True, True]]
    assert table.take(table.labels == 1).ids.tolist() == ["b", "c"]


def test_figures_of_each_series():
    values = {"x": [1.0, 10, np.nan, 20, 3, 7], "y": [1.0, 2, 1, 2, 1, np.nan]}
    table = read_table({**TABLE, **values}, id="who", time="when", values=("x", "y"))
    assert table.per_series().to_pydict() == {
        "who": ["b", "a", "c"],
        "steps": [3, 2, 1],
        "first": [0, 0, 5],
        "last": [2, 1, 5],
        "missing": [1, 0, 1],
        "constant": [1, 1, 1],
    }
    untimed = read_table({"x": np.arange(3.0)}).per_series()
    assert untimed.to_pydict() == {"id": [0], "steps": [3], "missing": [0], "constant": [0]}


def test_fingerprint(table):
    assert read_table(TABLE, id="who", time="when", label="kind").fingerprint() == table.fingerprint()
    for changed in ({"who": list("dadadc")}, {"x": [2.0, 10, 2, 20, 3, 7]}, {"kind": [2, 0, 2, 0, 2, 1]}):
        assert (
            read_table({**TABLE, **changed}, id="who", time="when", label="kind").fingerprint() != table.fingerprint()
        )
