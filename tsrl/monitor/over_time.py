"""Units over time: when they begin, as text, in which periods, and what drifts from period to period."""

from typing import Any, NamedTuple

import numpy as np

from tsrl.data.events import EventLog
from tsrl.errors import InputError
from tsrl.monitor.conformal import alarm_interval
from tsrl.monitor.drift import drift
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.periods import Units
from tsrl.monitor.scores import Settings

# More are hard to see in one chart; longer ones are made of them.
_MOST_PERIODS = 200
# Of a test of drift: periods, units, and units that it draws.
_PERIODS, _LEAST, _TESTED = 4, 50, 4_000
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
# 1970 began on a Thursday.
_MONDAY = 4 * _DAY
_WIDTHS = {"hour": _HOUR, "day": _DAY, "week": 7 * _DAY, "four weeks": 28 * _DAY}


class Periods(NamedTuple):
    """Periods in which units begin, those without any left out.

    Attributes:
      start: `[P]` when each begins, in order; none for a log without dates.
      place: `[U]` the period of each unit.
    """

    start: list[str]
    place: np.ndarray


def start_texts(log: EventLog, units: Units, settings: Settings) -> list[str]:
    """When units begin: a date, for hours and events with the time, as they stand in the log; without dates the unit's
    number in its sequence.

    Args:
      log: of the units.
      units: of the log.
      settings: by which the log was cut.
    """
    if isinstance(settings.every, str):
        return dates(units.start, "m" if settings.every == "hour" else "D")
    if log.calendar and log.time is not None:
        return dates(log.time[units.first], "m")
    return [str(start) for start in units.start.tolist()]


def dates(time: np.ndarray, unit: Any) -> list[str]:
    """Microseconds since 1970 as text, down to days, minutes or seconds."""
    text = np.datetime_as_string(np.asarray(time, np.int64).astype("datetime64[us]"), unit=unit, casting="unsafe")
    return [one.replace("T", " ") for one in text.tolist()]


def periods_of(log: EventLog, units: Units, settings: Settings) -> Periods:
    """The periods of the units: hours, days, weeks or four weeks, as short as they can be and not too many."""
    if not log.calendar or log.time is None:
        return Periods([], np.zeros(len(units.user), np.int64))
    own = isinstance(settings.every, str)
    time = units.start if own else log.time[units.first]
    names = list(_WIDTHS)
    for name in names[names.index(str(settings.every)) if own else names.index("day") :]:
        found, place = np.unique((time - _MONDAY) // _WIDTHS[name], return_inverse=True)
        if len(found) <= _MOST_PERIODS or name == names[-1]:
            break
    return Periods(dates(found * _WIDTHS[name] + _MONDAY, "m" if name == "hour" else "D"), place)


def counted(periods: Periods, raised: np.ndarray, calibrated: int, rate: float) -> list[dict[str, Any]]:
    """Units and alarms of each period, and how many are to be expected if all units are regular.

    Args:
      periods: of the units.
      raised: `[U]` which units are alarms.
      calibrated: units that the p-values are compared with.
      rate: share of regular units that may be alarms.
    """
    starts, place = periods
    made = []
    for n, start in enumerate(starts):
        units = int((place == n).sum())
        low, high = alarm_interval(calibrated, units, rate)
        expected = [round(low * units), round(high * units)]
        made.append({"start": start, "units": units, "alarms": int(raised[place == n].sum()), "expected": expected})
    return made


def drift_over_time(
    monitor: Monitor, periods: Periods, z: np.ndarray, user: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Tests of drift of four periods, or more up to 50 units, at a time; none of those with too few users."""
    starts, place = periods
    counts, blocks, begin = np.bincount(place, minlength=len(starts)), [], 0
    for end in range(1, len(starts) + 1):
        if end - begin >= _PERIODS and counts[begin:end].sum() >= _LEAST:
            blocks.append([begin, end])
            begin = end
    if begin < len(starts) and counts[begin:].sum() >= _LEAST:
        blocks.append([begin, len(starts)])
    elif blocks:
        # The latest ones are part of the last test.
        blocks[-1][1] = len(starts)
    made = []
    for begin, end in blocks:
        inside = (place >= begin) & (place < end)
        found = drift_of(monitor, z[inside], user[inside], seed, _TESTED)
        if found is not None:
            made.append({"start": starts[begin], "auc": found["auc"], "p_value": found["p_value"]})
    return made


def drift_of(monitor: Monitor, z: np.ndarray, user: np.ndarray, seed: int, most: int = 10_000) -> dict[str, Any] | None:
    """Whether units differ from those that calibrated; None where too few users can be compared.

    Args:
      monitor: that was calibrated.
      z: `[U, D]` embeddings.
      user: `[U]` their numbers.
      seed: of the test.
      most: units that it draws.
    """
    try:
        found = drift(monitor.held_out[0], z, groups=(monitor.held_out[1], user), seed=seed, most=most)
    except InputError:
        return None
    return {"auc": float(found.auc), "p_value": float(found.p_value), "refit": bool(found.refit)}
