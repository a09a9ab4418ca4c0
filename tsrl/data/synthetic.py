"""Synthetic series of known structure; row i is a function of (seed, i) alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tsrl.data import synthetic_parts
from tsrl.errors import InputError, nearest

_SHAPES = {
    "trend": synthetic_parts.trend,
    "seasonal": synthetic_parts.seasonal,
    "gaussian_process": synthetic_parts.gaussian_process,
    "regimes": synthetic_parts.regimes,
}
# In the order in which they act.
KINDS = (*_SHAPES, "coupled", "noise", "events", "missing")
_SHORTEST = 32


class Event(NamedTuple):
    """Something that happens once, in all channels.

    Attributes:
      kind: "spike", "step", "dip" or "missing".
      start: its first step.
      length: its steps; of a step those up to the end.
      size: `[C]` what it adds at its peak; zeros where steps are missing.
    """

    kind: str
    start: int
    length: int
    size: np.ndarray


class Structure(NamedTuple):
    """What one series is known to hold.

    Attributes:
      kinds: the parts it is made of, of `KINDS`.
      period: steps of the strongest seasonal period; NaN without one.
      deviation: `[T]` standard deviation of the added white noise by step; zeros without it.
      change_points: `[K]` first steps of new regimes.
      events: in the order of their start.
      lags: `[C]` steps by which each channel follows the first; zeros without coupling.
      shares: `[C]` the s of a channel that is sqrt(1 - s) of its own part plus sqrt(s) of the first channel's, its lag
        earlier; zeros without coupling.
      parameters: part -> how it was drawn.
    """

    kinds: tuple[str, ...]
    period: float
    deviation: np.ndarray
    change_points: np.ndarray
    events: tuple[Event, ...]
    lags: np.ndarray
    shares: np.ndarray
    parameters: dict[str, dict[str, Any]]


class Synthetic(NamedTuple):
    """Series and what they hold.

    Attributes:
      x: `[N, T, C]` float32; NaN only where steps are missing.
      structure: of each series.
    """

    x: np.ndarray
    structure: tuple[Structure, ...]


def synthetic(
    count: int, length: int, channels: int = 1, seed: int = 0, start: int = 0, kinds: Sequence[str] | None = None
) -> Synthetic:
    """Draws series made of trends, seasons, Gaussian processes, regimes, noise and events.

    Any slice of rows equals the same rows of a longer draw, whatever process draws them; all are of unit scale, within
    tens of it.

    Args:
      count: N, number of series.
      length: T, steps, at least 32.
      channels: C.
      seed: of all rows.
      start: the first row's number.
      kinds: of `KINDS`, all of which every series then has. Default: each draws one to three of "trend", "seasonal",
        "gaussian_process" and "regimes", often "noise" and "events", with several channels often "coupled"; never
        "missing".

    Returns:
      The series and the structure of each.

    Raises:
      InputError: an argument out of its range, or an unknown kind.

    References:
      Ansari et al., Chronos (arXiv 2403.07815), for the Gaussian processes.
    """
    least = {"count": (count, 1), "length": (length, _SHORTEST), "channels": (channels, 1)}
    for name, (value, minimum) in (least | {"seed": (seed, 0), "start": (start, 0)}).items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
            raise InputError(f"{name}: found {value!r}, want a whole number of at least {minimum}")
    for kind in kinds or ():
        if kind not in KINDS:
            raise InputError(f"kinds: found {kind!r}, want of {', '.join(KINDS)}; {nearest(kind, KINDS)}")
    if kinds is not None and not kinds:
        raise InputError("kinds: found none, want at least one")
    x = np.empty((count, length, channels), np.float32)
    structure = []
    for row in range(count):
        values, found = _series((seed, start + row), length, channels, kinds)
        x[row] = values
        structure.append(found)
    return Synthetic(x, tuple(structure))


def _series(
    key: tuple[int, int], length: int, channels: int, kinds: Sequence[str] | None
) -> tuple[np.ndarray, Structure]:
    random = np.random.default_rng(np.random.SeedSequence(key))
    chosen = set(_some_kinds(random, channels) if kinds is None else kinds)
    parameters: dict[str, dict[str, Any]] = {}
    values = np.zeros((length, channels))
    for kind in _SHAPES:
        if kind in chosen:
            part = _SHAPES[kind](random, length, channels)
            values += part.values
            parameters[kind] = part.parameters
    lags, shares = np.zeros(channels, int), np.zeros(channels)
    if "coupled" in chosen:
        values, lags, shares = _coupled(random, values)
    deviation = np.zeros(length)
    if "noise" in chosen:
        part = synthetic_parts.noise(random, length, channels)
        values += part.values
        deviation = part.parameters.pop("deviation")
        parameters["noise"] = part.parameters
    events = []
    if "events" in chosen:
        events += _add_events(random, values)
    if "missing" in chosen:
        events += _drop_steps(random, values)
    structure = Structure(
        tuple(kind for kind in KINDS if kind in chosen),
        float(parameters["seasonal"]["periods"][0]) if "seasonal" in chosen else np.nan,
        deviation,
        parameters["regimes"]["change_points"] if "regimes" in chosen else np.empty(0, int),
        tuple(sorted(events, key=lambda event: event.start)),
        lags,
        shares,
        parameters,
    )
    return values, structure


def _some_kinds(random: np.random.Generator, channels: int) -> list[str]:
    kinds = [str(kind) for kind in random.choice(list(_SHAPES), random.integers(1, 4), replace=False)]
    kinds += ["noise"] if random.random() < 0.8 else []
    kinds += ["events"] if random.random() < 0.3 else []
    return kinds + (["coupled"] if channels > 1 and random.random() < 0.7 else [])


def _coupled(random: np.random.Generator, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every channel but the first takes a share from the first, some steps later."""
    length: int = values.shape[0]
    channels: int = values.shape[1]
    lags, shares = random.integers(0, length // 8, channels), random.uniform(0.3, 0.95, channels)
    lags[0], shares[0] = 0, 0.0
    # Before its lag a channel follows the first one's first value.
    followed = values[np.maximum(np.arange(length)[:, None] - lags, 0), 0]
    return np.sqrt(1 - shares) * values + np.sqrt(shares) * followed, lags, shares


def _add_events(random: np.random.Generator, values: np.ndarray) -> list[Event]:
    length, channels = values.shape
    events = []
    for start in random.choice(length - 1, random.integers(1, 4), replace=False):
        kind = str(random.choice(["spike", "step", "dip"]))
        sign = random.choice([-1.0, 1.0], channels)
        if kind == "spike":
            shape, size = np.ones(1), sign * random.uniform(4, 8, channels)
        elif kind == "step":
            shape, size = np.ones(length - start), sign * random.uniform(2, 4, channels)
        else:
            steps = min(int(random.integers(3, 4 + length // 16)), length - start)
            size = -random.uniform(2, 5, channels)
            # The middle of a Hann window, which is zero just outside.
            window = np.hanning(steps + 2)[1:-1]
            shape = window / window.max()
        values[start : start + len(shape)] += shape[:, None] * size
        events.append(Event(kind, int(start), len(shape), size))
    return events


def _drop_steps(random: np.random.Generator, values: np.ndarray) -> list[Event]:
    length, channels = values.shape
    events = []
    for start in random.choice(length - 1, random.integers(1, 4), replace=False):
        steps = min(int(random.integers(1, 2 + length // 16)), length - start)
        values[start : start + steps] = np.nan
        events.append(Event("missing", int(start), int(steps), np.zeros(channels)))
    return events
