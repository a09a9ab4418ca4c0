"""Charts as SVG: positions worked out by hand, and well-formed XML whatever the names."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tsrl.errors import InputError
from tsrl.report.cells import Score
from tsrl.report.charts import Group, Line, Panel, dot_chart, small_plots, ticks

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>"
GROUPS = [Group("one", ("a", "b"), ("#111111", "#222222")), Group("two", ("c",), ("#333333",))]


def line(values, seen=None, marked=None):
    values = np.asarray(values, float)
    steps = len(values)
    return Line(
        values,
        np.ones(steps, bool) if seen is None else np.asarray(seen, bool),
        np.zeros(steps, bool) if marked is None else np.asarray(marked, bool),
    )


def texts(svg):
    return [element.text for element in svg.iter(f"{SVG}text")]


def test_ticks_are_round_and_cover_the_values():
    assert ticks(0.21, 0.97) == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-3, 12) == [-5, 0, 5, 10, 15]
    for low, high in ((0.5, 0.5), (1e-7, 3e-7), (-2e5, 3e5), (0, 1)):
        found = ticks(low, high)
        assert len(found) <= 6
        assert found[0] <= low + 1e-9
        assert found[-1] >= high - 1e-9


def test_dots_stand_at_their_means_and_bars_span_a_deviation_to_each_side():
    scores = {"first": {"x": Score(0.25, None), "y": Score(0.5, 0.25)}}
    svg = ElementTree.fromstring(dot_chart(["x", "y"], [Panel("title", "unit", scores)], "told"))
    assert {"title", "unit", "x", "y", "first"} <= set(texts(svg))
    assert svg.find(f"{SVG}title").text == "told"
    ends = {
        element.text: float(element.get("x")) for element in svg.iter(f"{SVG}text") if element.text in ("0.2", "0.8")
    }
    at = lambda value: ends["0.2"] + (ends["0.8"] - ends["0.2"]) * (value - 0.2) / 0.6  # noqa: E731
    dots = [float(circle.get("cx")) for circle in svg.iter(f"{SVG}circle")][:2]
    assert dots == pytest.approx([at(0.25), at(0.5)], abs=0.2)
    bars = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("stroke-width") == "2"]
    assert len(bars) == 1
    found = [float(number) for number in re.findall(r"M([\d.]+),[\d.]+ H([\d.]+)", bars[0])[0]]
    assert found == pytest.approx([at(0.25), at(0.75)], abs=0.2)


def test_a_score_that_is_missing_is_left_out_and_series_differ_in_form():
    scores = {"first": {"x": Score(1, None)}, "second": {"x": Score(2, None), "y": None}}
    svg = ElementTree.fromstring(dot_chart(["x", "y"], [Panel("", "", scores)], ""))
    # One in the panel and one below it.
    assert len(list(svg.iter(f"{SVG}circle"))) == 2
    assert len(list(svg.iter(f"{SVG}polygon"))) == 2


def test_a_gap_breaks_the_line_a_lonely_value_is_a_dot_and_a_marked_step_is_shaded():
    shown = line([0, 1, 5, 3, 4], [1, 1, 0, 1, 0], [0, 1, 1, 0, 0])
    rows = {"row": [[shown, line([0, 1])], [line([2, 2, 2])]]}
    svg = ElementTree.fromstring(small_plots(rows, GROUPS, "told", "note"))
    lines = [polyline.get("points").split() for polyline in svg.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [2, 2, 3]
    assert len(list(svg.iter(f"{SVG}circle"))) == 1
    shades = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("fill") == "#f6d9a8"]
    assert len(shades) == 1
    assert {"one", "two", "a", "b", "c", "row", "note"} <= set(texts(svg))


def test_the_plots_of_a_group_share_their_range_and_a_hidden_value_does_not_count():
    rows = {"row": [[line([0, 2]), line([1, 9, 2], [1, 0, 1])], [line([7, 9])]]}
    svg = ElementTree.fromstring(small_plots(rows, GROUPS, ""))
    first, other = [
        [float(point.split(",")[1]) for point in polyline.get("points").split()]
        for polyline in svg.iter(f"{SVG}polyline")
    ]
    # The lowest and the highest of each group stand at the same heights.
    assert first == other
    dots = [float(circle.get("cy")) for circle in svg.iter(f"{SVG}circle")]
    assert dots == pytest.approx([sum(first) / 2, first[1]], abs=0.11)


def test_hostile_names_are_text():
    for drawn in (
        dot_chart([HOSTILE], [Panel(HOSTILE, HOSTILE, {HOSTILE: {HOSTILE: Score(1, None)}})], HOSTILE, HOSTILE),
        small_plots({HOSTILE: [[line([1])]]}, [Group(HOSTILE, (HOSTILE,), ("#111111",))], HOSTILE, HOSTILE),
    ):
        svg = ElementTree.fromstring(drawn)
        assert not list(svg.iter("script"))
        assert texts(svg).count(HOSTILE) >= 2


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="found 0 and 1, want at least one of each"):
        dot_chart([], [Panel("", "", {})], "")
    with pytest.raises(InputError, match="found no score in 'empty'"):
        dot_chart(["x"], [Panel("empty", "", {"first": {"x": None}})], "")
    with pytest.raises(InputError, match=r"found \[1, 1\] plots in 'row', want \[2, 1\]"):
        small_plots({"row": [[line([1])], [line([1])]]}, GROUPS, "")
    with pytest.raises(InputError, match="rows: found none"):
        small_plots({}, GROUPS, "")
