"""Labelled anomalies in a table of the user's own: a row a time step, with a label in each."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tsrl.data.anomaly.files import checked
from tsrl.data.anomaly.series import AnomalySeries, ranges
from tsrl.data.tables.read import read_table
from tsrl.data.tables.settings import Table
from tsrl.errors import InputError


def read_anomaly_table(path: Path, settings: Table, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """Reads a long table whose label belongs to the step, not to the series.

    Args:
      path: of the file.
      settings: what its columns mean; `label` names the column of whole numbers, 0 = normal, ranges that touch have
        different ones. Where steps are merged (duplicates, resampling), one that was labelled labels the merged one.
      train_fraction: share of each series to train on.

    Returns:
      The source in words, and the series, in order of first appearance.

    Raises:
      InputError: see `read_table`; no column for the label, or labels that are no whole numbers from 0 up.
    """
    if settings.label is None or settings.layout != "long":
        raise InputError(f"{path.name}: found no column for label in a long table, want table.label: 0 = normal")
    label = settings.label
    values = (*settings.values, label) if settings.values else ()
    table = read_table(path, replace(settings, label=None, values=values))
    if label not in table.columns or len(table.columns) < 2:
        found = f"found {label!r} among the columns of numbers {list(table.columns)}"
        raise InputError(f"{table.source}: label: {found}, want it there, and a channel beside it")
    place = table.columns.index(label)
    others = [channel for channel in range(len(table.columns)) if channel != place]
    series = []
    for row, name in enumerate(table.ids.tolist()):
        steps = slice(0, int(table.lengths[row]))
        x = table.x[row, steps][:, others]
        labels = _whole(table.x[row, steps, place], x, f"{table.source}: label of {name}", settings)
        stop = int(len(x) * train_fraction)
        timestamps = np.arange(len(x)) if table.time is None else _stamps(table.time[row, steps])
        series.append(checked(table.source, str(name), x, timestamps, ranges(labels), stop))
    return table.source, series


def _whole(found: np.ndarray, x: np.ndarray, what: str, settings: Table) -> np.ndarray:
    # A step that no row belongs to has neither values nor a label.
    labels = np.where(np.isnan(found) & np.isnan(x).all(1), 0, found)
    if (settings.irregular == "resample" or settings.on_duplicate == "mean") and (labels % 1 != 0).any():
        labels = labels > 0
    wrong = np.flatnonzero(~(labels >= 0) | (labels % 1 != 0))
    if len(wrong):
        raise InputError(f"{what}: found {labels[wrong[0]]} at step {wrong[0]}, want whole numbers, 0 = normal")
    return labels.astype(np.int64)


def _stamps(time: np.ndarray) -> np.ndarray:
    """Whole seconds of dates, whole numbers of others."""
    return time.astype("datetime64[s]").astype(np.int64) if time.dtype.kind == "M" else np.floor(time).astype(np.int64)
