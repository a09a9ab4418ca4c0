"""What is planted is there, and nothing else is."""

import numpy as np
import pytest

from tsrl.data.events import KINDS, EventFields, user_base, whole_events
from tsrl.errors import InputError

WEEK = 7 * 86_400 * 10**6
MONDAY = int(np.datetime64("2026-01-05", "us").astype(np.int64))
BASE = user_base(300, 8, 1, misbehaving=0.4)
LOG = BASE.log
ACTION, DEVICE, OWNER = LOG.names["action"].codes, LOG.names["device"].codes, LOG.owner


def of_kind(name):
    return BASE.kind == 1 + KINDS.index(name)


def transitions(users, rows=slice(None)):
    """`[A, A]` shares of what follows which action, of some users' consecutive regular events."""
    count = len(LOG.names["action"].values)
    same = (OWNER[1:] == OWNER[:-1]) & (BASE.kind[1:] == 0) & (BASE.kind[:-1] == 0) & np.isin(OWNER[1:], users)
    table = np.zeros((count, count))
    np.add.at(table, (ACTION[:-1][same], ACTION[1:][same]), 1)
    return table / table.sum(1, keepdims=True).clip(1)


def test_a_seed_is_a_user_base():
    again, other = user_base(300, 8, 1, misbehaving=0.4), user_base(300, 8, 2, misbehaving=0.4)
    for one, same in ((LOG.time, again.log.time), (ACTION, again.log.names["action"].codes), (BASE.kind, again.kind)):
        np.testing.assert_array_equal(one, same)
    assert again.incidents == BASE.incidents
    assert other.log.events != LOG.events
    assert len(LOG) == 300
    assert (LOG.calendar, LOG.zone) == (True, "UTC")
    for first, end in zip(LOG.starts[:-1], LOG.starts[1:], strict=True):
        assert (np.diff(LOG.time[first:end]) >= 0).all()
    assert LOG.time.min() >= MONDAY


def test_incidents_are_where_they_are_said_to_be():
    guilty = {incident.user for incident in BASE.incidents}
    assert len(guilty) == len(BASE.incidents)
    assert 0.3 * 300 < len(guilty) <= 0.4 * 300
    assert set(np.unique(OWNER[BASE.kind > 0])) == guilty
    for incident in BASE.incidents:
        own = (incident.user == OWNER) & (BASE.kind > 0)
        assert set(BASE.kind[own]) == {1 + KINDS.index(incident.kind)}
        assert (LOG.time[own].min(), LOG.time[own].max()) == (incident.start, incident.end)
        assert incident.start >= MONDAY + 4 * WEEK
    counts = [sum(incident.kind == kind for incident in BASE.incidents) for kind in KINDS]
    assert max(counts) - min(counts) <= 3


def test_an_intruder_has_devices_and_habits_of_another_persona():
    taken = of_kind("takeover")
    shared = DEVICE.max()
    for user in np.unique(OWNER[taken]):
        own = user == OWNER
        regular = set(DEVICE[own & ~taken]) - {shared}
        assert regular <= {3 * BASE.persona[user] + n for n in range(3)}
        assert not regular & set(DEVICE[own & taken])


def test_a_burst_is_one_action_within_minutes():
    burst = of_kind("burst")
    for user in np.unique(OWNER[burst]):
        own = burst & (user == OWNER)
        assert len(set(ACTION[own])) == 1
        assert 40 <= own.sum() < 80
        assert np.ptp(LOG.time[own]) < 10 * 60 * 10**6


def test_a_rare_sequence_is_of_steps_that_the_persona_does_not_take():
    rare = of_kind("rare_sequence")
    for persona in range(5):
        users = np.flatnonzero(BASE.persona == persona)
        usual = transitions(users)
        steps = [
            usual[a, b]
            for user in users
            for own in [np.flatnonzero(rare & (user == OWNER))]
            for a, b in zip(ACTION[own[:-1]], ACTION[own[1:]], strict=True)
        ]
        counts = np.bincount(ACTION[np.isin(OWNER, users) & (BASE.kind == 0)], minlength=len(usual))
        expected = (usual**2).sum(1) @ counts / counts.sum()
        assert np.mean(steps) < 0.2 * expected
        own = np.isin(OWNER, users) & rare
        assert own.sum() % 8 == 0


def test_users_of_a_persona_are_alike_and_others_are_not():
    tables = np.stack([transitions(np.flatnonzero(BASE.persona == persona)).ravel() for persona in range(5)])
    halves = np.stack([transitions(np.flatnonzero(BASE.persona == persona)[::2]).ravel() for persona in range(5)])
    distance = ((tables[:, None] - halves[None]) ** 2).sum(-1)
    assert (distance.argmin(0) == np.arange(5)).all()
    assert distance.diagonal().max() < 0.2 * distance[~np.eye(5, dtype=bool)].min()
    # A day of the week is no other.
    day = (LOG.time - MONDAY) // (86_400 * 10**6) % 7
    assert np.bincount(day, minlength=7).min() > 0


def test_the_population_drifts_when_asked_to():
    def change(drift):
        base = user_base(200, 6, 0, population_drift=drift)
        code, time, owner = base.log.names["action"].codes, base.log.time, base.log.owner
        tables = []
        for begin in (0, 5):
            rows = (time >= MONDAY + begin * WEEK) & (time < MONDAY + (begin + 1) * WEEK)
            pairs = rows[1:] & (owner[1:] == owner[:-1])
            table = np.zeros((24, 24))
            np.add.at(table, (code[:-1][pairs], code[1:][pairs]), 1)
            tables.append(table / table.sum())
        return np.abs(tables[0] - tables[1]).sum()

    assert change(0.8) > 2 * change(0.0)


def test_it_becomes_batches():
    base = user_base(20, 2, 0)
    assert not base.kind.any()
    assert base.incidents == ()
    fields = EventFields.learn(base.log)
    made = whole_events(base.log, fields, 50)
    assert made.fields["numbers"].shape == (20, 50, fields.width())
    assert np.isnan(base.log.numbers["amount"]).any()
    assert (base.log.numbers["amount"][~np.isnan(base.log.numbers["amount"])] > 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"users": 0}, "users: found 0"),
        ({"personas": 1}, "personas: found 1"),
        ({"misbehaving": 1.5}, "misbehaving: found 1.5, want 0 to 1"),
        ({"misbehaving": 0.1, "kinds": ("theft",)}, "kinds: found .'theft',., want some of takeover"),
        ({"misbehaving": 0.1, "kinds": ()}, r"kinds: found \(\)"),
        ({"misbehaving": 0.1, "weeks": 3}, "clean_weeks: found 4 of 3"),
        ({"sessions_per_week": 0}, "sessions_per_week: found 0"),
        ({"population_drift": float("nan")}, "population_drift: found nan"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        user_base(**settings)
