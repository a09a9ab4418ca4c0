"""From forecasts to scores: errors by channel, what is chosen by them, and the part that all ridge protocols share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import DTypeLike

from tsrl.errors import InputError
from tsrl.evaluate.origins import Series, Splits
from tsrl.evaluate.ridge import Features, RidgePath, blocks, fit_ridge, path_errors

# Forecasts that are kept to be looked at.
_EXAMPLES = 3

# "paper" picks by the least test MSE, as some papers did; what it yields is optimistic.
Selection = Literal["validation", "paper"]


@dataclass(frozen=True, eq=False)
class Examples:
    """A few forecasts of the test part, to be looked at.

    Attributes:
      origins: `[K]` evenly spaced steps of the series.
      values: `[K, H, C]` forecasts of the H steps after each, scaled.
    """

    origins: np.ndarray
    values: np.ndarray

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Examples):
            return NotImplemented
        return np.array_equal(self.origins, other.origins) and np.array_equal(self.values, other.values)


class Forecast(NamedTuple):
    """Scores of one horizon.

    Attributes:
      horizon: steps ahead.
      anchored: whether targets were taken minus the origin's value.
      scores: `mse`, `mae`; with a scale `mse_original`, `mae_original`: means over channels in their own units.
      chosen: `penalty` or `candidate`, the first of equals, with `validation_loss`, its RMSE + MAE; for selection
        "paper" with `optimistic`: True instead. Empty where nothing was chosen.
      examples: forecasts by what was scored; None where they are not kept.
    """

    horizon: int
    anchored: bool
    scores: dict[str, float]
    chosen: dict[str, Any]
    examples: Examples | None = None


def ridge_forecasts(
    features: Features,
    series: Series,
    splits: Splits,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    horizons: Sequence[int],
    scale: np.ndarray | None,
    penalties: Sequence[float],
    selection: Selection,
    *,
    intercept: bool = True,
    max_dual_rows: int | None = None,
) -> list[Forecast]:
    """Fits on train, chooses penalties, scores on test: what all ridge protocols share.

    Args:
      features: see `ridge.Features`.
      series: with two anchors: what is subtracted in the plain and in the anchored variant.
      splits: see `Splits`.
      rows: ascending origins of train, valid and test for the shortest horizon.
      horizons: steps ahead.
      scale: as in `last_step_ridge`.
      penalties: as in `last_step_ridge`.
      selection: see `Selection`.
      intercept: see `fit_ridge`.
      max_dual_rows: see `fit_ridge`.

    Returns:
      Two `Forecast` a horizon, plain and anchored.

    Raises:
      InputError: penalties that are not positive, an unknown selection.
    """
    check_selection(selection)
    if not len(penalties) or not all(0 < penalty < np.inf for penalty in penalties):
        raise InputError(f"penalties: found {penalties!r}, want positive numbers")
    paths, query = fit_ridge(
        features, series, rows[0], splits.train.stop, horizons, intercept=intercept, max_dual_rows=max_dual_rows
    )

    def errors(split: int, tried: Mapping[int, Sequence[float]], dtype: DTypeLike) -> dict[int, np.ndarray]:
        """Horizon -> mean squared and absolute errors `[2, V, P, C]` on a split."""
        found = {horizon: np.zeros((2, 2, len(tried[horizon]), len(series.x))) for horizon in paths}
        for part in blocks(rows[split]):
            z = query(part)
            for horizon, path in paths.items():
                inside = part[: np.searchsorted(part, splits[split].stop - horizon)]
                sums = path_errors(path, z[: len(inside)], series, inside, horizon, tried[horizon], dtype)
                found[horizon] += sums / horizon
        return {h: sums / np.count_nonzero(rows[split] < splits[split].stop - h) for h, sums in found.items()}

    # Many penalties are compared in float32, the chosen ones scored in float64.
    judged = errors(2 if selection == "paper" else 1, dict.fromkeys(paths, penalties), np.float32)
    best = {horizon: [choose(judged[horizon][:, v], selection) for v in range(2)] for horizon in horizons}
    picked = {horizon: [penalties[index] for index, _ in best[horizon]] for horizon in horizons}
    found = errors(2, picked, np.float64)
    shown = {horizon: example_origins(splits.test, horizon) for horizon in horizons}
    represented = {horizon: query(shown[horizon]) for horizon in horizons}
    return [
        Forecast(
            horizon,
            bool(v),
            scores(found[horizon][:, v, v], scale),
            {"penalty": float(picked[horizon][v]), **best[horizon][v][1]},
            Examples(
                shown[horizon],
                path_forecasts(paths[horizon], represented[horizon], series, shown[horizon], picked[horizon][v], v),
            ),
        )
        for horizon in horizons
        for v in range(2)
    ]


def path_forecasts(
    path: RidgePath, query: np.ndarray, series: Series, origins: np.ndarray, penalty: float, variant: int
) -> np.ndarray:
    """What a ridge regression forecasts, where `path_errors` only sums its errors.

    Args:
      path: a fit for H steps.
      query: `[n, G, F]` what `fit_ridge`'s function gives for `origins`.
      series: see `Series`.
      origins: `[n]`.
      penalty: positive.
      variant: which anchor is subtracted from the targets and added back.

    Returns:
      `[n, H, C]` float32.
    """
    channels, variants, _ = series.anchors.shape
    forecasts = []
    for channel in range(channels):
        rows = query[:, channel % query.shape[1], : len(path.mean)] - path.mean
        z = rows @ path.basis / (path.eigenvalues + penalty)
        found = z @ path.weights[channel % len(path.weights)] + path.intercept[channel % len(path.intercept)]
        anchor = series.anchors[channel, variant, origins] - found[:, variant]
        forecasts.append(found[:, variants:] + anchor[:, None])
    return np.stack(forecasts, -1).astype(np.float32)


def example_origins(test: slice, horizon: int) -> np.ndarray:
    """`[K]`: up to three evenly spaced test origins, the first and the last among them."""
    last = test.stop - 1 - horizon
    return np.unique(np.linspace(test.start, last, _EXAMPLES).astype(int))


def prediction_errors(
    predict: Callable[[np.ndarray], np.ndarray], x: np.ndarray, rows: np.ndarray, horizon: int
) -> np.ndarray:
    """Mean squared and mean absolute errors of each channel, `[2, C]`.

    Args:
      predict: origins `[n]` -> forecasts `[n, H, C]`.
      x: `[T, C]` scaled values in float64.
      rows: `[N]` origins.
      horizon: H.
    """
    future = np.lib.stride_tricks.sliding_window_view(x, horizon, axis=0).swapaxes(1, 2)
    sums = np.zeros((2, x.shape[1]))
    for part in blocks(rows):
        error = predict(part) - future[part + 1]
        sums += np.square(error).sum((0, 1)), np.abs(error).sum((0, 1))
    return sums / (len(rows) * horizon)


def scores(errors: np.ndarray, scale: np.ndarray | None) -> dict[str, float]:
    """Means over channels of the errors `[2, C]`; where the scale `[C]` is known, in original units too."""
    mse, mae = errors
    found = {"mse": float(mse.mean()), "mae": float(mae.mean())}
    if scale is not None:
        scale = np.asarray(scale, np.float64)
        found |= {"mse_original": float((mse * scale**2).mean()), "mae_original": float((mae * scale).mean())}
    return found


def choose(errors: np.ndarray, selection: Selection) -> tuple[int, dict[str, Any]]:
    """The best option of errors `[2, options, C]` and what to say about the choice."""
    if selection == "paper":
        return int(errors[0].mean(-1).argmin()), {"optimistic": True}
    loss = np.sqrt(errors[0].mean(-1)) + errors[1].mean(-1)
    return int(loss.argmin()), {"validation_loss": float(loss.min())}


def check_selection(selection: str) -> None:
    """Refuses what is not a `Selection`.

    Raises:
      InputError: names what was found.
    """
    if selection not in get_args(Selection):
        raise InputError(f"selection: found {selection!r}, want 'validation' or 'paper'")
