"""Grouping, averaging and marking of scores against numbers worked out by hand."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.report.cells import (
    Line,
    Score,
    contest,
    marks,
    mean_and_std,
    no_different,
    number,
    published_score,
    scores_by_line,
)
from tsrl.report.schema import METRICS, row

LAST_STEP = Line("ts2vec", "method", "last_step_ridge", (("anchored", False),))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9))
def test_mean_and_sample_deviation(values):
    mean, std = mean_and_std(values)
    assert mean == pytest.approx(statistics.fmean(values))
    assert std == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)


def test_one_seed_has_no_deviation():
    assert mean_and_std([2.0]) == (2.0, None)


def test_lines_are_ordered_by_role_and_averaged_over_seeds(forecast_report):
    found = scores_by_line(forecast_report)
    assert [line.role for line in found] == ["method", "method", "control"]
    scores = found[LAST_STEP]
    assert scores["mse", 24] == (0.4, 0.0)
    assert scores["mse", 48] == pytest.approx((0.7, math.sqrt(0.02)))
    # Seed 0: (0.4 + 0.6) / 2, seed 1: (0.4 + 0.8) / 2.
    assert scores["mse", None] == pytest.approx((0.55, math.sqrt(0.005)))
    control = found[Line("last value", "control", "control", (("anchored", False),))]
    assert control["mse", None] == (1.0, None)


def test_mean_over_horizons_needs_all_of_them(forecast_report):
    rows = [r for r in forecast_report["results"] if (r["model"], r["cell"]["horizon"]) != ("last value", 48)]
    found = scores_by_line(forecast_report | {"results": rows})
    control = found[Line("last value", "control", "control", (("anchored", False),))]
    assert control["mse", None] is None
    assert control["mse", 24] == (0.9, None)


def test_seed_without_a_score_leaves_none(report):
    rows = [report["results"][0], report["results"][1] | {"scores": {"accuracy": None, "kappa": 1.0}}]
    (scores,) = scores_by_line(report | {"results": rows}).values()
    assert scores["accuracy", None] is None
    assert scores["kappa", None].mean == pytest.approx(0.935)


def test_order_of_a_cell_s_entries_does_not_matter(report):
    rows = [
        row("a", "method", "svc", {"accuracy": 0.1}, seed=0, cell={"labels": "10 %", "fold": 1}),
        row("a", "method", "svc", {"accuracy": 0.3}, seed=1, cell={"fold": 1, "labels": "10 %"}),
    ]
    (scores,) = scores_by_line(report | {"results": rows}).values()
    assert scores["accuracy", None].mean == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Score(0.90, 0.02), Score(0.92, 0.01), True),  # 0.92 is the end of the first's interval
        (Score(0.92, 0.01), Score(0.90, 0.02), True),
        (Score(0.90, 0.01), Score(0.93, 0.01), False),  # the intervals miss each other's means, and each other
        (Score(0.90, 0.02), Score(0.93, 0.02), False),  # they overlap; no mean lies inside the other
        (Score(0.90, None), Score(0.92, 0.03), True),  # a point inside an interval
        (Score(0.90, None), Score(0.91, None), False),
        (Score(0.1 + 0.2, None), Score(0.3, None), True),  # points are equal up to rounding
    ],
)
def test_no_different(a, b, same):
    assert no_different(a, b) is same


def test_marks_follow_the_metric_s_direction():
    scores = [Score(0.90, 0.02), Score(0.80, None), None, Score(0.79, None), Score(0.91, None)]
    assert marks(scores, METRICS["accuracy"]) == ["≈", "", "", "", "*"]
    assert marks(scores, METRICS["mse"]) == ["", "", "", "*", ""]


def test_ties_are_all_best_and_one_score_is_compared_with_nothing():
    tied = [Score(0.5, None), Score(0.5, 0.1), Score(0.45, None)]
    assert marks(tied, METRICS["accuracy"]) == ["*", "*", "≈"]
    assert marks([None, Score(0.5, None)], METRICS["accuracy"]) == ["", ""]


def test_compared_are_lines_that_are_judged_alike():
    plain, few = Line("a", "method", "svc", ()), Line("a", "method", "svc", (("labels", "10 %"),))
    assert contest("classify", plain) == contest("classify", plain._replace(protocol="knn", role="control"))
    assert contest("classify", plain) != contest("classify", few)
    assert contest("anomaly", plain) != contest("anomaly", plain._replace(protocol="knn"))
    assert contest("forecast", LAST_STEP) == contest("forecast", LAST_STEP._replace(cell=(("anchored", True),)))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.12345, "0.123"), (-0.5, "-0.500"), (9999.5, "9999.500"), (12345.6, "1.23e+04")],
)
def test_number(value, text):
    assert number(value, 3) == text


def test_published_number_stands_beside_its_own_protocol_and_cell_only(report, forecast_report):
    line = Line("ts2vec", "method", "svc", ())
    assert published_score(report, line, "accuracy", None)["value"] == 0.975
    for other in (
        line._replace(role="untrained"),
        line._replace(protocol="logistic"),
        line._replace(cell=(("labels", "10 %"),)),
    ):
        assert published_score(report, other, "accuracy", None) is None
    assert published_score(report, line, "kappa", None) is None
    assert published_score(forecast_report, LAST_STEP, "mse", 24)["value"] == 0.599
    assert published_score(forecast_report, LAST_STEP._replace(cell=(("anchored", True),)), "mse", 24) is None


def test_published_mean_needs_every_horizon(forecast_report):
    assert published_score(forecast_report, LAST_STEP, "mse", None)["value"] == pytest.approx(0.614)
    part = forecast_report | {"published": forecast_report["published"][:1]}
    assert published_score(part, LAST_STEP, "mse", None) is None
