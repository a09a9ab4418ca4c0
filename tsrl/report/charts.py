"""Drawings as SVG files that stand alone, on white: dots with spreads in panels, and tables of small plots."""

import html
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError
from tsrl.report.cells import Score
from tsrl.report.plots import COLOURS

INK, FAINT, GRID = "#1c2024", "#687076", "#dfe3e6"
LETTER, LINE = 7.0, 16  # pixels of 12-pixel text; the width errs on the wide side
_MARKS = ("circle", "square", "diamond", "triangle")


class Panel(NamedTuple):
    """One panel of dots.

    Attributes:
      title: what it shows.
      unit: of its axis.
      scores: series -> row -> score, or None where there is none; the names of a panel's series stand below it.
    """

    title: str
    unit: str
    scores: Mapping[str, Mapping[str, Score | None]]


class Line(NamedTuple):
    """What one small plot shows.

    Attributes:
      values: `[T]`.
      seen: `[T]` bool; where False there is nothing. A value between two that are missing is a dot.
      marked: `[T]` bool, steps with a shade behind them.
    """

    values: np.ndarray
    seen: np.ndarray
    marked: np.ndarray


class Group(NamedTuple):
    """Small plots side by side under one heading, with one range of values in each row.

    Attributes:
      title: the heading.
      columns: a heading for each plot.
      colours: of the plots' lines.
    """

    title: str
    columns: tuple[str, ...]
    colours: tuple[str, ...]


def dot_chart(rows: Sequence[str], panels: Sequence[Panel], told: str, note: str = "") -> str:
    """Means as dots, with their standard deviations as bars; a row for each line of a table, a panel for each question.

    Args:
      rows: names, from the top.
      panels: side by side, each with an axis of its own.
      told: a sentence that tells the drawing.
      note: a sentence below it.

    Returns:
      An SVG document.

    Raises:
      InputError: no rows, or a panel without any score.
    """
    if not rows or not panels:
        raise InputError(f"rows, panels: found {len(rows)} and {len(panels)}, want at least one of each")
    side, width, gap = 16 + LETTER * max(map(len, rows)), 250, 36
    series = max(len(panel.scores) for panel in panels)
    row = 12 + 9 * series
    top, bottom = 40, 40 + len(rows) * row
    parts = [_text(side - 8, top + row * (n + 0.5) + 4, name, "end") for n, name in enumerate(rows)]
    for place, panel in enumerate(panels):
        left = side + place * (width + gap)
        parts += [_text(left, top - 16, panel.title, "start", "bold")]
        parts += _panel(rows, panel, left, width, top, row)
        for n, name in enumerate(panel.scores):
            y = bottom + 56 + LINE * n
            parts += [_mark(n, left + 6, y - 4), _text(left + 18, y, name)]
    total = round(side + len(panels) * (width + gap))
    height = bottom + 56 + LINE * series
    for words in textwrap.wrap(note, int(total / LETTER) - 4):
        parts.append(_text(16, height + 12, words))
        height += LINE
    return _document(total, height + 16, told, parts)


def small_plots(
    rows: Mapping[str, Sequence[Sequence[Line]]], groups: Sequence[Group], told: str, note: str = ""
) -> str:
    """A table of small plots of series.

    Args:
      rows: name -> for each group its lines, one a column.
      groups: of columns.
      told: a sentence that tells the drawing.
      note: a sentence below it.

    Returns:
      An SVG document.

    Raises:
      InputError: no rows, or a row that has not the groups' plots.
    """
    wanted = [len(group.columns) for group in groups]
    for name, lines in rows.items():
        if [len(part) for part in lines] != wanted:
            raise InputError(f"rows: found {[len(part) for part in lines]} plots in {name!r}, want {wanted}")
    if not rows:
        raise InputError("rows: found none, want at least one")
    side, width, height, gap, between, top = 16 + LETTER * max(map(len, rows)), 96, 52, 6, 22, 56
    parts = [_text(side - 8, top + (height + gap) * (n + 0.5) + 2, name, "end") for n, name in enumerate(rows)]
    left = side
    for place, group in enumerate(groups):
        parts.append(_text(left, 22, group.title, "start", "bold"))
        for n, lines in enumerate(rows.values()):
            shown = np.concatenate([line.values[line.seen] for line in lines[place]])
            low, high = (shown.min(), shown.max()) if len(shown) else (0.0, 1.0)
            for column, line in enumerate(lines[place]):
                x, y = left + column * (width + gap), top + n * (height + gap)
                parts.append(_small(line, (float(low), float(high)), group.colours[column], x, y, width, height))
        parts += [
            _text(left + n * (width + gap), 44, name, "start", colour=FAINT) for n, name in enumerate(group.columns)
        ]
        left += len(group.columns) * (width + gap) + between
    total, bottom = round(left), top + len(rows) * (height + gap)
    for words in textwrap.wrap(note, int(total / LETTER) - 4):
        parts.append(_text(16, bottom + 16, words))
        bottom += LINE
    return _document(total, bottom + 16, told, parts)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers, evenly spaced, from one at or below `low` to one at or above `high`."""
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span / most))
    for step in (power * factor for factor in (1, 2, 5, 10, 20)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < most:
            break
    return [round(number * step, 10) for number in range(first, last + 1)]


def _panel(rows: Sequence[str], panel: Panel, left: float, width: float, top: float, row: float) -> Iterable[str]:
    found = [score for scores in panel.scores.values() for score in scores.values() if score is not None]
    if not found:
        raise InputError(f"panels: found no score in {panel.title!r}, want at least one")
    ends = [score.mean + sign * (score.std or 0.0) for score in found for sign in (-1, 1)]
    marks = ticks(min(ends), max(ends))
    low, span = marks[0], max(marks[-1] - marks[0], 1e-9)
    bottom = top + row * len(rows)

    def x(value: float) -> float:
        return left + width * (value - low) / span

    for n in range(0, len(rows), 2):
        yield f'<rect x="{left:g}" y="{top + row * n:g}" width="{width:g}" height="{row:g}" fill="#f4f6f8"/>'
    for tick in marks:
        yield _path(f"M{x(tick):.1f},{top:g} V{bottom:g}", GRID)
        yield _text(x(tick), bottom + 16, f"{tick:g}", "middle", colour=FAINT)
    yield _text(left + width / 2, bottom + 34, panel.unit, "middle", colour=FAINT)
    for number, scores in enumerate(panel.scores.values()):
        for n, name in enumerate(rows):
            score = scores.get(name)
            if score is None:
                continue
            y = top + row * (n + 0.5) + 9 * (number - (len(panel.scores) - 1) / 2)
            if score.std:
                bar = f"M{x(score.mean - score.std):.1f},{y:g} H{x(score.mean + score.std):.1f}"
                yield _path(bar, COLOURS[number % len(COLOURS)], 2)
            yield _mark(number, x(score.mean), y)


def _mark(number: int, x: float, y: float) -> str:
    colour, kind = COLOURS[number % len(COLOURS)], _MARKS[number % len(_MARKS)]
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:g}" r="3.8" fill="{colour}"/>'
    shapes: dict[str, list[tuple[float, float]]] = {
        "square": [(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)],
        "diamond": [(0, -5), (5, 0), (0, 5), (-5, 0)],
        "triangle": [(0, -4.5), (4.5, 3.5), (-4.5, 3.5)],
    }
    points = " ".join(f"{x + dx:.1f},{y + dy:g}" for dx, dy in shapes[kind])
    return f'<polygon points="{points}" fill="{colour}"/>'


def _small(
    line: Line, ends: tuple[float, float], colour: str, left: float, top: float, width: float, height: float
) -> str:
    steps, (low, high) = len(line.values), ends
    x = left + 2 + (width - 4) * np.arange(steps) / max(steps - 1, 1)
    y = top + 3 + (height - 6) * (high - np.where(line.seen, line.values, 0)) / max(high - low, 1e-9)
    parts = [f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" fill="#fff" stroke="{GRID}"/>']
    for first, end in _runs(line.marked):
        wide = x[end - 1] - x[first] + 2
        parts.append(
            f'<rect x="{x[first] - 1:.1f}" y="{top + 1:g}" width="{wide:.1f}" height="{height - 2:g}" fill="#f6d9a8"/>'
        )
    for first, end in _runs(line.seen):
        if end - first == 1:
            parts.append(f'<circle cx="{x[first]:.1f}" cy="{y[first]:.1f}" r="1.3" fill="{colour}"/>')
        else:
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[first:end], y[first:end], strict=True))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    return "".join(parts)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First step of each run of true flags, and the step after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(flags, bool), [False]]).astype(int)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _path(d: str, colour: str, width: float = 1) -> str:
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", colour: str = INK) -> str:
    look = f'text-anchor="{anchor}" fill="{colour}"' + (f' font-weight="{weight}"' if weight != "normal" else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{html.escape(text)}</text>'


def _document(width: float, height: float, told: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" font-family="system-ui, sans-serif" font-size="12">'
        f'<title>{html.escape(told)}</title><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
