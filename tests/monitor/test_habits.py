"""Habits against dictionaries, one event at a time."""

import json
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.errors import InputError
from tsrl.monitor.habits import Column, Counts, Habits

SIZE, CONDITIONS, USERS = 4, 3, 3
# User, value, given: of one more user in questions than in what is learned.
learned = st.tuples(st.integers(0, USERS - 1), st.integers(0, SIZE - 1), st.integers(0, CONDITIONS - 1))
asked = st.tuples(st.integers(0, USERS), st.integers(0, SIZE - 1), st.integers(0, CONDITIONS - 1))


def columns_of(events):
    """The same values without and with a condition."""
    array = np.array(events, int).reshape(-1, 3)
    plain = Column(array[:, 1], SIZE)
    return {"plain": plain, "given": Column(array[:, 1], SIZE, array[:, 2], CONDITIONS)}, array[:, 0]


class Slow:
    """The mixture of Witten and Bell's method C with a fallback that counts three times."""

    def __init__(self, events, weight=3.0):
        self.weight = weight
        self.counts = defaultdict(Counter)
        for user, value, before in events:
            for group in ("all", ("given", before), ("user", user), ("both", user, before)):
                self.counts[group][value] += 1

    def everyone(self, value):
        counts = self.counts["all"]
        return (counts[value] + 0.5) / (counts.total() + 0.5 * SIZE)

    def mixed(self, group, value, fallback):
        counts = self.counts.get(group)
        if counts is None:
            return fallback
        kinds = len([v for v in counts if counts[v]])
        return (counts[value] + self.weight * kinds * fallback) / (counts.total() + self.weight * kinds)

    def shares(self, user, value, before=None):
        """Everyone's and the user's."""
        usual = self.everyone(value)
        own = self.mixed(("user", user), value, usual)
        if before is None:
            return usual, own
        usual_given = self.mixed(("given", before), value, usual)
        # Who has no past is judged as everyone is.
        fallback = own if ("user", user) in self.counts else usual_given
        return usual_given, self.mixed(("both", user, before), value, fallback)


def ratio(shares):
    return math.log(shares[0] / shares[1])


weights = st.sampled_from([0.5, 1.0, 3.0])


@given(st.lists(learned, min_size=1, max_size=30), st.lists(asked, min_size=1, max_size=10), weights)
def test_ratios_are_those_of_dictionaries(events, questions, weight):
    found = Habits.learn(*columns_of(events), weight).ratios(*columns_of(questions))
    slow = Slow(events, weight)
    wanted = [[ratio(slow.shares(u, v)), ratio(slow.shares(u, v, g))] for u, v, g in questions]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@given(st.lists(learned, min_size=1, max_size=30), st.integers(0, USERS), st.integers(0, CONDITIONS - 1))
def test_shares_of_a_user_add_up_to_one(events, user, before):
    habits, slow = Habits.learn(*columns_of(events)), Slow(events)
    for name, condition in (("plain", None), ("given", before)):
        found = habits.own_shares(name, user, condition or 0)
        np.testing.assert_allclose(found, [slow.shares(user, v, condition)[1] for v in range(SIZE)], atol=1e-12)
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert (found > 0).all()


@given(st.lists(learned, min_size=1, max_size=30), st.lists(asked, min_size=1, max_size=10))
def test_nothing_is_held_against_a_user_without_a_past(events, questions):
    columns, user = columns_of(questions)
    np.testing.assert_array_equal(Habits.learn(*columns_of(events)).ratios(columns, user + 100), 0)


def test_what_is_usual_for_the_user_alone_speaks_for_the_user():
    events = [(0, 1, 0)] * 20 + [(1, 2, 0)] * 200
    habits = Habits.learn(*columns_of(events))
    own, other = habits.ratios(*columns_of([(0, 1, 0), (0, 2, 0)]))
    assert (own < -1).all()
    assert (other > 1).all()


@given(st.lists(learned, min_size=1, max_size=20), st.lists(asked, max_size=20), st.lists(asked, min_size=1))
def test_an_update_equals_learning_from_both(events, more, questions):
    """Users that come later among them."""
    first = Habits.learn(*columns_of(events))
    before = {name: values.copy() for name, values in first.arrays().items()}
    updated, whole = first.update(*columns_of(more)), Habits.learn(*columns_of(events + more))
    np.testing.assert_allclose(updated.ratios(*columns_of(questions)), whole.ratios(*columns_of(questions)), atol=1e-12)
    for name, values in whole.arrays().items():
        np.testing.assert_array_equal(updated.arrays()[name], values)
    for name, values in before.items():
        np.testing.assert_array_equal(first.arrays()[name], values)


@given(st.lists(learned, min_size=1, max_size=30), st.lists(asked, min_size=1, max_size=10))
def test_restored_from_arrays_they_are_the_same(events, questions):
    habits = Habits.learn(*columns_of(events))
    again = Habits.restore(habits.arrays(), json.loads(json.dumps(habits.settings())))
    np.testing.assert_array_equal(again.ratios(*columns_of(questions)), habits.ratios(*columns_of(questions)))


@given(st.lists(st.integers(-5, 5)), st.lists(st.integers(-5, 5)), st.lists(st.integers(-7, 7)))
def test_counts_against_counters(some, more, keys):
    wanted = Counter(some) + Counter(more)
    found = Counts.of(np.array(some, int)).plus(Counts.of(np.array(more, int)))
    assert found(np.array(keys, int)).tolist() == [wanted[key] for key in keys]


def test_bad_input():
    columns, user = columns_of([(0, 1, 2), (1, 3, 0)])
    habits = Habits.learn(columns, user)
    with pytest.raises(InputError, match="log: found no reference events"):
        Habits.learn(*columns_of([]))
    with pytest.raises(InputError, match="columns: found plain, want plain, given"):
        habits.ratios({"plain": columns["plain"]}, user)
    with pytest.raises(InputError, match="of the sizes learned"):
        habits.ratios(columns | {"plain": Column(np.zeros(2, int), SIZE + 1)}, user)
    with pytest.raises(InputError, match="plain: found values 0 to 4, want 0 to 3"):
        habits.ratios(columns | {"plain": Column(np.array([0, 4]), SIZE)}, user)
    with pytest.raises(InputError, match="given: found conditions -1 to 0, want 0 to 2"):
        Habits.learn(columns | {"given": columns["given"]._replace(given=np.array([-1, 0]))}, user)


flags = st.lists(st.booleans(), min_size=30, max_size=30)


@given(st.lists(learned, min_size=1, max_size=30), flags, st.lists(asked, min_size=1, max_size=10), flags)
def test_of_slow_columns_only_news_is_evidence(events, learned_news, questions, asked_news):
    columns, user = columns_of(events)
    news = np.array(learned_news[: len(events)])
    made = {name: column._replace(news=news) for name, column in columns.items()} | {"never": columns["plain"]}
    habits = Habits.learn(made, user)
    slow = sum(news.tolist()) < len(events) / 2
    assert habits.slow == (("plain", "given") if slow else ())
    columns, user = columns_of(questions)
    columns["never"] = columns["plain"]
    whole = habits.ratios(columns, user)
    held = np.array(asked_news[: len(questions)])
    found = habits.ratios({name: column._replace(news=held) for name, column in columns.items()}, user)
    for row, event in enumerate(held):
        for place, name in enumerate(made):
            assert found[row, place] == (whole[row, place] if event or name not in habits.slow else 0)
    # What is learned of values does not depend on whether they are news.
    plain = Habits.learn({name: column._replace(news=None) for name, column in made.items()}, columns_of(events)[1])
    np.testing.assert_array_equal(plain.ratios(columns, user), whole)


def test_which_columns_are_slow_is_kept():
    columns, user = columns_of([(0, 1, 0), (0, 1, 2), (1, 3, 0)])
    columns["plain"] = columns["plain"]._replace(news=np.array([True, False, False]))
    habits = Habits.learn(columns, user)
    assert habits.slow == ("plain",)
    restored = Habits.restore(habits.arrays(), json.loads(json.dumps(habits.settings())))
    # Later events that are all news make no other column of it.
    later = columns | {"plain": columns["plain"]._replace(news=np.ones(3, bool))}
    for other in (restored, habits.update(later, user), restored.update(later, user)):
        assert other.slow == ("plain",)
        assert (other.ratios(columns, user)[1:, 0] == 0).all()
        assert (other.ratios(columns, user)[:, 1] != 0).any()


def test_some_events_of_a_column():
    rows = np.array([2, 0])
    column = Column(np.array([5, 6, 7]), 8, np.array([1, 2, 3]), 4, np.array([True, False, False]))
    found = column.take(rows)
    assert (found.value.tolist(), found.given.tolist(), found.news.tolist()) == ([7, 5], [3, 1], [False, True])
    assert (found.size, found.conditions) == (8, 4)
    bare = Column(np.arange(3), 3).take(rows)
    assert bare.given is bare.news is None
