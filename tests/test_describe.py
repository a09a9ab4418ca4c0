"""Data sets of every kind in words and a picture."""

import numpy as np
import pytest

from tsrl.data.anomaly import AnomalySeries, AnomalySet
from tsrl.data.dataset import Dataset
from tsrl.data.forecasting import ForecastSet
from tsrl.data.regression import RegressionSet
from tsrl.describe import described

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 9, 2)).astype(np.float32)


def test_labelled_series():
    x = X.copy()
    x[0, 5:] = np.nan
    data = Dataset(
        "toy", "words", x, np.array([1, 1, 0, 0, 1, 0]), X[:3], np.array([0, 1, 1]), ("a", "b"), X[:2],
        rows={"group_train": np.arange(6) // 2, "group_test": np.array([2, 3, 3])},
    )  # fmt: skip
    found = described(data, ["left", "right"])
    assert found.about["series"] == "6 to train on + 3 to test on"
    assert found.about["steps"] == "5 to 9"
    assert found.about["groups"].startswith("4 ")
    assert found.about["published to validate on"] == "2 series, which no protocol here uses"
    assert found.counts == {"a": [3, 1], "b": [3, 2]}
    assert [row["channel"] for row in found.channels] == ["left", "right"]
    assert list(found.picture.panels) == ["left", "right"]
    lines = found.picture.panels["right"]
    assert [line.name for line in lines] == ["a", "b"]
    np.testing.assert_array_equal(lines[1].y, x[0, :, 1])


def test_series_without_labels():
    found = described(Dataset("toy", "words", X))
    assert found.about["classes"] == "no labels"
    assert found.counts == {}
    assert [line.name for line in found.picture.panels["channel 0"]] == [f"series {i}" for i in range(5)]


def test_numbers_to_predict():
    y = np.array([3.0, 1, 2, 6, 5, 4])
    found = described(RegressionSet("toy", "words", X, y, X[:2], y[:2]))
    assert found.about["number to predict"] == "1 to 6 in train, mean 3.5"
    assert [line.name for line in found.picture.panels["channel 0"]] == ["1", "2", "3", "4", "6"]


def test_a_series_to_forecast():
    time = np.datetime64("2020-01-01", "s") + np.arange(50) * np.timedelta64(3600, "s")
    time[30:] += np.timedelta64(60, "s")
    found = described(ForecastSet("mine", "words", RNG.normal(size=(50, 2)).astype(np.float32), time, ("p", "q")))
    assert found.about["step"] == "3600 s; 1 steps of another length"
    assert found.about["split"] == "train 30, validation 10, test 10"
    assert [name for *_, name in found.picture.bands] == ["train", "validation", "test"]
    assert found.picture.bands[0][1] == time[29]


def test_labelled_anomalies():
    series = [
        AnomalySeries(name, RNG.normal(size=(40, 1)), np.arange(40), windows, 20)
        for name, windows in (("calm", ((3, 5),)), ("wild", ((2, 3), (30, 33))))
    ]
    found = described(AnomalySet("toy", "words", tuple(series)))
    assert found.about["labelled ranges"] == "3"
    assert found.about["labelled steps of the test parts"] == "10 %"
    assert found.picture.told.startswith("wild, ")
    assert found.picture.bands == [(2, 3, "labelled anomaly"), (30, 33, "labelled anomaly")]


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="found list"):
        described([])
