"""What the report of a table says."""

import json

import numpy as np
import pytest

from tsrl.data.draw import equal_series
from tsrl.data.tables.read import read_table
from tsrl.data.tables.report import scale_jumps


def test_a_full_report():
    day = np.datetime64("2024-01-01", "us")
    hours = np.timedelta64(1, "h")
    when = np.r_[day + np.array([0, 1, 2, 6]) * hours, day + np.arange(3) * hours, day + np.arange(3) * hours]
    columns = {
        "who": ["a"] * 4 + ["b"] * 3 + ["c"] * 3,
        "when": when,
        "x": [1.0, np.nan, 3, 4, 5, 6, 7, 5, 6, 7],
        "flat": [2.0] * 10,
        "note": ["x"] * 10,
    }
    report = read_table(columns, id="who", time="when", irregular="resample").report
    assert report.as_dict() == {
        "source": "table",
        "rows": 10,
        "series": 3,
        "lengths": [3, 3.0, 7],
        "missing": {"x": 4, "flat": 3},
        "constant": ["flat"],
        "constant_in": {"flat": 3},
        "jumps": [],
        "jump_count": 0,
        "duplicates": [["b", "c"]],
        "duplicate_count": 1,
        "unused": ["note"],
        "changes": ["resampled: 10 rows became 10 steps, their mean"],
        "time_range": ["2024-01-01T00:00:00", "2024-01-01T06:00:00"],
        "time_zone": "no zone given, taken as they are",
        "step": "1h",
        "irregular_steps": 1,
        "gaps": [["a", "2024-01-01T02:00:00", "2024-01-01T06:00:00", 3]],
        "gap_count": 1,
    }
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
    assert str(report).splitlines() == [
        "table: 10 rows, 3 series of 3 to 7 steps (median 3)",
        "time: 2024-01-01T00:00:00 to 2024-01-01T06:00:00, step 1h; no zone given, taken as they are",
        "steps of another length: 1",
        "gaps: 1 (a: 2024-01-01T02:00:00 to 2024-01-01T06:00:00 (3 steps))",
        "missing values: 7 (x: 4; flat: 3)",
        "constant channels: 1 (flat)",
        "series with a constant channel: 3 (flat: 3)",
        "series equal to an earlier one: 1 (b = c)",
        "columns not read: 1 (note)",
        "changed: resampled: 10 rows became 10 steps, their mean",
    ]


def test_a_report_of_much_stays_short():
    random = np.random.default_rng(0)
    stamps = np.cumsum(random.integers(1, 4, 6000))
    x = np.tile(random.normal(size=60), 100)
    x[::7] = np.nan
    ids = np.repeat(np.arange(100), 60)
    report = read_table({"id": ids, "t": stamps, "x": x}, id="id", time="t", irregular="resample", every=1).report
    assert report.gap_count > 1000
    assert len(report.gaps) == 5
    assert len(str(report)) < 1500
    assert len(json.dumps(report.as_dict())) < 3000


@pytest.mark.parametrize(
    ("step", "stamps", "text"),
    [
        ("10min", np.arange(3) * np.timedelta64(600, "s"), "10min"),
        ("2d", np.arange(3) * np.timedelta64(48, "h"), "2d"),
        ("90s", np.arange(3) * np.timedelta64(90, "s"), "90s"),
        ("half a microsecond more", np.arange(3) * np.timedelta64(1_500_001, "us"), "1.500001s"),
    ],
)
def test_the_step_in_words(step, stamps, text):
    time = np.datetime64("2024-01-01", "us") + stamps
    assert read_table({"t": time, "x": [1.0, 2, 3]}, time="t").report.step == text


def test_no_gaps_are_told_where_time_has_no_step():
    events = {"t": np.cumsum(np.random.default_rng(0).exponential(10, 200)), "x": np.arange(200.0)}
    report = read_table(events, time="t", irregular="delta").report
    assert (report.gap_count, report.irregular_steps) == (0, 198)
    assert read_table(events, time="t", irregular="delta", every=1).report.gap_count > 150


def test_one_row_has_no_step():
    assert read_table({"t": [5], "x": [1.0]}, time="t").report.step is None


def test_constant_channels():
    columns = {"id": [0, 0, 1, 1, 2], "one": [4.0] * 5, "each": [1.0, 1, 2, 2, 3], "no": [0.0, 5, 5, 5, 5]}
    report = read_table(columns, id="id").report
    assert report.constant == ("one",)
    # A single value says nothing.
    assert report.constant_in == {"one": 2, "each": 2, "no": 1}
    assert read_table({"x": [1.0, 1, 1]}).report.constant_in == {}


def test_equal_series():
    nan = np.nan
    x = np.array([[1, 2, nan], [1, 2, nan], [1, 2, nan], [3, nan, 1], [3, nan, 1]], np.float32)[..., None]
    assert equal_series(x, np.array([2, 3, 2, 3, 3])).tolist() == [0, 1, 0, 3, 3]


def test_jumps():
    random = np.random.default_rng(1)
    noise = random.normal(size=(8, 800, 2)).astype(np.float32)
    noise[1, 400:, 0] *= 1000  # another unit
    noise[2, 200:, 1] += 100  # another level
    noise[3, 600:, 0] *= 1e-3
    noise[3, ::5] = np.nan
    noise[4, :, 0] = np.arange(800)  # a straight line
    noise[5, :, 0] = 10 * np.sin(np.arange(800) / 5) + 0.01 * noise[5, :, 0]  # a season
    noise[6, :, 0] = np.cumsum(noise[6, :, 0])  # a random walk
    noise[7, :, 0] = 4
    found = scale_jumps(noise, np.full(8, 800))
    near = {(row, channel): step for row, channel, step, _ in found}
    assert near == {(1, 0): pytest.approx(400, abs=200), (2, 1): 200, (3, 0): pytest.approx(600, abs=200)}
    factors = [factor for *_, factor in found]
    assert factors == sorted(factors, reverse=True)
    assert 300 < factors[0] < 3000
    # Short series are passed over, and so is what lies beyond a series' end.
    assert scale_jumps(noise, np.full(8, 127)) == []
    assert scale_jumps(noise, np.array([800, 300, 150, 300, 300, 300, 300, 300])) == []


def test_jumps_are_named():
    random = np.random.default_rng(0)
    x = random.normal(size=400) * np.where(np.arange(400) < 200, 1, 1000)
    report = read_table({"x": x}).report
    ((id, channel, step, factor),) = report.jumps
    assert (id, channel, report.jump_count) == (0, "x", 1)
    assert f"jumps of level or spread: 1 (0: x at step {step} by {factor:.3g})" in str(report)
