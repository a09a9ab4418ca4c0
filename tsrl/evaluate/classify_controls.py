"""Classifiers of the raw series that a representation has to beat, computed and never quoted."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.classify import decision_scores, evaluate_svc, labelled_splits
from tsrl.evaluate.probes import evaluate_logistic, evaluate_nearest, fit_ridge_classifier, nearness

# Cells of all warping matrices, times channels: two minutes of one core, which fills up to 200 million a second.
DTW_CELLS = 25_000_000_000
# Squared training rows times values of a series: three minutes of the SVC's search at 50 million a second.
SVC_VALUES = 10_000_000_000
# Training rows times values of a series times classes: three minutes of the logistic regression's search.
LOGISTIC_VALUES = 200_000_000
# Training rows times features of the ridge head: 2,000 x 49,728 took 3.4 GB, so the limit takes about 7 GB.
ROCKET_VALUES = 200_000_000
# The kernels have nine weights and MultiRocket applies them to differences too, which are one step shorter.
ROCKET_STEPS = 10
# Features of test rows, or distances, at a time: 128 MB in float64.
CHUNK_VALUES = 2**24
CONTROLS = ("MiniRocket", "MultiRocket", "1-NN DTW", "1-NN Euclidean", "raw SVC", "raw logistic")
ROCKET_FEATURES = {"MiniRocket": 9_996, "MultiRocket": 49_728}


class Controls(NamedTuple):
    """What `classification_controls` computed.

    Attributes:
      scores: control -> `accuracy`, `macro_f1`, `kappa`, `auprc`, `n_train`, `n_test` and the chosen penalty.
      left_out: control -> why it was not computed.
    """

    scores: dict[str, dict[str, Any]]
    left_out: dict[str, str]


def classification_controls(
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    seed: int = 0,
    groups: np.ndarray | None = None,
    names: Sequence[str] = CONTROLS,
) -> Controls:
    """Every control that is feasible: MiniRocket, MultiRocket, 1-NN DTW, and of the raw series 1-NN Euclidean, an SVC
    and a logistic regression.

    All see the series as `filled` makes them, at the scale they are given. The first three need aeon. MiniRocket and
    MultiRocket have their published number of kernels, with `fit_ridge_classifier` as the head; series shorter than 10
    steps stay at their last value up to there. DTW is without a window (the archive's "DTW (w=100)"), one path for all
    channels, and its neighbours rank as in `evaluate_nearest`. The last three see the channels and steps in one row.

    Args:
      x_train: `[N, T, C]`, NaN = missing, or after the end of a shorter series.
      y_train: `[N]` labels.
      x_test: `[M, T, C]`.
      y_test: `[M]` labels, all of which occur in `y_train`.
      seed: of the kernels of MiniRocket and MultiRocket and of the SVC's search (see `fit_svc`).
      groups: `[N]` whose training row each is, for the logistic regression (see `evaluate_logistic`).
      names: of `CONTROLS`, those to compute.

    Returns:
      Scores by name, and the reasons for those left out: aeon is not installed, or the data set is beyond `DTW_CELLS`,
      `ROCKET_VALUES`, `SVC_VALUES` or `LOGISTIC_VALUES`.

    Raises:
      InputError: series that are not `[N, T, C]` of one T and C, infinite values; labels as for `evaluate_svc`.

    References:
      Dempster et al. 2021, MiniRocket, arXiv 2012.08791; Tan et al. 2022, MultiRocket, arXiv 2102.00457; Dau et al.
      2019, The UCR Time Series Archive, arXiv 1810.07758: nearest neighbours under Euclidean distance and DTW.
    """
    train, test = filled("train", x_train), filled("test", x_test)
    if train.shape[1:] != test.shape[1:]:
        raise InputError(f"x_test: found T, C {test.shape[1:]}, want x_train's {train.shape[1:]}")
    flat, flat_new = train.reshape(len(train), -1), test.reshape(len(test), -1)
    _, y, _, y_new, _ = labelled_splits(flat, y_train, flat_new, y_test)
    controls: dict[str, Callable[[], dict[str, Any]]] = {
        "MiniRocket": partial(_rocket, "MiniRocket", train, y, test, y_new, seed),
        "MultiRocket": partial(_rocket, "MultiRocket", train, y, test, y_new, seed),
        "1-NN DTW": partial(_nearest_dtw, train, y, test, y_new),
        "1-NN Euclidean": partial(evaluate_nearest, flat, y, flat_new, y_new),
        "raw SVC": partial(_raw_svc, flat, y, flat_new, y_new, seed),
        "raw logistic": partial(_raw_logistic, flat, y, flat_new, y_new, seed, groups),
    }
    found = Controls({}, {})
    for name in names:
        try:
            found.scores[name] = controls[name]()
        except _Infeasible as reason:
            found.left_out[name] = str(reason)
    return found


def filled(split: str, x: np.ndarray) -> np.ndarray:
    """Series without gaps: missing steps are interpolated linearly, those before and after all others hold the nearest.

    So a shorter series stays at its last value to the end. Each channel of each series is filled from itself alone; one
    without any value is zero.

    Args:
      split: "train" or "test", for messages.
      x: `[N, T, C]`, NaN = missing.

    Returns:
      `[N, T, C]` float64, finite.

    Raises:
      InputError: another rank, nothing in it, infinite values.
    """
    series = np.array(x, np.float64)
    if series.ndim != 3 or 0 in series.shape:
        raise InputError(f"x_{split}: found shape {series.shape}, want [N, T, C] with at least one of each")
    if np.isinf(series).any():
        raise InputError(f"x_{split}: found infinity, want finite values, or NaN where missing")
    missing = np.isnan(series)
    steps = np.arange(series.shape[1])
    for n, c in np.argwhere(missing.any(axis=1)):
        gaps = missing[n, :, c]
        known = series[n, ~gaps, c]
        series[n, gaps, c] = np.interp(steps[gaps], steps[~gaps], known) if len(known) else 0.0
    return series


class _Infeasible(Exception):
    """A control that cannot be computed here, for the reason in the message."""


def _rocket(
    name: Literal["MiniRocket", "MultiRocket"],
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    features = ROCKET_FEATURES[name]
    if len(x_train) * features > ROCKET_VALUES:
        raise _Infeasible(
            f"{len(x_train):,} training series are too many for {features:,} features, whose limit in memory is "
            f"{ROCKET_VALUES // features:,}"
        )
    with _aeon():
        from aeon.transformations.collection import convolution_based

        transform = getattr(convolution_based, name)(random_state=seed)
        ridge = fit_ridge_classifier(transform.fit_transform(_channels_first(x_train)), y_train)
        decisions = [
            ridge.decision_function(transform.transform(part)) for part in _parts(_channels_first(x_test), features)
        ]
    scores = decision_scores(np.concatenate(decisions), y_test, ridge[-1].classes_)
    return {**scores, "n_train": len(y_train), "n_test": len(y_test), "alpha": float(ridge[-1].alpha_)}


def _nearest_dtw(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> dict[str, Any]:
    _, steps, channels = x_train.shape
    cells = len(x_train) * len(x_test) * steps**2 * channels
    if cells > DTW_CELLS:
        raise _Infeasible(f"{cells:.1e} cells of warping matrices are above the limit of {DTW_CELLS:.1e}")
    train, classes = x_train.swapaxes(1, 2).copy(), np.unique(y_train)
    with _aeon():
        from aeon.distances import dtw_pairwise_distance

        closest = []
        for part in _parts(x_test.swapaxes(1, 2).copy(), len(train)):
            distances = dtw_pairwise_distance(part, train)
            closest.append(np.stack([distances[:, y_train == label].min(axis=1) for label in classes], axis=1))
    scores = decision_scores(nearness(np.concatenate(closest)), y_test, classes)
    return {**scores, "n_train": len(y_train), "n_test": len(y_test)}


def _raw_svc(flat: np.ndarray, y: np.ndarray, flat_new: np.ndarray, y_new: np.ndarray, seed: int) -> dict[str, Any]:
    cost = len(flat) * flat.size
    if cost > SVC_VALUES:
        raise _Infeasible(
            f"{len(flat):,} training series of {flat.shape[1]:,} values cost {cost:.1e} (number squared times values), "
            f"above the limit of {SVC_VALUES:.1e}"
        )
    return evaluate_svc(flat, y, flat_new, y_new, seed)


def _raw_logistic(
    flat: np.ndarray, y: np.ndarray, flat_new: np.ndarray, y_new: np.ndarray, seed: int, groups: np.ndarray | None
) -> dict[str, Any]:
    cost = flat.size * len(np.unique(y))
    if cost > LOGISTIC_VALUES:
        raise _Infeasible(
            f"{len(flat):,} training series of {flat.shape[1]:,} values cost {cost:.1e} (number times values times "
            f"classes), above the limit of {LOGISTIC_VALUES:.1e}"
        )
    return evaluate_logistic(flat, y, flat_new, y_new, seed, groups)


def _channels_first(x: np.ndarray) -> np.ndarray:
    """`[N, T, C]` as aeon's `[N, C, T]`, T at least `ROCKET_STEPS`."""
    short = max(0, ROCKET_STEPS - x.shape[1])
    return np.ascontiguousarray(np.pad(x, ((0, 0), (0, short), (0, 0)), mode="edge").swapaxes(1, 2), np.float32)


def _parts(rows: np.ndarray, values: int) -> Iterator[np.ndarray]:
    """The rows a few at a time, so that `values` numbers for each make at most `CHUNK_VALUES`."""
    size = max(1, CHUNK_VALUES // values)
    return (rows[start : start + size] for start in range(0, len(rows), size))


@contextmanager
def _aeon() -> Iterator[None]:
    """Around imports and calls of aeon: it is optional, it seeds numpy's global generator, and numba warns."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            # From compiling aeon's loops; a loop counter is what is cast.
            warnings.filterwarnings("ignore", message="unsafe cast from uint64 to int64")
            yield
    except ImportError as error:
        raise _Infeasible(f"aeon cannot be imported ({error}); pip install 'tsrl[archives]'") from error
    finally:
        np.random.set_state(state)  # noqa: NPY002
