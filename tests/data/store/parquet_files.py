"""Small Parquet files of series in any layout."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

X = np.random.default_rng(0).normal(size=(11, 6, 2)).astype(np.float32)
F32, F64 = pa.float32(), pa.float64()
TOLD = {b"tsrl": json.dumps({"channels": 2})}
FLAT = [series.reshape(-1) for series in X]


def save(path, column, kind=None, metadata=None, name="x", **options):
    """A Parquet file with one column of Python lists."""
    array = pa.array(column, kind)
    schema = pa.schema([pa.field(name, array.type)], metadata=metadata)
    pq.write_table(pa.Table.from_arrays([array], schema=schema), path, **{"row_group_size": 4, **options})
    return path
