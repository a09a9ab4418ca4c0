"""Plots of a run: training loss, error against the horizon, detected anomalies. Each with a sentence that tells it."""

import html
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tsrl.errors import InputError
from tsrl.report.cells import model_text, protocol_text, scores_by_line
from tsrl.report.schema import METRICS

MAX_POINTS = 2_000  # drawn of a curve or a split: more cannot be told apart, and a browser draws SVG slowly
MAX_LEGEND = 20
# Ten colours and seven symbols share no divisor: seventy classes look different, without colour too where they are few.
COLOURS = ("#4269d0", "#e08a00", "#ff725c", "#3ba9a0", "#3ca951", "#e0559a", "#a463f2", "#5b9be0", "#9c6b4e", "#858b93")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")
DASHES = {"method": "solid", "untrained": "dash", "control": "dot"}


def loss_plot(seeds: Sequence[int], curve: Iterable[Mapping[str, Any]]) -> tuple[Any, str] | None:
    """The loss against the step, one line a seed.

    Args:
      seeds: in the order of the losses.
      curve: see `write_page`.

    Returns:
      The figure and its sentence, or None where no step was recorded.
    """
    rows = [row for row in curve if "loss" in row]
    if not rows:
        return None
    rows = [rows[i] for i in spaced(len(rows))]
    steps = [row["step"] for row in rows]
    losses = np.array([np.atleast_1d(row["loss"]) for row in rows], np.float64)
    figure = new_figure("step", "training loss")
    for i, seed in enumerate(seeds[: losses.shape[1]]):
        line = {"color": COLOURS[i % len(COLOURS)], "width": 2}
        figure.add_scatter(x=steps, y=losses[:, i], mode="lines", name=f"seed {seed}", line=line)
    figure.update_layout(showlegend=1 < losses.shape[1] <= MAX_LEGEND, height=height(340, losses.shape[1]))
    ends = zip(seeds, losses[0], losses[-1], strict=False)
    told = "; ".join(f"seed {seed} from {first:.3f} to {last:.3f}" for seed, first, last in ends)
    return figure, f"Training loss, step {steps[0]} to {steps[-1]}: {told}."


def horizon_plot(report: Mapping[str, Any], metric: str = "mse") -> tuple[Any, str] | None:
    """An error against the horizon, one line a model and protocol, with the spread over seeds.

    Args:
      report: a run's report, schema 2, of forecasting.
      metric: which error.

    Returns:
      The figure and its sentence, or None where no result has that metric at some horizon.
    """
    title = METRICS[metric].title
    figure = new_figure("horizon, steps", title)
    drawn: set[int] = set()
    for i, (line, scores) in enumerate(scores_by_line(report).items()):
        points = sorted((h, score) for (name, h), score in scores.items() if name == metric and h and score)
        if not points:
            continue
        drawn |= {horizon for horizon, _ in points}
        colour = COLOURS[i % len(COLOURS)]
        figure.add_scatter(
            x=[horizon for horizon, _ in points], y=[score.mean for _, score in points],
            error_y={"array": [score.std or 0.0 for _, score in points], "thickness": 1.5},
            mode="lines+markers", name=escaped(f"{model_text(line, report['selection'])}, {protocol_text(line)}"),
            line={"color": colour, "dash": DASHES[line.role], "width": 3 if line.role == "method" else 2},
            marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8}, hoverlabel={"namelength": -1},
        )  # fmt: skip
    if not drawn:
        return None
    ticks = sorted(drawn)
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(tick) for tick in ticks], showgrid=True)
    figure.update_layout(showlegend=True, height=height(420, len(figure.data)))
    told = f"{title} against the horizon, {ticks[0]} to {ticks[-1]} steps on a logarithmic axis; the table has the"
    return figure, f"{told} numbers. Bars: standard deviation over seeds. Dashed: untrained. Dotted: controls."


def anomaly_plot(arrays: Mapping[str, np.ndarray]) -> tuple[Any, str] | None:
    """One series with its labelled anomalies, what was detected, and the score below.

    Args:
      arrays: `anomaly_values [T]`, `anomaly_labels [T]` and `anomaly_detected [T]` (both 0 or 1), `anomaly_score [T]`
        (NaN where there is none), `anomaly_name`.

    Returns:
      The figure and its sentence, or None without these arrays.

    Raises:
      InputError: lengths that differ.
    """
    if "anomaly_values" not in arrays:
        return None
    values, score = np.asarray(arrays["anomaly_values"], float), np.asarray(arrays["anomaly_score"], float)
    labels, detected = (np.asarray(arrays[f"anomaly_{part}"]).astype(bool) for part in ("labels", "detected"))
    for name, array in (("labels", labels), ("detected", detected), ("score", score)):
        if array.shape != values.shape or values.ndim != 1:
            raise InputError(f"anomaly_{name}: found shape {array.shape}, want [T] like values, {values.shape}")
    figure = new_figure("step", "")
    figure.update_layout(
        xaxis={"anchor": "y2"}, yaxis={"domain": [0.42, 1], "title": {"text": "value"}}, height=height(480, 4),
        yaxis2={"domain": [0, 0.36], "title": {"text": "score"}, "zeroline": False, "automargin": True},
    )  # fmt: skip
    windows = _runs(labels)
    figure.update_layout(
        shapes=[
            {"type": "rect", "xref": "x", "yref": "paper", "x0": first - 0.5, "x1": last + 0.5, "y0": 0, "y1": 1,
             "fillcolor": COLOURS[1], "opacity": 0.3, "line": {"width": 1, "color": COLOURS[1]}, "layer": "below"}
            for first, last in windows
        ]
    )  # fmt: skip
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name="labelled anomaly",
        marker={"symbol": "square", "size": 12, "color": COLOURS[1], "opacity": 0.4},
    )  # fmt: skip
    for name, y, axis, colour in (("value", values, "y", COLOURS[0]), ("score", score, "y2", COLOURS[6])):
        steps = extremes(y)
        figure.add_scatter(x=steps, y=y[steps], mode="lines", yaxis=axis, name=name, line={"color": colour, "width": 1})
    steps = np.flatnonzero(detected)
    look = {"symbol": "x", "size": 9, "color": COLOURS[2]}
    figure.add_scatter(x=steps, y=values[steps], mode="markers", name="detection", marker=look)
    name = str(arrays["anomaly_name"])
    hit = sum(bool(detected[first : last + 1].any()) for first, last in windows)
    told = (
        f"{name}: {len(values)} steps, {len(windows)} labelled anomalies (shaded), {len(steps)} detections (crosses); "
    )
    return figure, f"{told}{hit} of the anomalies have a detection inside them. Below: the anomaly score."


def new_figure(x: str, y: str) -> Any:
    """An empty figure in the layout of all; the page's script sets its colours, which depend on the reader's scheme."""
    import plotly.graph_objects as go

    return go.Figure(layout={
        "template": "none", "autosize": True, "dragmode": False, "margin": {"l": 56, "r": 12, "t": 36, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": "system-ui, sans-serif"},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        "xaxis": {"title": {"text": x}, "zeroline": False, "automargin": True},
        "yaxis": {"title": {"text": y}, "zeroline": False, "automargin": True},
    })  # fmt: skip


def height(plot: int, entries: int) -> int:
    """Pixels: room below the plot for a legend that a phone shows in one column."""
    return plot + 20 * min(entries, MAX_LEGEND)


def spaced(count: int) -> np.ndarray:
    """At most `MAX_POINTS` evenly spaced row numbers, the first and the last among them."""
    return np.arange(count) if count <= MAX_POINTS else np.linspace(0, count - 1, MAX_POINTS).astype(int)


def escaped(name: str) -> str:
    """A name for plotly, which renders some HTML of its own."""
    return html.escape(name, quote=False)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last step of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]


def extremes(y: np.ndarray) -> np.ndarray:
    """At most `MAX_POINTS` steps that keep every peak: the lowest and the highest of each of equally long pieces."""
    if len(y) <= MAX_POINTS:
        return np.arange(len(y))
    edges = np.linspace(0, len(y), MAX_POINTS // 2 + 1).astype(int)
    low, high = np.where(np.isnan(y), np.inf, y), np.where(np.isnan(y), -np.inf, y)
    pieces = [slice(first, end) for first, end in itertools.pairwise(edges)]
    lowest = [piece.start + int(low[piece].argmin()) for piece in pieces]
    highest = [piece.start + int(high[piece].argmax()) for piece in pieces]
    return np.unique(lowest + highest)
