"""The critical-difference diagram: positions worked out by hand, and well-formed XML whatever the names."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tsrl.errors import InputError
from tsrl.report.diagram import AXIS, critical_difference

SVG = "{http://www.w3.org/2000/svg}"
NAMES, RANKS = ["a", "b", "c", "d"], [3.0, 1.5, 4.0, 1.5]


def parts(**change):
    """The drawing's elements."""
    return ElementTree.fromstring(critical_difference(**{"names": NAMES, "ranks": RANKS, "cliques": []} | change))


def bars(svg):
    """Start, end and height of each thick bar."""
    thick = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("stroke-width") == "4"]
    return [tuple(float(number) for number in re.findall(r"[\d.]+", d)[:3]) for d in thick]


def test_names_stand_beside_their_ranks_best_first_on_the_left():
    svg = parts()
    texts = [(text.get("text-anchor"), text.text) for text in svg.iter(f"{SVG}text")]
    assert texts[:4] == [("middle", tick) for tick in "1234"]
    assert texts[4:] == [("end", "b 1.50"), ("end", "d 1.50"), ("start", "4.00 c"), ("start", "3.00 a")]
    assert svg.find(f"{SVG}title").text == "Average ranks: b 1.50; d 1.50; a 3.00; c 4.00"


def test_leaders_start_at_their_rank_on_the_axis():
    svg = parts()
    first = next(float(re.match(r"M([\d.]+)", path.get("d"))[1]) for path in svg.iter(f"{SVG}path"))
    starts = [float(re.match(r"M([\d.]+)", p.get("d"))[1]) for p in svg.iter(f"{SVG}path") if " H" in p.get("d")]
    # x(rank) = start of the axis + AXIS (rank - 1) / 3
    assert starts == pytest.approx([first + AXIS * (rank - 1) / 3 for rank in (1.5, 1.5, 4, 3)], abs=0.11)


def test_bars_span_their_clique_and_do_not_touch_each_other():
    one, two, three = bars(parts(names=list("abcdef"), ranks=[1, 2, 3, 4, 5, 6], cliques=[[0, 2, 1], [1, 3], [4, 5]]))
    assert one[1] == two[1] - 9
    assert three[1] == one[1]  # there is room for it on the first level
    assert one[2] - one[0] == pytest.approx(AXIS * 2 / 5 + 8, abs=0.2)
    assert bars(parts(cliques=[[0], []])) == []


def test_file_is_white_and_inline_takes_the_page_s_ink():
    alone, inline = critical_difference(NAMES, RANKS, []), critical_difference(NAMES, RANKS, [], inline=True)
    assert 'fill="#fff"' in alone
    assert "#" not in inline
    assert "http" not in inline.replace("http://www.w3.org/2000/svg", "")


def test_hostile_and_long_names_and_the_note_are_text():
    names = ["</text><script>alert(1)</script>", "b & c", "a very long name " * 4, '"']
    svg = parts(names=names, note="1 < 2 " * 60)
    text = " ".join(element.text for element in svg.iter(f"{SVG}text"))
    assert "3.00 </text><script>alert(1)</script>" in text
    assert text.count("long name") == 4
    assert text.count("1 < 2") == 60
    assert not list(svg.iter(f"{SVG}script"))


@pytest.mark.parametrize(
    "change",
    [{"ranks": [1, 2, 3]}, {"ranks": [0.5, 1, 2, 3]}, {"ranks": [1, 2, 3, float("nan")]}, {"cliques": [[0, 4]]}],
)
def test_bad_input(change):
    with pytest.raises(InputError, match=r"(ranks|cliques): found"):
        parts(**change)
    with pytest.raises(InputError, match="at least two"):
        critical_difference(["a"], [1.0], [])
