"""How rare a value is: ranks in the bulk, an exponential tail beyond."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tsrl.monitor.tails import Tail


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
