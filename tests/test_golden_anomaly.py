"""TS2Vec's anomaly detection against what its published code computed: scores, thresholds, detections, pooled F1."""

import numpy as np
import pytest
from golden_files import assert_close, cases, label

from tsrl.evaluate.anomaly import (
    HISTORY,
    WARM_UP,
    adjusted_scores,
    detect_cold_start,
    detect_normal,
    last_step_representations,
    masked_score,
)
from tsrl.evaluate.anomaly_delay import delay_adjusted, delay_scores, on_grid
from tsrl.interop.torch import embedder_from_torch

NAMES = {"f1": "delay_f1", "precision": "delay_precision", "recall": "delay_recall"}


def assert_adjusted_alike(labels, alarms, timestamps, delay, published, number=""):
    """The published arrays lie on the whole grid, gaps included; ours hold the observed steps."""
    grid = on_grid(timestamps)
    assert grid.max() + 1 == len(published[f"label_reconstructed{number}"])
    adjusted = delay_adjusted(labels, alarms, grid, delay)
    for name, ours in (("label_reconstructed", labels), ("pred_reconstructed", alarms), ("pred_range", adjusted)):
        placed = np.zeros(len(published[name + number]), int)
        placed[grid] = ours
        np.testing.assert_array_equal(placed, published[name + number], err_msg=name)


def assert_scores_alike(ours, published):
    for name, own in NAMES.items():
        assert ours[own] == pytest.approx(float(published[name]), abs=1e-6), name


@pytest.mark.parametrize("case", cases("ts2vec_anomaly"), ids=label)
def test_golden_ts2vec_anomaly(case):
    embedder = embedder_from_torch("ts2vec", case.w)
    window, delay, train = case.setting("sliding_padding") + 1, case.setting("delay"), case.setting("n_train")
    series = case.arrays["in"]
    visible, hidden = last_step_representations(embedder.encode, series["x"][:, None], window)
    assert_close(visible[-8:], case.out["repr_unmasked_tail"], "visible")
    assert_close(hidden[-8:], case.out["repr_masked_tail"], "hidden")
    scores = masked_score(visible, hidden)
    adjusted = adjusted_scores(scores)
    # (e - m) / m with the published m.
    assert_close(adjusted, (scores - case.out["ma"]) / case.out["ma"], "moving mean")
    if case.setting("coldstart"):
        assert_close(scores, case.out["err"], "score")
        assert_close(adjusted, case.out["err_adj"], "adjusted score")
        found = detect_cold_start(adjusted, delay)
        start = case.setting("min_window")
        thresholds = np.where(np.isinf(found.thresholds), np.nan, found.thresholds)
        assert_close(thresholds, case.out["thr"][start:], "threshold")
        np.testing.assert_array_equal(found.flags, case.out["pred_before_delay"][start:])
    else:
        start = train
        assert_close(scores[:train], case.out["train_err"], "training score")
        assert_close(scores[train:], case.out["test_err"], "test score")
        assert_close(adjusted[WARM_UP:train], case.out["train_err_adj"], "adjusted training score")
        assert_close(adjusted[train:], case.out["test_err_adj"], "adjusted test score")
        found = detect_normal(adjusted, train, delay)
        assert_close(found.thresholds[0], case.out["thr"], "threshold")
        np.testing.assert_array_equal(found.flags, case.out["pred_before_delay"])
    assert found.start == start > HISTORY
    np.testing.assert_array_equal(found.alarms, case.out["pred"])
    labels, timestamps = series["labels"][start:].astype(bool), series["timestamps"][start:]
    assert_adjusted_alike(labels, found.alarms, timestamps, delay, case.out)
    assert_scores_alike(delay_scores([labels], [found.alarms], [timestamps], delay), case.out)


@pytest.mark.parametrize("case", cases("ts2vec_ad_metrics"), ids=label)
def test_golden_ts2vec_ad_metrics(case):
    count, delay, series = case.setting("n_series"), case.setting("delay"), case.arrays["in"]
    labels, alarms = ([series[f"{name}{i}"].astype(bool) for i in range(count)] for name in ("label", "pred"))
    timestamps = [series[f"ts{i}"] for i in range(count)]
    for i in range(count):
        assert_adjusted_alike(labels[i], alarms[i], timestamps[i], delay, case.out, str(i))
    assert_scores_alike(delay_scores(labels, alarms, timestamps, delay), case.out)
