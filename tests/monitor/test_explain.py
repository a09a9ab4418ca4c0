"""Explanations: the planted events are named, and every number is what the evidence was made of."""

import numpy as np
import pytest
from small_monitor import KNOWN, LATER, kinds_of

from tsrl.monitor import explain
from tsrl.monitor.evidence import SLACK, pooled
from tsrl.monitor.periods import Units

TAKEOVER, BURST = 1, 3


@pytest.fixture(scope="module")
def scores(monitor, bad):
    return monitor.score(bad.log, LATER)


@pytest.fixture(scope="module")
def alarms(bad, scores):
    """Kind -> units of it that the monitor finds, of users whom it knows, the most unusual first."""
    kind, order = kinds_of(bad, scores.units), np.argsort(scores.p_value, kind="stable")
    found = {}
    for number in (TAKEOVER, BURST):
        caught = (kind == number) & (scores.p_value <= 0.05) & (scores.units.user < KNOWN)
        found[number] = [int(unit) for unit in order if caught[unit]]
        assert len(found[number]) >= 3
    return found


@pytest.fixture(scope="module")
def whole(monitor, bad, scores, alarms):
    """A take-over with all of its events as causes."""
    unit = alarms[TAKEOVER][0]
    count = int(scores.units.end[unit] - scores.units.first[unit])
    return unit, explain(monitor, bad.log, scores, unit, most=count)


def test_most_causes_of_a_takeover_are_the_intruders(monitor, bad, scores, alarms):
    planted = total = usual = events = 0
    for unit in alarms[TAKEOVER][:3]:
        found = explain(monitor, bad.log, scores, unit)
        rows = np.arange(scores.units.first[unit], scores.units.end[unit])
        assert {cause.event for cause in found.causes} <= set(rows.tolist())
        planted += sum(bad.kind[cause.event] == TAKEOVER for cause in found.causes)
        total += len(found.causes)
        usual, events = usual + (bad.kind[rows] == TAKEOVER).sum(), events + len(rows)
        assert found.user == scores.user[unit]
        assert found.p_value == scores.p_value[unit]
        assert found.evidence == {name: scores.p[name][unit] for name in scores.p}
        assert list(found.evidence.values()) == sorted(found.evidence.values())
    # More than if events had been drawn.
    assert planted / total > max(0.75, usual / events)


def test_a_burst_that_is_known_by_surprise_is_explained_by_surprise(monitor, bad, scores, alarms):
    """One action again and again is so unusual for everyone that habits rather speak for the user."""
    bursts = [unit for unit in alarms[BURST] if scores.p["surprise"][unit] < scores.p["habits"][unit]]
    assert len(bursts) >= 3
    for unit in bursts[:3]:
        found = explain(monitor, bad.log, scores, unit, most=10)
        assert any(bad.kind[cause.event] == BURST for cause in found.causes)


def test_contributions_add_up_to_the_evidence(monitor, bad, scores, whole):
    unit, found = whole
    rows = range(scores.units.first[unit], scores.units.end[unit])
    assert sorted(cause.event for cause in found.causes) == list(rows)
    for cause in found.causes:
        assert sum(cause.fields.values()) == pytest.approx(cause.contribution, abs=1e-9)
        assert list(cause.fields.values()) == sorted(cause.fields.values(), reverse=True)
        assert list(cause.surprise.values()) == sorted(cause.surprise.values(), reverse=True)
        assert set(cause.fields) == set(monitor.habits.sizes)
        assert set(cause.surprise) == set(monitor.norms.names)
    # In the order of time surprise, less the slack, is what its running sums add up.
    peaks = []
    for column in monitor.norms.names:
        total = peak = 0.0
        for cause in sorted(found.causes, key=lambda cause: cause.event):
            total = max(0.0, total + cause.surprise[column] - SLACK)
            peak = max(peak, total)
        peaks.append(peak)
    wanted = monitor.largest("surprise", np.array([peaks]))[0]
    assert wanted == pytest.approx(scores.evidence["surprise"][unit], rel=1e-3, abs=1e-3)


def test_what_was_expected_and_what_the_user_does(monitor, bad, scores, whole):
    unit, found = whole
    model, action = monitor.model, bad.log.names["action"]
    number = int(scores.units.user[unit])
    alone = bad.log.take([number])
    likely = np.exp(model.next_action(alone, every=True))
    names = model.fields.vocabularies["action"]
    for cause in found.causes[:6]:
        row = cause.event - int(bad.log.starts[number])
        # Three codes stand for no action.
        ranked = sorted(range(len(names)), key=lambda code: -likely[row - 1, 3 + code])[:3]
        for (name, share), code in zip(cause.expected, ranked, strict=False):
            assert name in names
            assert share == pytest.approx(likely[row - 1, 3 + code], rel=1e-3)
        before = str(action.values[action.codes[cause.event - 1]])
        shares = monitor.habits.own_shares("next action", number, 3 + names.index(before))
        assert 0 < len(cause.own) <= 3
        for name, share in cause.own:
            assert share == pytest.approx(shares[3 + names.index(name)])
        assert cause.own[0][1] == pytest.approx(shares[3:].max())


def test_the_first_alarm_is_where_a_running_sum_passes(monitor, bad, scores, alarms):
    starts = np.cumsum(scores.units.end - scores.units.first) - (scores.units.end - scores.units.first)
    seen = set()
    for unit, rate in [(alarms[BURST][0], 0.05), (alarms[TAKEOVER][0], 0.2), (alarms[TAKEOVER][0], 1e-3)]:
        thresholds, wanted = monitor.thresholds(rate), None
        for place in range(scores.units.end[unit] - scores.units.first[unit]):
            if any(sums[starts[unit] + place] > thresholds[name] for name, sums in scores.running.items()):
                wanted = int(scores.units.first[unit] + place)
                break
        found = explain(monitor, bad.log, scores, unit, rate=rate, most=1).first_alarm
        assert found == wanted
        seen.add(found is None)
    assert seen == {True, False}


def test_the_nearest_are_regular_units_of_others(monitor, bad, scores, whole):
    unit, found = whole
    reference, names = monitor.reference, list(monitor.users)
    alone = scores.units.take(np.array([unit]))
    z = pooled(monitor.model.encode(bad.log), alone)
    points = reference.whole.coordinates(np.concatenate([reference.z, z]))
    distance = np.linalg.norm(points[:-1] - points[-1], axis=1)
    wanted = []
    for place in np.argsort(distance, kind="stable"):
        user = names[reference.user[place]]
        if user != found.user and user not in [name for name, _ in wanted]:
            wanted.append((user, int(monitor.labels[place])))
    few = explain(monitor, bad.log, scores, unit, most=4).nearest
    assert few == wanted[:4]
    assert len({user for user, _ in found.nearest} | {found.user}) == len(found.nearest) + 1


@pytest.mark.parametrize("begins", [False, True])
def test_what_an_event_does_to_the_embedding_is_found_by_hiding_it(monitor, bad, scores, alarms, begins):
    """In the middle of a sequence, and in a unit that its sequence begins with."""
    unit, log, own = alarms[TAKEOVER][1], bad.log, scores
    if begins:
        name, start = scores.user[unit], scores.units.start[unit]
        log = bad.log.since(np.datetime64(int(start), "us"))
        own = monitor.score(log)
        unit = int(np.flatnonzero((own.user == name) & (own.units.start == start))[0])
        assert own.units.first[unit] == log.starts[own.units.user[unit]]
    first, end, user = (int(part[unit]) for part in (own.units.first, own.units.end, own.units.user))

    def distance(log, end):
        units = Units(np.array([user]), np.array([first]), np.array([end]), np.zeros(1, int))
        return monitor.reference.own(pooled(monitor.model.encode(log), units), np.array([user]))[0]

    count = end - first
    found = explain(monitor, log, own, unit, most=count)
    by_event = {cause.event: cause.embedding for cause in found.causes}
    assert len(by_event) == count
    whole = distance(log, end)
    for event in (first, first + 1, end - 2, end - 1):
        kept = np.arange(log.events) != event
        wanted = whole - distance(log.keep(kept), end - 1)
        assert by_event[event] == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_a_unit_of_one_event_has_a_cause_and_nothing_to_hide(monitor, bad):
    """The first event of all of a user whom nobody knows, too."""
    for number in (5, 58):
        log = bad.log.take([number]).heads(1)
        scores = monitor.score(log)
        found = explain(monitor, log, scores, 0)
        (cause,) = found.causes
        assert cause.event == 0
        assert np.isnan(cause.embedding)
        assert cause.expected == []
        assert cause.surprise.keys() == set(monitor.norms.names)
        assert np.isfinite(cause.contribution)
        assert found.nearest
        # Of the unknown user the habits are everyone's.
        assert len(cause.own) == 3


def test_of_a_long_unit_only_the_largest_contributions_are_tried(monitor, bad, scores):
    unit = int(np.argmax(scores.units.end - scores.units.first))
    count = int(scores.units.end[unit] - scores.units.first[unit])
    assert count > 64
    found = explain(monitor, bad.log, scores, unit, most=count)
    tried = [not np.isnan(cause.embedding) for cause in found.causes]
    assert tried == [True] * 64 + [False] * (count - 64)
