"""How rare a value is: ranks in the bulk, an exponential tail beyond."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from tsrl.monitor.tails import Tail

# Few different numbers too, so that there are ties.
numbers = st.lists(st.floats(-10, 10) | st.integers(-3, 3).map(float), min_size=1, max_size=40)


def test_of_exponential_values_it_is_their_survival_function():
    values = stats.expon.rvs(scale=3, size=20_000, random_state=0)
    at = np.array([0.1, 1.0, 3.0, 8.0, 20.0, 40.0])
    np.testing.assert_allclose(Tail.of(values).rarity(at), -stats.expon.logsf(at, scale=3), rtol=0.05, atol=5e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.lists(st.floats(-2e3, 2e3), min_size=2, max_size=9))
def test_it_never_falls_and_tells_what_is_above_all(values, asked):
    tail = Tail.of(np.array(values))
    rising = np.sort(asked)
    rarity = tail.rarity(rising)
    assert (np.diff(rarity) >= 0).all()
    assert (rarity >= 0).all()
    top = max(values) + 1.0
    assert tail.rarity(np.array([top + 1]))[0] > tail.rarity(np.array([top]))[0] >= np.log(10) - 1e-9


def test_values_of_a_rarity_and_back():
    tail = Tail.of(np.random.default_rng(0).normal(size=500))
    for rarity in (0.2, 1.0, 2.0, 2.5, 7.0, 30.0):
        np.testing.assert_allclose(tail.rarity(np.array([tail.value(rarity)]))[0], rarity, rtol=1e-6)
    assert tail.value(np.inf) == np.inf


def test_it_is_kept_as_an_array():
    tail = Tail.of(np.arange(7.0))
    again = Tail.restore(tail.array())
    np.testing.assert_array_equal(again.rarity(np.linspace(-1, 9, 50)), tail.rarity(np.linspace(-1, 9, 50)))


def test_values_that_are_all_alike():
    tail = Tail.of(np.zeros(30))
    assert tail.rarity(np.array([0.0]))[0] <= np.log(10) + 1e-9
    assert tail.rarity(np.array([1.0]))[0] > np.log(10)


def slow_rarity(values, asked):
    """By the definition: shares of quantiles below, an exponential beyond the ninth tenth."""
    levels = [step / 100 for step in range(91)]
    ordered = sorted(values)
    grid = []
    for level in levels:
        place = level * (len(ordered) - 1)
        low = ordered[int(place)]
        grid.append(low + (place - int(place)) * (ordered[min(int(place) + 1, len(ordered) - 1)] - low))
    if asked <= grid[0]:
        return 0.0
    if asked > grid[-1]:
        above = [value - grid[-1] for value in values if value > grid[-1]]
        return math.log(10) + (asked - grid[-1]) / (sum(above) / len(above))
    # The last quantile below the value, and the first that is not: of equal ones the first.
    high = next(k for k in range(91) if grid[k] >= asked)
    low = next(k for k in range(91) if grid[k] == grid[high - 1])
    share = (asked - grid[low]) / (grid[high] - grid[low])
    return -((1 - share) * math.log(1 - levels[low]) + share * math.log(1 - levels[high]))


@pytest.mark.parametrize("kind", ["normal", "ties", "zeros"])
def test_against_a_loop(kind):
    random = np.random.default_rng(5)
    values = {
        "normal": random.normal(size=73),
        "ties": random.poisson(3, 101) * 0.5,
        "zeros": np.maximum(random.normal(-0.3, 1, 60), 0),
    }[kind]
    asked = np.concatenate([values, random.uniform(-2, 5, 60), [12.0]])
    tail = Tail.of(values)
    np.testing.assert_allclose(tail.rarity(asked), [slow_rarity(values, one) for one in asked], atol=1e-9)


@given(numbers, st.floats(0, 1), st.lists(st.floats(-20, 20), max_size=8))
@example([0.0] * 9 + [1.0, -2.2250738585e-313, -2.225073858507e-311], 1.0, [])
@example([0.0] * 10 + [-2.2250738585e-313, -2.225073858507e-311], 0.0, [])
def test_above_the_value_of_a_rarity_is_what_is_rarer(values, where, more):
    """Also for the rarity of a value itself, of many that are equal, and at the edges of the tail."""
    tail = Tail.of(np.array(values))
    asked = np.concatenate([values, more])
    rarities = tail.rarity(asked)
    for rarity in [*rarities, where * rarities.max(), math.log(10)]:
        limit = tail.value(rarity)
        # Values that only rounding tells apart are one.
        clear = np.abs(asked - limit) > 1e-9 * (1 + np.abs(asked).max() + tail.excess)
        np.testing.assert_array_equal((asked > limit)[clear], (rarities > rarity + 1e-9)[clear])
        assert not (asked[rarities == rarity] > limit).any()


def test_values_that_differ_by_rounding_alone_have_no_steep_tail():
    for values in ([0.0] * 9 + [1e-320], [0.1] * 9 + [0.1 + 2e-17], [3.0] * 18 + [3.0 + 1e-15] * 2):
        tail = Tail.of(np.array(values))
        assert np.log(10) < tail.rarity(np.array([values[0] + 1.0]))[0] < 4
        assert np.isfinite(tail.rarity(np.array([1e200]))).all()


def test_rarities_have_the_shape_of_what_is_asked():
    tail = Tail.of(np.arange(30.0))
    asked = np.random.default_rng(0).uniform(-5, 60, (3, 4))
    np.testing.assert_array_equal(tail.rarity(asked), [tail.rarity(row) for row in asked])
    assert tail.rarity(np.float64(7.0)).shape == ()


def test_few_units_make_a_tail_whose_rarities_differ():
    """Of ten units none is as rare as another, and what is above all of them goes on to differ."""
    values = np.random.default_rng(1).exponential(size=10)
    rarity = Tail.of(values).rarity(np.sort(np.append(values, [20.0, 21.0])))
    assert (np.diff(rarity) > 0).all()
