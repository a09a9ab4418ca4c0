"""Anomaly detection on frozen representations: what hiding a step changes, TS2Vec's score and thresholds.

Pure functions of arrays. A score at step t depends on steps up to t only, and every step is scored once.

References: Yue et al. 2022, TS2Vec, arXiv 2106.10466, section 5.3; official code zhihanyue/ts2vec,
`tasks/anomaly_detection.py`.
"""

from typing import NamedTuple, Protocol

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.embed import EncodeMask

# Scores of this many earlier steps are averaged.
HISTORY = 21
# The protocol leaves these first adjusted scores out of its threshold; the last of them would be defined.
WARM_UP = HISTORY + 1
DEVIATIONS = 4.0
# The share of steps that the random control flags.
RANDOM_SHARE = 0.01
# The smallest deviation a step is measured in, in standard deviations of the training part: below it a flat stretch
# would make any change an anomaly.
SMALLEST_STD = 0.01


class Encode(Protocol):
    """How an encoder is called: `Embedder.encode`."""

    def __call__(
        self, x: np.ndarray, *, mask: EncodeMask, sliding_length: int, sliding_padding: int, causal: bool
    ) -> np.ndarray:
        """`[1, T, C] -> [1, T, D]`."""


class Detected(NamedTuple):
    """The decisions of a protocol.

    Attributes:
      start: the first step that is judged; before it nothing is.
      thresholds: `[T - start]`.
      flags: `[T - start]` bool, scores above their threshold.
      alarms: `[T - start]` bool, flags without those that follow an alarm too closely.
    """

    start: int
    thresholds: np.ndarray
    flags: np.ndarray
    alarms: np.ndarray


def last_step_representations(encode: Encode, x: np.ndarray, window: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """Represents every step by the last step of the window that ends there, once visible and once hidden.

    Args:
      encode: an `Embedder`'s, of a model trained on these channels.
      x: `[T, C]`, standardised by the training part, NaN = missing.
      window: steps an encoder sees, the current one included; before the series all are missing.

    Returns:
      Two arrays `[T, D]`: visible, hidden.

    Raises:
      InputError: another rank, a window below 1.
    """
    if x.ndim != 2 or window < 1:
        raise InputError(f"x, window: found shape {x.shape} and {window}, want [T, C] and at least 1")
    past = window - 1
    visible = encode(x[None], mask="all_true", sliding_length=1, sliding_padding=past, causal=True)
    hidden = encode(x[None], mask="mask_last", sliding_length=1, sliding_padding=past, causal=True)
    return visible[0], hidden[0]


def masked_score(z: np.ndarray, z_masked: np.ndarray) -> np.ndarray:
    """How much a step's own value tells beyond its past: the L1 distance of its two representations.

    Args:
      z: `[T, D]`, the step visible.
      z_masked: `[T, D]`, the step hidden.

    Returns:
      `[T]` float64, 0 where the step is missing.

    Raises:
      InputError: shapes that differ, values that are not finite.
    """
    z, z_masked = np.asarray(z), np.asarray(z_masked)
    if z.ndim != 2 or z.shape != z_masked.shape:
        raise InputError(f"z, z_masked: found shapes {z.shape} and {z_masked.shape}, want one shape [T, D]")
    scores = np.abs(z - z_masked).sum(-1, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InputError(f"z: found NaN or infinity in {(~np.isfinite(scores)).sum()} steps, want finite numbers")
    return scores


def adjusted_scores(scores: np.ndarray) -> np.ndarray:
    """Scores relative to their recent past: `(e - m) / m`, m the mean of the 21 scores before.

    Args:
      scores: `[T]`, not negative.

    Returns:
      `[T]` float64; NaN in the first 21 steps, which have no such past; 0 where m = 0 (no step of the past was
      observed), so that the first value after a gap is no anomaly for want of comparison.

    Raises:
      InputError: fewer than 22 scores; negative ones or not finite.
    """
    scores = np.asarray(scores, np.float64)
    if not (np.isfinite(scores) & (scores >= 0)).all():
        raise InputError("scores: found negative or not finite ones, want finite numbers from 0 up")
    mean = _past(scores).mean(-1)
    known = mean > 0
    adjusted = np.zeros_like(mean)
    adjusted[known] = (scores[HISTORY:][known] - mean[known]) / mean[known]
    return _after_history(adjusted)


def deviation_scores(x: np.ndarray) -> np.ndarray:
    """The control without an encoder: distance from the mean of the 21 steps before, in their standard deviations.

    Args:
      x: `[T, C]`, standardised by the training part, NaN = missing.

    Returns:
      `[T]` float64, averaged over channels; NaN in the first 21 steps. A channel counts 0 where the step or all of its
      past is missing. A standard deviation counts at least 0.01 (of the training part's).

    Raises:
      InputError: fewer than 22 steps.
    """
    values = np.asarray(x, np.float64)
    past = _past(values)
    observed = ~np.isnan(past)
    count = observed.sum(-1)
    mean = past.sum(-1, where=observed) / count.clip(1)
    squares = np.square(past - mean[..., None]).sum(-1, where=observed)
    std = np.sqrt(squares / count.clip(1)).clip(SMALLEST_STD)
    distance = np.abs(values[HISTORY:] - mean) / std
    return _after_history(np.where(np.isnan(distance) | (count == 0), 0.0, distance).mean(-1))


def random_scores(steps: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """The control that knows nothing: `[steps]` uniform numbers from 0 to 1."""
    return np.random.default_rng(seed).random(steps)


def detect_random(scores: np.ndarray, start: int, delay: int) -> Detected:
    """Flags one step in a hundred: `random_scores` above 0.99.

    The protocols' own rule, mean + 4 std, is beyond 1 and would flag nothing, which says as little as flagging all.

    Args:
      scores: `[T]` of `random_scores`.
      start: the first step to be judged.
      delay: see `suppress`.
    """
    thresholds = np.full(len(scores) - start, 1 - RANDOM_SHARE)
    return _detected(scores, start, thresholds, delay)


def detect_normal(scores: np.ndarray, train_stop: int, delay: int) -> Detected:
    """TS2Vec's normal setting: the threshold is mean + 4 std of the training part's scores.

    Args:
      scores: `[T]` of `adjusted_scores`; the first 22 are not used.
      train_stop: steps of the training part.
      delay: see `suppress`.

    Returns:
      Decisions on the steps from `train_stop` on; the population's standard deviation.

    Raises:
      InputError: no training score, no test step, or scores that are not finite after the 21st.
    """
    scores = _scores(scores)
    if not WARM_UP < train_stop < len(scores):
        raise InputError(f"train_stop: found {train_stop}, want {WARM_UP + 1} to {len(scores) - 1} of {len(scores)}")
    train = scores[WARM_UP:train_stop]
    threshold = train.mean() + DEVIATIONS * train.std()
    return _detected(scores, train_stop, np.full(len(scores) - train_stop, threshold), delay)


def detect_cold_start(scores: np.ndarray, delay: int) -> Detected:
    """TS2Vec's cold-start setting: the threshold at t is mean + 4 std of the series' scores up to and with t.

    Args:
      scores: `[T]` of `adjusted_scores`.
      delay: see `suppress`.

    Returns:
      Decisions on all but the first tenth of the steps. The threshold is infinite until a tenth of T scores is known.

    Raises:
      InputError: fewer than 22 steps, or scores that are not finite after the 21st.
    """
    scores = _scores(scores)
    smallest = len(scores) // 10
    known = scores[HISTORY:]
    count = np.arange(1, len(known) + 1)
    mean = np.cumsum(known) / count
    # Welford's sums: differences of large squares would lose the small variances.
    before = np.concatenate([[0.0], mean[:-1]])
    variance = np.cumsum((known - before) * (known - mean)) / count
    thresholds = np.full(len(scores), np.inf)
    thresholds[HISTORY:] = np.where(count >= smallest, mean + DEVIATIONS * np.sqrt(variance), np.inf)
    return _detected(scores, smallest, thresholds[smallest:], delay)


def suppress(flags: np.ndarray, delay: int) -> np.ndarray:
    """Keeps a flag only if no kept one lies in the `delay` steps before; the first `delay` steps are all kept.

    The exception for the first steps is the official code's.

    Args:
      flags: `[T]` bool.
      delay: steps, from 0 up.

    Returns:
      `[T]` bool.

    Raises:
      InputError: a negative delay.
    """
    if delay < 0:
        raise InputError(f"delay: found {delay}, want at least 0")
    kept = np.array(flags, bool)
    for step in np.flatnonzero(kept):
        if step >= delay and kept[step - delay : step].any():
            kept[step] = False
    return kept


def _detected(scores: np.ndarray, start: int, thresholds: np.ndarray, delay: int) -> Detected:
    # Before 21 scores have passed there is no score, and NaN is above nothing.
    flags = scores[start:] > thresholds
    return Detected(start, thresholds, flags, suppress(flags, delay))


def _past(values: np.ndarray) -> np.ndarray:
    """`[T, ...] -> [T - 21, ..., 21]`: the 21 values before each step that has so many."""
    if len(values) <= HISTORY:
        raise InputError(f"scores: found {len(values)} steps, want more than {HISTORY}")
    return np.lib.stride_tricks.sliding_window_view(values[:-1], HISTORY, axis=0)


def _after_history(scores: np.ndarray) -> np.ndarray:
    return np.concatenate([np.full(HISTORY, np.nan), scores])


def _scores(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or len(scores) <= HISTORY or not np.isfinite(scores[HISTORY:]).all():
        raise InputError(f"scores: found shape {scores.shape}, want [T], finite after the first {HISTORY}")
    return scores
