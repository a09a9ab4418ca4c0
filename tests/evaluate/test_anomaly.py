"""TS2Vec's anomaly score and its two thresholds against slow loops; what a decision may depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.errors import InputError
from tsrl.evaluate.anomaly import (
    HISTORY,
    WARM_UP,
    adjusted_scores,
    detect_cold_start,
    detect_normal,
    detect_random,
    deviation_scores,
    last_step_representations,
    masked_score,
    random_scores,
    suppress,
)


def draws(steps=300, seed=0):
    """Scores with a few outliers."""
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, size=steps) * np.where(rng.random(steps) < 0.03, 8, 1)


class WindowMean:
    """An encoder whose last step is (mean of the window, last visible value); it counts how often a step is scored."""

    def __init__(self):
        self.ends = []

    def encode(self, x, *, mask, sliding_length, sliding_padding, causal):
        assert (len(x), sliding_length, causal) == (1, 1, True)
        out = []
        for end in range(x.shape[1]):
            window = np.full((sliding_padding + 1, x.shape[2]), np.nan)
            seen = x[0, max(0, end - sliding_padding) : end + 1]
            window[-len(seen) :] = seen
            if mask == "mask_last":
                window[-1] = np.nan
            out.append([np.nansum(window) / window.size, np.nansum(window[-1])])
            self.ends.append((mask, end))
        return np.array([out], np.float32)


def test_two_representations_of_every_step_and_their_distance():
    encoder = WindowMean()
    x = np.array([[1.0], [2.0], [np.nan], [6.0]], np.float32)
    visible, hidden = last_step_representations(encoder.encode, x, window=3)
    np.testing.assert_allclose(visible, [[1 / 3, 1], [1, 2], [1, 0], [8 / 3, 6]], rtol=1e-6)
    np.testing.assert_allclose(hidden, [[0, 0], [1 / 3, 0], [1, 0], [2 / 3, 0]], rtol=1e-6)
    np.testing.assert_allclose(masked_score(visible, hidden), [4 / 3, 8 / 3, 0, 8], rtol=1e-6)
    # No step is scored twice, although windows overlap.
    assert encoder.ends == [(mask, end) for mask in ("all_true", "mask_last") for end in range(4)]


def test_representations_of_a_step_ignore_the_future():
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    changed = x.copy()
    changed[20:] += 5
    one, other = (last_step_representations(WindowMean().encode, series, 6) for series in (x, changed))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours[:20], theirs[:20])
        assert not np.array_equal(ours[20:], theirs[20:])


def test_adjusted_scores_equal_a_loop():
    scores = draws()
    slow = [np.nan] * HISTORY
    for step in range(HISTORY, len(scores)):
        mean = sum(scores[step - HISTORY : step]) / 21
        slow.append((scores[step] - mean) / mean)
    np.testing.assert_allclose(adjusted_scores(scores), slow, rtol=1e-12)


def test_step_after_a_gap_longer_than_the_history_is_no_anomaly():
    scores = np.ones(60)
    scores[20:45] = 0
    adjusted = adjusted_scores(scores)
    assert adjusted[41] == adjusted[44] == adjusted[45] == 0
    # One known step in 21: its mean is 1 / 21.
    assert adjusted[46] == pytest.approx(20)
    assert (adjusted_scores(np.zeros(30))[HISTORY:] == 0).all()


def test_normal_threshold_by_hand():
    # Training scores 1 and 3 in turn: mean 2, population deviation 1, threshold 6.
    scores = np.r_[np.full(WARM_UP, 1e9), np.tile([1.0, 3.0], 10), [6.0, 6.1, 0.0, 7.0, 2.0, 9.0]]
    scores[:HISTORY] = np.nan
    found = detect_normal(scores, train_stop=WARM_UP + 20, delay=2)
    assert found.start == WARM_UP + 20
    np.testing.assert_array_equal(found.thresholds, np.full(6, 6.0))
    assert found.flags.tolist() == [False, True, False, True, False, True]
    assert found.alarms.tolist() == [False, True, False, False, False, True]


def test_cold_start_threshold_equals_a_loop():
    scores = adjusted_scores(draws(280, seed=1))
    found = detect_cold_start(scores, delay=0)
    assert found.start == 28
    for step in range(28, 280):
        known = scores[HISTORY : step + 1]
        # The tenth of the series that has to be known is 28 scores, from step 21 on.
        threshold = np.mean(known) + 4 * np.std(known) if len(known) >= 28 else np.inf
        assert found.thresholds[step - 28] == pytest.approx(threshold, rel=1e-10)
        assert found.flags[step - 28] == (scores[step] > threshold)
    assert 0 < found.flags.sum() < 20
    np.testing.assert_array_equal(found.flags, found.alarms)


def test_cold_start_variance_of_large_nearly_equal_scores():
    scores = 1e8 + np.tile([0.0, 1e-3], 50)
    found = detect_cold_start(scores, delay=0)
    assert found.thresholds[-1] - 1e8 == pytest.approx(0.5e-3 + 4 * 0.5e-3, rel=1e-2)


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 9))
def test_suppression_equals_the_rule_step_by_step(flags, delay):
    kept = list(flags)
    for step in range(len(kept)):
        if step >= delay and any(kept[step - delay : step]):
            kept[step] = False
    assert suppress(np.array(flags, bool), delay).tolist() == kept


@pytest.mark.parametrize("setting", ["normal", "cold_start"])
def test_test_part_leaves_training_scores_and_threshold_alone(setting):
    scores, train = draws(), 150
    changed = scores.copy()
    changed[train:] = draws(seed=9)[train:] * 100
    one, other = adjusted_scores(scores), adjusted_scores(changed)
    np.testing.assert_array_equal(one[:train], other[:train])
    assert not np.array_equal(one[train:], other[train:])
    if setting == "normal":
        mine, theirs = (detect_normal(adjusted, train, 7) for adjusted in (one, other))
        np.testing.assert_array_equal(mine.thresholds, theirs.thresholds)
        assert not np.array_equal(mine.flags, theirs.flags)
    else:
        mine, theirs = (detect_cold_start(adjusted, 7) for adjusted in (one, other))
        for ours, their in zip(mine[1:], theirs[1:], strict=True):
            np.testing.assert_array_equal(ours[: train - mine.start], their[: train - mine.start])
            assert not np.array_equal(ours[train - mine.start :], their[train - mine.start :])


def test_alarms_of_the_test_part_depend_on_their_past_only():
    scores, train, change = draws(), 100, 200
    changed = scores.copy()
    changed[change:] = 0
    mine, theirs = (detect_normal(adjusted_scores(s), train, 7) for s in (scores, changed))
    assert mine.alarms[: change - train].any()
    np.testing.assert_array_equal(mine.alarms[: change - train], theirs.alarms[: change - train])


def test_deviation_equals_a_loop():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    x[30:33, 0] = np.nan
    x[:30, 1] = 4.0
    x[30, 1] = 4.05
    slow = [np.nan] * HISTORY
    for step in range(HISTORY, 60):
        distances = []
        for channel in range(2):
            past = [v for v in x[step - 21 : step, channel] if not np.isnan(v)]
            distance = abs(x[step, channel] - np.mean(past)) / max(np.std(past), 0.01)
            distances.append(0 if np.isnan(distance) else distance)
        slow.append(np.mean(distances))
    found = deviation_scores(x)
    np.testing.assert_allclose(found, slow, rtol=1e-9)
    # The flat stretch: 0.05 in units of the least deviation, averaged with the missing channel's 0.
    assert found[30] == pytest.approx(0.05 / 0.01 / 2)


def test_deviation_without_any_past_is_no_anomaly():
    x = np.r_[np.ones(5), np.full(30, np.nan), 7.0][:, None]
    found = deviation_scores(x)
    assert (found[HISTORY:] == 0).all()


def test_random_control_flags_one_step_in_a_hundred():
    scores = random_scores(20_000, seed=3)
    np.testing.assert_array_equal(scores, random_scores(20_000, seed=3))
    assert not np.array_equal(scores, random_scores(20_000, seed=4))
    found = detect_random(scores, start=5000, delay=7)
    assert found.start == 5000
    assert len(found.flags) == len(found.alarms) == 15_000
    assert found.flags.mean() == pytest.approx(0.01, abs=0.003)
    assert 0 < found.alarms.sum() <= found.flags.sum()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: masked_score(np.ones((3, 2)), np.ones((3, 1))), r"z, z_masked: found shapes \(3, 2\) and \(3, 1\)"),
        (lambda: masked_score(np.full((3, 2), np.nan), np.ones((3, 2))), "z: found NaN or infinity in 3 steps"),
        (lambda: adjusted_scores(np.ones(HISTORY)), "found 21 steps, want more than 21"),
        (lambda: adjusted_scores(np.r_[-1.0, np.ones(30)]), "negative"),
        (lambda: adjusted_scores(np.r_[np.nan, np.ones(30)]), "not finite"),
        (lambda: deviation_scores(np.ones((5, 1))), "found 5 steps"),
        (lambda: detect_normal(np.ones(60), WARM_UP, 7), "train_stop: found 22, want 23 to 59"),
        (lambda: detect_normal(np.ones(60), 60, 7), "train_stop: found 60"),
        (lambda: detect_normal(np.r_[np.ones(50), np.nan], 40, 7), "finite after the first 21"),
        (lambda: detect_cold_start(np.ones((60, 1)), 7), r"found shape \(60, 1\), want \[T\]"),
        (lambda: suppress(np.ones(3, bool), -1), "delay: found -1"),
        (lambda: last_step_representations(WindowMean().encode, np.ones(5)), r"found shape \(5,\)"),
        (lambda: last_step_representations(WindowMean().encode, np.ones((5, 1)), 0), "and 0, want"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
