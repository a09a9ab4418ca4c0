"""What the plots of loss, horizons and anomalies hold."""

import numpy as np
import pytest

from tsrl.errors import InputError
from tsrl.report import plots
from tsrl.report.plots import anomaly_plot, horizon_plot, loss_plot


def test_loss_has_a_line_a_seed():
    figure, told = loss_plot([0, 3], [{"step": step, "loss": [5.0 / step, 6.0 / step]} for step in range(1, 4)])
    assert [trace.name for trace in figure.data] == ["seed 0", "seed 3"]
    np.testing.assert_allclose(figure.data[1].y, [6, 3, 2])
    assert told == "Training loss, step 1 to 3: seed 0 from 5.000 to 1.667; seed 3 from 6.000 to 2.000."
    figure, _ = loss_plot([0], [{"step": 7, "loss": 2.5}, {"step": 8, "other": 1}])
    assert (list(figure.data[0].x), list(figure.data[0].y)) == ([7], [2.5])
    assert loss_plot([0], [{"step": 8, "other": 1}]) is None


def test_long_curve_is_thinned_to_its_ends(monkeypatch):
    monkeypatch.setattr(plots, "MAX_POINTS", 4)
    figure, _ = loss_plot([0], [{"step": i, "loss": 1.0} for i in range(100)])
    assert list(figure.data[0].x) == [0, 33, 66, 99]


def test_horizons_have_a_line_a_model_and_protocol_with_spread(report, forecast_report):
    figure, told = horizon_plot(forecast_report)
    ours, anchored, control = figure.data
    assert ours.name == "ts2vec, last step ridge"
    assert anchored.name == "ts2vec, last step ridge, anchored"
    assert control.name == "last value (control), control"
    assert list(ours.x) == [24, 48]
    np.testing.assert_allclose(ours.y, [0.4, 0.7])
    np.testing.assert_allclose(ours.error_y.array, [0, 0.02**0.5])
    np.testing.assert_array_equal(control.error_y.array, [0, 0])
    assert (ours.line.dash, control.line.dash) == ("solid", "dot")
    assert told.startswith("MSE against the horizon, 24 to 48 steps")
    assert horizon_plot(forecast_report, "mae") is None
    assert horizon_plot(report) is None


def test_hostile_model_is_escaped_for_plotly(forecast_report):
    rows = [result | {"model": "<a href=x>"} for result in forecast_report["results"]]
    figure, _ = horizon_plot(forecast_report | {"results": rows})
    assert figure.data[0].name.startswith("&lt;a href=x&gt;, ")


def anomaly(steps=10, **change):
    """A series with anomalies at 2 to 4 and at the last step, detections at 4 and 6."""
    detected = np.isin(np.arange(steps), [4, 6])
    labels = np.isin(np.arange(steps), [2, 3, 4, steps - 1])
    score = np.r_[np.nan, np.arange(1.0, steps)]
    parts = {"values": np.arange(steps) ** 2.0, "labels": labels, "score": score, "detected": detected, "name": "s/1"}
    return {f"anomaly_{name}": np.asarray(value) for name, value in (parts | change).items()}


def test_anomalies_are_shaded_and_detections_crossed():
    figure, told = anomaly_plot(anomaly())
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(1.5, 4.5), (8.5, 9.5)]
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["value"].y) == [step**2 for step in range(10)]
    assert traces["score"].yaxis == "y2"
    assert (list(traces["detection"].x), list(traces["detection"].y)) == ([4, 6], [16, 36])
    assert told.startswith("s/1: 10 steps, 2 labelled anomalies (shaded), 2 detections (crosses); 1 of the anomalies")
    assert anomaly_plot({}) is None


def test_long_series_keeps_its_peaks():
    values = np.zeros(9_000)
    values[[777, 4_242]] = [5, -7]
    quiet = anomaly(9_000, values=values, score=np.full(9_000, np.nan))
    shown = next(trace for trace in anomaly_plot(quiet)[0].data if trace.name == "value")
    assert len(shown.x) <= plots.MAX_POINTS
    assert {777, 4_242} <= set(shown.x)
    assert (max(shown.y), min(shown.y)) == (5, -7)
    assert list(shown.x) == sorted(shown.x)


@pytest.mark.parametrize("name", ["labels", "score", "detected"])
def test_arrays_of_another_length_are_named(name):
    with pytest.raises(InputError, match=rf"anomaly_{name}: found shape \(3,\), want \[T\] like values, \(10,\)"):
        anomaly_plot(anomaly(**{name: np.zeros(3)}))
