"""The scores of a report as cells of text, for the terminal and the page: grouped, averaged over seeds, compared."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tsrl.report.schema import METRICS, ROLES, Metric, Role

BEST, SAME = "*", "≈"


class Line(NamedTuple):
    """What the seeds of one result share; `cell` is the rows' without the horizon, as pairs."""

    model: str
    role: Role
    protocol: str
    cell: tuple[tuple[str, Any], ...]


class Score(NamedTuple):
    """Over seeds: the mean, and the sample standard deviation, or None for one seed and for what has no randomness."""

    mean: float
    std: float | None


class Cell(NamedTuple):
    """Texts of a number, its spread and its mark."""

    value: str
    spread: str = ""
    mark: str = ""


class Grid(NamedTuple):
    """A table as text, unescaped.

    Attributes:
      title: what the table is of.
      names: headings of the columns that name a line.
      heads: headings of the columns of numbers.
      lines: the names of each line and its cells.
    """

    title: str
    names: tuple[str, ...]
    heads: tuple[str, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]


# Scores by metric and horizon. Without a horizon: the score itself, in forecasting its mean over horizons.
Scores = dict[tuple[str, int | None], Score | None]


def mean_and_std(values: Sequence[float]) -> Score:
    """Mean and sample standard deviation (divisor n - 1) of one metric over seeds.

    Args:
      values: one number a seed, at least one.

    Returns:
      Both; the deviation is None for a single seed, which has none.
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Score(mean, None)
    return Score(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)))


def scores_by_line(report: Mapping[str, Any]) -> dict[Line, Scores]:
    """The scores of a report over seeds: the method's lines first, then the untrained encoder's, then the controls'.

    Args:
      report: a run's report, schema 2.

    Returns:
      For each line its scores. None: undefined for some seed, or, for a mean over horizons, absent at one of them.
    """
    found: dict[Line, dict[tuple[str, int | None], dict[int | None, float | None]]] = {}
    for row in report["results"]:
        cell = {name: value for name, value in row["cell"].items() if name != "horizon"}
        line = found.setdefault(Line(row["model"], row["role"], row["protocol"], tuple(sorted(cell.items()))), {})
        for metric, value in row["scores"].items():
            line.setdefault((metric, row["cell"].get("horizon")), {})[row["seed"]] = value
    horizons = horizons_of(report)
    for line_scores in found.values():
        for metric in {metric for metric, _ in line_scores} if horizons else ():
            cells = [line_scores.get((metric, horizon), {}) for horizon in horizons]
            line_scores[metric, None] = {
                seed: None if None in (values := [cell.get(seed) for cell in cells]) else _mean(values)
                for cell in cells
                for seed in cell
            }
    return {
        line: {key: _over_seeds(list(seeds.values())) for key, seeds in found[line].items()}
        for line in sorted(found, key=lambda line: ROLES.index(line.role))
    }


def horizons_of(report: Mapping[str, Any]) -> list[int]:
    """The horizons of a report's results, ascending; none where the task has none."""
    return sorted({row["cell"]["horizon"] for row in report["results"] if "horizon" in row["cell"]})


def metrics_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The metrics that rows of results have, in the order of `METRICS`."""
    present = {metric for row in rows for metric in row["scores"]}
    return [metric for metric in METRICS if metric in present]


def published_score(report: Mapping[str, Any], line: Line, metric: str, horizon: int | None) -> dict[str, Any] | None:
    """The published number beside a line of the method, of its protocol and cell, or None.

    Without a horizon, in forecasting, it is the mean over all horizons, where every one of them is published.
    """
    horizons = horizons_of(report)
    if line.role != "method":
        return None
    if horizons and horizon is None:
        quoted = [row for row in (published_score(report, line, metric, h) for h in horizons) if row]
        if len(quoted) < len(horizons):
            return None
        return {"value": _mean([row["value"] for row in quoted]), "source": quoted[0]["source"]}
    cell = dict(line.cell) | ({} if horizon is None else {"horizon": horizon})
    for row in report["published"]:
        if (row["protocol"], row["metric"], row["cell"]) == (line.protocol, metric, cell):
            return row
    return None


def no_different(a: Score, b: Score) -> bool:
    """Whether one mean lies within the other's mean ± standard deviation; without seeds that interval is a point."""
    # The tolerance is for means of equal scores that were summed in another order.
    return abs(a.mean - b.mean) <= max(a.std or 0.0, b.std or 0.0) + 1e-12


def marks(scores: Sequence[Score | None], metric: Metric) -> list[str]:
    """For each score `BEST`, `SAME` (no different from a best) or nothing; nothing at all where there is one score."""
    present = [score for score in scores if score]
    if len(present) < 2:
        return [""] * len(scores)
    best = (max if metric.higher_is_better else min)(score.mean for score in present)
    bests = [score for score in present if abs(score.mean - best) <= 1e-12]
    return [
        "" if score is None else BEST if score in bests else SAME if any(no_different(score, b) for b in bests) else ""
        for score in scores
    ]


def contest(task: str, line: Line) -> tuple[Any, ...]:
    """What lines must have in common to be compared: the cell, but anchored or not; in anomaly detection the protocol.

    Its protocols judge different steps, and a score from few labels says nothing about one from all of them.
    """
    cell = [(name, value) for name, value in line.cell if name != "anchored"]
    return (line.protocol if task == "anomaly" else None, *cell)


def number(value: float | None, decimals: int) -> str:
    """A number as shown: fixed decimals, powers of ten from 10,000 on, a dash for None."""
    if value is None:
        return "-"
    return f"{value:.{decimals}f}" if abs(value) < 1e4 else f"{value:.2e}"


def score_cell(score: Score | None, metric: Metric, mark: str = "") -> Cell:
    """The cell of a score."""
    if score is None:
        return Cell("-")
    spread = "" if score.std is None else f"±{number(score.std, metric.decimals)}"
    return Cell(number(score.mean, metric.decimals), spread, mark)


def words(name: str) -> str:
    """A name as read: `last_step_ridge` is last step ridge."""
    return name.replace("_", " ")


def method_text(method: str, selection: str) -> str:
    """The method's name, with a warning where it was selected on test data."""
    return f"{method} (optimistic: selected on test)" if selection == "paper" else method


def model_text(line: Line, selection: str) -> str:
    """The model of a line with its role."""
    if line.role == "method":
        return method_text(line.model, selection)
    return line.model if line.role in line.model else f"{line.model} ({line.role})"


def protocol_text(line: Line) -> str:
    """The protocol of a line and what else tells it from others: true settings by name, false ones not at all."""
    cell = [
        words(name) if value is True else f"{words(name)} {value}" for name, value in line.cell if value is not False
    ]
    return ", ".join([words(line.protocol), *cell])


def legend(
    selection: str, grids: Sequence[Grid], lines: Iterable[Line], sources: Iterable[str], contests: bool = False
) -> str:
    """What a reader must know of the numbers: spread, marks, roles, selection, and where published ones are from.

    Args:
      selection: the report's.
      grids: all that is shown.
      lines: of the results.
      sources: of the published numbers.
      contests: whether not all lines are compared with each other.
    """
    cells = [cell for grid in grids for _, cells in grid.lines for cell in cells]
    roles = {line.role for line in lines}
    notes = []
    if selection == "paper":
        notes.append("Optimistic: selected on test data, as the published protocol does; not a fair estimate.")
    if any(cell.spread for cell in cells):
        notes.append("± is the sample standard deviation over seeds; without it: one seed, or no randomness.")
    if any(cell.mark for cell in cells):
        notes.append(f"{BEST} best; {SAME} no different from it: one mean lies within the other's mean ± deviation.")
        notes += ["Only lines that are judged alike, of one setting, are compared."] * contests
    if "untrained" in roles:
        notes.append("Untrained: the same encoder with its initial weights.")
    if "control" in roles:
        notes.append("Control: needs no encoder.")
    if sources := dict.fromkeys(sources):
        notes.append(f"Published: {'; '.join(sources)}.")
    return " ".join(notes)


def _over_seeds(values: Sequence[float | None]) -> Score | None:
    """Mean and deviation, or None where a seed has no score: a mean over the others would flatter."""
    present = [value for value in values if value is not None]
    return mean_and_std(present) if len(present) == len(values) else None


def _mean(values: Sequence[Any]) -> float:
    return math.fsum(values) / len(values)
