"""The table of results, as a terminal prints it."""

import io
import math

import pytest
from rich.console import Console

from tsrl.report.table import mean_and_std, results_table


def printed(report):
    """The table as text, wide enough that no cell is wrapped."""
    console = Console(width=200, file=io.StringIO())
    console.print(results_table(report))
    return console.file.getvalue()


def test_mean_and_sample_deviation():
    assert mean_and_std([2.0, 4.0, 9.0]) == pytest.approx((5.0, math.sqrt(13)))
    assert mean_and_std([2.0]) == (2.0, None)


def test_several_seeds_show_spread_and_published_number_with_its_source(report):
    text = printed(report)
    for cell in ("ts2vec", "BasicMotions", "0, 3", "0.950 ± 0.071", "0.945 ± 0.078", "0.935 ± 0.092", "0.975"):
        assert cell in text
    assert "sample standard deviation" in text
    assert "Published accuracy: some paper, Table 1." in text


def test_one_seed_has_no_spread_and_absence_is_said(report):
    text = printed(report | {"results": report["results"][:1], "seeds": [0], "published": {}})
    assert "±" not in text
    assert "0.900" in text
    assert "none published" in text


def test_undefined_and_missing_scores_are_a_dash(report):
    kappas = [result | {"kappa": math.nan} for result in report["results"]]
    row = next(line for line in printed(report | {"results": kappas}).splitlines() if "ts2vec" in line)
    assert row.split("│")[-2].strip() == "-"
    assert "none published" in printed(report | {"results": [], "published": {}})


def test_markup_in_a_name_is_printed_as_it_is(report):
    assert "[red]x[/red]" in printed(report | {"dataset": {"name": "[red]x[/red]"}})
