"""A monitor of users' weeks: how often it is wrong, what it finds, and what it makes of unexpected logs."""

import dataclasses

import numpy as np
import pytest
from small_monitor import KNOWN, LATER, kinds_of

from tsrl.errors import InputError
from tsrl.monitor import Monitor, Settings
from tsrl.monitor.conformal import alarm_interval, p_values
from tsrl.monitor.evidence import pooled
from tsrl.monitor.scores import EVIDENCE, RUNNING

SIX_HOURS = 6 * 3_600_000_000
RATES = (0.02, 0.05, 0.1, 0.2, 0.5)


@pytest.fixture(scope="module")
def scores(monitor, clean):
    return monitor.score(clean.log, LATER)


@pytest.fixture(scope="module")
def of_bad(monitor, bad):
    return monitor.score(bad.log, LATER)


def state(monitor):
    """Copies of all that a monitor learned."""
    arrays = {**monitor.habits.arrays(), **monitor.reference.arrays(), **monitor.bins.edges}
    arrays |= {f"scale {name}": tail.array() for name, tail in monitor.scale.items()}
    arrays |= {"labels": monitor.labels, "past": np.stack(monitor.past), "calibration": monitor.calibration}
    return {name: values.copy() for name, values in arrays.items()}, dict(monitor.users)


def same(one, other):
    assert one[1] == other[1]
    for name, values in one[0].items():
        np.testing.assert_array_equal(values, other[0][name])


def test_clean_weeks_are_alarms_as_often_as_asked_for(monitor, scores):
    known = scores.units.user < KNOWN
    for rate in RATES:
        low, high = alarm_interval(len(monitor.calibration), int(known.sum()), rate, 0.999)
        assert low <= scores.alarms(rate)[known].mean() <= high
        np.testing.assert_array_equal(scores.alarms(rate), scores.p_value <= rate)


def test_p_values_count_calibration_units(monitor, scores):
    assert set(scores.evidence) == set(EVIDENCE)
    rarest = np.max([monitor.scale[name].rarity(values) for name, values in scores.evidence.items()], axis=0)
    np.testing.assert_allclose(np.min(list(scores.p.values()), axis=0), np.exp(-rarest))
    calibration = monitor.calibration
    wanted = [(1 + sum(calibration >= rarity)) / (1 + len(calibration)) for rarity in rarest]
    np.testing.assert_allclose(scores.p_value, wanted)
    # Few units calibrate, and still each has a rarity of its own.
    assert len(np.unique(calibration)) > 0.95 * len(calibration)
    assert ((scores.p_value > 0) & (scores.p_value <= 1)).all()


def test_misbehaviour_is_found(bad, of_bad):
    kind = kinds_of(bad, of_bad.units)
    known = of_bad.units.user < KNOWN
    regular = np.median(of_bad.p_value[known & (kind == 0)])
    for number in (1, 3):
        p = of_bad.p_value[known & (kind == number)]
        assert len(p) >= 10
        assert np.median(p) < regular / 5
        assert (p <= 0.05).mean() > 0.5


def test_discoveries_follow_benjamini_and_hochberg(bad, of_bad):
    p, rising = of_bad.p_value, np.sort(of_bad.p_value)
    for rate in (0.05, 0.3, 0.6):
        last = max((place for place in range(1, 1 + len(p)) if rising[place - 1] <= rate * place / len(p)), default=0)
        np.testing.assert_array_equal(of_bad.discoveries(rate), p <= rising[last - 1] if last else np.zeros(len(p)))
    found, kind = of_bad.discoveries(0.3), kinds_of(bad, of_bad.units)
    assert (kind[found] > 0).sum() >= 10
    assert (kind[found] == 0).mean() <= 0.3


def test_running_sums_grow_within_a_unit_and_their_peak_is_the_evidence(monitor, bad, of_bad):
    found = monitor.evidence(bad.log, of_bad.units, monitor.numbers(bad.log))
    assert set(of_bad.running) == set(RUNNING) == set(found.steps)
    begins = np.cumsum(of_bad.units.end - of_bad.units.first) - (of_bad.units.end - of_bad.units.first)
    for name, sums in of_bad.running.items():
        for unit in range(0, len(of_bad.user), 7):
            total = peak = np.zeros(found.steps[name].shape[1])
            for place, row in enumerate(range(of_bad.units.first[unit], of_bad.units.end[unit])):
                total = np.maximum(0.0, total + found.steps[name][row])
                peak = np.maximum(peak, total)
                at = [tail.rarity(one) for tail, one in zip(monitor.yardsticks[name], total, strict=True)]
                assert sums[begins[unit] + place] == pytest.approx(max(at), abs=1e-7)
            np.testing.assert_allclose(found.peaks[name][unit], peak, atol=1e-7)
            assert of_bad.evidence[name][unit] == pytest.approx(sums[begins[unit] :][: place + 1].max(), abs=1e-7)


def test_thresholds_say_the_same_as_p_values(monitor, of_bad):
    """Also when a unit is known by nothing but the evidence of one kind, as while it lasts."""
    for rate in (0.001, *RATES, 0.97):
        thresholds = monitor.thresholds(rate)
        above = {name: values > thresholds[name] for name, values in of_bad.evidence.items()}
        for name, values in above.items():
            alone = p_values(monitor.calibration, monitor.scale[name].rarity(of_bad.evidence[name])) <= rate
            np.testing.assert_array_equal(values, alone)
        np.testing.assert_array_equal(np.any(list(above.values()), 0), of_bad.alarms(rate))
        starts = np.cumsum(of_bad.units.end - of_bad.units.first) - (of_bad.units.end - of_bad.units.first)
        for name, sums in of_bad.running.items():
            passed = np.logical_or.reduceat(sums > thresholds[name], starts)
            np.testing.assert_array_equal(passed, above[name])
    assert set(monitor.thresholds(1e-4).values()) == {np.inf}


def test_a_new_user_is_judged_as_everyone_is(monitor, scores):
    new = scores.units.user >= KNOWN
    assert new.sum() >= 6
    assert ((scores.p_value[new] > 0) & (scores.p_value[new] <= 1)).all()
    # No habit is held against somebody without a past, so these are the least unusual.
    np.testing.assert_array_equal(scores.evidence["habits"][new], scores.evidence["habits"].min())
    assert np.isfinite(scores.evidence["identity"][new]).all()
    assert scores.user[new].tolist() == [f"user {number}" for number in scores.units.user[new]]


def test_scores_do_not_depend_on_who_else_is_in_the_log(monitor, clean, scores):
    order = np.array([58, 3, 20, 59, 0])
    found = monitor.score(clean.log.take(order), LATER)
    for number in order:
        mine, own = found.user == f"user {number}", scores.user == f"user {number}"
        assert mine.any()
        np.testing.assert_array_equal(found.units.start[mine], scores.units.start[own])
        for name, values in scores.evidence.items():
            np.testing.assert_allclose(found.evidence[name][mine], values[own], rtol=1e-4, atol=1e-4)


def test_users_without_events_have_no_units(monitor, clean, scores):
    cut = clean.log.keep(~np.isin(clean.log.owner, [0, 4, 59]))
    assert len(cut) == 60
    found, stay = monitor.score(cut, LATER), ~np.isin(scores.units.user, [0, 4, 59])
    np.testing.assert_array_equal(found.user, scores.user[stay])
    np.testing.assert_allclose(found.evidence["identity"], scores.evidence["identity"][stay], rtol=1e-4, atol=1e-4)


def test_logs_without_units_have_no_scores(monitor, clean):
    nothing = clean.log.keep(np.zeros(clean.log.events, bool))
    for log, since in ((nothing, None), (nothing.take([]), None), (clean.log.take([1]), "2030-01-01")):
        found = monitor.score(log, since)
        assert len(found.user) == len(found.p_value) == 0
        assert all(len(values) == 0 for part in (found.evidence, found.p, found.running) for values in part.values())
        assert found.alarms(0.05).tolist() == found.discoveries(0.05).tolist() == []
        updated = monitor.update(log, since)
        np.testing.assert_array_equal(updated.labels, monitor.labels)


def test_an_update_knows_more_and_leaves_the_monitor_as_it_was(monitor, clean):
    before = state(monitor)
    # New users first and in the middle.
    log = clean.log.take([59, 5, 57, 8, 58, 30])
    updated = monitor.update(log, LATER, rate=0.1)
    same(before, state(monitor))
    assert list(updated.users) == [*monitor.users, "user 59", "user 57", "user 58"]
    assert list(updated.users.values()) == list(range(60))

    found = monitor.score(log, LATER)
    kept = found.units.take(found.p_value > 0.1)
    assert 0 < len(kept.user) < len(found.user)
    z = pooled(monitor.model.encode(log), kept)
    users, known = updated.reference.user, len(monitor.reference.user)
    assert len(users) == known + len(kept.user) == len(updated.labels) == len(updated.past[0])
    for name, number in updated.users.items():
        own = log.users[kept.user] == name
        np.testing.assert_allclose(updated.reference.z[known:][users[known:] == number], z[own], rtol=1e-6)
        counts = (kept.end - kept.first)[own]
        np.testing.assert_array_equal(updated.past[0][known:][updated.past[1][known:] == number], counts)
        np.testing.assert_array_equal(updated.labels[known:][users[known:] == number], kept.start[own])
        # As many events were learned as the user's regular units have.
        learned = [
            habits.tables["action"][2].groups(np.array([number]))[0] for habits in (updated.habits, monitor.habits)
        ]
        assert learned[0] - learned[1] == counts.sum()
    # What is known of a user now is held against what is another's.
    lowest = found.evidence["habits"].min()
    assert updated.score(log, LATER).evidence["habits"][found.user == "user 57"].max() > lowest


def test_an_update_with_units_that_are_all_alarms_learns_nothing(monitor, clean):
    updated = monitor.update(clean.log.take([2, 58]), LATER, rate=0.9999)
    np.testing.assert_array_equal(updated.reference.z, monitor.reference.z)
    assert "user 58" in updated.users


def test_drift_of_a_population_is_found_and_none_where_there_is_none(monitor, clean):
    moved = dataclasses.replace(clean.log, time=clean.log.time + SIX_HOURS)
    found, none = monitor.drift(moved, LATER), monitor.drift(clean.log, LATER)
    assert found.refit
    assert found.p_value < 0.01 < none.p_value
    assert not none.refit


def test_units_of_events_and_sessions(monitor, clean):
    """Fitted again with the model that is there; the latest units of each user calibrate."""
    log = clean.log.take(np.arange(12))
    for settings in (Settings(every=40, calibrate=0.5), Settings(every=None, gap=4 * 3600.0)):
        made = Monitor.fit(log.before(LATER), monitor.model, settings)
        found = made.score(log, since=3)
        assert found.units.start.min() == 3
        assert ("volume" in found.evidence) == (settings.gap is not None)
        assert ((found.p_value > 0) & (found.p_value <= 1)).all()
        with pytest.raises(InputError, match="since: found '2026-03-02', want a whole number"):
            made.score(log, since=LATER)
        counts = np.bincount(made.reference.user, minlength=12)
        everything = made.score(log.before(LATER))
        for number in range(12):
            assert counts[number] == np.floor((everything.units.user == number).sum() * (1 - settings.calibrate))


def test_one_user_alone_can_be_monitored(monitor, clean):
    """Nobody is there to be mistaken for."""
    made = Monitor.fit(clean.log.take([7]), monitor.model, Settings(every=5, calibrate=0.5))
    found = made.score(clean.log.take([7, 8]))
    assert np.isfinite(found.p_value).all()


def test_two_sequences_of_one_user_are_refused(monitor, clean):
    sessions = clean.log.take([3]).sessions(3600.0)
    for call in (Monitor.fit, monitor.score, monitor.update, monitor.drift):
        with pytest.raises(InputError, match=r"log: found \d+ sequences of 1 users, want one each; for sessions set"):
            call(sessions)


def test_other_columns_are_refused(monitor, clean):
    log = clean.log.take([3])
    with pytest.raises(InputError, match="found the numbers"):
        monitor.score(dataclasses.replace(log, numbers={}))
    with pytest.raises(InputError, match="device"):
        monitor.score(dataclasses.replace(log, names={"action": log.names["action"]}))
    with pytest.raises(InputError, match="dates"):
        monitor.score(dataclasses.replace(log, time=log.seconds(), calendar=False))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(), "log: found 4 units to learn from and 4 to calibrate, want 20 of each"),
        (Settings(calibrate=0.0), "calibrate: found 0.0, want a share between 0 and 1"),
        (Settings(calibrate=1.0), "calibrate: found 1.0"),
        (Settings(fallback=0.0), "fallback: found 0.0, want a finite number above 0"),
        (Settings(fallback=float("nan")), "fallback: found nan"),
        (Settings(fallback=float("inf")), "fallback: found inf"),
        (Settings(every=None), "every, gap: found None and None"),
    ],
)
def test_settings_that_cannot_be(clean, settings, message):
    with pytest.raises(InputError, match=message):
        Monitor.fit(clean.log.take([3, 4]).before("2026-02-02"), settings=settings)


def test_a_log_without_events_is_refused(clean):
    with pytest.raises(InputError, match="log: found 0 units to learn from and 0 to calibrate"):
        Monitor.fit(clean.log.before("1999-01-01"))
