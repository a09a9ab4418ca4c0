"""The page about users' behaviour as text: what it says, what it refuses, and that no name of a user is live."""

import copy
import html.parser
import json
import sys

import pytest
from small_record import small_record

from tsrl.errors import InputError
from tsrl.report.behaviour import behaviour_page
from tsrl.report.behaviour_charts import Period, over_time, unit_map
from tsrl.report.behaviour_data import probability

EVIL = (
    """</script><script>alert(1)</script><!--<img src=x onerror="alert(2)">" onmouseover="alert(3) $title &amp; ]]>"""
)


class Reader(html.parser.HTMLParser):
    """Elements with their attributes, the text that is seen, and what the script reads."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.data, self._inside = [], "", "", ""
        self.feed(page)
        self.record = json.loads(self.data)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = "data" if dict(attrs).get("id") == "record" else tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "data":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.text += data

    def having(self, tag, **attrs):
        return [found for name, found in self.tags if name == tag and attrs.items() <= found.items()]


def read(**changes):
    return Reader(behaviour_page(small_record() | changes))


def replaced(value, text):
    """The same shape with `text` for every text and in every name that the record may choose."""
    if isinstance(value, dict):
        return {name: replaced(part, text) for name, part in value.items()}
    if isinstance(value, list):
        return [replaced(part, text) for part in value]
    return text if isinstance(value, str) else value


def hostile(text=EVIL):
    record = replaced(small_record(), text) | {"unit": "week", "made": {text: text}}
    for alarm in record["alarms"]:
        alarm["evidence"] = {text: 0.5}
        for cause in alarm["causes"]:
            cause["fields"] = cause["surprise"] = {text: 1.0}
    return record


def test_headline_says_what_was_found_and_what_the_rate_means():
    text = read(calibration_units=1999, rate=0.02).text
    for told in (
        "60 weeks scored", "≈ 1.2 alarms expected if all weeks are regular", "5 alarms found",
        "2 % rate of alarms among regular weeks", "users scored; 280 known",
        "a week is an alarm with a probability of at most 2 %", "no proof",
        "1,999 weeks of calibration; the smallest possible is 0.0005",
    ):  # fmt: skip
        assert told in text, told


def test_too_few_units_of_calibration_are_no_alarm_at_all():
    told = read(calibration_units=98).text
    assert (
        "No week can be an alarm: with 98 weeks of calibration no p-value is below 0.01. A rate of 1 % needs 99" in told
    )
    assert "can be an alarm: with" not in read(calibration_units=99).text


@pytest.mark.parametrize(
    ("unit", "told"), [("session", "sessions"), ("day", "days"), ("100 events", "stretches of 100 events")]
)
def test_units_have_their_name(unit, told):
    assert f"60 {told} scored" in read(unit=unit).text


def test_more_alarms_than_are_explained_are_told():
    record = small_record()
    record["periods"][0]["alarms"] += 1000
    assert "5 of the 1,005 alarms are listed" in Reader(behaviour_page(record)).text


def test_alarms_stand_by_p_value():
    record = small_record(alarms=4)
    for alarm, p in zip(record["alarms"], (0.009, 0.00002, 0.004, 0.00002), strict=True):
        alarm["p_value"] = p
    record["alarms"][1]["user"], record["alarms"][3]["user"] = "first", "second"
    reader = Reader(behaviour_page(record))
    assert [alarm["p"] for alarm in reader.record["alarms"]] == ["0.00002", "0.00002", "0.004", "0.009"]
    assert [reader.record["texts"][alarm["user"]] for alarm in reader.record["alarms"]][:2] == ["first", "second"]
    assert reader.text.index("first") < reader.text.index("second")
    buttons = reader.having("button", **{"aria-expanded": "false"})
    assert [button["tabindex"] for button in buttons] == ["0", "-1", "-1", "-1"]


def test_the_script_gets_events_and_causes():
    record = small_record(alarms=1, events=8)
    found = Reader(behaviour_page(record)).record
    text, (alarm,) = found["texts"], found["alarms"]
    assert [text[n] for n in found["columns"]] == record["columns"]
    assert len(alarm["events"]) == 8
    for (contribution, flags, *cells), event in zip(alarm["events"], record["alarms"][0]["events"], strict=True):
        assert contribution == pytest.approx(event["contribution"], rel=5e-3)
        assert (bool(flags & 1), bool(flags & 2)) == (event["in_unit"], event["alarm_here"])
        assert [text[n] for n in cells] == event["cells"]
    cause = alarm["causes"][0]
    assert [text[n] for n, _ in cause["fields"]] == ["action", "device", "hour"]
    assert [[text[n], share] for n, share in cause["own"]] == [["view", 0.6], ["search", 0.0321]]
    assert text[alarm["evidence"][0][0]] == "habits"


def test_marks_of_the_map_open_their_own_alarm():
    record = small_record(alarms=3)
    a, b, c = (dict(alarm) for alarm in record["alarms"])
    # One user without dates: p-values tell the units apart, and equal ones are taken in turn.
    a |= {"user": "u", "start": None, "p_value": 0.004}
    b |= {"user": "u", "start": None, "p_value": 0.001}
    c |= {"user": "u", "start": None, "p_value": 0.004}
    drawn = {
        "x": [0, 1, 2, 3, 4, 5], "y": [0, 0, 1, 1, 2, 2], "user": ["u", "u", "u", "v", "u", "u"], "start": [None] * 6,
        "p_value": [0.004, 0.001, 0.004, 0.5, 0.004, 0.9], "alarm": [True, True, True, False, True, False],
    }  # fmt: skip
    reader = Reader(behaviour_page(record | {"alarms": [a, b, c], "map": drawn}))
    left = {button["data-n"]: button["style"] for button in reader.having("button") if "data-n" in button}
    assert left == {"0": "left:22.4%;top:96%", "1": "left:4%;top:96%", "2": "left:40.8%;top:50%"}
    assert [tag["style"] for tag in reader.having("i")] == ["left:77.6%;top:4%"]  # an alarm that is not explained
    assert [reader.record["texts"][user] for user, _ in reader.record["dots"]] == ["v", "u"]


def test_many_units_are_thinned_but_no_alarm_is():
    drawn = {name: [0.0] * 5000 for name in ("x", "y", "p_value")}
    drawn |= {"user": ["u"] * 5000, "start": [None] * 5000, "alarm": [n % 2 == 0 for n in range(5000)]}
    plot, dots = unit_map(drawn, {})
    assert plot.count("<circle") == len(dots) == 2000
    assert plot.count("<i ") == 2500
    assert 'style="left:50%;top:50%"' in plot


def test_chart_is_drawn_in_per_cent():
    periods = [Period("a", 5, False, "one", (0, 2.5)), Period("b" * 30, 10, True, "<two>", (5, 10))]
    chart = over_time(periods, (0, 5), "told", line=7.5)
    assert '<rect class="band" x="0%" width="50%" y="75%" height="25%"/>' in chart
    assert '<circle cx="25%" cy="50%" r="3.5"/>' in chart
    assert '<rect class="mark" x="75%" y="0%" width="10" height="10"/>' in chart
    assert '<line class="path" x1="25%" y1="50%" x2="75%" y2="0%"/>' in chart
    assert '<line class="even" x1="0" x2="100%" y1="25%" y2="25%"/>' in chart
    assert "<title>&lt;two&gt;</title>" in chart
    assert f">{'b' * 19}…</text>" in chart


def test_periods_above_the_band_are_counted():
    periods = [{"start": f"d{n}", "units": 10, "alarms": n, "expected": [0, 1.5]} for n in range(4)]
    text = read(periods=periods).text
    assert "4 periods; 2 with more alarms than regular weeks make" in text
    assert "d3103" + "0.0 to 1.5" in text


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        ({"auc": 0.7, "p_value": 0.001, "refit": True}, "Fit the monitor anew: behaviour as a whole is no longer"),
        ({"auc": 0.55, "p_value": 0.001, "refit": False}, "has changed, but little (area under the curve 0.55"),
        ({"auc": 0.5, "p_value": 0.4, "refit": False}, "no change of behaviour as a whole was found"),
        (None, "Not tested whether the weeks differ"),
    ],
)
def test_drift_is_advice_in_words(drift, told):
    text = read(drift=drift).text
    assert told in text
    assert ("The rate does not hold now" in text) == bool(drift and drift["refit"])


def test_what_there_is_not_is_left_out_or_told():
    bare = {"alarms": [], "map": None, "periods": [], "drift": None, "drift_over_time": [], "made": {}, "columns": []}
    reader = read(**bare)
    assert "None: no week is as unusual as the rate asks for." in reader.text
    assert "Not drawn: no weeks with dates were scored." in reader.text
    assert "0 alarms found" in reader.text
    for gone in ("Map of", "expected if", "How it was made", "filter"):
        assert gone not in reader.text
    assert not reader.having("table")
    assert not reader.having("input")
    empty = {name: [] for name in ("x", "y", "user", "start", "p_value", "alarm")}
    assert "Map of" not in read(map=empty).text


def test_alarms_without_dates_events_or_evidence():
    record = small_record(dates=False)
    for alarm in record["alarms"]:
        alarm |= {"events": [], "causes": [], "evidence": {}, "nearest": []}
    reader = Reader(behaviour_page(record))
    assert "stretch of 100 events" in reader.text
    assert all(alarm["start"] == -1 and alarm["events"] == [] for alarm in reader.record["alarms"])


def test_hostile_names_stay_text():
    reader, clean = Reader(behaviour_page(hostile())), Reader(behaviour_page(small_record()))
    assert len(reader.having("script")) == len(clean.having("script")) == 4
    assert not reader.having("img")
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)
    assert reader.text.count(EVIL) > 10
    assert EVIL in reader.record["texts"]
    assert not set("<>&") & set(reader.data)


def test_half_of_a_surrogate_pair_can_be_written():
    page = behaviour_page(hostile("\ud83d \u2028 \x00"))
    assert page.encode("utf-8")
    assert "\ud83d \u2028 \x00" in Reader(page).record["texts"]


def test_loads_nothing_and_needs_no_plotly(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    reader = read()
    assert not {"link", "iframe", "img", "object", "base", "a"} & {tag for tag, _ in reader.tags}
    assert not any({"src", "href", "srcset", "action"} & set(attrs) for _, attrs in reader.tags)
    policy = next(attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_size_of_many_alarms():
    page = behaviour_page(small_record(alarms=500, events=60, units=5000, weeks=52))
    assert len(page.encode()) < 3e6


def places(value, path=()):
    """Every place in a record, as a path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places(part, (*path, key))


FREE = ("made", "evidence", "fields", "surprise")  # names that the record chooses
SMALL = small_record(alarms=1, events=3, units=2, weeks=1)
KEYS = [p for p in places(SMALL) if isinstance(p[-1], str) and (len(p) < 2 or p[-2] not in FREE)]


def changed(path, change):
    record = copy.deepcopy(SMALL)
    place = record
    for key in path[:-1]:
        place = place[key]
    change(place, path[-1])
    return record


@pytest.mark.parametrize("path", KEYS, ids=str)
def test_refuses_a_record_without_a_key(path):
    with pytest.raises(InputError, match=rf"{path[-1]}: found nothing, want"):
        behaviour_page(changed(path, lambda place, key: place.pop(key)))


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, object()], ids=["nan", "dict", "object"])
def test_refuses_other_kinds_everywhere(value):
    for path in places(SMALL):
        with pytest.raises(InputError, match=r"^(a name in )?record.*: found .*, want "):
            behaviour_page(changed(path, lambda place, key: place.__setitem__(key, value)))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("map", "x"), [0.0], r"map: found lists of the lengths x 1, y 2, .*, want one length"),
        (("alarms", 0, "events", 1, "cells"), ["a"], r"events\[1\].cells: found 1 texts, want 4"),
        (("alarms", 0, "causes", 0, "event"), 3, r"causes\[0\].event: found 3, want the place of one of the 3 events"),
        (("alarms", 0, "causes", 0, "event"), -1, r"event: found -1, want a whole number"),
        (("alarms", 0, "p_value"), 1.5, r"p_value: found 1.5, want a number from 0 to 1"),
        (("alarms", 0, "nearest", 0), ["u"], r"nearest\[0\]: found 1 values, want 2"),
        (("periods", 0, "expected"), [2, 1], r"expected: found 2 above 1"),
        (("rate",), 0, r"rate: found 0, want a number between 0 and 1"),
        (("rate",), True, r"rate: found True"),
        (("map", "x", 0), 10**400, r"x\[0\]: found 1000.*\.\.\., want a finite number"),
        (("unit",), "month", r"unit: found 'month', want week"),
        (("users", "known"), 1.5, r"known: found 1.5, want a whole number"),
    ],
)
def test_refuses_what_does_not_fit(path, value, told):
    with pytest.raises(InputError, match=told):
        behaviour_page(changed(path, lambda place, key: place.__setitem__(key, value)))


@pytest.mark.parametrize(
    ("p", "text"), [(0.01, "0.01"), (0.00012345, "0.00012"), (1e-5, "0.00001"), (1, "1"), (0, "0"), (0.996, "1")]
)
def test_probabilities_have_two_digits(p, text):
    assert probability(p) == text


def test_a_probability_too_small_to_write_is_not_zero():
    assert probability(1e-20) == "below 0.000000000001"
