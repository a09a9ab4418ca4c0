"""The tables of results: as text, which the HTML page shows too, and for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tsrl.report.cells import (
    BEST,
    Cell,
    Grid,
    Line,
    Scores,
    contest,
    horizons_of,
    legend,
    marks,
    method_text,
    metrics_of,
    model_text,
    number,
    protocol_text,
    published_score,
    score_cell,
    scores_by_line,
)
from tsrl.report.schema import METRICS

NAME_WIDTH = 12  # a name is broken over lines down to this width; a number never is
GAP = 2  # between columns

# By line, metric and horizon.
_Quoted = dict[tuple[Line, str, int | None], dict[str, Any]]


class Results(NamedTuple):
    """The tables of a report, those of less interest (`folded`), and what must be said below them."""

    grids: list[Grid]
    folded: list[Grid]
    legend: str


def results(report: Mapping[str, Any]) -> Results:
    """The tables of a report as text: one a metric in forecasting, with a column a horizon; else one in all.

    Args:
      report: a run's report, schema 2.

    Returns:
      Unescaped. No tables where there are no results. Folded are errors in original units, whose mean over channels
      is ruled by the channel with the largest numbers.
    """
    lines, metrics, horizons = scores_by_line(report), metrics_of(report["results"]), horizons_of(report)
    keys = [(metric, horizon) for metric in metrics for horizon in (*horizons, None)]
    quoted = {
        (line, *key): row for line in lines for key in keys if (row := published_score(report, line, *key)) is not None
    }
    if horizons:
        by_metric = {metric: _forecast_grid(report, lines, metric, quoted) for metric in metrics}
    else:
        by_metric = {"all": _score_grid(report, lines, metrics, quoted)} if metrics else {}
    shown = [grid for metric, grid in by_metric.items() if not metric.endswith("_original")]
    folded = [grid for metric, grid in by_metric.items() if metric.endswith("_original")]
    sources = [row["source"] for row in quoted.values()]
    several = len({contest(report["task"], line) for line in lines}) > 1
    return Results(shown, folded, legend(report["selection"], shown, lines, sources, several))


def results_tables(report: Mapping[str, Any], width: int | None = None) -> list[Table]:
    """The tables of results of a run: mean ± sample standard deviation over seeds, beside published numbers.

    Args:
      report: a run's report, schema 2.
      width: columns of the terminal; default: of this one. Where it is too narrow for numbers in one line, spreads go
        below their means, and then columns into several tables; a number is never broken.

    Returns:
      Tables to print with rich, the last with a caption; none where there are no results.
    """
    shown = results(report)
    method, seeds = method_text(report["method"], report["selection"]), ", ".join(map(str, report["seeds"]))
    heading = f"{method} on {report['dataset']['name']}: {report['task']}"
    heading += f", seeds {seeds}" if seeds else ""
    return rich_tables(heading, shown.grids, shown.legend, width)


def rich_tables(heading: str, grids: Sequence[Grid], caption: str, width: int | None = None) -> list[Table]:
    """Tables for the terminal, at least one a grid.

    Args:
      heading: what every table is of.
      grids: what to show.
      caption: below the last.
      width: see `results_tables`.
    """
    width = Console().width if width is None else width
    tables = [table for grid in grids for table in _split(heading, grid, width)]
    if tables and caption:
        tables[-1].caption, tables[-1].caption_justify = Text(caption), "left"
    return tables


class _Column(NamedTuple):
    """A column of numbers: its heading, its cells, and the widths of their parts."""

    head: str
    cells: list[Cell]
    value: int
    spread: int
    mark: int

    def width(self, stacked: bool) -> int:
        """In characters, with spreads beside or below their means."""
        numbers = max(self.value, self.spread) if stacked else self.value + bool(self.spread) + self.spread
        return max(numbers + self.mark, *map(len, self.head.split()))

    def text(self, cell: Cell, stacked: bool) -> Text:
        """Decimal points stand below each other; the mark follows the mean."""
        pad = max(self.value, self.spread) if stacked else self.value
        text = Text(f"{cell.value:>{pad}}{cell.mark.ljust(self.mark)}", style="bold" if cell.mark == BEST else "")
        if cell.spread:
            text.append(f"\n{cell.spread:>{pad}}" if stacked else f" {cell.spread:>{self.spread}}")
        return text


def _split(heading: str, grid: Grid, width: int) -> list[Table]:
    """One table, or several with a part of the columns each where one would be too wide."""
    columns = []
    for i, head in enumerate(grid.heads):
        cells = [cells[i] for _, cells in grid.lines]
        columns.append(_Column(head, cells, *(max(map(len, part)) for part in zip(*cells, strict=True))))
    room = width
    for i, name in enumerate(grid.names):
        room -= GAP + min(NAME_WIDTH, max(len(name), *(len(names[i]) for names, _ in grid.lines)))

    def needed(columns: Sequence[_Column], stacked: bool) -> int:
        return sum(column.width(stacked) + GAP for column in columns) - GAP

    stacked = needed(columns, stacked=False) > room
    blocks: list[list[_Column]] = [[]]
    for column in columns:
        if blocks[-1] and needed([*blocks[-1], column], stacked) > room:
            blocks.append([])
        blocks[-1].append(column)
    title = f"{heading}. {grid.title}" if grid.title else heading
    return [_rich_table(title, grid, block, stacked) for block in blocks]


def _rich_table(title: str, grid: Grid, columns: Sequence[_Column], stacked: bool) -> Table:
    # Text, not str: a data set's name may hold rich's square-bracket markup.
    table = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
    )  # fmt: skip
    for name in grid.names:
        table.add_column(Text(name), overflow="fold")
    for column in columns:
        table.add_column(Text(column.head), width=column.width(stacked))
    for i, (names, _) in enumerate(grid.lines):
        table.add_row(*map(Text, names), *(column.text(column.cells[i], stacked) for column in columns))
    return table


def _score_grid(report: Mapping[str, Any], lines: dict[Line, Scores], metrics: Sequence[str], quoted: _Quoted) -> Grid:
    """A column for each metric, and beside it the published numbers."""
    columns: dict[str, list[Cell]] = {}
    for metric in metrics:
        columns[METRICS[metric].title] = _cells(report, lines, metric, None)
        if any((line, metric, None) in quoted for line in lines):
            columns[f"{METRICS[metric].title}, published"] = [
                _quoted_cell(quoted.get((line, metric, None)), metric, absent="") for line in lines
            ]
    rows = zip(*columns.values(), strict=True)
    named = [(_names(report, line), cells) for line, cells in zip(lines, rows, strict=True)]
    return Grid("", ("Model", "Protocol"), tuple(columns), tuple(named))


def _forecast_grid(report: Mapping[str, Any], lines: dict[Line, Scores], metric: str, quoted: _Quoted) -> Grid:
    """A column for each horizon and their mean; below a line of the method its published numbers."""
    keys = [*horizons_of(report), None]
    columns = [_cells(report, lines, metric, horizon) for horizon in keys]
    named = []
    for line, cells in zip(lines, zip(*columns, strict=True), strict=True):
        model, protocol = _names(report, line)
        named.append(((model, protocol), cells))
        published = [quoted.get((line, metric, horizon)) for horizon in keys]
        if any(published):
            named.append(
                ((f"{line.model} (published)", protocol), tuple(_quoted_cell(row, metric) for row in published))
            )
    heads = ["mean" if horizon is None else str(horizon) for horizon in keys]
    return Grid(METRICS[metric].title, ("Model", "Protocol"), tuple(heads), tuple(named))


def _names(report: Mapping[str, Any], line: Line) -> tuple[str, str]:
    return model_text(line, report["selection"]), protocol_text(line)


def _cells(report: Mapping[str, Any], lines: Mapping[Line, Scores], metric: str, horizon: int | None) -> list[Cell]:
    """A column: marked is the best of each contest."""
    cells: dict[Line, Cell] = {}
    for rivals in {contest(report["task"], line): None for line in lines}:
        own = [line for line in lines if contest(report["task"], line) == rivals]
        scores = [lines[line].get((metric, horizon)) for line in own]
        for line, score, mark in zip(own, scores, marks(scores, METRICS[metric]), strict=True):
            cells[line] = score_cell(score, METRICS[metric], mark)
    return [cells[line] for line in lines]


def _quoted_cell(row: Mapping[str, Any] | None, metric: str, absent: str = "-") -> Cell:
    return Cell(number(row["value"], METRICS[metric].decimals) if row else absent)
