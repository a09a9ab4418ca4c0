"""The tables of results, as a terminal prints them."""

import io
import re

import pytest
from rich.console import Console

from tsrl.report.schema import METRICS, row
from tsrl.report.table import results_tables


def add(report, rows, **parts):
    """The report with more rows and other parts."""
    return report | parts | {"results": report["results"] + rows}


def printed(report, width=160):
    """The tables as text of a terminal of that width."""
    console = Console(width=width, file=io.StringIO())
    for table in results_tables(report, width):
        console.print(table)
    return console.file.getvalue()


def lines(text):
    """Lines with runs of spaces made one, without rules."""
    return [" ".join(line.split()) for line in text.splitlines() if "──" not in line]


CONTROLS = [
    row("untrained", "untrained", "svc", {"accuracy": 0.9, "macro_f1": 0.8, "kappa": None}, seed=0),
    row("DTW", "control", "control", {"accuracy": 0.7, "macro_f1": None, "kappa": 0.99}),
    row("ts2vec", "method", "svc", {"accuracy": 0.8}, seed=0, cell={"labels": "10 %"}),
]


def test_classification(report):
    text = lines(printed(add(report, CONTROLS)))
    assert text[:7] == [
        "ts2vec on BasicMotions: classify, seeds 0, 3",
        "Accuracy,",
        "Model Protocol Accuracy published Macro-F1 Kappa",
        "ts2vec svc 0.950* ±0.071 0.975 0.945* ±0.078 0.935≈ ±0.092",
        "ts2vec svc, labels 10 % 0.800 - -",
        "untrained svc 0.900≈ 0.800 -",
        "DTW (control) control 0.700 - 0.990*",
    ]
    assert " ".join(text[7:]) == (
        "± is the sample standard deviation over seeds; without it: one seed, or no randomness. "
        "* best; ≈ no different from it: one mean lies within the other's mean ± deviation. "
        "Only lines that are judged alike, of one setting, are compared. "
        "Untrained: the same encoder with its initial weights. Control: needs no encoder. "
        "Published: some paper, Table 1."
    )


def test_forecast(forecast_report):
    text = lines(printed(forecast_report))
    assert text[:6] == [
        "ts2vec on ETTh1: forecast, seeds 0, 1. MSE",
        "Model Protocol 24 48 mean",
        "ts2vec last step ridge 0.400* ±0.000 0.700 ±0.141 0.550 ±0.071",
        "ts2vec (published) last step ridge 0.599 0.629 0.614",
        "ts2vec last step ridge, anchored 0.400* ±0.141 0.500* ±0.000 0.450* ±0.071",
        "last value (control) control 0.900 1.100 1.000",
    ]
    assert not any("original" in line for line in text)
    assert "Published: the paper, Table 8." in " ".join(text)


def test_best_is_marked_within_a_protocol_of_anomaly_detection(report):
    rows = [
        row(name, role, protocol, {"range_f1": score})
        for protocol, scores in (("svc", (0.9, 0.8)), ("control", (0.3, 0.4)))
        for name, role, score in zip(("a", "b"), ("method", "control"), scores, strict=True)
    ]
    text = lines(printed(report | {"task": "anomaly", "results": rows, "published": []}))
    assert {"a svc 0.900*", "b (control) svc 0.800", "a control 0.300", "b (control) control 0.400*"} <= set(text)


def test_one_seed_has_no_spread_and_one_line_no_mark(report):
    text = printed(report | {"results": report["results"][:1], "seeds": [0], "published": []})
    assert "0.900" in text
    assert not set("±*≈") & set(text)
    assert "ublished" not in text


def test_paper_selection_is_called_optimistic_everywhere(report, forecast_report):
    for whole in (add(report, CONTROLS), forecast_report):
        text = printed(whole | {"selection": "paper"})
        title, *rows = lines(text)
        assert title.startswith("ts2vec (optimistic: selected on test) on")
        assert "Optimistic: selected on test data" in " ".join(rows)
        ours = [line for line in rows if line.startswith("ts2vec") and "published" not in line]
        assert len(ours) == 2
        assert all(line.startswith("ts2vec (optimistic: selected on test) ") for line in ours)
        assert "ptimistic" not in printed(whole)


def test_no_results_no_tables(report):
    assert results_tables(report | {"results": []}) == []


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_numbers_are_never_broken(report, forecast_report, width):
    anomaly = [
        row(f"a detector with a rather long name {i}", role, "svc", dict.fromkeys(names, 0.123 + i), seed=seed)
        for names in [[name for name in METRICS if "range" in name or "delay" in name or name == "nab"]]
        for i, role in enumerate(["method", "untrained", "control"])
        for seed in (0, 3)
    ]
    for whole in (add(report, CONTROLS), report | {"results": anomaly, "task": "anomaly"}, forecast_report):
        text = printed(whole, width)
        assert max(map(len, text.splitlines())) <= width
        known = {token for line in printed(whole, 400).splitlines() for token in re.findall(r"±?\d+\.\d+[*≈]?", line)}
        assert known == set(re.findall(r"±?\d+\.\d+[*≈]?", text))


def test_narrow_terminal_puts_spreads_below_and_then_splits_the_table(report, forecast_report):
    narrow = lines(printed(forecast_report, 60))
    assert "ts2vec last step ridge 0.400* 0.700 0.550" in narrow
    assert "±0.000 ±0.141 ±0.071" in narrow
    narrower = lines(printed(add(report, CONTROLS), 60))
    assert sum("on BasicMotions" in line for line in narrower) == 2
    assert sum("Kappa" in line for line in narrower) == 1


def test_markup_in_a_name_is_printed_as_it_is(report):
    rows = [row("[red]x[/red]", "control", "control", {"accuracy": 0.1})]
    text = printed(add(report, rows, dataset={"name": "[bold]<b>[/bold]", "source": "x"}, method="[i]m[/i]"))
    assert "[i]m[/i] on [bold]<b>[/bold]" in text
    assert "[red]x[/red] (control)" in text
