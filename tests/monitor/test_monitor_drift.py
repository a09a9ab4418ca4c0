"""Drift is found where it is, and at most as often as the level says where it is not."""

import numpy as np
import pytest

from tsrl.errors import InputError
from tsrl.monitor.drift import _balanced, _folds, _held_out, drift

D = 6


def of_users(random, users, units, shift=0.0, first=0, means=None):
    """Units of users who differ from each other more than from themselves."""
    user = np.repeat(np.arange(users), units)
    means = 2 * random.normal(size=(users, D)) if means is None else means
    return means[user] + random.normal(size=(len(user), D)) + shift * (np.arange(D) == 2), user + first


def test_a_shift_is_found():
    random = np.random.default_rng(0)
    reference, recent = random.normal(size=(400, D)), random.normal(size=(300, D))
    recent[:, 2] -= 0.8
    found = drift(reference, recent)
    assert found.refit
    assert found.p_value < 1e-4
    # Two normal distributions 0.8 apart.
    assert found.auc == pytest.approx(0.714, abs=0.04)
    assert np.abs(found.importances).argmax() == 2
    assert found.importances[2] < 0
    assert drift(reference, recent, seed=1) != found
    again = drift(reference, recent)
    assert again[:3] == found[:3]
    assert not drift(reference, recent, margin=0.75).refit


def test_a_shift_of_the_same_users_is_found():
    random = np.random.default_rng(1)
    means = 2 * random.normal(size=(80, D))
    reference, before = of_users(random, 80, 6, means=means)
    recent, after = of_users(random, 80, 2, 1.0, means=means)
    found = drift(reference, recent, groups=(before, after))
    assert found.refit
    assert np.abs(found.importances).argmax() == 2
    # Users on one side beside them.
    more, others = of_users(random, 40, 3, 1.0, first=500)
    found = drift(reference, np.concatenate([recent, more]), groups=(before, np.concatenate([after, others])))
    assert found.p_value < 0.01


def test_a_large_shift_of_other_users_is_found():
    random = np.random.default_rng(2)
    (reference, before), (recent, after) = of_users(random, 60, 5), of_users(random, 60, 3, 5.0, first=60)
    found = drift(reference, recent, groups=(before, after))
    assert found.refit
    assert found.auc > 0.8


def test_a_small_difference_is_no_reason_to_refit():
    random = np.random.default_rng(3)
    found = drift(random.normal(size=(5_000, 2)), random.normal(size=(5_000, 2)) + 0.12 * np.eye(2)[0])
    assert found.p_value < 0.01
    assert not found.refit


def rejected(count, make, level=0.1):
    p = [drift(*samples, groups=groups, permutations=99).p_value for samples, groups in map(make, range(count))]
    return np.mean(np.array(p) <= level)


def test_without_drift_the_level_is_kept():
    def make(seed):
        random = np.random.default_rng(seed)
        return (random.normal(size=(60, D)), random.normal(size=(40, D))), None

    # Of 40 at 0.1, with probability 0.999 at most 11.
    assert rejected(40, make) <= 11 / 40


@pytest.mark.parametrize("same", [True, False])
def test_without_drift_the_level_is_kept_of_users(same):
    def make(seed, grouped=True):
        random = np.random.default_rng(seed)
        means = 2 * random.normal(size=(25, D))
        reference, before = of_users(random, 25, 8, means=means)
        recent, after = of_users(random, 25, 3, first=0 if same else 25, means=means if same else None)
        return (reference, recent), (before, after) if grouped else None

    assert rejected(40, make) <= 11 / 40
    if not same:
        # Units that are taken to be independent would say that other users are a drift.
        assert rejected(10, lambda seed: make(seed, grouped=False)) > 0.8


def test_permuted_areas_are_those_of_a_loop():
    random = np.random.default_rng(4)
    side = np.array([0, 1, 1, 0, 0, 1, 0, 0, 1, 1])
    user = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 3])
    scores = np.array([0.0, 3, 2, 1, 0, 1, 1, 0, 2, 2])

    def pairs(labels):
        above = scores[labels == 1][:, None] - scores[labels == 0][None]
        return (above > 0).sum() + (above == 0).sum() / 2

    # Users 0 and 1 swap sides or not, 2 and 3 exchange or not: eight equal chances.
    every = []
    for swaps in np.ndindex(2, 2, 2):
        labels = side.copy()
        for name, swap in enumerate((swaps[0], swaps[1], swaps[2], swaps[2])):
            labels[user == name] ^= swap
        every.append(pairs(labels))
    wanted = np.mean(np.array(every) >= pairs(side))
    assert 0 < wanted < 1
    assert _held_out(scores, side, user, 20_000, random) == pytest.approx(wanted, abs=0.02)


def test_what_is_exchanged():
    random = np.random.default_rng(5)
    # On both sides: 0 to 4. Alone in the reference: 5 to 9 with 1 to 5 units; in the recent: 10 to 14 with 3.
    counts = {**{u: (u + 1, 3) for u in range(5)}, **{u: (u - 4, 0) for u in range(5, 10)}}
    counts |= {u: (0, 3) for u in range(10, 15)}
    user = np.concatenate([np.repeat(u, sum(both)) for u, both in counts.items()])
    side = np.concatenate([np.repeat([0, 1], both) for both in counts.values()])
    kept = _balanced(side, user, 1000, random)
    assert len(set(kept)) == len(kept)

    def used(s):
        return np.bincount(user[kept][side[kept] == s], minlength=15).tolist()

    assert used(0) == [1, 2, 3, 3, 3, 0, 0, 3, 3, 3, 0, 0, 0, 0, 0]
    assert used(1) == [1, 2, 3, 3, 3, 0, 0, 0, 0, 0, 3, 3, 3, 3, 3]
    fold = _folds(side[kept], user[kept], random)
    for name in set(user[kept]):
        assert len(set(fold[user[kept] == name])) == 1
    assert all(set(side[kept][fold == k]) == {0, 1} for k in range(5))


@pytest.mark.parametrize("most", [10, 31, 60, 200])
def test_no_more_units_than_are_wanted(most):
    random = np.random.default_rng(6)
    side, user = random.integers(0, 2, 500), random.integers(0, 40, 500)
    for whose in (user, user + 40 * side, np.arange(500)):
        kept = _balanced(side, whose, most, random)
        halves = np.bincount(side[kept], minlength=2)
        assert halves.min() >= 5
        assert halves.max() <= most // 2
        _folds(side[kept], np.unique(whose[kept], return_inverse=True)[1], random)


def test_dimensions_that_never_vary():
    random = np.random.default_rng(7)
    reference, recent = np.zeros((30, 2)), np.zeros((30, 2))
    assert drift(reference, recent).p_value == pytest.approx(1)
    recent[:, 1] = random.normal(size=30) + 9
    assert drift(reference, recent).refit


Z, USER = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drift(Z[0], Z), r"reference: found shape \(2,\)"),
        (lambda: drift(Z, np.full((3, 2), np.nan)), "recent: found NaN or infinity in 3 of 3 units"),
        (lambda: drift(Z, Z[:, :1]), "recent: found 1 dimensions, want 2, those of reference"),
        (lambda: drift(Z, Z[:4]), "reference, recent: found 4 users or units to exchange, want at least 5"),
        (lambda: drift(Z, Z, groups=(USER // 10, USER // 10)), "found 2 users or units to exchange"),
        (lambda: drift(Z[:0], Z), "found 0 users or units to exchange"),
        (lambda: drift(Z, Z, groups=(USER,)), "groups: found 1 arrays, want the users of reference and of recent"),
        (lambda: drift(Z, Z, groups=(USER, USER[:3])), "groups: found shape"),
        (lambda: drift(Z, Z, groups=(USER, -USER)), "groups: found -19"),
        (lambda: drift(Z, Z, permutations=0), "permutations: found 0"),
        (lambda: drift(Z, Z, most=9), "most: found 9, want a whole number from 10 up"),
        (lambda: drift(Z, Z, level=0.0), "level: found 0.0"),
        (lambda: drift(Z, Z, margin=1.0), "margin: found 1.0"),
        (lambda: drift(Z, Z, seed=-1), "seed: found -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
