"""The published numbers shown beside this library's own: `published.csv`, packaged with the library."""

import csv
import functools
import importlib.resources
from collections.abc import Mapping
from typing import Any


def published_rows(method: str, dataset: Mapping[str, Any], task: str) -> list[dict[str, Any]]:
    """The published results of a method on a data set.

    Args:
      method: the library's name of it, such as `ts2vec`.
      dataset: the report's `dataset`: its `name`; in forecasting its `variant`, `multivariate` or `univariate`; the
        `split` of labelled series, since nothing is published for another than the `published` one. `Epilepsy` is
        the EEG set; UEA's set of four activities, which other papers call so, is `Epilepsy (UEA)`.
      task: `classify` or `forecast`; other tasks have no numbers yet.

    Returns:
      The report's `published`: `{protocol, metric, cell, value, source}`; accuracies are fractions, errors are those of
      standardised values.
    """
    quoted = published_by_method(dataset, task)
    return [
        {name: value for name, value in row.items() if name != "method"} for row in quoted if row["method"] == method
    ]


def published_by_method(dataset: Mapping[str, Any], task: str) -> list[dict[str, Any]]:
    """The published results of every method on a data set.

    Args:
      dataset, task: see `published_rows`.

    Returns:
      Rows as of `published_rows`, with their `method`. Numbers whose `confidence` is `memory` are not among them:
      nobody has looked them up.
    """
    if dataset.get("split", "published") != "published" and task != "forecast":
        return []
    return [
        {
            "method": row["method"],
            "protocol": row["protocol"],
            "metric": row["metric"],
            "cell": {"horizon": int(row["horizon"]), "anchored": False} if row["horizon"] else {},
            "value": float(row["value"]),
            "source": row["source"],
        }
        for row in _rows()
        if (row["task"], row["dataset"], row["variant"]) == (task, dataset["name"], dataset.get("variant", ""))
        and is_sourced(row)
    ]


def is_sourced(row: Mapping[str, Any]) -> bool:
    """Whether a published number has been looked up: one that is only remembered is never shown."""
    return row.get("confidence") != "memory"


@functools.cache
def _rows() -> list[dict[str, str]]:
    text = (importlib.resources.files(__package__) / "published.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
