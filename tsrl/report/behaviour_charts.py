"""Charts of a page about users' behaviour: drawn in per cent of their box, so that the browser fits them to any width
and text keeps its size. Colours are those of behaviour.css."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsrl.report.charts import ticks
from tsrl.report.plots import spaced

# Labels of an axis of time: the ends, and on wide screens quarters between.
_QUARTERS = 4
_LONGEST = 20  # letters of such a label
_FEW = 100  # points over time that have room for dots of full size
_MARGIN = 0.04  # of the map, so that no mark is cut


class Period(NamedTuple):
    """A point of a chart over time.

    Attributes:
      label: of the axis.
      value: height of the point.
      marked: whether it is drawn as a mark and no dot.
      told: what a pointer at it shows.
      band: lower and upper end of the shade behind it, or None.
    """

    label: str
    value: float
    marked: bool
    told: str
    band: tuple[float, float] | None = None


def over_time(periods: Sequence[Period], ends: tuple[float, float], told: str, line: float | None = None) -> str:
    """Points in the order of time, equally far from each other, joined by a line.

    Args:
      periods: at least one.
      ends: what the axis must reach at least.
      told: a sentence that tells the chart.
      line: a value that is drawn through.

    Returns:
      HTML.
    """
    bands = [end for period in periods for end in period.band or ()]
    values = [period.value for period in periods]
    marks = ticks(min(ends[0], *values, *bands), max(ends[1], *values, *bands))
    count, span = len(periods), marks[-1] - marks[0]

    def x(place: float) -> str:
        return _percent(place / count)

    def y(value: float) -> str:
        return _percent((marks[-1] - value) / span)

    parts = []
    for tick in marks:
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text x="-8" y="{y(tick)}" dy="4" text-anchor="end">{tick:g}</text>')
    for n, period in enumerate(periods):
        if period.band:
            bottom, top = period.band
            tall = _percent((top - bottom) / span)
            parts.append(f'<rect class="band" x="{x(n)}" width="{x(1)}" y="{y(top)}" height="{tall}"/>')
    if line is not None:
        parts.append(f'<line class="even" x1="0" x2="100%" y1="{y(line)}" y2="{y(line)}"/>')
    for n in range(1, count):
        (before, after), height = (x(n - 0.5), x(n + 0.5)), (y(values[n - 1]), y(values[n]))
        parts.append(f'<line class="path" x1="{before}" y1="{height[0]}" x2="{after}" y2="{height[1]}"/>')
    radius, side = (3.5, 10) if count <= _FEW else (2, 7)
    for n, period in enumerate(periods):
        if period.marked:
            parts.append(f'<rect class="mark" x="{x(n + 0.5)}" y="{y(period.value)}" width="{side}" height="{side}"/>')
        else:
            parts.append(f'<circle cx="{x(n + 0.5)}" cy="{y(period.value)}" r="{radius}"/>')
    labelled = {round(quarter * (count - 1) / _QUARTERS) for quarter in range(_QUARTERS + 1)}
    for n in sorted(labelled):
        place = (n + 0.5) / count
        anchor = "start" if place < 0.2 else "end" if place > 0.8 else "middle"
        look = "" if n in (0, count - 1) else ' class="between"'
        parts.append(
            f'<text{look} x="{x(n + 0.5)}" y="100%" dy="18" text-anchor="{anchor}">{_label(periods[n])}</text>'
        )
    # Over all others, so that the whole height of a period shows its words.
    for n, period in enumerate(periods):
        title = f"<title>{html.escape(period.told)}</title>"
        parts.append(f'<rect class="slot" x="{x(n)}" width="{x(1)}" y="0" height="100%">{title}</rect>')
    return f'<div class="chart"><svg role="img" aria-label="{html.escape(told)}">{"".join(parts)}</svg></div>'


def unit_map(drawn: Mapping[str, Any], opens: Mapping[int, int]) -> tuple[str, list[int]]:
    """Units as dots, alarms as marks; those with an explanation are buttons.

    Args:
      drawn: the record's `map`, of one point at least.
      opens: point -> number of the alarm that it opens.

    Returns:
      HTML, and which points are drawn as dots, in order: at most `plots.MAX_POINTS`, evenly spaced.
    """
    left, top = _places(drawn["x"]), 1 - _places(drawn["y"])
    regular = np.flatnonzero(~np.array(drawn["alarm"], bool))
    regular = regular[spaced(len(regular))]
    dots = "".join(f'<circle cx="{_percent(left[n])}" cy="{_percent(top[n])}" r="3"/>' for n in regular)
    place_of = [f'style="left:{_percent(x)};top:{_percent(y)}"' for x, y in zip(left, top, strict=True)]
    marks = [f"<i {place_of[n]}></i>" for n in np.flatnonzero(drawn["alarm"]) if n not in opens]
    for place, n in enumerate(sorted(opens, key=opens.__getitem__)):
        start = "" if drawn["start"][n] is None else f", {drawn['start'][n]}"
        name = html.escape(f"Alarm: {drawn['user'][n]}{start}")
        marks.append(
            f'<button type="button" data-n="{opens[n]}" tabindex="{0 if place == 0 else -1}" aria-label="{name}" '
            f"{place_of[n]}></button>"
        )
    told = f"Map of {len(regular)} regular units and {int(np.sum(drawn['alarm']))} alarms"
    body = f'<svg aria-hidden="true">{dots}</svg>{"".join(marks)}'
    return f'<div class="map" id="map" role="group" aria-label="{told}">{body}</div>', regular.tolist()


def _places(values: Sequence[float]) -> np.ndarray:
    """`[N]` from 0 to 1 with a margin; the middle where all are equal."""
    array = np.asarray(values, np.float64)
    span = np.ptp(array)
    inner = (array - array.min()) / span if span > 0 else np.full(len(array), 0.5)
    return np.asarray(_MARGIN + (1 - 2 * _MARGIN) * inner)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def _label(period: Period) -> str:
    text = period.label
    return html.escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
