"""The packaged table of published numbers."""

import csv
import importlib.resources

import pytest

from tsrl.report.published import _rows, published


@pytest.mark.parametrize(
    ("dataset", "value", "source"),
    [
        ("BasicMotions", 0.975, "CTNet README"),
        ("ArrowHead", 0.857, "Table 6"),
        ("Epilepsy", 0.964, "CTNet README"),
        ("average of 30 UEA sets", 0.704, "TimesURL paper"),
    ],
)
def test_value_and_source(dataset, value, source):
    found = published("ts2vec", dataset, "accuracy")
    assert found.value == value
    assert source in found.source


def test_absent_is_none():
    assert published("ts2vec", "BasicMotions", "kappa") is None
    assert published("no_such_method", "BasicMotions", "accuracy") is None
    assert published("ts2vec", "BasicMotions", "accuracy", horizon="24") is None


def test_uea_accuracies_average_to_the_published_mean():
    # The README quotes the column; that it averages to the paper's 0.704 says it is the paper's column.
    with (importlib.resources.files("tsrl.report") / "published.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "classification-UEA"]
    values = [float(row["value"]) for row in rows if not row["dataset"].startswith("average")]
    assert len(values) == 30
    assert sum(values) / 30 == pytest.approx(0.704, abs=5e-4)


def test_every_row_is_unique_sourced_and_a_fraction():
    with (importlib.resources.files("tsrl.report") / "published.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(_rows()) > 90
    assert all(row["source"] for row in rows)
    assert all(0 < float(row["value"]) <= 1 for row in rows if row["metric"] == "accuracy")
