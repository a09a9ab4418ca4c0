"""The packaged table of published numbers."""

import pytest

from tsrl.report.published import _rows, published_rows
from tsrl.report.schema import METRICS, TASKS


@pytest.mark.parametrize(
    ("dataset", "value", "source"),
    [("BasicMotions", 0.975, "CTNet README"), ("ArrowHead", 0.857, "Table 6"), ("Epilepsy (UEA)", 0.964, "CTNet")],
)
def test_accuracy(dataset, value, source):
    (found,) = published_rows("ts2vec", {"name": dataset, "split": "published"}, "classify")
    assert source in found.pop("source")
    assert found == {"protocol": "svc", "metric": "accuracy", "cell": {}, "value": value}


def test_forecasts_of_one_variant():
    found = published_rows("ts2vec", {"name": "ETTh1", "variant": "multivariate", "split": {"train": 8640}}, "forecast")
    mse = {row["cell"]["horizon"]: row["value"] for row in found if row["metric"] == "mse"}
    assert mse == {24: 0.599, 48: 0.629, 168: 0.755, 336: 0.907, 720: 1.048}
    assert {row["source"] for row in found} == {"TS2Vec paper (arXiv 2106.10466), Table 8"}
    assert not any(row["cell"]["anchored"] for row in found)
    univariate = published_rows("ts2vec", {"name": "ETTh1", "variant": "univariate"}, "forecast")
    assert min(row["value"] for row in univariate) == 0.039


@pytest.mark.parametrize(
    ("method", "dataset", "task"),
    [
        ("ts2vec", {"name": "Epilepsy"}, "classify"),  # the EEG set; 0.964 is that of UEA's
        ("ts2vec", {"name": "BasicMotions", "split": "grouped"}, "classify"),
        ("ts2vec", {"name": "BasicMotions"}, "cluster"),
        ("no_such_method", {"name": "BasicMotions"}, "classify"),
        ("ts2vec", {"name": "ETTh1"}, "forecast"),
        ("ts2vec", {"name": "Exchange", "variant": "multivariate"}, "forecast"),
    ],
)
def test_nothing_is_published_for_something_else(method, dataset, task):
    assert published_rows(method, dataset, task) == []


def test_uea_accuracies_average_to_the_published_mean():
    # The README quotes the column; that it averages to the paper's 0.704 says it is the paper's column.
    values = [float(row["value"]) for row in _rows() if row["method"] == "ts2vec" and "CTNet" in row["source"]]
    assert len(values) == 30
    assert sum(values) / 30 == pytest.approx(0.704, abs=5e-4)


def test_ett_errors_average_to_the_published_means():
    # The reproduction report quotes these averages over three sets and five horizons.
    for metric, mean in (("mse", 0.994), ("mae", 0.712)):
        want = ("ts2vec", "forecast", "multivariate", metric)
        found = [r for r in _rows() if (r["method"], r["task"], r["variant"], r["metric"]) == want]
        values = [float(row["value"]) for row in found]
        assert len(values) == 15
        assert sum(values) / 15 == pytest.approx(mean, abs=5e-4)


@pytest.mark.parametrize(
    ("method", "dataset", "mean"),
    # Means that the same sources print beside the single numbers.
    [
        ("timedrl", "ETTh1", 0.394886),
        ("timedrl", "ETTh2", 0.302584),
        ("timedrl", "ETTm1", 0.320523),
        ("timedrl", "ETTm2", 0.207967),
        ("timedrl", "Exchange", 0.248127),
        ("timedrl", "Weather", 0.199062),
    ],
)
def test_forecasts_average_to_the_means_of_their_source(method, dataset, mean):
    found = published_rows(method, {"name": dataset, "variant": "multivariate"}, "forecast")
    values = [row["value"] for row in found if row["metric"] == "mse"]
    assert len(values) == 5
    assert sum(values) / 5 == pytest.approx(mean, abs=1e-6)


def test_tloss_accuracies_average_to_the_mean_others_quote():
    # TS2Vec's paper quotes 0.806 for its 125 UCR sets.
    values = [float(r["value"]) for r in _rows() if r["method"] == "tloss" and "results_ucr" in r["source"]]
    assert len(values) == 125
    assert sum(values) / 125 == pytest.approx(0.806, abs=5e-4)


def test_every_row_is_unique_sourced_and_plausible():
    rows = _rows()
    assert len({tuple(row.values())[:7] for row in rows}) == len(rows) == 832
    assert all(row["source"] and row["metric"] in METRICS and row["task"] in TASKS for row in rows)
    assert all(0 < float(row["value"]) <= 1 for row in rows if row["metric"] == "accuracy")
