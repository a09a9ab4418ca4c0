"""A table of the user's own as a data set with a split."""

from pathlib import Path

import numpy as np

from tsrl.data.dataset import Dataset
from tsrl.data.npz import arrange, readable
from tsrl.data.tables.read import read_table
from tsrl.data.tables.settings import Table
from tsrl.data.tables.split import split


def table_dataset(path: Path, settings: Table, numbers: bool = False) -> Dataset:
    """Reads a table.

    Args:
      path: of the file.
      settings: what its columns mean.
      numbers: the labels are numbers to predict, not classes.

    Returns:
      All series as the training part, or as the column `split` says; labels as class ids, in the order of `arrange`, or
      in `rows` as `number_train` and `number_test`.

    Raises:
      InputError: see `read_table`; labels that are not whole numbers or text (`numbers`: no numbers), a class that only
        the test part has.
    """
    series = read_table(path, settings)
    parts = {"train": series}
    if series.split is not None:
        parts["train"], parts["test"] = split(series, "column")
    stored: dict[str, np.ndarray] = {}
    rows: dict[str, np.ndarray] = {}
    for part, own in parts.items():
        stored[f"x_{part}"] = own.x
        if own.labels is not None and numbers:
            # The column was read as text where the file has no types.
            with readable(f"{series.source}: column {settings.label!r} (label)", "cells that are no numbers"):
                rows[f"number_{part}"] = _numbers(own.labels, settings.decimal)
        elif own.labels is not None:
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


def _numbers(labels: np.ndarray, decimal: str) -> np.ndarray:
    return (np.char.replace(labels, decimal, ".") if labels.dtype.kind == "U" else labels).astype(np.float64)
