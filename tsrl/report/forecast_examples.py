"""The plot of a few forecasts beside what came."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsrl.errors import InputError
from tsrl.report.cells import words
from tsrl.report.plots import COLOURS, height, new_figure

# Steps before the origin, in horizons, and at most.
_BEFORE, _MOST_BEFORE = 2, 336
_GAP = 0.09


def forecast_plot(arrays: Mapping[str, np.ndarray]) -> tuple[Any, str] | None:
    """Forecasts of the last channel from a few origins, each with the values before and after it.

    Of several horizons the longest is drawn. The last value, repeated, stands beside: what a forecast has to beat.

    Args:
      arrays: `x [T, C]` values, `forecast_origins_H [K]` steps and, for each protocol, `forecast_PROTOCOL_H [K, H, C]`
        forecasts of the H steps after them, in the units of `x`; H is a number in the name.

    Returns:
      The figure and its sentence, or None without these arrays.

    Raises:
      InputError: arrays whose shapes do not belong together.
    """
    found = [re.fullmatch(r"forecast_(?!origins_)(\w+)_(\d+)", name) for name in arrays]
    named = [(match[1], int(match[2])) for match in found if match]
    if not named or "x" not in arrays:
        return None
    horizon = max(steps for _, steps in named)
    x, origins = np.asarray(arrays["x"], float), arrays.get(f"forecast_origins_{horizon}", np.zeros(0, int))
    forecasts = {name: np.asarray(arrays[f"forecast_{name}_{horizon}"]) for name, steps in named if steps == horizon}
    for name, values in forecasts.items():
        want = (len(origins), horizon, *x.shape[1:])
        if values.shape != want or not len(origins) or origins.max() + horizon >= len(x):
            raise InputError(
                f"forecast_{name}_{horizon}: found shape {values.shape}, want {want}, inside {len(x)} steps"
            )
    figure = new_figure("step", "")
    share = (1 - _GAP * (len(origins) - 1)) / len(origins)
    layout: dict[str, Any] = {"height": height(130 + 170 * len(origins), 2 + len(forecasts))}
    for k, origin in enumerate(origins.tolist()):
        axis = "" if k == 0 else str(k + 1)
        top = 1 - k * (share + _GAP)
        shared = {"zeroline": False, "automargin": True}
        layout[f"yaxis{axis}"] = {"domain": [max(0.0, top - share), top], "title": {"text": "value"}, **shared}
        title = {"text": "step" if k == len(origins) - 1 else ""}
        layout[f"xaxis{axis}"] = {"anchor": f"y{axis}", "title": title, **shared}
        first = max(0, origin - min(_BEFORE * horizon, _MOST_BEFORE))
        after = np.arange(origin, origin + horizon + 1)
        # Each forecast begins at the last known value, so that its first step can be seen.
        known = x[origin, -1]
        lines = {
            "values": (np.arange(first, after[-1] + 1), x[first : after[-1] + 1, -1], "#858b93", "solid"),
            "last value": (after, np.full(len(after), known), COLOURS[1], "dot"),
        }
        for n, (name, values) in enumerate(forecasts.items()):
            colour = COLOURS[(0, 2, 3)[n % 3]]
            lines[f"forecast, {words(name)}"] = (after, np.r_[known, values[k, :, -1]], colour, "solid")
        for name, (steps, y, colour, dash) in lines.items():
            figure.add_scatter(
                x=steps, y=y.round(5), mode="lines", name=name, legendgroup=name, showlegend=k == 0,
                xaxis=f"x{axis}", yaxis=f"y{axis}", line={"color": colour, "dash": dash, "width": 1.5},
            )  # fmt: skip
    figure.update_layout(**layout)
    told = f"Forecasts of the last channel, {horizon} steps from each of {len(origins)} origins that are evenly spaced "
    return figure, told + "over the test part; grey: the values before and after. One seed, plain targets."
