"""Forecasting from frozen representations: ridge on the last step, a linear map of windows, a model's forecasts.

All protocols score the same test origins (see `origins`). Scores are means over origins, steps and channels of scaled
values. The *anchored* variant forecasts targets minus the origin's value `x[t]` and adds it back: its scores are those
of the same targets. A channel that is constant is forecast without error and lowers the mean over channels.

References:
  Yue et al. 2022, TS2Vec, arXiv 2106.10466; official code zhihanyue/ts2vec, `tasks/forecasting.py` and
  `tasks/_eval_protocols.py`. Chang et al. 2024, TimeDRL, arXiv 2312.04142.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.forecast_scores import (
    Examples,
    Forecast,
    Selection,
    check_selection,
    choose,
    example_origins,
    prediction_errors,
    ridge_forecasts,
    scores,
)
from tsrl.evaluate.origins import (
    Splits,
    all_origins,
    check_finite,
    check_series,
    cut_windows,
    make_series,
    origins,
    window_means,
)
from tsrl.evaluate.ridge import PENALTIES, WINDOW_PENALTIES

MAX_SAMPLES = 100_000


def last_step_ridge(
    features: np.ndarray,
    x: np.ndarray,
    splits: Splits,
    horizons: Sequence[int],
    *,
    skip: int,
    scale: np.ndarray | None = None,
    penalties: Sequence[float] = PENALTIES,
    selection: Selection = "validation",
) -> list[Forecast]:
    """Ridge from the representation of the origin to all steps and channels, TS2Vec's protocol.

    Args:
      features: `[T, D]`, row t computed from steps up to t.
      x: `[T, C]` scaled values.
      splits: see `Splits`. Fitted on train, the penalty chosen on valid, scored on test.
      horizons: steps ahead.
      skip: first origins of train that are left out, for want of context (TS2Vec: 200).
      scale: `[C]` standard deviations that x was divided by, for scores in original units.
      penalties: tried, positive.
      selection: see `Selection`.

    Returns:
      Two `Forecast` a horizon, plain and anchored. Train and valid are sampled beyond 100,000 origins.

    Raises:
      InputError: NaN or infinity, horizons that a split is too short for, splits out of order.
    """
    x = check_series(x, splits, horizons, skip=skip, scale=scale)
    z = np.asarray(features)
    if z.ndim != 2 or len(z) != len(x) or not z.shape[1]:
        raise InputError(f"features: found shape {z.shape}, want [{len(x)}, D], one row for each of x")
    used = np.arange(splits.train.start + skip, splits.test.stop)
    check_finite("features", z[used[0] : splits.test.stop], used)
    series = make_series(x, (np.zeros_like(x), x))
    # A sample is drawn for each horizon by itself; without one the horizons share the sums over training rows.
    whole = max(len(origins(split, min(horizons))) for split in splits[:2]) <= MAX_SAMPLES
    forecasts = []
    for together in [horizons] if whole else [[horizon] for horizon in horizons]:
        train, valid, test = all_origins(splits, together, skip)
        forecasts += ridge_forecasts(
            lambda asked: z[asked][:, None],
            series,
            splits,
            (_sampled(train), _sampled(valid), test),
            together,
            scale,
            penalties,
            selection,
        )
    return forecasts


def window_linear(
    represent: Callable[[np.ndarray], np.ndarray],
    x_in: np.ndarray,
    x: np.ndarray,
    splits: Splits,
    horizons: Sequence[int],
    look_back: int,
    *,
    scale: np.ndarray | None = None,
    penalties: Sequence[float] = WINDOW_PENALTIES,
    selection: Selection = "validation",
    max_rows: int = 4096,
) -> list[Forecast]:
    """A linear map from all representations of a window of fixed length, TimeDRL's protocol in closed form.

    TimeDRL trains the map with AdamW and reports the epoch that is best on test; here it is the ridge solution.

    Args:
      represent: windows `[n, look_back, C_in]`, n up to 512, -> `[n, F]`, mapped to all steps and channels jointly, or
        `[n, C, F]`, under one map that the channels share. Computed in float64 from values rounded to float32.
      x_in: `[T, C_in]` what the windows are cut from; NaN is passed on.
      x: `[T, C]` scaled values, the targets.
      splits: as in `last_step_ridge`.
      horizons: steps ahead.
      look_back: length of a window, which ends at its origin. Training windows lie inside train.
      scale: as in `last_step_ridge`.
      penalties: tried, positive.
      selection: see `Selection`.
      max_rows: where F is not below the number of training rows, or is more than twice this, the rows that are fitted:
        those of evenly spaced training origins.

    Returns:
      Two `Forecast` a horizon, plain and anchored.

    Raises:
      InputError: as `last_step_ridge`; representations of another shape, or not finite.
    """
    x = check_series(x, splits, horizons, look_back=look_back, scale=scale)
    windows = cut_windows(_inputs(x_in, x), look_back)

    def features(asked: np.ndarray) -> np.ndarray:
        z = np.asarray(represent(windows(asked)), np.float32)
        if z.ndim not in (2, 3) or len(z) != len(asked) or 0 in z.shape or (z.ndim == 3 and z.shape[1] != x.shape[1]):
            want = f"[{len(asked)}, F] or [{len(asked)}, {x.shape[1]}, F]"
            raise InputError(f"represent: found representations {z.shape}, want {want}")
        check_finite("represent", z, asked)
        return z.reshape(len(asked), -1, z.shape[-1])

    series = make_series(x, (np.zeros_like(x), x))
    rows = all_origins(splits, horizons, look_back - 1)
    return ridge_forecasts(
        features, series, splits, rows, horizons, scale, penalties, selection, max_dual_rows=max_rows
    )


def channel_linear(
    represent: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    x_in: np.ndarray,
    x: np.ndarray,
    splits: Splits,
    horizons: Sequence[int],
    look_back: int,
    *,
    scale: np.ndarray | None = None,
    penalties: Sequence[float] = WINDOW_PENALTIES,
    selection: Selection = "validation",
) -> list[Forecast]:
    """`window_linear` for representations of each channel of an instance-normalised window, under one map.

    With a window's mean m and standard deviation s the forecast is `m + s * (W z + b)`, as TimeDRL's. Errors are in
    scaled units, so that it is ridge without an intercept from `[s * z, s]` to `y - m`.

    Args:
      represent: windows `[n, look_back, C_in]` -> representations `[n, C, F]` and the scale `[n, C]`.
      x_in: as in `window_linear`.
      x: as in `window_linear`.
      splits: as in `window_linear`.
      horizons: as in `window_linear`.
      look_back: as in `window_linear`.
      scale: as in `window_linear`.
      penalties: as in `window_linear`.
      selection: as in `window_linear`.

    Returns:
      Two `Forecast` a horizon, plain and anchored, which has the window's last value for m.

    Raises:
      InputError: as `window_linear`.
    """
    x = check_series(x, splits, horizons, look_back=look_back, scale=scale)
    windows = cut_windows(_inputs(x_in, x), look_back)

    def features(asked: np.ndarray) -> np.ndarray:
        z, own = represent(windows(asked))
        check_finite("represent", z, asked)
        return np.concatenate([z * own[..., None], own[..., None]], -1).astype(np.float32)

    series = make_series(x, (window_means(x, look_back), x))
    rows = all_origins(splits, horizons, look_back - 1)
    return ridge_forecasts(
        features, series, splits, rows, horizons, scale, penalties, selection, intercept=False, max_dual_rows=4096
    )


def flatten(windows: np.ndarray) -> np.ndarray:
    """`[n, L, D] -> [n, L * D]`: all steps side by side, for `window_linear`; of raw windows, its control."""
    return windows.reshape(len(windows), -1)


def end_to_end(
    candidates: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]],
    x_in: np.ndarray,
    x: np.ndarray,
    splits: Splits,
    horizons: Sequence[int],
    look_back: int,
    *,
    known: np.ndarray | None = None,
    anchored: bool = False,
    scale: np.ndarray | None = None,
    selection: Selection = "validation",
) -> list[Forecast]:
    """A supervised model's own forecasts, of the candidate that is best on valid.

    Args:
      candidates: name -> function of windows `[n, look_back, C_in]`, n up to 512, and what is known in advance
        `[n, H, K]`, that gives `[n, H, C]`; for example the checkpoints of one training run.
      x_in: `[T, C_in]` what the windows are cut from.
      x: `[T, C]` scaled values, the targets.
      splits: see `Splits`; train only has to hold a window and its targets.
      horizons: steps ahead.
      look_back: length of a window, which ends at its origin.
      known: `[T, K]` what is known in advance, such as the calendar; default: nothing, K = 0.
      anchored: the models were trained on targets minus `x[t]`, which is added to their forecasts.
      scale: as in `last_step_ridge`.
      selection: see `Selection`.

    Returns:
      One `Forecast` a horizon.

    Raises:
      InputError: as `last_step_ridge`; no candidates, forecasts of another shape or not finite.
    """
    x = check_series(x, splits, horizons, look_back=look_back, scale=scale)
    windows = cut_windows(_inputs(x_in, x), look_back)
    ahead = np.empty((len(x), 0), np.float32) if known is None else np.asarray(known)
    check_selection(selection)
    if not candidates:
        raise InputError("candidates: found none, want at least one")

    def predict(name: str, horizon: int, part: np.ndarray) -> np.ndarray:
        coming = np.lib.stride_tricks.sliding_window_view(ahead, horizon, axis=0)[part + 1].swapaxes(1, 2)
        y = np.asarray(candidates[name](windows(part), coming))
        if y.shape != (want := (len(part), horizon, x.shape[1])):
            raise InputError(f"candidates[{name!r}]: found forecasts {y.shape}, want {want}")
        check_finite(f"candidates[{name!r}]", y, part)
        return y + x[part, None] if anchored else y

    def errors(name: str, rows: np.ndarray, horizon: int) -> np.ndarray:
        return prediction_errors(partial(predict, name, horizon), x, rows, horizon)

    forecasts = []
    for horizon in horizons:
        judged = origins(splits.test if selection == "paper" else splits.valid, horizon)
        best, chosen = choose(np.stack([errors(name, judged, horizon) for name in candidates], 1), selection)
        name = list(candidates)[best]
        found = scores(errors(name, origins(splits.test, horizon), horizon), scale)
        shown = example_origins(splits.test, horizon)
        examples = Examples(shown, predict(name, horizon, shown).astype(np.float32))
        forecasts.append(Forecast(horizon, anchored, found, {"candidate": name, **chosen}, examples))
    return forecasts


def _sampled(rows: np.ndarray) -> np.ndarray:
    """At most `MAX_SAMPLES` origins, those that the official code draws."""
    from sklearn.model_selection import train_test_split

    if len(rows) <= MAX_SAMPLES:
        return rows
    return np.sort(train_test_split(rows, train_size=MAX_SAMPLES, random_state=0)[0])


def _inputs(x_in: np.ndarray, x: np.ndarray) -> np.ndarray:
    x_in = np.asarray(x_in)
    if x_in.ndim != 2 or len(x_in) != len(x):
        raise InputError(f"x_in: found shape {x_in.shape}, want [{len(x)}, C_in], one row for each of x")
    return x_in
