"""A table of the user's own as a data set with a split."""

from pathlib import Path

import numpy as np

from tsrl.data.dataset import Dataset
from tsrl.data.npz import arrange
from tsrl.data.tables.read import read_table
from tsrl.data.tables.settings import Table
from tsrl.data.tables.split import split


def table_dataset(path: Path, settings: Table) -> Dataset:
    """Reads a table.

    Args:
      path: of the file.
      settings: what its columns mean.

    Returns:
      All series as the training part, or as the column `split` says; labels as class ids, in the order of `arrange`.

    Raises:
      InputError: see `read_table`; labels that are not whole numbers or text, a class that only the test part has.
    """
    series = read_table(path, settings)
    parts = {"train": series}
    if series.split is not None:
        parts["train"], parts["test"] = split(series, "column")
    stored: dict[str, np.ndarray] = {}
    rows: dict[str, np.ndarray] = {}
    for part, own in parts.items():
        stored[f"x_{part}"] = own.x
        if own.labels is not None:
            stored[f"y_{part}"] = own.labels
        rows[f"id_{part}"] = own.ids
        if own.groups is not None:
            rows[f"group_{part}"] = own.groups
        if own.time is not None:
            last = np.take_along_axis(own.time, own.lengths[:, None] - 1, 1)[:, 0]
            rows |= {f"start_{part}": own.time[:, 0], f"end_{part}": last}
    about = {"columns": list(series.columns), "validation": series.report.as_dict()}
    arrays = arrange(stored, series.source)._replace(rows=rows)
    return Dataset(series.name, series.source, *arrays, about)
