"""A user base that is made up: habits, weeks, and misbehaviour of known kinds at known times.

Drawn by a seed. Every user has a persona, whose habits the user has in a variant of their own: which action follows
which, how many sessions a week, at which hours, from which device, what is spent. The population may drift, as after a
new release. Some users misbehave once:

- takeover: for some sessions somebody of another persona acts, from that person's devices and at that person's hours;
- drift: over some weeks the user's habits become those of another persona;
- burst: within minutes one action again and again;
- rare_sequence: common actions in an order that the persona does not have, in one of the user's own sessions.
"""

from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np

from tsrl.data.events.log import EventLog, Names
from tsrl.data.events.synthetic_parts import Kind, draw_users, misbehave, sessions_of, walk
from tsrl.errors import InputError, check_whole

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class UserBase:
    """What was drawn.

    Attributes:
      log: users, times (UTC), the names "action" and "device", the number "amount" (NaN where nothing is paid).
      persona: `[N]` int64 of each user.
      kind: `[E]` int64 of each event: 0 regular, else 1 + its place in `KINDS`.
      incidents: one for each user that misbehaves; a drift that begins after a user's last session is none.
    """

    log: EventLog
    persona: np.ndarray
    kind: np.ndarray
    incidents: tuple["Incident", ...]


class Incident(NamedTuple):
    """One user's misbehaviour.

    Attributes:
      user: number of the user, 0 to N - 1.
      kind: of `KINDS`.
      start: int64 microseconds, time of its first event.
      end: time of its last event.
    """

    user: int
    kind: Kind
    start: int
    end: int


def user_base(
    users: int = 500,
    weeks: int = 8,
    seed: int = 0,
    *,
    personas: int = 5,
    actions: int = 24,
    sessions_per_week: float = 6.0,
    population_drift: float = 0.0,
    misbehaving: float = 0.0,
    kinds: tuple[Kind, ...] = KINDS,
    clean_weeks: int = 4,
) -> UserBase:
    """Draws a user base.

    Args:
      users: N.
      weeks: from Monday, 5 January 2026 on.
      seed: of all draws.
      personas: how many there are.
      actions: how many different ones.
      sessions_per_week: mean over users.
      population_drift: share of everyone's steps that follow new habits at the end, from 0 at the beginning.
      misbehaving: share of users with an incident.
      kinds: of incidents, each as often.
      clean_weeks: weeks without incidents, from the beginning.

    Raises:
      InputError: a setting out of its range.
    """
    for name, value, least in (
        ("users", users, 1),
        ("weeks", weeks, 1),
        ("seed", seed, 0),
        ("personas", personas, 2),
        ("actions", actions, 4),
        ("clean_weeks", clean_weeks, 0),
    ):
        check_whole(name, value, least)
    for name, share in (("population_drift", population_drift), ("misbehaving", misbehaving)):
        if not 0 <= share <= 1:
            raise InputError(f"{name}: found {share}, want 0 to 1")
    if not 0 < sessions_per_week < np.inf:
        raise InputError(f"sessions_per_week: found {sessions_per_week}, want a finite number above 0")
    if misbehaving and (not kinds or set(kinds) - set(KINDS)):
        raise InputError(f"kinds: found {kinds}, want some of {', '.join(KINDS)}")
    if misbehaving and clean_weeks >= weeks:
        raise InputError(f"clean_weeks: found {clean_weeks} of {weeks}, want fewer, so that there are incidents")
    random = np.random.default_rng(seed)
    base = draw_users(random, users, personas, actions, sessions_per_week)
    sessions = sessions_of(random, base, weeks)
    planned = np.zeros(users, np.int64)
    guilty = random.permutation(users)[: round(misbehaving * users)]
    planned[guilty] = 1 + random.permutation(np.arange(len(guilty)) % max(1, len(kinds)))
    chosen = {1 + place: 1 + KINDS.index(kind) for place, kind in enumerate(kinds)}
    kind_of = np.array([0, *(chosen.get(place, 0) for place in range(1, 1 + len(kinds)))])[planned]
    sessions = misbehave(random, base, sessions, kind_of, clean_weeks, weeks)
    events = walk(random, base, sessions, weeks, population_drift)
    order = np.lexsort((events.time, events.user))
    user, time, kind = events.user[order], events.time[order], events.kind[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))]).astype(np.int64)
    log = EventLog(
        users=_numbered("user", users),
        starts=starts,
        time=time,
        names={
            "action": Names(events.action[order].astype(np.int32), _numbered("action", actions)),
            "device": Names(
                events.device[order].astype(np.int32), np.array([f"device {n}" for n in range(base.devices)])
            ),
        },
        numbers={"amount": events.amount[order]},
        calendar=True,
        zone="UTC",
    )
    return UserBase(log, base.persona, kind, _incidents(user, time, kind))


def _numbered(word: str, count: int) -> np.ndarray:
    return np.array([f"{word} {number}" for number in range(count)])


def _incidents(user: np.ndarray, time: np.ndarray, kind: np.ndarray) -> tuple[Incident, ...]:
    rows = np.flatnonzero(kind)
    found, first = np.unique(user[rows], return_index=True)
    last = np.append(first, len(rows))[1:] - 1
    return tuple(
        Incident(int(who), KINDS[kind[rows[a]] - 1], int(time[rows[a]]), int(time[rows[b]]))
        for who, a, b in zip(found, first, last, strict=True)
    )
