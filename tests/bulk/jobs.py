"""A small model, inputs in every format, and what a job left."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import tsrl
from tsrl.bulk import Embed
from tsrl.encoders import DilatedConv

ENCODER = DilatedConv(width=4, features=6, depth=1)
X = np.random.default_rng(0).normal(size=(23, 12, 2)).astype(np.float32)


def train(seed=0):
    return tsrl.pretrain(X, steps=1, batch_size=4, encoder=ENCODER, scale=True, seed=seed)


def parquet(path, series=X, ids=None, kind=None, rows=5, name="x"):
    """A file with a series a row, five rows in a group."""
    nested = [None if one is None else [list(map(float, step)) for step in one] for one in series]
    columns = {name: pa.array(nested, kind or pa.list_(pa.list_(pa.float32())))}
    if ids is not None:
        columns["id"] = ids
    path.parent.mkdir(exist_ok=True, parents=True)
    pq.write_table(pa.table(columns), path, row_group_size=rows, write_page_checksum=True)
    return path


def records(path, contents):
    """An array_record file."""
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(path), "group_size:1")
    for content in contents:
        writer.write(content if isinstance(content, bytes) else npy(content))
    writer.close()
    return path


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def settings(source, out, model, **further):
    return Embed(input=source, out=out, model=model, quiet=True, **further)


def content(folder):
    """The bytes of each file of a job."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def embedded(folder, what="part"):
    """The rows of all parts."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob(f"{what}-*.parquet")))


def vectors(table):
    return np.array(table.column("embedding").to_pylist(), np.float32)
