"""What is learned from a log, and the arrays that methods train on."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.events import EventColumns, EventFields, event_windows, next_events, read_events, whole_events
from tsrl.errors import InputError
from tsrl.types import as_batch

COLUMNS = EventColumns(categorical=("shop",), numeric=("amount",))


def log_of(users, actions, times, shops=None, amounts=None):
    count = len(users)
    return read_events(
        {
            "user": list(users),
            "action": list(actions),
            "time": times,
            "shop": pa.array(shops or [None] * count, pa.string()),
            "amount": pa.array(amounts or [None] * count, pa.float64()),
        },
        COLUMNS,
    )


def test_rare_unseen_and_missing_names_have_codes_of_their_own():
    train = log_of("aaaabbb", list("pqqpqpr"), list(range(7)), ["x", "x", None, "y", "x", "y", "y"])
    fields = EventFields.learn(train)
    # p and q are equally frequent: by their text.
    assert fields.vocabularies == {"action": ("p", "q"), "shop": ("x", "y")}
    assert fields.sizes() == {"action": 5, "shop": 5}
    test = log_of("cccc", list("qprz"), list(range(4)), ["y", "new", None, "x"])
    assert fields.codes(test, "action").tolist() == [4, 3, 1, 1]
    assert fields.codes(test, "shop").tolist() == [4, 1, 2, 3]
    assert [fields.value("action", code) for code in range(5)] == [None, None, None, "p", "q"]
    assert EventFields.learn(train, min_count=1, most_values=1).vocabularies["action"] == ("p",)


def test_numbers_are_scaled_as_in_training():
    day = "2026-01-{:02d}T{:02d}:00"
    times = [day.format(1 + n, 6 * (n % 4)) for n in range(5)]
    train = log_of("aaabb", "ppppp", times, None, [0.0, 9.0, None, -3.0, 1e4])
    fields = EventFields.learn(train)
    made = fields.numbers(train)
    assert made.shape == (5, fields.width()) == (5, 8)
    amounts = np.array([0.0, 9.0, -3.0, 1e4])
    logs = np.sign(amounts) * np.log1p(np.abs(amounts))
    np.testing.assert_allclose(made[[0, 1, 3, 4], 0], (logs - logs.mean()) / logs.std(), rtol=1e-5)
    assert made[:, 1].tolist() == [1, 1, 0, 1, 1]
    assert made[2, 0] == 0
    gaps = np.log1p(np.array([30 * 3600.0, 30 * 3600, 6 * 3600]))
    np.testing.assert_allclose(made[[1, 2, 4], 2], (gaps - gaps.mean()) / gaps.std(), rtol=1e-5)
    assert made[:, 3].tolist() == [0, 1, 1, 0, 1]
    hours = np.array([0, 6, 12, 18, 0]) / 24
    np.testing.assert_allclose(made[:, 4], np.sin(2 * np.pi * hours), atol=1e-6)
    np.testing.assert_allclose(made[:, 5], np.cos(2 * np.pi * hours), atol=1e-6)
    # 1 January 2026 is a Thursday, the fourth day of a week that begins on Monday.
    week = (np.array([3, 4, 5, 6, 0]) + hours) / 7
    np.testing.assert_allclose(made[:, 6], np.sin(2 * np.pi * week), atol=1e-6)
    np.testing.assert_allclose(made[:, 7], np.cos(2 * np.pi * week), atol=1e-6)


def test_hours_are_those_of_a_zone():
    times = ["2026-07-01T22:30:00Z", "2026-07-02T00:30:00Z"]
    log = log_of("aa", "pp", times)
    there, here = EventFields.learn(log, zone="Europe/Berlin").numbers(log), EventFields.learn(log).numbers(log)
    angle = 2 * np.pi * np.array([0.5, 2.5]) / 24
    np.testing.assert_allclose(there[:, 4], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(here[:, 4], np.sin(angle - 2 * np.pi * 2 / 24), atol=1e-6)
    with pytest.raises(InputError, match="zone: found 'Europe/Berlin' for times that are not in UTC"):
        EventFields.learn(log_of("a", "p", [1]), zone="Europe/Berlin")


def test_a_column_that_never_changes_or_is_never_there():
    log = log_of("aab", "ppp", [1, 2, 3])
    made = EventFields.learn(log).numbers(log)
    assert np.isfinite(made).all()
    assert (made[:, :2] == 0).all()


def test_saved_and_read_again(tmp_path):
    log = log_of("aab", ["<script>", "é", "\x00"], [1, 2, 4], ["x", "x", None], [1.0, None, 3.0])
    fields = EventFields.learn(log, min_count=1)
    fields.save(tmp_path / "fields.json")
    again = EventFields.load(tmp_path / "fields.json")
    assert again == fields
    np.testing.assert_array_equal(again.numbers(log), fields.numbers(log))
    record = fields.as_json()
    for damage in (
        {**record, "scales": {"amount": [0, 0]}},
        {**record, "scales": {"amount": [float("nan"), 1]}},
        {**record, "vocabularies": {"action": ["p", "p"]}},
        {"calendar": True},
        [],
    ):
        (tmp_path / "fields.json").write_text(json.dumps(damage))
        with pytest.raises(InputError, match="fields: found"):
            EventFields.load(tmp_path / "fields.json")
    (tmp_path / "fields.json").write_text("{")
    with pytest.raises(InputError, match="fields: cannot read"):
        EventFields.load(tmp_path / "fields.json")


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("pqrs")), min_size=1, max_size=30),
    length=st.integers(1, 6),
    every=st.integers(1, 3),
    least=st.integers(1, 3),
)
def test_windows_and_what_came_next_against_loops(rows, length, every, least):
    users, actions = zip(*rows, strict=True)
    log = log_of(list(users), list(actions), list(range(len(rows))))
    fields = EventFields.learn(log, min_count=1)
    codes, numbers = fields.codes(log, "action"), fields.numbers(log)
    windows, following = next_events(log, fields, length, every=every, least=least)
    place = 0
    for sequence in range(len(log)):
        own = range(log.starts[sequence], log.starts[sequence + 1])
        for end in range(least, len(own), every):
            history = list(own)[max(0, end - length) : end]
            assert windows.sequence[place] == sequence
            assert windows.last[place] == history[-1]
            assert windows.mask[place].sum() == len(history)
            assert windows.mask[place, : len(history)].all()
            padded = [*codes[history], *[0] * (length - len(history))]
            assert windows.fields["action"][place].tolist() == padded
            np.testing.assert_array_equal(windows.fields["numbers"][place, : len(history)], numbers[history])
            assert not windows.fields["numbers"][place, len(history) :].any()
            assert following[place] == codes[own[end]]
            place += 1
    assert place == len(following) == len(windows.mask)
    whole = whole_events(log, fields)
    assert whole.mask.sum(1).tolist() == log.lengths.tolist()
    assert whole.fields["action"][whole.mask].tolist() == codes.tolist()


def test_an_empty_history_is_all_padding_and_a_batch_of_methods():
    log = log_of("aabb", "pqpq", [1, 2, 3, 4]).before(3)
    fields = EventFields.learn(log, min_count=1)
    made = whole_events(log, fields, 3)
    assert made.mask.tolist() == [[True, True, False], [False] * 3]
    assert made.last.tolist() == [1, -1]
    batch = as_batch(made.fields, mask=made.mask)
    assert batch.mask.tolist() == made.mask.tolist()
    assert set(batch.fields) == {"action", "shop", "numbers"}


def test_bad_windows():
    log = log_of("aab", "pqp", [1, 2, 3])
    fields = EventFields.learn(log)
    for sequence, end, message in (
        ([2], [1], "sequence: found 2 to 2, want 0 to 1"),
        ([0], [3], "end: found 3 for sequence 0, want 0 to 2"),
        ([0, 1], [1], "sequence, end: found shapes"),
    ):
        with pytest.raises(InputError, match=message):
            event_windows(log, fields, sequence, end, 2)
    with pytest.raises(InputError, match="length: found 0"):
        event_windows(log, fields, [0], [1], 0)
    other = read_events({"user": ["a"], "action": ["p"], "time": ["2026-01-01"]}, EventColumns())
    with pytest.raises(InputError, match=r"found the numbers .* and dates"):
        fields.numbers(other)
    with pytest.raises(InputError, match="column: found 'shop'"):
        fields.codes(other, "shop")
    with pytest.raises(InputError, match="log: found no events"):
        EventFields.learn(log.before(0))


def test_the_real_logs(real_data):
    folder = f"{real_data}/events"
    log = read_events(
        f"{folder}/BPIC2012_events.csv.gz",
        EventColumns("_case", "concept:name", "time:timestamp", ("org:resource", "lifecycle:transition")),
    )
    assert (len(log), log.events, log.zone) == (13_087, 262_200, "UTC")
    assert len(EventFields.learn(log).vocabularies["concept:name"]) == 24
    columns = EventColumns("customer", "cds", "date", numeric=("dollars",), time_format="%Y%m%d")
    log = read_events(f"{folder}/CDNOW.csv.gz", columns)
    assert (len(log), log.events) == (23_570, 69_659)
    assert log.notes == ("255 events equal one before in every column, kept",)
    assert log.before("1998-01-01").events + log.since("1998-01-01").events == log.events
