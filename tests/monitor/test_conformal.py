"""Conformal p-values against loops, by hand and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from tsrl.errors import InputError
from tsrl.monitor.conformal import alarm_interval, discoveries, p_values, threshold

# Few different values, so that there are ties.
scores = st.lists(st.integers(-4, 4).map(float) | st.sampled_from([math.inf, -math.inf]), max_size=12)
some_scores = scores.filter(len)
# Also the rates at which a p-value lies exactly.
rates = st.floats(0.001, 0.999) | st.tuples(st.integers(1, 12), st.integers(2, 13)).map(sorted).filter(
    lambda pair: pair[0] < pair[1]
).map(lambda pair: pair[0] / pair[1])


@settings(max_examples=200, deadline=None)
@given(some_scores, scores, st.integers(0, 10**6))
def test_p_values_are_those_of_a_loop(calibration, tested, seed):
    found = p_values(np.array(calibration), np.array(tested))
    random = p_values(np.array(calibration), np.array(tested), random=np.random.default_rng(seed))
    assert found.shape == random.shape == (len(tested),)
    for score, p, drawn in zip(tested, found, random, strict=True):
        assert p == (1 + sum(c >= score for c in calibration)) / (len(calibration) + 1)
        assert sum(c > score for c in calibration) / (len(calibration) + 1) < drawn <= p


@settings(max_examples=300, deadline=None)
@given(some_scores, scores, rates)
def test_threshold_says_the_same_as_p_values(calibration, tested, rate):
    calibration, tested = np.array(calibration), np.array(tested)
    alarms = tested > threshold(calibration, rate)
    assert alarms.tolist() == (p_values(calibration, tested) <= rate).tolist()


@pytest.mark.parametrize("n", [1, 9, 18, 19, 99, 100, 199, 1000])
def test_threshold_where_a_p_value_lies_exactly(n):
    calibration = np.random.default_rng(n).normal(size=n)
    for count in range(1, n + 1):
        found = threshold(calibration, count / (n + 1))
        assert found == np.sort(calibration)[-count]


def test_tiny_calibration_gives_no_alarm():
    assert threshold(np.arange(98.0), 0.01) == math.inf
    assert threshold(np.arange(99.0), 0.01) == 98
    assert alarm_interval(98, 1000, 0.01) == (0, 0)
    assert alarm_interval(99, 1000, 0.01)[1] > 0
    assert p_values(np.zeros(1), np.array([-1.0, 0, 1])).tolist() == [1, 1, 0.5]


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_rate_of_alarms_among_clean_units(rate):
    random = np.random.default_rng(1)
    calibration, tested = random.exponential(size=2_000), random.exponential(size=20_000)
    low, high = alarm_interval(2_000, 20_000, rate)
    assert low < rate < high
    found = (p_values(calibration, tested) <= rate).mean()
    assert low <= found <= high
    drawn = p_values(calibration, tested, random=random)
    assert low <= (drawn <= rate).mean() <= high


@pytest.mark.parametrize(("n", "m", "rate"), [(39, 50, 0.05), (500, 200, 0.01), (150, 4_000, 0.1)])
def test_interval_covers_as_often_as_it_says(n, m, rate):
    random = np.random.default_rng(n)
    low, high = alarm_interval(n, m, rate, 0.9)
    inside = 0
    for _ in range(2_000):
        found = (random.normal(size=m) > threshold(random.normal(size=n), rate)).mean()
        inside += low <= found <= high
    # Coarse where there are few alarms: a smaller interval would cover less than 0.9.
    assert 0.88 <= inside / 2_000 <= 0.99


def test_interval_is_that_of_the_beta_binomial():
    """The probability of each count as a product of factorials, added up from either end."""
    n, m, k, level = 59, 30, 3, 0.95

    def log_beta(a, b):
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    chances = [
        math.comb(m, x) * math.exp(log_beta(x + k, m - x + n + 1 - k) - log_beta(k, n + 1 - k)) for x in range(m + 1)
    ]
    assert sum(chances) == pytest.approx(1)
    low = next(x for x in range(m + 1) if sum(chances[: x + 1]) >= (1 - level) / 2)
    high = next(x for x in range(m + 1) if sum(chances[: x + 1]) >= (1 + level) / 2)
    assert alarm_interval(n, m, k / (n + 1), level) == (low / m, high / m)


def test_many_tested_units_do_not_make_up_for_few_of_calibration():
    few, many = (np.diff(alarm_interval(n, 10**5, 0.05)) for n in (199, 19_999))
    assert few > 0.06
    assert many < 0.01


def test_random_p_values_are_uniform_also_with_ties():
    random = np.random.default_rng(0)
    found = [p_values(*random.poisson(1, (2, 15)), random=random)[0] for _ in range(3_000)]
    assert kstest(found, "uniform").pvalue > 0.01
    # Without a generator too large, never too small.
    found = np.array([p_values(*random.poisson(1, (2, 15)))[0] for _ in range(3_000)])
    assert all((found <= rate).mean() <= rate + 0.01 for rate in (0.05, 0.1, 0.3, 0.5))
    assert (found <= 0.3).mean() < 0.25


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0.01, 0.99))
def test_discoveries_are_those_of_the_definition(p, rate):
    """The largest k of which the k-th smallest p-value is at most rate * k / m; all up to it are found."""
    ordered = sorted(p)
    values = [value * len(p) / (k + 1) for k, value in enumerate(ordered)]
    if any(abs(value - rate) < 1e-9 for value in values):
        return
    passed = [ordered[k] for k, value in enumerate(values) if value <= rate]
    assert discoveries(np.array(p), rate).tolist() == [bool(passed) and value <= max(passed) for value in p]


def test_discoveries_keep_the_share_of_clean_ones():
    random = np.random.default_rng(3)
    shares, powers = [], []
    for _ in range(200):
        tested = random.normal(size=200)
        tested[:20] += 4
        found = discoveries(p_values(random.normal(size=2_000), tested), 0.1)
        shares.append(found[20:].sum() / max(1, found.sum()))
        powers.append(found[:20].mean())
    assert np.mean(shares) <= 0.1
    assert np.mean(powers) > 0.7


def test_nothing_to_judge():
    assert p_values(np.zeros(3), np.zeros(0)).shape == (0,)
    assert discoveries(np.zeros(0), 0.1).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: p_values(np.zeros(0), np.zeros(1)), "calibration: found shape .0,., want one dimension, at least 1"),
        (lambda: p_values(np.zeros(2), np.zeros((1, 1))), "scores: found shape .1, 1., want one dimension"),
        (lambda: p_values(np.zeros(2), np.array([0, np.nan])), "scores: found NaN in 1 of 2 scores"),
        (lambda: threshold(np.array([np.nan]), 0.1), "calibration: found NaN"),
        (lambda: threshold(np.zeros(3), 1.0), "rate: found 1.0, want a number between 0 and 1"),
        (lambda: alarm_interval(0, 3, 0.1), "calibrated: found 0, want a whole number from 1 up"),
        (lambda: alarm_interval(3, 0, 0.1), "tested: found 0"),
        (lambda: alarm_interval(3, 3, 0.1, 1.0), "level: found 1.0"),
        (lambda: alarm_interval(3, 3, math.nan), "rate: found nan"),
        (lambda: discoveries(np.zeros((2, 2)), 0.1), "p: found shape .2, 2., want .m."),
        (lambda: discoveries(np.array([1.1]), 0.1), "p: found NaN or values outside"),
        (lambda: discoveries(np.zeros(2), 0.0), "rate: found 0.0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
