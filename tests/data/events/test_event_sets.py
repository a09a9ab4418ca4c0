"""Published logs: small files in their layout, and the files themselves where the data folder has them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tsrl.data.events import sets
from tsrl.errors import InputError


def rows_of(log):
    """Of each sequence its events, as their names."""
    names = list(log.names.values())
    made = []
    for first, end in zip(log.starts[:-1], log.starts[1:], strict=True):
        events = [tuple(str(c.values[c.codes[row]]) for c in names) for row in range(first, end)]
        made.append([event[0] for event in events] if len(names) == 1 else events)
    return made


def dates(log):
    return [str(time) for time in log.time.astype("datetime64[us]").astype("datetime64[s]")]


def write(path, text):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)


def has(folder, name):
    if not any(Path(folder).rglob(f"{name}.*")):
        pytest.skip(f"TSRL_DATA_DIR has no {name}")


def test_commands_in_segments(tmp_path):
    commands = np.array([[0, 2, 2, 1], [1, 1, 0, 3]], np.int16)
    labels = np.array([[0, -1], [0, 1]], np.int8)
    vocab = np.array(["cp", "ls", "sh", "netscape"])
    np.savez(tmp_path / "UNIX_masquerade40.npz", commands=commands, vocab=vocab, segment_label=labels)
    found = sets.unix_masquerade(tmp_path)
    assert found.log.users.tolist() == ["user 0", "user 1"]
    assert rows_of(found.log) == [["cp", "sh", "sh", "ls"], ["ls", "ls", "cp", "netscape"]]
    assert found.log.time is None
    np.testing.assert_array_equal(found.labels, labels)


def test_badges_and_the_folds_of_their_users(tmp_path):
    """A user without badges has no sequence, and the folds are of those that have."""
    np.savez(
        tmp_path / "StackOverflow.npz",
        type=np.array([2, 1, 1, 3], np.int8),
        time=np.array([1.3e9, 1.4e9, 1.2e9, 1.2e9 + 0.5]),
        length=np.array([2, 0, 2], np.int16),
        in_test_fold=np.array([[True, False], [False, True], [True, True]]),
        badges=np.array(["Nice Answer", "Guru", "Famous Question"]),
    )
    found = sets.stackoverflow(tmp_path)
    assert rows_of(found.log) == [["Guru", "Nice Answer"], ["Nice Answer", "Famous Question"]]
    assert found.log.users.tolist() == [0, 2]
    assert found.log.time.tolist() == [1.3e9, 1.4e9, 1.2e9, 1.2e9 + 0.5]
    assert not found.log.calendar
    assert found.in_test.tolist() == [[True, False], [True, True]]


# Case, minute, activity, state, resource. The rows of a case are in order, those of cases are mixed. What is said of an
# application at the moment of its approval stands before the event that approves it.
CASES = """
7 0 A_SUBMITTED COMPLETE 112
3 1 A_SUBMITTED COMPLETE 113
7 2 W_Nabellen_offertes SCHEDULE
3 3 A_PARTLYSUBMITTED COMPLETE 112
7 4 O_SENT COMPLETE 112
3 5 A_DECLINED COMPLETE 113
3 6 W_Nabellen_offertes COMPLETE 113
7 7 O_ACCEPTED COMPLETE 10
7 7 A_REGISTERED COMPLETE 10
7 7 A_APPROVED COMPLETE 10
7 7 A_ACTIVATED COMPLETE 10
5 8 A_SUBMITTED COMPLETE 112
5 9 O_SENT COMPLETE 112
4 10 A_CANCELLED COMPLETE 112
4 11 A_APPROVED COMPLETE 112
"""


def applications(folder):
    lines = ["org:resource,lifecycle:transition,concept:name,time:timestamp,_case"]
    for line in CASES.strip().splitlines():
        case, minute, activity, state, *resource = line.split()
        stamp = f"2011-10-01 00:{int(minute):02}:00+02:00"
        lines.append(f"{''.join(resource)},{state},{activity.replace('_of', ' of')},{stamp},{case}")
    write(folder / "BPIC2012_events.csv.gz", "\n".join(lines) + "\n")
    table = "REG_DATE,concept:name,AMOUNT_REQ,_case\n"
    # Of one more case there is no event.
    for case, amount in ((3, 5000), (4, 100), (5, 700), (7, 20000), (9, 1)):
        table += f"2011-09-30 22:38:44.546000+00:00,1736{case},{amount},{case}\n"
    write(folder / "BPIC2012_cases.csv.gz", table)


def test_applications_are_cut_where_they_are_decided(tmp_path):
    applications(tmp_path)
    found = sets.bpic2012(tmp_path)
    # Case 5 is never decided; case 4 is with its first event, by which it is cancelled.
    assert found.log.users.tolist() == [7, 3, 4]
    assert [sets.OUTCOMES[outcome] for outcome in found.outcome] == ["approved", "declined", "cancelled"]
    actions = [[event[0] for event in events] for events in rows_of(found.log)]
    assert actions == [
        ["A_SUBMITTED COMPLETE", "W_Nabellen offertes SCHEDULE", "O_SENT COMPLETE"],
        ["A_SUBMITTED COMPLETE", "A_PARTLYSUBMITTED COMPLETE"],
        [],
    ]
    assert found.log.numbers["amount"].tolist() == [20000] * 3 + [5000] * 2
    # Two hours before the clocks of the file; those of a case without events left are known too.
    assert dates(found.log)[:2] == ["2011-09-30T22:00:00", "2011-09-30T22:02:00"]
    starts = found.start.astype("datetime64[us]").astype("datetime64[m]").astype(str)
    assert starts.tolist() == ["2011-09-30T22:00", "2011-09-30T22:01", "2011-09-30T22:10"]
    assert found.log.calendar


def test_purchases_by_the_number_of_discs(tmp_path):
    write(
        tmp_path / "CDNOW.csv.gz",
        "customer,date,cds,dollars\n2,19970112,5,77.0\n1,19970101,1,11.77\n2,19980203,2,0.0\n2,19970112,3,8.5\n"
        "1,19971231,4,20.0\n",
    )
    log = sets.cdnow(tmp_path)
    assert log.users.tolist() == [2, 1]
    # Sorted by date; those of a day stay in their order.
    assert rows_of(log) == [["more", "three", "two"], ["one", "more"]]
    assert log.numbers["cds"].tolist() == [5, 3, 2, 1, 4]
    assert log.numbers["dollars"].tolist() == [77.0, 8.5, 0.0, 11.77, 20.0]
    assert dates(log) == [f"{day}T00:00:00" for day in ("1997-01-12", "1997-01-12", "1998-02-03", "1997-01-01",
                                                        "1997-12-31")]  # fmt: skip


def test_files_that_are_missing_or_lack_something(tmp_path):
    for read, name in (
        (sets.unix_masquerade, "UNIX_masquerade40.npz"),
        (sets.stackoverflow, "StackOverflow.npz"),
        (sets.bpic2012, "BPIC2012_events.csv.gz"),
        (sets.cdnow, "CDNOW.csv.gz"),
    ):
        with pytest.raises(InputError, match=f"data_dir: found no {name}, want the folder that holds it"):
            read(tmp_path)
    np.savez(tmp_path / "StackOverflow.npz", type=np.zeros(1), time=np.zeros(1))
    with pytest.raises(InputError, match=r"StackOverflow\.npz: found type, time, want length as well"):
        sets.stackoverflow(tmp_path)


def test_the_commands_of_the_published_users(real_data):
    has(real_data, "UNIX_masquerade40")
    found = sets.unix_masquerade()
    assert len(found.log) == 40
    assert (found.log.lengths == 15_000).all()
    assert found.labels.shape == (40, 150)
    assert (found.labels[:, :50] == 0).all()
    assert set(np.unique(found.labels)) == {-1, 0, 1}
    # Ten users are labelled to the end.
    assert (found.labels >= 0).all(1).sum() == 10
    assert found.log.names["action"].codes.min() == 0


def test_the_published_badges(real_data):
    has(real_data, "StackOverflow")
    found = sets.stackoverflow()
    assert len(found.log) == len(found.in_test) == 4_468
    assert found.log.events == 327_487
    assert len(found.log.names["action"].values) == 22
    assert (found.log.since_previous()[1:][np.diff(found.log.owner) == 0] >= 0).all()
    # The names are those of the numbers, which count from 1: the most and the least frequent.
    badge = found.log.names["action"]
    assert (badge.values[badge.codes] == "Popular Question").sum() == 141_653
    assert (badge.values[badge.codes] == "Publicist").sum() == 20
    # Seconds since 1970: in 2012 and 2013.
    assert 1.32e9 < found.log.time.min() < found.log.time.max() < 1.39e9


def test_nothing_that_decides_a_published_application_is_left(real_data):
    has(real_data, "BPIC2012_events")
    found = sets.bpic2012()
    held = found.log.names["action"]
    left = {str(held.values[code]).split(" ")[0] for code in np.unique(held.codes)}
    assert not left & {"A_APPROVED", "A_DECLINED", "A_CANCELLED", "A_REGISTERED", "A_ACTIVATED"}
    assert not left & {"O_ACCEPTED", "O_DECLINED"}
    assert "A_SUBMITTED" in left
    # 13,087 cases, of which 399 were open when the log was drawn.
    assert len(found.log) == len(found.outcome) == len(found.start) == 12_688
    assert np.bincount(found.outcome).tolist() == [2_246, 7_635, 2_807]
    assert (found.log.lengths > 0).all()
    begins = found.log.time[found.log.starts[:-1]]
    np.testing.assert_array_equal(begins, found.start)
    assert np.datetime64("2011-09-30") < found.start.min().astype("datetime64[us]") < np.datetime64("2011-10-02")
    assert np.datetime64("2012-02-28") < found.start.max().astype("datetime64[us]") < np.datetime64("2012-03-01")
    amount = found.log.numbers["amount"]
    assert np.isfinite(amount).all()
    assert (np.diff(amount)[np.diff(found.log.owner) == 0] == 0).all()


def test_the_published_purchases(real_data):
    has(real_data, "CDNOW")
    log = sets.cdnow()
    assert (len(log), log.events) == (23_570, 69_659)
    first, last = log.time.min().astype("datetime64[us]"), log.time.max().astype("datetime64[us]")
    assert str(first).startswith("1997-01-01")
    assert str(last).startswith("1998-06-30")
    held = log.names["action"]
    named = held.values[held.codes]
    for name, low, high in (("one", 1, 1), ("two", 2, 2), ("three", 3, 3), ("more", 4, 99)):
        of_name = log.numbers["cds"][named == name]
        assert (of_name.min(), of_name.max() <= high) == (low, True)
