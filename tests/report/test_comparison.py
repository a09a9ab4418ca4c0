"""Several data sets: the matrix of scores, the JSON, the table, the page and the picture."""

import io
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from rich.console import Console

from tsrl.errors import InputError
from tsrl.report.comparison import comparison, comparison_tables, score_matrix, write_comparison
from tsrl.report.schema import row


@pytest.fixture
def reports(report):
    """Two data sets; DTW has a score on the first only, kappa of the control is undefined."""

    def one(name, accuracies, untrained, dtw, quoted):
        rows = [
            row("ts2vec", "method", "svc", {"accuracy": value}, seed=seed)
            for seed, value in zip((0, 3), accuracies, strict=True)
        ]
        rows += [row("untrained", "untrained", "svc", {"accuracy": untrained}, seed=0)]
        rows += [row("DTW", "control", "control", {"accuracy": dtw})]
        return report | {"dataset": {"name": name, "source": "x"}, "results": rows, "published": quoted}

    return [one("A[b]", (0.9, 1.0), 0.9, 0.5, report["published"]), one("<B>", (0.5, 0.6), 0.7, None, [])]


@pytest.fixture
def compared(reports):
    return comparison(
        reports,
        score_matrix(reports, "accuracy"),
        average_ranks=np.array([1.5, 1.5]),
        cliques=[[0, 1]],
        alpha=0.05,
        p_values=np.array([[1.0, 0.25], [0.25, 1.0]]),
    )


def test_matrix_holds_what_every_report_has(reports):
    matrix = score_matrix(reports, "accuracy")
    assert matrix.datasets == ["A[b]", "<B>"]
    assert [line.model for line in matrix.lines] == ["ts2vec", "untrained"]
    np.testing.assert_allclose(matrix.scores, [[0.95, 0.9], [0.55, 0.7]])
    assert [line.model for line in matrix.left_out] == ["DTW"]
    chosen = score_matrix(reports, "accuracy", lambda line: line.role == "method")
    assert ([line.model for line in chosen.lines], chosen.left_out) == (["ts2vec"], [])


def test_forecasts_are_compared_by_their_mean_over_horizons(forecast_report):
    matrix = score_matrix([forecast_report], "mse")
    np.testing.assert_allclose(matrix.scores, [[0.55, 0.45, 1.0]])


def test_comparison_is_json(compared):
    assert json.loads(json.dumps(compared, allow_nan=False)) == compared
    ours, untrained = compared["lines"]
    assert ours["mean"] == pytest.approx([0.95, 0.55])
    assert ours["std"] == pytest.approx([0.0707107, 0.0707107], abs=1e-6)
    assert ours["published"] == [{"value": 0.975, "source": "some paper, Table 1"}, None]
    assert untrained["std"] == [None, None]
    assert untrained["published"] == [None, None]
    assert (compared["kind"], compared["seeds"], compared["cliques"]) == ("comparison", [0, 3], [[0, 1]])
    assert compared["left_out"] == ["DTW (control), control"]
    assert compared["p_values"] == [[1.0, 0.25], [0.25, 1.0]]


def test_table(compared):
    console = Console(width=120, file=io.StringIO())
    for table in comparison_tables(compared, 120):
        console.print(table)
    text = [" ".join(line.split()) for line in console.file.getvalue().splitlines() if "──" not in line]
    assert text[0] == "ts2vec on 2 data sets: Accuracy"
    assert text[-11:-8] == [
        "A[b] 0.950* ±0.071 0.975 0.900≈",
        "<B> 0.550 ±0.071 - 0.700*",
        "average rank 1.50 1.50",
    ]
    told = " ".join(text[-8:])
    assert told.startswith("Seeds 0, 3. ± is the sample standard deviation")
    assert told.endswith("Left out, without a score on some data set: DTW (control), control.")


def test_page_and_picture(compared, tmp_path):
    write_comparison(tmp_path / "c.html", compared, tmp_path / "c.svg")
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "<strong>0.950</strong>" in text
    assert "&lt;B&gt;" in text
    assert "<B>" not in text
    assert "Wilcoxon p-values, Holm-corrected" in text
    assert "So few data sets can tell nothing apart at that level." in text
    assert "<svg" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    picture = ElementTree.parse(tmp_path / "c.svg").getroot()
    assert any("ts2vec on 2 data sets" in (element.text or "") for element in picture)


def test_one_line_has_no_diagram_and_no_tests_no_matrix(reports, tmp_path):
    matrix = score_matrix(reports, "accuracy", lambda line: line.role == "method")
    alone = comparison(reports, matrix, average_ranks=[1.0], cliques=[], alpha=0.05)
    write_comparison(tmp_path / "c.html", alone, tmp_path / "c.svg")
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "<svg" not in text
    assert "Wilcoxon p-values" not in text
    assert not (tmp_path / "c.svg").exists()


def test_paper_selection_is_called_optimistic(reports, tmp_path):
    reports = [report | {"selection": "paper"} for report in reports]
    found = comparison(
        reports, score_matrix(reports, "accuracy"), average_ranks=[1.5, 1.5], cliques=[[0, 1]], alpha=0.05
    )
    write_comparison(tmp_path / "c.html", found, tmp_path / "c.svg")
    for file, warning in (("c.html", "(optimistic: selected on test)"), ("c.svg", "optimistic")):
        assert warning in (tmp_path / file).read_text(encoding="utf-8")
    assert "Optimistic: selected on test data" in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_reports_that_do_not_belong_together(reports):
    a, b = reports
    for wrong, message in (
        ([], "found none"),
        ([a, a], "want different data sets"),
        ([a, b | {"method": "other"}], "found method other, ts2vec"),
        ([a, b | {"task": "cluster"}], "found task"),
        ([a, b | {"selection": "paper"}], "found selection paper, validation"),
    ):
        with pytest.raises(InputError, match=f"reports: .*{message}"):
            score_matrix(wrong, "accuracy")
    with pytest.raises(InputError, match="metric: found 'speed'"):
        score_matrix(reports, "speed")
    with pytest.raises(InputError, match="no line with kappa"):
        score_matrix(reports, "kappa")
    with pytest.raises(InputError, match="found 3 ranks"):
        comparison(reports, score_matrix(reports, "accuracy"), average_ranks=[1, 2, 3], cliques=[], alpha=0.05)
