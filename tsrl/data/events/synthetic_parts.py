"""Parts of the made-up user base: people, sessions, incidents, and the walk from action to action."""

from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["takeover", "drift", "burst", "rare_sequence"]
TAKEOVER, DRIFT, BURST, RARE = 1, 2, 3, 4
_HOUR = 3_600_000_000
_DAY, _WEEK = 24 * _HOUR, 7 * 24 * _HOUR
_START = int(np.datetime64("2026-01-05", "us").astype(np.int64))
_LONGEST = 40
# Sessions of an intruder, actions of a burst, of a rare sequence, weeks of a drift.
_TAKEN, _BURST, _SEQUENCE, _DRIFTING = (2, 6), (40, 80), 8, 3


class User(NamedTuple):
    """All users, in arrays.

    Attributes:
      persona: `[N]`.
      rate: `[N]` sessions a week.
      hour: `[N]` float64, the hour around which sessions begin.
      spread: `[N]` float64, deviation of these hours.
      weekday: `[N, 7]` shares of the days.
      device: `[N, 2]` the usual and the other one.
      spends: `[N]` factor of amounts.
      length: `[N]` mean actions of a session.
      habits: `[N, A, A]` float32, cumulative: from which action to which.
      opening: `[N, A]` float32, cumulative: the first action.
      paid: `[A]` float64, the amount of an action after the logarithm; NaN where nothing is paid.
      novel: `[A, A]` float32, cumulative, what everyone's habits drift to.
      devices: how many there are.
    """

    persona: np.ndarray
    rate: np.ndarray
    hour: np.ndarray
    spread: np.ndarray
    weekday: np.ndarray
    device: np.ndarray
    spends: np.ndarray
    length: np.ndarray
    habits: np.ndarray
    opening: np.ndarray
    paid: np.ndarray
    novel: np.ndarray
    devices: int


class Sessions(NamedTuple):
    """Sessions, in arrays `[S]`.

    Attributes:
      user: whose account.
      actor: whose habits.
      blend: share of steps that follow the actor's habits; the others follow the user's.
      start: int64 microseconds.
      length: actions.
      device: of the session.
      kind: 0 regular, else of `Kind`.
    """

    user: np.ndarray
    actor: np.ndarray
    blend: np.ndarray
    start: np.ndarray
    length: np.ndarray
    device: np.ndarray
    kind: np.ndarray


class Drawn(NamedTuple):
    """Events, in arrays `[E]`; kind as of their session."""

    user: np.ndarray
    time: np.ndarray
    action: np.ndarray
    device: np.ndarray
    amount: np.ndarray
    kind: np.ndarray


def draw_users(random: np.random.Generator, users: int, personas: int, actions: int, sessions_per_week: float) -> User:
    """Draws personas and each user's variant."""
    persona = random.integers(0, personas, users)
    # Few next actions are usual for a persona; a user has the same ones in other shares.
    typical = random.dirichlet(np.full(actions, 0.15), (personas, actions)) + 1e-3
    opening = random.dirichlet(np.full(actions, 0.3), personas) + 1e-3
    habits = typical[persona] * random.gamma(4.0, 0.25, (users, actions, actions))
    begins = opening[persona] * random.gamma(4.0, 0.25, (users, actions))
    hour = random.uniform(6, 22, personas)[persona] + random.normal(0, 1.5, users)
    weekday = random.dirichlet(np.full(7, 3.0), personas)[persona] * random.gamma(6.0, 1 / 6, (users, 7))
    paid = np.where(random.random(actions) < 0.25, random.normal(3, 1, actions), np.nan)
    # Three for each persona, and one that everybody may use.
    devices = 3 * personas + 1
    device = np.stack([3 * persona + random.integers(0, 3, users), np.full(users, devices - 1)], -1)
    novel = random.dirichlet(np.full(actions, 0.15), actions) + 1e-3
    return User(
        persona,
        sessions_per_week * random.gamma(4.0, 0.25, users),
        hour,
        random.uniform(0.5, 2.5, users),
        weekday / weekday.sum(1, keepdims=True),
        device,
        random.lognormal(0, 0.4, users),
        random.uniform(4, 9, personas)[persona] * random.lognormal(0, 0.2, users),
        _cumulative(habits),
        _cumulative(begins),
        paid,
        _cumulative(novel),
        devices,
    )


def sessions_of(random: np.random.Generator, base: User, weeks: int) -> Sessions:
    """Everyone's own sessions."""
    users = len(base.persona)
    counts = random.poisson(base.rate[:, None] * np.ones(weeks))
    user = np.repeat(np.arange(users), counts.sum(1))
    week = np.repeat(np.tile(np.arange(weeks), users), counts.ravel())
    start = _START + week * _WEEK + _moments(random, base, user)
    return _by(random, base, user, user, start)


def _by(random: np.random.Generator, base: User, user: np.ndarray, actor: np.ndarray, start: np.ndarray) -> Sessions:
    """Sessions of an account by somebody, from one of that person's devices."""
    count = len(user)
    length = 2 + random.poisson(base.length[actor] - 2)
    usual = (random.random(count) < 0.1).astype(int)
    zeros = np.zeros(count, np.int64)
    return Sessions(user, actor, np.ones(count), start, length.clip(2, _LONGEST), base.device[actor, usual], zeros)


def _moments(random: np.random.Generator, base: User, actor: np.ndarray) -> np.ndarray:
    """Times within a week, by somebody's days and hours."""
    day = (random.random((len(actor), 1)) > np.cumsum(base.weekday[actor], 1)[:, :-1]).sum(1)
    hour = (base.hour[actor] + base.spread[actor] * random.normal(size=len(actor))) % 24
    return day * _DAY + (hour * _HOUR).astype(np.int64)


def misbehave(
    random: np.random.Generator, base: User, sessions: Sessions, kind: np.ndarray, clean: int, weeks: int
) -> Sessions:
    """Plants each guilty user's incident, of `kind` `[N]`, in a week after the clean ones."""
    users = len(kind)
    week = random.integers(min(clean, weeks - 1), weeks, users)
    # Somebody of another persona.
    stranger = np.array([random.choice(np.flatnonzero(base.persona != own)) if (base.persona != own).any() else user
                         for user, own in enumerate(base.persona)])  # fmt: skip
    begin = _START + week * _WEEK
    actor, blend, label = sessions.actor.copy(), sessions.blend.copy(), sessions.kind.copy()
    drifting = kind[sessions.user] == DRIFT
    share = ((sessions.start - begin[sessions.user]) / (_DRIFTING * _WEEK)).clip(0, 1)
    # Shares are of the stranger's habits, where the session is the user's own.
    moved = drifting & (share > 0)
    actor[moved], blend[moved], label[moved] = stranger[sessions.user[moved]], share[moved], DRIFT
    sessions = sessions._replace(actor=actor, blend=blend, kind=label)
    added = []
    for number, low, high in ((TAKEOVER, *_TAKEN), (BURST, 1, 1), (RARE, 1, 1)):
        guilty = np.flatnonzero(kind == number)
        user = np.repeat(guilty, random.integers(low, high + 1, len(guilty)))
        by = stranger[user] if number == TAKEOVER else user
        made = _by(random, base, user, by, begin[user] + _moments(random, base, by))
        length = {TAKEOVER: made.length, RARE: np.full(len(user), _SEQUENCE)}.get(
            number, random.integers(*_BURST, len(user))
        )
        added.append(made._replace(length=length, kind=np.full(len(user), number)))
    return Sessions(*(np.concatenate(parts) for parts in zip(sessions, *added, strict=True)))


def walk(random: np.random.Generator, base: User, sessions: Sessions, weeks: int, drift: float) -> Drawn:
    """Draws the actions of all sessions, one step of all after another."""
    count, longest = len(sessions.user), int(sessions.length.max(initial=1))
    actions = base.paid.shape[0]
    made = np.zeros((count, longest), np.int64)
    made[:, 0] = _draw(random, base.opening[sessions.actor])
    elapsed = (sessions.start - _START) / (weeks * _WEEK)
    for step in range(1, longest):
        on = np.flatnonzero(sessions.length > step)
        before = made[on, step - 1]
        who = np.where(random.random(len(on)) < sessions.blend[on], sessions.actor[on], sessions.user[on])
        rows = base.habits[who, before]
        new = random.random(len(on)) < drift * elapsed[on]
        rows = np.where(new[:, None], base.novel[before], rows)
        following = _draw(random, rows)
        # Of the ten actions that the user begins with most often the one that follows least.
        rare = sessions.kind[on] == RARE
        if rare.any():
            share = np.diff(base.habits[who[rare], before[rare]], prepend=0, axis=-1)
            common = np.argsort(np.diff(base.opening[who[rare]], prepend=0, axis=-1), 1)[:, -min(10, actions) :]
            least = np.take_along_axis(share, common, 1).argmin(1)
            following[rare] = np.take_along_axis(common, least[:, None], 1)[:, 0]
        made[on, step] = np.where(sessions.kind[on] == BURST, before, following)
    session = np.repeat(np.arange(count), sessions.length)
    place = np.arange(len(session)) - np.repeat(np.cumsum(sessions.length) - sessions.length, sessions.length)
    action = made[session, place]
    pause = random.exponential(np.where(sessions.kind[session] == BURST, 1.5, 40.0)) * 1e6
    pause[place == 0] = 0
    since = np.cumsum(pause)
    since -= np.repeat(since[place == 0], sessions.length)
    time = sessions.start[session] + since.astype(np.int64)
    user = sessions.user[session]
    spent = np.exp(base.paid[action] + 0.3 * random.normal(size=len(action))) * base.spends[sessions.actor[session]]
    return Drawn(user, time, action, sessions.device[session], np.round(spent, 2), sessions.kind[session])


def _cumulative(weights: np.ndarray) -> np.ndarray:
    total = np.cumsum(weights, -1)
    return (total / total[..., -1:]).astype(np.float32)


def _draw(random: np.random.Generator, cumulative: np.ndarray) -> np.ndarray:
    """A column of each row, by its share."""
    found = (random.random((len(cumulative), 1), np.float32) >= cumulative).sum(1)
    return np.minimum(found, cumulative.shape[1] - 1)
