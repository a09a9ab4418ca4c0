"""Weights of evidence: users who differ in some columns and not in others, each judged as another too."""

import numpy as np
import pytest

from tsrl.monitor.evidence import pooled
from tsrl.monitor.habits import Column, Habits
from tsrl.monitor.impostors import Impostors, _another
from tsrl.monitor.periods import Units
from tsrl.monitor.reference import Reference
from tsrl.monitor.scores import Settings

USERS, UNITS, EVENTS = 8, 12, 10
SIZE = 6


def world(users=USERS, seed=0):
    """Of each user units of events: `telling` is the user's own value most of the time, `noise` is anybody's."""
    random = np.random.default_rng(seed)
    count = users * UNITS * EVENTS
    user = np.repeat(np.arange(users), UNITS * EVENTS)
    telling = np.where(random.random(count) < 0.7, user % SIZE, random.integers(0, SIZE, count))
    columns = {"telling": Column(telling, SIZE), "noise": Column(random.integers(0, SIZE, count), SIZE)}
    first = np.arange(users * UNITS) * EVENTS
    units = Units(np.repeat(np.arange(users), UNITS), first, first + EVENTS, np.tile(np.arange(UNITS), users))
    z = random.normal(size=(users, 3))[units.user] * 3 + random.normal(size=(len(first), 3))
    return columns, user, units, Reference.fit(z, units.user, kinds=("knn",), seed=0)


@pytest.fixture(scope="module")
def learned():
    made = world()
    return made, Impostors.learn(*made, Settings(seed=0))


def test_a_column_that_tells_users_apart_counts_and_another_hardly(learned):
    _, impostors = learned
    assert impostors.event_weight.shape == (2,)
    assert (impostors.event_weight >= 0).all()
    assert impostors.event_weight[0] > 0.3
    assert impostors.event_weight[1] < impostors.event_weight[0] / 2
    assert abs(impostors.weight[1]) < impostors.weight[0]
    # Embeddings tell users apart too.
    assert impostors.weight[2] > abs(impostors.weight[1])


def test_scores_are_weighed_sums(learned):
    _, impostors = learned
    random = np.random.default_rng(3)
    ratios, distance = random.normal(size=(7, 2)), random.exponential(size=7)
    for row in range(7):
        odds = impostors.event_bias
        for weight, ratio in zip(impostors.event_weight, ratios[row], strict=True):
            odds += weight * ratio
        assert impostors.score_events(ratios)[row] == pytest.approx(odds)
        odds = impostors.bias
        evidence = [*ratios[row], np.log(distance[row] + 1e-9)]
        for weight, value, mean, std in zip(impostors.weight, evidence, impostors.mean, impostors.std, strict=True):
            odds += weight * (value - mean) / std
        assert impostors.score(ratios, distance)[row] == pytest.approx(odds)


def test_others_score_above_and_users_below_even_odds(learned):
    (columns, user, units, reference), impostors = learned
    habits = Habits.learn(columns, user)
    for shift, sign in ((0, -1), (1, 1), (3, 1)):
        posed = (user + shift) % USERS
        ratios = habits.ratios(columns, posed)
        assert sign * impostors.score_events(ratios).mean() > 0
        whom = (units.user + shift) % USERS
        distance = reference.own(reference.z, whom) if shift else reference.own_leave_out()
        assert (sign * impostors.score(pooled(ratios, units), distance) > 0).mean() > 0.9


def test_what_speaks_against_its_own_user_in_a_column_is_left_out():
    """Users change places in one column after two thirds of their units: a stranger has the regular value there."""
    columns, user, units, reference = world(users=6)
    place = np.arange(len(user)) % (UNITS * EVENTS)
    moved = np.where(place < UNITS * EVENTS * 2 // 3, user, (user + 1) % 6)
    impostors = Impostors.learn(columns | {"noise": Column(moved, SIZE)}, user, units, reference, Settings(seed=0))
    assert impostors.event_weight[1] == 0
    assert impostors.event_weight[0] > 0.3
    assert np.isfinite(impostors.event_bias)


def test_a_seed_makes_the_same_weights(learned):
    made, impostors = learned
    again, other = Impostors.learn(*made, Settings(seed=0)), Impostors.learn(*made, Settings(seed=1))
    for name in ("mean", "std", "weight", "bias", "event_weight", "event_bias"):
        np.testing.assert_array_equal(getattr(again, name), getattr(impostors, name))
    assert (other.event_weight != impostors.event_weight).any()


def test_with_nobody_to_be_mistaken_for_all_columns_count_alike():
    impostors = Impostors.learn(*world(users=1), Settings(seed=0))
    np.testing.assert_array_equal(impostors.score_events(np.array([[2.0, -0.5], [0, 0]])), [1.5, 0])


def test_nobody_poses_as_themselves():
    random, users = np.random.default_rng(0), np.array([1, 4, 5, 9])
    own = random.choice(users, 400)
    posed = _another(random, users, own)
    assert (posed != own).all()
    for who in users:
        assert set(posed[own == who]) == set(users) - {who}
