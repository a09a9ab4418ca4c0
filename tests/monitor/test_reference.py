"""Distances from the population and from a user's own past: slow references, planted outliers, histories, restoring."""

import json

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.covariance import LedoitWolf

from tsrl.errors import InputError
from tsrl.monitor.conformal import alarm_interval, p_values
from tsrl.monitor.history import History, covariance
from tsrl.monitor.reference import Reference

D = 5
SETTINGS = {"kinds": ("knn", "mahalanobis"), "neighbours": 3}


def users_and_units(random, users, units, *, between=2.0, within=1.0, d=D, first=0):
    """Units of users whose means differ, in dimensions of different scale that depend on each other."""
    mix = np.random.default_rng(7).normal(size=(d, d)) * np.geomspace(0.3, 3, d)
    user = np.repeat(np.arange(users), units)
    means = between * random.normal(size=(users, d))
    return ((means[user] + within * random.normal(size=(len(user), d))) @ mix + 10), user + first


@pytest.fixture(scope="module")
def regular():
    return users_and_units(np.random.default_rng(0), 60, 8)


@pytest.fixture(scope="module")
def reference(regular):
    return Reference.fit(*regular)


def test_population_is_that_of_a_loop(regular):
    z, user = regular
    reference = Reference.fit(z, user, **SETTINGS)
    other = z[:4] + 1
    x, y = (z - z.mean(0)) / z.std(0), (other - z.mean(0)) / z.std(0)
    inverse = np.linalg.inv(LedoitWolf().fit(x).covariance_)
    wanted = [[np.sort(np.sqrt(((row - x) ** 2).sum(1)))[:3].mean(), row @ inverse @ row] for row in y]
    np.testing.assert_allclose(reference.population(other), wanted, rtol=1e-8)
    near = [np.argsort(((row - x) ** 2).sum(1))[:4] for row in y]
    assert reference.nearest(other, 4).tolist() == np.array(near).tolist()
    assert reference.nearest(z[[5]], 1).tolist() == [[5]]


def conditional(history, x, past):
    """Squared distance of x from what the units of the past predict, by one normal distribution of them all."""
    back = np.linalg.inv(history.axes)
    within, between = back.T @ back, back.T @ np.diag(history.between) @ back
    d, n = len(x), len(past)
    joint = np.kron(np.ones((n + 1, n + 1)), between) + np.kron(np.eye(n + 1), within)
    known, now = joint[: n * d, : n * d], joint[n * d :, : n * d]
    weights = now @ np.linalg.inv(known) if n else np.zeros((d, 0))
    left = joint[n * d :, n * d :] - weights @ now.T
    error = x - history.centre - weights @ (past - history.centre).ravel()
    return error @ np.linalg.inv(left) @ error


def test_own_is_the_conditional_normal():
    random = np.random.default_rng(1)
    z, user = users_and_units(random, 30, 4)
    # Histories of different length.
    kept = random.random(len(z)) < 0.7
    z, user = z[kept], user[kept]
    reference = Reference.fit(z, user, kinds=("knn",))
    x, history = reference.whole.coordinates(z), reference.history
    assert set(history.counts) >= {1, 2, 3, 4}
    other, whose = x[:6] + random.normal(size=(6, D)), np.array([0, 1, 2, 3, 29, 77])
    found = history.distances(other, whose)
    wanted = [conditional(history, row, x[user == name]) for row, name in zip(other, whose, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    places = np.arange(0, len(z), 7)
    wanted = [conditional(history, x[i], x[(user == user[i]) & (np.arange(len(z)) != i)]) for i in places]
    np.testing.assert_allclose(reference.own_leave_out()[places], wanted, rtol=1e-8)


def test_covariances_of_users_are_found():
    random = np.random.default_rng(2)
    mix, user = random.normal(size=(3, 3)), np.repeat(np.arange(2_000), 3)
    stretch = np.array([2.0, 1.0, 0.0])
    x = (stretch * random.normal(size=(2_000, 3)))[user] @ mix + random.normal(size=(6_000, 3)) @ mix
    history = History.fit(x, user, shrink=0.0, rows=np.arange(len(x)))
    back = np.linalg.inv(history.axes)
    np.testing.assert_allclose(back.T @ back, mix.T @ mix, rtol=0.1, atol=0.15)
    np.testing.assert_allclose(history.between, [0, 1, 4], atol=0.3)


def test_histories_of_any_length_have_one_distribution():
    random = np.random.default_rng(3)
    means = 3 * random.normal(size=(600, D))
    user = np.repeat(np.arange(500), np.arange(500) % 12 + 1)
    reference = Reference.fit(means[user] + random.normal(size=(len(user), D)), user, kinds=("knn",))
    whose = np.repeat(np.arange(600), 4)
    scores = reference.own(means[whose] + random.normal(size=(len(whose), D)), whose)
    long = whose % 12 >= 6
    for chosen in (whose >= 500, (whose < 500) & ~long, (whose < 500) & long):
        assert scores[chosen].mean() == pytest.approx(D, rel=0.12)
        assert (scores[chosen] > chi2.ppf(0.95, D)).mean() == pytest.approx(0.05, abs=0.035)
    # The units of the reference, each left out: as new ones, and in their own mean too regular.
    assert reference.own_leave_out().mean() == pytest.approx(D, rel=0.08)
    assert reference.own(reference.z, user).mean() < 0.85 * D


def test_what_is_usual_for_others_only_is_found_by_the_own_past():
    random = np.random.default_rng(4)
    means = 4 * random.normal(size=(100, D))
    user = np.repeat(np.arange(100), 10)
    reference = Reference.fit(means[user] + random.normal(size=(1_000, D)), user)
    whose = np.arange(100)
    calm = means + random.normal(size=(100, D))
    # Every user does what another one does.
    swapped = np.roll(calm, 1, axis=0)
    clean = reference.own_leave_out()
    assert (p_values(clean, reference.own(swapped, whose)) <= 0.01).mean() > 0.95
    assert (p_values(clean, reference.own(calm, whose)) <= 0.01).mean() < 0.06
    # No distance from the population can see that.
    np.testing.assert_allclose(reference.population(swapped), np.roll(reference.population(calm), 1, axis=0))


def test_planted_outliers_are_found_at_the_rate_of_the_calibration(reference):
    calibration, tested = (users_and_units(np.random.default_rng(s), 300, 1, first=100)[0] for s in (10, 11))
    outliers = tested[:30] + 8 * reference.z.std(0)
    low, high = alarm_interval(300, 300, 0.05)
    for kind in range(3):
        clean = reference.population(calibration)[:, kind]
        assert low <= (p_values(clean, reference.population(tested)[:, kind]) <= 0.05).mean() <= high
        assert (p_values(clean, reference.population(outliers)[:, kind]) <= 0.05).mean() > 0.9


def test_a_user_without_history_has_the_population(reference):
    z, _ = users_and_units(np.random.default_rng(5), 20, 1)
    scores = reference.own(z, np.full(20, 10**6))
    history = reference.history
    back = np.linalg.inv(history.axes)
    total = back.T @ (np.eye(D) + np.diag(history.between)) @ back
    x = reference.whole.coordinates(z) - history.centre
    np.testing.assert_allclose(scores, [row @ np.linalg.inv(total) @ row for row in x])


@pytest.mark.parametrize("user", [np.arange(40), np.zeros(40, int), np.repeat([0, 1], 20), np.arange(40) // 2])
def test_few_users_or_repeats(user):
    z = np.random.default_rng(6).normal(size=(40, 3))
    reference = Reference.fit(z, user, kinds=("mahalanobis",))
    scores = np.concatenate([reference.own(z, user), reference.own(z, user + 100), reference.own_leave_out()])
    assert np.isfinite(scores).all()
    # Nobody differs here, so that histories say little.
    assert scores.mean() == pytest.approx(3, rel=0.2)
    if len(set(user)) == 40:
        np.testing.assert_allclose(reference.own(z, user), reference.population(z)[:, 0], rtol=1e-6)


def test_more_dimensions_than_units():
    random = np.random.default_rng(8)
    basis = random.normal(size=(4, 90))

    def units(count):
        return random.normal(size=(count, 4)) @ basis + 0.3 * random.normal(size=(count, 90))

    reference = Reference.fit(units(50), np.repeat(np.arange(10), 5))
    assert reference.whole.axes.shape == (90, 25)
    calibration = reference.population(units(200))
    low, high = alarm_interval(200, 200, 0.1)
    regular, outliers = reference.population(units(200)), reference.population(units(50) + 3 * basis.sum(0))
    for kind in range(3):
        assert low <= (p_values(calibration[:, kind], regular[:, kind]) <= 0.1).mean() <= high
        assert (p_values(calibration[:, kind], outliers[:, kind]) <= 0.1).mean() > 0.8


def test_degenerate_dimensions(regular):
    z, user = regular
    # One that never varies, one that is another's copy, one that varies by rounding.
    z = np.column_stack([z, np.full(len(z), 0.1), z[:, 0], 3 + 1e-12 * z[:, 1]])
    for shrink in (None, 0.0, 1.0):
        reference = Reference.fit(z, user, shrink=shrink)
        scores = np.column_stack([reference.population(z + 0.1), reference.own(z, user), reference.own_leave_out()])
        assert np.isfinite(scores).all()
    with pytest.raises(InputError, match="z: found units that are all alike"):
        Reference.fit(np.full((20, 2), 0.1), np.arange(20))
    # A user whose units are all alike.
    twins = np.repeat(np.random.default_rng(0).normal(size=(20, 3)), 3, axis=0)
    reference = Reference.fit(twins, np.arange(60) // 3, kinds=("knn",))
    assert np.isfinite(reference.own(twins, np.arange(60) // 3)).all()
    assert reference.own(twins[:1], np.zeros(1, int)) < reference.own(twins[3:4], np.zeros(1, int))


def test_given_shrinkage():
    x = np.random.default_rng(9).normal(size=(30, 3))
    plain = x.T @ x / 30
    np.testing.assert_allclose(covariance(x, 0.0), plain)
    np.testing.assert_allclose(covariance(x, 1.0), np.eye(3) * np.trace(plain) / 3)
    assert not np.allclose(covariance(x, None), plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_restored_scores_are_equal(regular, dtype, tmp_path):
    z, user = regular
    reference = Reference.fit(z.astype(dtype), user, neighbours=4, shrink=0.1, seed=3, most=200)
    np.savez(tmp_path / "reference.npz", **reference.arrays())
    with np.load(tmp_path / "reference.npz", allow_pickle=False) as arrays:
        restored = Reference.restore(dict(arrays), json.loads(json.dumps(reference.settings())))
    assert restored.settings() == reference.settings()
    assert restored.z.dtype == dtype
    other = z[::5] + 0.5
    np.testing.assert_array_equal(restored.population(other), reference.population(other))
    np.testing.assert_array_equal(restored.own(other, user[::5]), reference.own(other, user[::5]))
    np.testing.assert_array_equal(restored.own_leave_out(), reference.own_leave_out())
    np.testing.assert_array_equal(restored.nearest(other, 5), reference.nearest(other, 5))


def test_restoring_what_is_another(reference):
    arrays, settings = reference.arrays(), reference.settings()
    for wrong, message in (
        ({**arrays, "scores": arrays["scores"] * 1.1}, "arrays: found scores other than those that were saved"),
        ({**arrays, "scores": arrays["scores"][:3]}, "arrays: found scores other"),
        ({"z": arrays["z"]}, "arrays: found z, want scores, user, z"),
    ):
        with pytest.raises(InputError, match=message):
            Reference.restore(wrong, settings)
    with pytest.raises(InputError, match="settings: found kinds, want kinds, most, neighbours, seed, shrink"):
        Reference.restore(arrays, {"kinds": []})


def test_update_adds_units(regular, reference):
    z, user = regular
    parts = Reference.fit(z[:300], user[:300]).update(z[300:], user[300:])
    np.testing.assert_array_equal(parts.population(z[:5] + 1), reference.population(z[:5] + 1))
    assert parts.settings() == reference.settings()
    # What a user does often becomes its own.
    away = z[:8] + 3 * z.std(0)
    updated = reference.update(away, user[:8])
    assert updated.own(away + 0.1, user[:8]).mean() < 0.5 * reference.own(away + 0.1, user[:8]).mean()


def test_more_units_than_are_wanted(regular):
    z, user = regular
    reference = Reference.fit(z, user, most=100)
    rows = reference.whole.rows
    assert len(set(rows)) == 100
    assert set(reference.nearest(z[:7], 3).ravel()) <= set(rows)
    assert reference.history.counts.sum() == len(z)
    assert Reference.fit(z, user, most=100, seed=1).whole.rows.tolist() != rows.tolist()


def test_scores_do_not_change_with_the_callers_array(regular):
    z, user = regular[0].copy(), regular[1].copy()
    reference = Reference.fit(z, user, **SETTINGS)
    before = reference.own_leave_out()
    z += 5
    user += 1
    np.testing.assert_array_equal(reference.own_leave_out(), before)


def test_nothing_to_score(reference):
    nothing, nobody = np.zeros((0, D)), np.zeros(0, int)
    assert reference.population(nothing).shape == (0, 3)
    assert reference.own(nothing, nobody).shape == (0,)
    assert reference.nearest(nothing, 2).shape == (0, 2)


Z, USER = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Reference.fit(Z[0], USER), r"z: found shape \(2,\) of float64, want .U, D."),
        (lambda: Reference.fit(Z[:, :0], USER), "D above 0"),
        (lambda: Reference.fit(np.array([["a"]]), USER), "of numbers"),
        (lambda: Reference.fit(np.where(Z > 1, np.nan, Z), USER), "z: found NaN or infinity in .* of 20 units"),
        (lambda: Reference.fit(Z, USER[:3]), r"user: found shape \(3,\) of int64, want .20. of whole numbers"),
        (lambda: Reference.fit(Z, USER / 2), "user: found shape .* of float64"),
        (lambda: Reference.fit(Z, USER - 1), "user: found -1, want whole numbers from 0 up"),
        (lambda: Reference.fit(Z[:10], USER[:10]), "z: found 10 units, want more than 10, the number of neighbours"),
        (lambda: Reference.fit(Z, USER, kinds=()), "kinds: found .., want some of mahalanobis, knn, isolation_forest"),
        (lambda: Reference.fit(Z, USER, kinds=("knn", "knn")), "each once"),
        (lambda: Reference.fit(Z, USER, kinds=("lof",)), "kinds: found .'lof'."),
        (lambda: Reference.fit(Z, USER, neighbours=0), "neighbours: found 0"),
        (lambda: Reference.fit(Z, USER, shrink=1.5), "shrink: found 1.5, want a number from 0 to 1"),
        (lambda: Reference.fit(Z, USER, seed=-1), "seed: found -1"),
        (lambda: Reference.fit(Z, USER, most=10), "most: found 10, want a whole number from 11 up"),
        (lambda: Reference.fit(Z, USER).population(np.zeros((1, 3))), "z: found 3 dimensions, want 2"),
        (lambda: Reference.fit(Z, USER).own(Z, USER[:2]), "user: found shape"),
        (lambda: Reference.fit(Z, USER).update(np.zeros((1, 3)), USER[:1]), "z: found 3 dimensions, want 2"),
        (lambda: Reference.fit(Z, USER).nearest(Z, 21), "k: found 21, want at most 20"),
        (lambda: Reference.fit(Z, USER).nearest(Z, 0), "k: found 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
