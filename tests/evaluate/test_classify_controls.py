"""Controls against aeon's own classifiers and a plain DTW; what fills gaps; what is left out and why.

The first run in an environment compiles aeon's loops, about a minute; numba keeps them beside aeon.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from tsrl.errors import InputError
from tsrl.evaluate import classify_controls
from tsrl.evaluate.classify import evaluate_svc
from tsrl.evaluate.classify_controls import classification_controls, filled
from tsrl.evaluate.probes import evaluate_logistic, evaluate_nearest

NAMES = ["MiniRocket", "MultiRocket", "1-NN DTW", "1-NN Euclidean", "raw SVC", "raw logistic"]
QUICK = NAMES[3:]


def waves(rows, seed, steps=12, channels=1):
    """Three shapes at random phases, noisy, some with gaps and some that end early."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    time = np.arange(steps)[:, None] + rng.uniform(0, 3, size=(rows, 1, channels))
    x = np.sin(time * (0.4 + 0.3 * y[:, None, None])) + 0.6 * rng.normal(size=(rows, steps, channels))
    x[::4, 3:5] = np.nan
    x[1::5, steps - 2 :] = np.nan
    return x.astype("f4"), y


X, Y = waves(18, seed=0)
FRESH, LABELS = waves(30, seed=1)


def without(monkeypatch, *modules):
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def no_aeon(monkeypatch):
    without(monkeypatch, "aeon", "aeon.distances", "aeon.transformations.collection")


# Gaps


def test_gaps_are_filled_by_hand():
    gap = np.nan
    x = np.array([[gap, 1, gap, gap, 4, gap, gap], [gap] * 7, [2, 0, 0, 0, 0, 0, gap]])[:, :, None]
    expected = [[1, 1, 2, 3, 4, 4, 4], [0] * 7, [2, 0, 0, 0, 0, 0, 0]]
    np.testing.assert_allclose(filled("train", x)[:, :, 0], expected)
    assert np.isnan(x).sum() == 13


def test_channels_and_series_are_filled_from_themselves():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((6, 9, 3)) < 0.4, np.nan, rng.normal(size=(6, 9, 3)))
    whole = filled("train", x)
    for n in range(6):
        for c in range(3):
            np.testing.assert_array_equal(filled("train", x[n, None, :, c, None])[0, :, 0], whole[n, :, c])
    np.testing.assert_array_equal(whole[~np.isnan(x)], x[~np.isnan(x)])


# Controls of aeon


def slow_dtw(a, b):
    """The squared DTW distance of two `[T, C]`, aeon's, which ranks like its root."""
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i, j in np.ndindex(len(a), len(b)):
        step = np.sum((a[i] - b[j]) ** 2)
        cost[i + 1, j + 1] = step + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
    return cost[-1, -1]


def slow_nearest(x, y, fresh):
    train, test = filled("train", x), filled("test", fresh)
    return y[np.array([[slow_dtw(b, a) for a in train] for b in test]).argmin(1)]


def test_controls_equal_aeons_classifiers():
    pytest.importorskip("aeon")
    from aeon.classification.convolution_based import MiniRocketClassifier, MultiRocketClassifier

    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    found = classification_controls(X, Y, FRESH, LABELS, seed=3)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert list(found.scores) == NAMES
    assert not found.left_out
    assert found.scores["1-NN DTW"]["accuracy"] == np.mean(slow_nearest(X, Y, FRESH) == LABELS)
    series = [filled("train", x).swapaxes(1, 2).astype("f4") for x in (X, FRESH)]
    for name, classifier in {"MiniRocket": MiniRocketClassifier, "MultiRocket": MultiRocketClassifier}.items():
        official = classifier(random_state=3).fit(series[0], Y)
        assert found.scores[name]["accuracy"] == np.mean(official.predict(series[1]) == LABELS)
        assert found.scores[name]["alpha"] == official.pipeline_[-1].alpha_
    for scores in found.scores.values():
        assert set(scores) - {"alpha", "C"} == {"accuracy", "macro_f1", "kappa", "auprc", "n_train", "n_test"}
        assert np.isfinite(list(scores.values())).all()
        assert scores["accuracy"] > 1 / 3


def test_test_series_are_taken_a_few_at_a_time(monkeypatch):
    pytest.importorskip("aeon")
    whole = classification_controls(X, Y, FRESH, LABELS, seed=3)
    monkeypatch.setattr(classify_controls, "CHUNK_VALUES", 7 * 18)
    parts = classification_controls(X, Y, FRESH, LABELS, seed=3)
    for name in NAMES:
        assert parts.scores[name] == pytest.approx(whole.scores[name])


def test_short_series_and_text_labels():
    pytest.importorskip("aeon")
    names = np.array(["run", "sit", "walk"])
    found = classification_controls(X[:, :4], names[Y], FRESH[:, :4], names[LABELS])
    assert list(found.scores) == NAMES
    assert np.isfinite([scores["auprc"] for scores in found.scores.values()]).all()


@pytest.mark.long
def test_controls_of_several_channels():
    """Compiles what univariate series do not need, two minutes more."""
    pytest.importorskip("aeon")
    (x, y), (fresh, labels) = waves(18, seed=0, channels=2), waves(30, seed=1, channels=2)
    found = classification_controls(x, y, fresh, labels)
    assert list(found.scores) == NAMES
    assert found.scores["MiniRocket"]["accuracy"] > 0.5
    assert found.scores["MultiRocket"]["accuracy"] > 0.5


def test_dtw_of_several_channels_is_one_path():
    pytest.importorskip("aeon")
    (x, y), (fresh, labels) = waves(9, seed=0, channels=3), waves(12, seed=1, channels=3)
    found = classify_controls._nearest_dtw(filled("train", x), y, filled("test", fresh), labels)
    assert found["accuracy"] == np.mean(slow_nearest(x, y, fresh) == labels)


@pytest.mark.parametrize(
    ("name", "euclidean", "dtw"),
    [("GunPoint", 0.0867, 0.0933), ("ECG200", 0.12, 0.23), ("FaceFour", 0.2159, 0.1705)],
)
def test_nearest_neighbours_err_as_the_ucr_archive_says(real_data, name, euclidean, dtw):
    """Columns "ED (w=0)" and "DTW (w=100)" of the archive's summary."""
    pytest.importorskip("aeon")
    with np.load(Path(real_data) / "classification" / f"{name}.npz") as arrays:
        x, y, fresh, labels = (arrays[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    nearest = evaluate_nearest(x[:, :, 0], y, fresh[:, :, 0], labels)
    assert 1 - nearest["accuracy"] == pytest.approx(euclidean, abs=5e-5)
    warped = classify_controls._nearest_dtw(filled("train", x), y, filled("test", fresh), labels)
    assert 1 - warped["accuracy"] == pytest.approx(dtw, abs=5e-5)


# What is left out


def test_without_aeon_the_others_are_computed(no_aeon):
    found = classification_controls(X, Y, FRESH, LABELS)
    assert list(found.scores) == QUICK
    assert list(found.left_out) == NAMES[:3]
    assert all("pip install 'tsrl[archives]'" in reason for reason in found.left_out.values())


def test_raw_controls_are_the_classifiers_of_flat_series(no_aeon):
    flat, new = (filled("train", x).reshape(len(x), -1) for x in (X, FRESH))
    scores = classification_controls(X, Y, FRESH, LABELS).scores
    assert scores["1-NN Euclidean"] == evaluate_nearest(flat, Y, new, LABELS)
    assert scores["raw SVC"] == evaluate_svc(flat, Y, new, LABELS)
    assert scores["raw logistic"] == evaluate_logistic(flat, Y, new, LABELS)


def test_large_sets_leave_out_what_they_cannot_afford(monkeypatch):
    monkeypatch.setattr(classify_controls, "DTW_CELLS", 18 * 30 * 12 * 12 - 1)
    monkeypatch.setattr(classify_controls, "ROCKET_VALUES", 18 * 9996 - 1)
    monkeypatch.setattr(classify_controls, "SVC_VALUES", 18 * 18 * 12 - 1)
    monkeypatch.setattr(classify_controls, "LOGISTIC_VALUES", 18 * 12 * 3 - 1)
    found = classification_controls(X, Y, FRESH, LABELS)
    assert list(found.scores) == ["1-NN Euclidean"]
    assert "above the limit" in found.left_out["raw SVC"]
    assert "18 training series of 12 values" in found.left_out["raw logistic"]
    assert found.left_out["MiniRocket"].startswith("18 training series are too many for 9,996 features, whose limit")
    assert found.left_out["1-NN DTW"] == "7.8e+04 cells of warping matrices are above the limit of 7.8e+04"


def test_limits_are_met_by_the_largest_allowed(monkeypatch, no_aeon):
    monkeypatch.setattr(classify_controls, "DTW_CELLS", 18 * 30 * 12 * 12)
    monkeypatch.setattr(classify_controls, "ROCKET_VALUES", 18 * 9996)
    monkeypatch.setattr(classify_controls, "SVC_VALUES", 18 * 18 * 12)
    monkeypatch.setattr(classify_controls, "LOGISTIC_VALUES", 18 * 12 * 3)
    found = classification_controls(X, Y, FRESH, LABELS)
    assert list(found.scores) == QUICK
    reasons = found.left_out
    assert "aeon" in reasons["1-NN DTW"]
    assert "aeon" in reasons["MiniRocket"]
    assert "too many" in reasons["MultiRocket"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((X[:, :, 0], Y, FRESH, LABELS), r"x_train: found shape \(18, 12\), want \[N, T, C\]"),
        ((X, Y, FRESH[:0], LABELS[:0]), r"x_test: found shape \(0, 12, 1\)"),
        ((X, Y, FRESH * np.inf, LABELS), "x_test: found infinity"),
        ((X, Y, FRESH[:, :9], LABELS), r"x_test: found T, C \(9, 1\), want x_train's \(12, 1\)"),
        ((X, Y, FRESH, LABELS + 1), r"y_test: found labels \[3\], want only labels of y_train"),
        ((X, 0 * Y, FRESH, 0 * LABELS), "y_train: found 1 class"),
        ((X, Y[:3], FRESH, LABELS), r"y_train: found shape \(3,\), want \[18\]"),
    ],
)
def test_wrong_input_is_named(inputs, message):
    with pytest.raises(InputError, match=message):
        classification_controls(*inputs)
