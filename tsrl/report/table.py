"""The table of results for the terminal, and its cells, which the HTML page shares."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

SPREAD = "± is the sample standard deviation over seeds."
_METRICS = ("accuracy", "macro_f1", "kappa")


class Cells(NamedTuple):
    """The table as text: `header` and `row` have the same length, `caption` says where numbers come from."""

    header: tuple[str, ...]
    row: tuple[str, ...]
    caption: str


def mean_and_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (divisor n - 1) of one metric over seeds.

    Args:
      values: one number a seed, at least one.

    Returns:
      The mean, and the standard deviation or None for a single seed, which has none.
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def result_cells(report: dict[str, Any]) -> Cells:
    """The text of the table of results.

    Args:
      report: a run's report, schema 1. Mean and spread are taken from its `results`; a metric without results is "-".

    Returns:
      Header, row and caption, unescaped.
    """
    scores = {metric: score_text([result[metric] for result in report["results"]]) for metric in _METRICS}
    quoted = report["published"].get("accuracy")
    header = ("Method", "Data set", "Seeds", "Accuracy", "Published", "Macro-F1", "Kappa")
    row = (
        report["method"],
        report["dataset"]["name"],
        ", ".join(str(seed) for seed in report["seeds"]),
        scores["accuracy"],
        f"{quoted['value']:.3f}" if quoted else "none published",
        scores["macro_f1"],
        scores["kappa"],
    )
    notes = [SPREAD] if len(report["results"]) > 1 else []
    notes += [f"Published accuracy: {quoted['source']}."] if quoted else []
    return Cells(header, row, " ".join(notes))


def results_table(report: dict[str, Any]) -> Table:
    """The table of results of a run: mean ± sample standard deviation over seeds, beside the published accuracy.

    Args:
      report: a run's report, schema 1.

    Returns:
      A table to print with rich; the published number's source is its caption.
    """
    cells = result_cells(report)
    # Text, not str: a data set's name may hold rich's square-bracket markup.
    table = Table(caption=Text(cells.caption) if cells.caption else None, caption_justify="left")
    for name in cells.header:
        text = name in ("Method", "Data set", "Seeds")
        # A narrow terminal breaks the text columns; a number broken over two lines could be misread.
        table.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    table.add_row(*(Text(cell) for cell in cells.row))
    return table


def score_text(values: list[float]) -> str:
    """Mean ± standard deviation to three decimals, or a dash."""
    if not values or any(math.isnan(value) for value in values):
        return "-"
    mean, std = mean_and_std(values)
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"
