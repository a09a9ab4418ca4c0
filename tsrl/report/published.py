"""The published numbers shown beside this library's own: `published.csv`, packaged with the library."""

import csv
import functools
import importlib.resources
from typing import NamedTuple


class Published(NamedTuple):
    """A number somebody published.

    Attributes:
      value: in the metric's unit; accuracies are fractions.
      source: where it was read: repository or paper, and table.
    """

    value: float
    source: str


def published(method: str, dataset: str, metric: str, *, horizon: str = "", variant: str = "") -> Published | None:
    """The published result of a method on a data set.

    Args:
      method: the library's name of it, such as `ts2vec`.
      dataset: the archive's name of it, such as `BasicMotions`. `Epilepsy` is UEA's set of four activities, not the
        EEG set other papers call so.
      metric: such as `accuracy`.
      horizon: forecasting: the number of steps; empty for classification.
      variant: forecasting: `univariate` or `multivariate`; empty for classification.

    Returns:
      The number and where it was read, or None.
    """
    return _rows().get((method, dataset, metric, horizon, variant))


@functools.cache
def _rows() -> dict[tuple[str, ...], Published]:
    """The table by method, data set, metric, horizon and variant."""
    text = (importlib.resources.files(__package__) / "published.csv").read_text(encoding="utf-8")
    return {
        (row["method"], row["dataset"], row["metric"], row["horizon"], row["variant"]): Published(
            float(row["value"]), row["source"]
        )
        for row in csv.DictReader(text.splitlines())
    }
