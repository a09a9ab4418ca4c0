"""Several data sets at once: the scores of every line, their average ranks and what a test tells apart.

A comparison is an object with

- `schema`: 2. `kind`: "comparison". `task`, `method`, `selection`: those of the reports. `metric`: a name of `METRICS`.
- `datasets`: names. `seeds`: of the reports.
- `lines`: one a model, protocol and cell that all reports have a score of: `model`, `role`, `protocol`, `cell`; over
  the data sets `mean`, `std` (null without seeds) and `published` (`{value, source}` or null); `average_rank`, 1 best.
- `left_out`: names of the lines that some data set has no score of.
- `p_values`: a matrix over lines, corrected for their number, or null. `cliques`: groups of numbers into `lines` that
  are not told apart at `alpha`.

In forecasting a score is the mean over horizons.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from tsrl.errors import InputError
from tsrl.report import markup
from tsrl.report.cells import (
    Cell,
    Grid,
    Line,
    Score,
    legend,
    marks,
    method_text,
    model_text,
    number,
    protocol_text,
    published_score,
    score_cell,
    scores_by_line,
)
from tsrl.report.diagram import critical_difference
from tsrl.report.schema import METRICS
from tsrl.report.table import rich_tables


class Matrix(NamedTuple):
    """Scores of lines on data sets.

    Attributes:
      metric: a name of `METRICS`.
      datasets: N names.
      lines: L lines that have a score on each.
      scores: `[N, L]` means over seeds.
      left_out: lines of some report without a score on some other data set.
    """

    metric: str
    datasets: list[str]
    lines: list[Line]
    scores: np.ndarray
    left_out: list[Line]


def score_matrix(
    reports: Sequence[Mapping[str, Any]], metric: str, keep: Callable[[Line], bool] = lambda line: True
) -> Matrix:
    """The scores that all reports have.

    Args:
      reports: runs' reports, schema 2, of one method and task on different data sets.
      metric: a name of `METRICS`.
      keep: whether a line takes part, for example `lambda line: line.protocol in ("svc", "control")`; default: all do.

    Raises:
      InputError: no reports, a data set that occurs twice, different tasks, methods or selections, an unknown metric,
        or no line with that metric in every report.
    """
    if metric not in METRICS:
        raise InputError(f"metric: found {metric!r}, want one of {', '.join(METRICS)}")
    if not reports:
        raise InputError("reports: found none, want at least one")
    datasets = [report["dataset"]["name"] for report in reports]
    if len(set(datasets)) < len(datasets):
        raise InputError(f"reports: found {datasets}, want different data sets")
    for part in ("task", "method", "selection"):
        if len(found := {report[part] for report in reports}) > 1:
            raise InputError(f"reports: found {part} {', '.join(sorted(found))}, want the same in all")
    found_scores = [scores_by_line(report) for report in reports]
    every = dict.fromkeys(
        line for scores in found_scores for line in scores if keep(line) and (metric, None) in scores[line]
    )
    lines = [line for line in every if all(scores.get(line, {}).get((metric, None)) for scores in found_scores)]
    if not lines:
        raise InputError(f"reports: found no line with {metric} on all of {', '.join(datasets)}")
    means = [[scores[line][metric, None].mean for line in lines] for scores in found_scores]  # type: ignore[union-attr]
    return Matrix(metric, datasets, lines, np.array(means), [line for line in every if line not in lines])


def comparison(
    reports: Sequence[Mapping[str, Any]],
    matrix: Matrix,
    *,
    average_ranks: Sequence[float],
    cliques: Sequence[Sequence[int]],
    alpha: float,
    p_values: Sequence[Sequence[float]] | np.ndarray | None = None,
) -> dict[str, Any]:
    """What several reports say together, as JSON values.

    Args:
      reports: see `score_matrix`.
      matrix: `score_matrix` of the same reports.
      average_ranks: `[L]`, of the matrix's lines, 1 is best.
      cliques: groups of numbers of lines that are not told apart.
      alpha: the level of the test.
      p_values: `[L, L]`, corrected for the number of pairs, or None.

    Returns:
      A comparison; this file's docstring says what is in it.

    Raises:
      InputError: statistics of another number of lines.
    """
    metric = matrix.metric
    count = len(matrix.lines)
    if len(average_ranks) != count or (p_values is not None and np.shape(p_values) != (count, count)):
        raise InputError(
            f"average_ranks, p_values: found {len(average_ranks)} ranks, want one for each of {count} lines"
        )
    by_report = [scores_by_line(report) for report in reports]
    lines = []
    for line, rank in zip(matrix.lines, average_ranks, strict=True):
        scores = [scores[line][metric, None] for scores in by_report]
        quoted = [published_score(report, line, metric, None) for report in reports]
        lines.append(
            {
                **line._asdict(),
                "cell": dict(line.cell),
                "mean": [score.mean for score in scores if score],
                "std": [score.std for score in scores if score],
                "published": [row and {"value": row["value"], "source": row["source"]} for row in quoted],
                "average_rank": float(rank),
            }
        )
    first = reports[0]
    return {
        "schema": first["schema"],
        "kind": "comparison",
        "task": first["task"],
        "method": first["method"],
        "selection": first["selection"],
        "metric": metric,
        "datasets": matrix.datasets,
        "seeds": sorted({seed for report in reports for seed in report["seeds"]}),
        "lines": lines,
        "left_out": [_line_text(line, first["selection"]) for line in matrix.left_out],
        "p_values": None if p_values is None else np.asarray(p_values, float).tolist(),
        "cliques": [list(map(int, clique)) for clique in cliques],
        "alpha": alpha,
    }


def comparison_tables(comparison: Mapping[str, Any], width: int | None = None) -> list[Table]:
    """The table of a comparison for the terminal: data sets by lines, and the average ranks.

    Args:
      comparison: see `comparison`.
      width: see `tsrl.report.table.results_tables`.
    """
    return rich_tables(_title(comparison), [_grid(comparison)], _told(comparison), width)


def comparison_diagram(comparison: Mapping[str, Any], inline: bool = False) -> str:
    """The critical-difference diagram of a comparison, as SVG.

    Args:
      comparison: see `comparison`; of at least two lines.
      inline: see `critical_difference`.
    """
    names = [_line_text(line, comparison["selection"]) for line in _lines(comparison)]
    ranks = [line["average_rank"] for line in comparison["lines"]]
    note = "" if inline else f"{_title(comparison)}. {_diagram_note(comparison)}"
    return critical_difference(names, ranks, comparison["cliques"], note, inline)


def write_comparison(path: str | Path, comparison: Mapping[str, Any], svg: str | Path | None = None) -> None:
    """Writes the page of a comparison.

    Args:
      path: the HTML file, replaced if it is there.
      comparison: see `comparison`.
      svg: a file for the diagram alone, on white; default: none.
    """
    several = len(comparison["lines"]) > 1
    names = [_line_text(line, comparison["selection"]) for line in _lines(comparison)]
    p_values = [
        (name, *("" if i == j else f"{p:.3g}" for j, p in enumerate(row)))
        for i, (name, row) in enumerate(zip(names, comparison["p_values"] or [], strict=False))
    ]
    matrix = markup.table("", ("", *names), p_values)
    body = [
        markup.section("Scores", markup.grid_table(_grid(comparison)), markup.paragraph(_told(comparison))),
        *([markup.section("Average ranks", _diagram(comparison))] if several else []),
        *([markup.folded("Wilcoxon p-values, Holm-corrected", matrix)] if p_values else []),
    ]
    Path(path).write_text(markup.document(_title(comparison), "\n".join(body)), encoding="utf-8")
    if svg is not None and several:
        Path(svg).write_text(comparison_diagram(comparison) + "\n", encoding="utf-8")


def _diagram(comparison: Mapping[str, Any]) -> str:
    return markup.drawing(comparison_diagram(comparison, inline=True), _diagram_note(comparison))


def _lines(comparison: Mapping[str, Any]) -> list[Line]:
    return [
        Line(line["model"], line["role"], line["protocol"], tuple(line["cell"].items())) for line in comparison["lines"]
    ]


def _line_text(line: Line, selection: str) -> str:
    return f"{model_text(line, selection)}, {protocol_text(line)}"


def _title(comparison: Mapping[str, Any]) -> str:
    method = method_text(comparison["method"], comparison["selection"])
    count = len(comparison["datasets"])
    return f"{method} on {count} data sets: {METRICS[comparison['metric']].title}"


def _diagram_note(comparison: Mapping[str, Any]) -> str:
    count, alpha = len(comparison["datasets"]), comparison["alpha"]
    note = f"Average rank over {count} data sets, 1 is best. Bars join what pairwise Wilcoxon signed-rank tests with "
    note += f"Holm's correction do not tell apart at {alpha:g}."
    # The smallest p-value of the test is that of equal signs throughout.
    return note if 2.0 ** (1 - count) <= alpha else f"{note} So few data sets can tell nothing apart at that level."


def _grid(comparison: Mapping[str, Any]) -> Grid:
    """A row a data set, a column a line, published numbers beside the method's; average ranks at the bottom."""
    metric = METRICS[comparison["metric"]]
    lines = comparison["lines"]
    heads: list[str] = []
    columns: list[list[Cell]] = []
    rows = [[Score(line["mean"][i], line["std"][i]) for line in lines] for i, _ in enumerate(comparison["datasets"])]
    marked = [marks(row, metric) for row in rows]
    for j, (line, named) in enumerate(zip(lines, _lines(comparison), strict=True)):
        text = _line_text(named, comparison["selection"])
        heads.append(text)
        cells = [score_cell(row[j], metric, mark[j]) for row, mark in zip(rows, marked, strict=True)]
        columns.append([*cells, Cell(f"{line['average_rank']:.2f}")])
        if any(line["published"]):
            heads.append(f"{text}, published")
            quoted = [Cell(number(row and row["value"], metric.decimals)) for row in line["published"]]
            columns.append([*quoted, Cell("")])
    names = [(name,) for name in (*comparison["datasets"], "average rank")]
    return Grid("", ("Data set",), tuple(heads), tuple(zip(names, zip(*columns, strict=True), strict=True)))


def _told(comparison: Mapping[str, Any]) -> str:
    """What must be said below the table."""
    sources = [row["source"] for line in comparison["lines"] for row in line["published"] if row]
    seeds = f"Seeds {', '.join(map(str, comparison['seeds']))}. " if comparison["seeds"] else ""
    left_out = "; ".join(comparison["left_out"])
    return (
        seeds
        + legend(comparison["selection"], [_grid(comparison)], _lines(comparison), sources)
        + (f" Left out, without a score on some data set: {left_out}." if left_out else "")
    )
