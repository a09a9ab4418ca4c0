"""Published logs of events by name, as they are laid out in the data folder."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.events.log import EventColumns, EventLog
from tsrl.data.events.read import read_events
from tsrl.data.locate import locate
from tsrl.errors import InputError

# Of BPI Challenge 2012: a case is decided by the first of these events.
_OUTCOMES = {"A_APPROVED": 0, "A_DECLINED": 1, "A_CANCELLED": 2}
OUTCOMES = ("approved", "declined", "cancelled")
# What is said of an application once it is approved, at the same moment; and of its offers, by which it is decided.
_AFTER = ("A_REGISTERED", "A_ACTIVATED", "O_ACCEPTED", "O_DECLINED")


class Masquerade(NamedTuple):
    """UNIX commands of 40 users, in segments of 100, some of them somebody else's.

    Attributes:
      log: the commands in order, without times.
      labels: `[40, 150]` int8 of the segments: 0 the user's own, 1 a masquerader's, -1 unknown; the first 50 of each
        user are 0.
    """

    log: EventLog
    labels: np.ndarray


class Applications(NamedTuple):
    """Applications for loans (BPI Challenge 2012), each a sequence of activities.

    Attributes:
      log: what was done before the case was decided: activity, resource, and the amount asked for.
      outcome: `[N]` int64, place in `OUTCOMES`; cases that were never decided are left out.
      start: `[N]` int64 microseconds, when each began.
    """

    log: EventLog
    outcome: np.ndarray
    start: np.ndarray


class Badges(NamedTuple):
    """Badges of users of a site of questions and answers, in the order in which they were given.

    Attributes:
      log: user, time in seconds since 1970 as a number, badge.
      in_test: `[N, 5]` bool, the users of each fold's test part.
    """

    log: EventLog
    in_test: np.ndarray


def unix_masquerade(data_dir: str | Path | None = None) -> Masquerade:
    """Schonlau's data, in the form of the UNIX_masquerade40 file: `commands`, `vocab`, `segment_label`.

    References: Schonlau, DuMouchel, Ju, Karr, Theus, Vardi (2001), Computer Intrusion: Detecting Masquerades,
      Statistical Science 16(1).
    """
    arrays = _arrays("UNIX_masquerade40", data_dir, ("commands", "vocab", "segment_label"))
    commands = arrays["commands"]
    user = np.repeat([f"user {number}" for number in range(len(commands))], commands.shape[1])
    log = read_events({"user": user, "action": arrays["vocab"][commands.ravel()]}, EventColumns(time=None))
    return Masquerade(log, arrays["segment_label"])


def stackoverflow(data_dir: str | Path | None = None) -> Badges:
    """The badges of StackOverflow: `type` (from 1 up), `time`, `length`, `in_test_fold`, `badges`.

    References: Du et al. (2016), Recurrent Marked Temporal Point Processes, KDD.
    """
    arrays = _arrays("StackOverflow", data_dir, ("type", "time", "length", "in_test_fold", "badges"))
    length = arrays["length"]
    user = np.repeat(np.arange(len(length)), length)
    columns = {"user": user, "time": arrays["time"], "action": arrays["badges"][arrays["type"] - 1]}
    # Users without badges are no sequences.
    return Badges(read_events(columns), arrays["in_test_fold"][length > 0])


def bpic2012(data_dir: str | Path | None = None) -> Applications:
    """The log of the BPI Challenge 2012, as two tables: events, and one row for each case.

    An event is an activity with its state, such as `W_Nabellen offertes SCHEDULE`. A case is decided by the first event
    that says it is approved, declined or cancelled; that one and all later ones are cut, and so is what is said of the
    offer or of the application at that moment.

    References: van Dongen (2012), BPI Challenge 2012, Eindhoven University of Technology.
    """
    import pyarrow.csv as csv

    events = csv.read_csv(_file("BPIC2012_events", data_dir))
    cases = csv.read_csv(_file("BPIC2012_cases", data_dir))
    case = events["_case"].to_numpy()
    activity = np.array(events["concept:name"].to_pylist())
    state = np.array(events["lifecycle:transition"].to_pylist())
    asked = cases["_case"].to_numpy()
    amount = np.full(1 + max(case.max(), asked.max()), np.nan)
    amount[asked] = cases["AMOUNT_REQ"].to_numpy()
    log = read_events(
        {
            "user": case,
            "time": np.array(events["time:timestamp"].to_pylist()),
            "action": np.char.add(np.char.add(activity, " "), state),
            "resource": np.array([str(value) for value in events["org:resource"].to_pylist()]),
            "amount": amount[case],
        },
        EventColumns(categorical=("resource",), numeric=("amount",)),
    )
    values = log.names["action"].values
    name = np.array([value.split(" ")[0] for value in values])[log.names["action"].codes]
    decided = np.isin(name, list(_OUTCOMES))
    # Of each case the place of the first event that decides it; the number of events where none does.
    place = np.arange(log.events) - log.starts[:-1][log.owner]
    first = np.full(len(log), np.iinfo(np.int64).max)
    np.minimum.at(first, log.owner[decided], place[decided])
    known = first < log.lengths
    outcome = np.full(len(log), -1)
    outcome[known] = [_OUTCOMES[name[row]] for row in (log.starts[:-1] + np.minimum(first, log.lengths - 1))[known]]
    assert log.time is not None
    start = log.time[log.starts[:-1]]
    before = log.keep((place < first[log.owner]) & ~np.isin(name, _AFTER))
    return Applications(before.take(known), outcome[known], start[known])


def cdnow(data_dir: str | Path | None = None) -> EventLog:
    """Purchases of customers of CDNOW in 1997 and 1998: customer, date, how many CDs, dollars.

    The action is the number of CDs, four and more as one.

    References: Fader, Hardie (2001), Forecasting Repeat Sales at CDNOW, Interfaces 31(3).
    """
    import pyarrow.csv as csv

    table = csv.read_csv(_file("CDNOW", data_dir))
    date, count = (table[name].to_numpy() for name in ("date", "cds"))
    text = np.array([f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}" for day in date])
    action = np.array(["one", "two", "three", "more"])[np.minimum(count, 4) - 1]
    columns = {"user": table["customer"].to_numpy(), "time": text, "action": action}
    columns |= {"cds": count.astype(float), "dollars": table["dollars"].to_numpy()}
    return read_events(columns, EventColumns(numeric=("cds", "dollars")))


def _file(name: str, data_dir: str | Path | None, suffix: str = ".csv.gz") -> Path:
    found = locate(name, data_dir, (suffix,))
    if found is None:
        raise InputError(
            f"data_dir: found no {name}{suffix}, want the folder that holds it, or TSRL_DATA_DIR to name it"
        )
    return found


def _arrays(name: str, data_dir: str | Path | None, wanted: tuple[str, ...]) -> dict[str, Any]:
    path = _file(name, data_dir, ".npz")
    with np.load(path, allow_pickle=False) as archive:
        if lacking := [key for key in wanted if key not in archive.files]:
            raise InputError(f"{path}: found {', '.join(archive.files)}, want {lacking[0]} as well")
        return {key: archive[key] for key in wanted}
