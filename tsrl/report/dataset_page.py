"""One HTML page about a data set: what is known of it, its channels in numbers, and some of its series drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.report import markup
from tsrl.report.cells import number
from tsrl.report.plots import COLOURS, MAX_LEGEND, escaped, extremes, height, new_figure

# More panels make a page that nobody scrolls through.
MAX_PANELS = 12
_PANEL_PIXELS = 150
# Of a single step a line shows nothing.
_FEW = 3


class Line(NamedTuple):
    """A series drawn in a panel.

    Attributes:
      name: in the legend; lines of one name have one colour.
      y: `[T]`, NaN = missing.
    """

    name: str
    y: np.ndarray


class Picture(NamedTuple):
    """Panels below one another, over one axis of time.

    Attributes:
      panels: title -> its lines.
      x: `[T]` times or step numbers, or None: the steps' numbers.
      axis: title of the axis.
      bands: `(first, last, name)` of shaded parts, in units of x.
      told: a sentence that tells what is drawn, for those who cannot see it.
    """

    panels: Mapping[str, Sequence[Line]]
    x: np.ndarray | None
    axis: str
    bands: Sequence[tuple[Any, Any, str]]
    told: str


def channel_rows(x: np.ndarray, names: Sequence[str]) -> list[dict[str, str]]:
    """Each channel in numbers: mean, standard deviation, extremes, share of missing values.

    Args:
      x: `[..., C]` floats, NaN = missing.
      names: of the C channels.
    """
    rows = []
    for name, channel in zip(names, np.moveaxis(x.reshape(-1, x.shape[-1]), -1, 0), strict=True):
        seen = channel[~np.isnan(channel)].astype(np.float64)
        measures = {"mean": seen.mean(), "std": seen.std(), "min": seen.min(), "max": seen.max()} if len(seen) else {}
        row = {"channel": name} | {kind: f"{measures[kind]:.4g}" if measures else "-" for kind in _MEASURES}
        rows.append(row | {"missing": f"{number(100 * (1 - len(seen) / len(channel)), 2)} %"})
    return rows


_MEASURES = ("mean", "std", "min", "max")


def write_dataset_page(
    path: str | Path,
    name: str,
    about: Mapping[str, str],
    channels: Sequence[Mapping[str, str]],
    counts: Mapping[str, Sequence[int]],
    picture: Picture,
    notes: Sequence[str] = (),
) -> None:
    """Writes the page.

    Args:
      path: the HTML file, replaced if it is there.
      name: of the set.
      about: terms and what they mean.
      channels: see `channel_rows`.
      counts: class -> its rows in each part, for the parts "train" and "test"; empty without labels.
      picture: what is drawn.
      notes: lines of a validation report.

    Raises:
      ImportError: plotly is not installed.
    """
    script = markup.plotly_script()

    header = tuple(name.capitalize() for name in channels[0])
    body = "\n".join((
        markup.definitions(about),
        markup.section("Series", markup.figure("series", _drawn(picture), picture.told)),
        markup.section("Channels", markup.table("", header, (tuple(row.values()) for row in channels))),
        markup.section(
            "Classes",
            markup.table("", ("Class", "Train", "Test"), ((label, *rows) for label, rows in counts.items()))
            if counts
            else "",
        ),
        markup.section("Validation", markup.code("\n".join(notes))),
    ))  # fmt: skip
    Path(path).write_text(markup.document(name, body, script), encoding="utf-8")


def _drawn(picture: Picture) -> Any:
    from plotly.subplots import make_subplots

    count = len(picture.panels)
    figure = make_subplots(count, 1, shared_xaxes=True, vertical_spacing=0.3 / (4 + count))
    figure.update_layout(new_figure(picture.axis, "").layout)
    colours: dict[str, str] = {}
    for row, (title, lines) in enumerate(picture.panels.items(), 1):
        for name, y in lines:
            first = name not in colours
            colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
            steps = extremes(np.asarray(y, float))
            x = steps if picture.x is None else picture.x[steps]
            figure.add_scatter(
                x=x, y=y[steps], mode="lines" if len(steps) > _FEW else "lines+markers", row=row, col=1,
                name=escaped(name), legendgroup=name, showlegend=first, line={"color": colour, "width": 1.5},
            )  # fmt: skip
        figure.update_yaxes(title_text=escaped(title), zeroline=False, automargin=True, row=row, col=1)
        figure.update_xaxes(title_text=picture.axis if row == count else "", zeroline=False, row=row, col=1)
    for first_step, last_step, name in picture.bands:
        first = name not in colours
        look = {"color": colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)]), "opacity": 0.2}
        figure.add_shape(
            type="rect", xref="x", yref="paper", x0=first_step, x1=last_step, y0=0, y1=1, line_width=0, layer="below",
            fillcolor=look["color"], opacity=look["opacity"],
        )  # fmt: skip
        if first:
            marker = {"symbol": "square", "size": 12} | look
            figure.add_scatter(x=[None], y=[None], mode="markers", name=escaped(name), marker=marker)
    figure.update_layout(
        showlegend=1 < len(colours) <= MAX_LEGEND, height=height(max(340, _PANEL_PIXELS * count), len(colours))
    )
    return figure
