"""Labelled anomalies in a table of the user's own: a row a time step, with a label in each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tsrl.data.anomaly.files import checked
from tsrl.data.anomaly.series import AnomalySeries, ranges
from tsrl.data.tables.columns import keys, numbers
from tsrl.data.tables.read import read_table
from tsrl.data.tables.settings import Table
from tsrl.data.tables.source import Source, check_columns, read_source
from tsrl.errors import InputError

# Up to it float32, in which tables are held, tells whole numbers apart.
_LARGEST_LABEL = 2**24


def read_anomaly_table(
    path: Path, settings: Table, train_fraction: float
) -> tuple[str, list[AnomalySeries], dict[str, Any]]:
    """Reads a long table whose label belongs to the step, not to the series.

    Args:
      path: of the file.
      settings: what its columns mean; `label` names the column of whole numbers, 0 = normal, ranges that touch have
        different ones, or of true and false. Where steps are merged (duplicates, resampling), one that was labelled
        labels the merged one: the largest label counts, whatever is made of the values. `split` says "train" or "test"
        of each step.
      train_fraction: share of each series to train on, where `split` names no column.

    Returns:
      The source in words; the series, in order of first appearance; what was found in the table, for reports.

    Raises:
      InputError: see `read_table`; no column for the label, a row whose label is no whole number from 0 up, a wide
        table or one with groups, or train steps that are not the first of their series.
    """
    if settings.label is None or settings.layout != "long":
        raise InputError(f"{path.name}: found no column for label in a long table, want table.label: 0 = normal")
    if settings.group is not None:
        raise InputError(f"group: found {settings.group!r}, but series with anomalies are not grouped, want none")
    roles = settings.roles
    texts = [column for column, role in roles.items() if role not in ("values", "label")]
    read = read_source(path, texts, settings)
    check_columns(read, roles)
    labels = _labels(read, settings.label)
    table = read_table(path, replace(settings, label=None, split=None))
    # Where no channels are named, a label that is a number is one of the columns.
    channels = [place for place, name in enumerate(table.columns) if name != settings.label]
    if not channels:
        raise InputError(f"{read.source}: values: found no column of numbers beside {list(roles)}, want at least one")
    labelled = _largest(read, settings, labels)
    tested = None if settings.split is None else _largest(read, settings, _tests(read, settings.split))
    series = []
    for row, name in enumerate(map(str, table.ids.tolist())):
        steps = slice(0, int(table.lengths[row]))
        x = table.x[row, steps][:, channels]
        stop = int(len(x) * train_fraction)
        if tested is not None:
            stop = _train_stop(tested[name][steps], f"{table.source}: column {settings.split!r} (split): series {name}")
        timestamps = np.arange(len(x)) if table.time is None else _stamps(table.time[row, steps])
        # A step that no row belongs to is normal.
        windows = ranges(np.nan_to_num(labelled[name][steps]))
        series.append(checked(table.source, name, x, timestamps, windows, stop))
    about = {"columns": [table.columns[channel] for channel in channels], "validation": table.report.as_dict()}
    return table.source, series, about


def _labels(read: Source, name: str) -> np.ndarray:
    """The label of each row, `[R]`."""
    if pa.types.is_boolean(read.table[name].type):
        cast = read.table[name].cast(pa.int8())
        read = read._replace(table=read.table.set_column(read.table.column_names.index(name), name, cast))
    labels = numbers(read, name)
    wrong = np.flatnonzero(~((labels >= 0) & (labels <= _LARGEST_LABEL)) | (labels % 1 != 0))
    if len(wrong):
        first = labels[wrong[0]]
        found = f"{'no value' if np.isnan(first) else first} in row {wrong[0]}"
        raise InputError(
            f"{read.source}: column {name!r} (label): found {found}, want whole numbers from 0 (normal) to "
            f"{_LARGEST_LABEL}"
        )
    return labels


def _tests(read: Source, name: str) -> np.ndarray:
    """0 for each row of the training part, 1 for each of the test part, `[R]`."""
    split = keys(read, name, "split")
    parts = np.array([str(value) for value in split.values])
    wrong = np.flatnonzero(~np.isin(parts, ("train", "test"))[split.codes])
    if len(wrong):
        found = f"{str(parts[split.codes[wrong[0]]])!r} in row {wrong[0]}"
        raise InputError(f"{read.source}: column {name!r} (split): found {found}, want train or test")
    return (parts == "test")[split.codes].astype(np.float64)


def _largest(read: Source, settings: Table, column: np.ndarray) -> dict[str, np.ndarray]:
    """Series -> `[T]`, the largest number of the rows that a step is made of; NaN where there is none.

    Args:
      read: the table.
      settings: how its rows become steps.
      column: `[R]` numbers.
    """
    named = [name for name in (settings.id, settings.time) if name is not None]
    fresh = "".join(named) + "number"
    table = read.table.select(named).append_column(fresh, pa.array(column))
    how = replace(settings, values=(fresh,), label=None, split=None, aggregate="max")
    if settings.time is not None:
        # Rows of equal time stay in the order of the table, so that the last of them has the largest number.
        table = table.take(pa.array(np.argsort(column, kind="stable")))
        how = replace(how, on_unsorted="sort", on_duplicate="last")
        how = how if settings.irregular == "resample" else replace(how, irregular="keep")
    found = read_table(table, how)
    return {str(name): found.x[row, :, 0] for row, name in enumerate(found.ids.tolist())}


def _train_stop(tested: np.ndarray, what: str) -> int:
    """How many steps come before the test part, of 0 = train, 1 = test, NaN = no row `[T]`."""
    train, test = np.flatnonzero(tested == 0), np.flatnonzero(tested == 1)
    if not len(train) or not len(test):
        raise InputError(
            f"{what}: found no step of {'test' if len(train) else 'train'}, want both parts in each series"
        )
    if train[-1] > test[0]:
        raise InputError(
            f"{what}: found train at step {train[-1]} after test at step {test[0]}, want the training part first"
        )
    return int(test[0])


def _stamps(time: np.ndarray) -> np.ndarray:
    """Whole seconds of dates, whole numbers of others."""
    return time.astype("datetime64[s]").astype(np.int64) if time.dtype.kind == "M" else np.floor(time).astype(np.int64)
