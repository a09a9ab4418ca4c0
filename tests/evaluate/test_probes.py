"""Classifiers against scikit-learn used directly, few labels by their properties."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tsrl.errors import InputError
from tsrl.evaluate import classify
from tsrl.evaluate.classify import evaluate_svc
from tsrl.evaluate.probes import (
    LOGISTIC_PENALTIES,
    RIDGE_PENALTIES,
    evaluate_logistic,
    evaluate_nearest,
    evaluate_ridge,
    few_label_rows,
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Threads that wait for each other make fits of a few rows ten times slower."""
    with threadpool_limits(1):
        yield


PROBES = [evaluate_logistic, evaluate_nearest, evaluate_ridge]


def blobs(counts, spread=1.0, seed=0, width=5):
    """Rows around one centre a class, `counts` rows each, shuffled; columns of very different scale."""
    centres = 3 * np.random.default_rng(9).normal(size=(len(counts), width))
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return ((centres[y] + spread * rng.normal(size=(len(y), width))) * 10.0 ** np.arange(width)).astype("f4"), y


Z, Y = blobs([30, 25, 20], spread=5.0)
FRESH, LABELS = blobs([40, 40, 40], spread=5.0, seed=1)


def test_logistic_equals_grid_search_of_scikit_learn():
    pipe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    grid = GridSearchCV(pipe, {"logisticregression__C": LOGISTIC_PENALTIES}, cv=5).fit(Z.astype("f8"), Y)
    result = evaluate_logistic(Z, Y, FRESH, LABELS)
    assert result["C"] == grid.best_params_["logisticregression__C"] == 0.1
    probability = grid.predict_proba(FRESH.astype("f8"))
    assert result["accuracy"] == np.mean(probability.argmax(1) == LABELS)
    areas = [average_precision_score(k == LABELS, probability[:, k]) for k in range(3)]
    assert result["auprc"] == pytest.approx(np.mean(areas), abs=1e-6)


def test_logistic_penalty_is_chosen_on_a_sample_and_fitted_on_all(monkeypatch):
    monkeypatch.setattr(classify, "MAX_SAMPLES", 60)
    result = evaluate_logistic(Z, Y, FRESH, LABELS, seed=1)
    pipe = make_pipeline(StandardScaler(), LogisticRegression(C=result["C"], max_iter=1000)).fit(Z.astype("f8"), Y)
    assert result["accuracy"] == pipe.score(FRESH.astype("f8"), LABELS)
    assert result["n_train"] == 75


def test_logistic_penalty_of_a_large_set_is_chosen_on_the_first_fold(monkeypatch):
    monkeypatch.setattr("tsrl.evaluate.probes.LOGISTIC_ONE_FOLD", 75)
    learnt, held_out = next(StratifiedKFold(5).split(Z, Y))
    z = Z.astype("f8")
    hits = [
        make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
        .fit(z[learnt], Y[learnt])
        .score(z[held_out], Y[held_out])
        for penalty in LOGISTIC_PENALTIES
    ]
    assert evaluate_logistic(Z, Y, FRESH, LABELS)["C"] == LOGISTIC_PENALTIES[int(np.argmax(hits))]


def test_logistic_penalty_is_chosen_on_groups_the_fit_has_not_seen():
    # Each group has a shift of its own, which a weak penalty learns by heart.
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(10), 12)
    y = np.tile([0, 1], 60)
    z = rng.normal(size=(120, 40)) + 2 * rng.normal(size=(10, 40))[groups]
    z[:, 0] += 1.5 * y
    folds = StratifiedGroupKFold(5)
    pipe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": LOGISTIC_PENALTIES}
    wanted = GridSearchCV(pipe, grid, cv=folds).fit(z, y, groups=groups).best_params_["logisticregression__C"]
    assert evaluate_logistic(z, y, z, y, groups=groups)["C"] == wanted
    assert evaluate_logistic(z, y, z, y)["C"] != wanted
    with pytest.raises(InputError, match="groups: found shape \\(119,\\), want y_train's \\(120,\\)"):
        evaluate_logistic(z, y, z, y, groups=groups[1:])
    # Too few groups to hold some of them out.
    assert evaluate_logistic(z, y, z, y, groups=groups % 4)["C"] == evaluate_logistic(z, y, z, y)["C"]


@pytest.mark.parametrize(("penalties", "chosen"), [((1e-9, 1e-9, 0.1), 0.1), ((1e-9, 1e-9, 1e-9, 0.1), 1e-9)])
def test_logistic_search_ends_after_two_penalties_that_are_not_better(monkeypatch, penalties, chosen):
    monkeypatch.setattr("tsrl.evaluate.probes.LOGISTIC_PENALTIES", penalties)
    assert evaluate_logistic(Z, Y, FRESH, LABELS)["C"] == chosen


@pytest.mark.parametrize(("counts", "searched"), [([25, 24], False), ([26, 25], True), ([60, 1], False)])
def test_logistic_of_few_rows_is_not_searched(counts, searched):
    # Embeddings without information, where all penalties do alike and the search would choose the strongest.
    z, y = np.ones((sum(counts), 1)), np.repeat(np.arange(len(counts)), counts)
    assert evaluate_logistic(z, y, z, y)["C"] == (LOGISTIC_PENALTIES[0] if searched else 1.0)


def test_nearest_equals_scikit_learn():
    result = evaluate_nearest(Z, Y, FRESH, LABELS)
    assert result["accuracy"] == KNeighborsClassifier(1, algorithm="brute").fit(Z, Y).score(FRESH, LABELS)
    distance = np.linalg.norm(FRESH[:, None].astype("f8") - Z, axis=2)
    closest = np.stack([distance[:, k == Y].min(1) for k in range(3)], 1)
    margin = [np.delete(closest, k, 1).min(1) - closest[:, k] for k in range(3)]
    areas = [average_precision_score(k == LABELS, margin[k]) for k in range(3)]
    assert result["auprc"] == pytest.approx(np.mean(areas))
    assert result["auprc"] < 1


def test_of_neighbours_equally_near_the_first_class_is_predicted():
    z = np.array([[1.0], [-1.0], [9.0]])
    assert evaluate_nearest(z, np.array(["b", "a", "c"]), np.zeros((1, 1)), np.array(["a"]))["accuracy"] == 1.0


def test_ridge_equals_scikit_learn():
    pipe = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))).fit(Z, Y)
    result = evaluate_ridge(Z, Y, FRESH, LABELS)
    assert result["alpha"] == pipe[-1].alpha_ == pytest.approx(10.0)
    assert result["accuracy"] == pipe.score(FRESH, LABELS)
    decision = pipe.decision_function(FRESH)
    areas = [average_precision_score(k == LABELS, decision[:, k]) for k in range(3)]
    assert result["auprc"] == pytest.approx(np.mean(areas))


@pytest.mark.parametrize("evaluate", [evaluate_logistic, evaluate_ridge])
def test_column_constant_in_training_counts_for_nothing(evaluate):
    constant, wild = np.full((len(Z), 1), 0.1, "f4"), np.linspace(-1e6, 1e6, len(FRESH), dtype="f4")[:, None]
    with_column = evaluate(np.hstack([Z, constant]), Y, np.hstack([FRESH, wild]), LABELS)
    assert with_column == pytest.approx(evaluate(Z, Y, FRESH, LABELS))


@pytest.mark.parametrize("evaluate", [evaluate_logistic, evaluate_ridge])
def test_scale_of_columns_does_not_matter(evaluate):
    scale, shift = np.array([1e3, 1e-2, 1, 7, 1e-6]), np.arange(5.0)
    moved = evaluate(Z.astype("f8") * scale + shift, Y, FRESH.astype("f8") * scale + shift, LABELS)
    assert moved == pytest.approx(evaluate(Z, Y, FRESH, LABELS), abs=1e-3)


@pytest.mark.parametrize(("evaluate", "chosen"), [(evaluate_logistic, "C"), (evaluate_ridge, "alpha")])
def test_nothing_is_chosen_on_the_test_split(evaluate, chosen):
    expected = evaluate(Z, Y, FRESH, LABELS)
    other = evaluate(Z, Y, 1e3 * FRESH[::-1] - 5, np.roll(LABELS, 1))
    assert other[chosen] == expected[chosen]
    assert other["accuracy"] != expected["accuracy"]


@pytest.mark.parametrize("evaluate", PROBES)
@pytest.mark.parametrize(
    ("z", "y"),
    [
        (Z[:61], np.r_[np.zeros(60, int), 1]),  # one class has a single row
        (Z[:18], np.arange(18)),  # all have
        (Z[:2], np.array(["off", "on"])),
        (np.ones((60, 2)), np.arange(60) % 2),  # collapsed embeddings
    ],
)
def test_degenerate_training_sets_are_scored_without_warnings(evaluate, z, y):
    result = evaluate(z, y, z, y)
    assert set(result) - {"C", "alpha"} == {"accuracy", "macro_f1", "kappa", "auprc", "n_train", "n_test"}
    assert np.isfinite(list(result.values())).all()
    assert result["accuracy"] >= 1 / len(np.unique(y))


def test_all_classifiers_return_the_same_scores():
    keys = [set(evaluate(Z[:40], Y[:40], FRESH, LABELS)) - {"C", "alpha"} for evaluate in (*PROBES, evaluate_svc)]
    assert all(found == keys[0] for found in keys)


HOLED = Z.copy()
HOLED[3, 1] = np.nan


@pytest.mark.parametrize("evaluate", PROBES)
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((HOLED, Y, Z, Y), "z_train: found NaN or infinity in 1 of 75 rows, the first 3"),
        ((Z, Y, HOLED, Y), "z_test: found NaN"),
        ((Z, Y, Z, Y + 1), r"y_test: found labels \[3\], want only labels of y_train: \[0, 1, 2\]"),
        ((Z, 0 * Y, Z, 0 * Y), "y_train: found 1 class"),
        ((Z, Y, Z[:, :3], Y), "z_test: found width 3, want z_train's 5"),
        ((Z, Y[:9], Z, Y), r"y_train: found shape \(9,\)"),
    ],
)
def test_wrong_input_is_named(evaluate, inputs, message):
    with pytest.raises(InputError, match=message):
        evaluate(*inputs)


def test_penalties_are_the_documented_ones():
    np.testing.assert_allclose(RIDGE_PENALTIES, np.logspace(-3, 3, 10))
    np.testing.assert_allclose(LOGISTIC_PENALTIES, np.logspace(-4, 2, 7))


def test_logistic_that_does_not_converge_is_quiet(monkeypatch):
    monkeypatch.setattr("tsrl.evaluate.probes.LOGISTIC_ITERATIONS", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert 0 < evaluate_logistic(Z, Y, FRESH, LABELS)["accuracy"] < 1


# Few labels


@pytest.mark.parametrize(
    ("rows", "fraction", "size"),
    [(99, 0.1, None), (100, 0.1, 10), (999, 0.01, None), (1000, 0.01, 10), (1049, 0.01, 10), (199, 0.05, None)],
)
def test_few_labels_want_ten_rows(rows, fraction, size):
    kept = few_label_rows(np.arange(rows) % 3, fraction, seed=0)
    assert kept is None if size is None else len(kept) == size


def test_few_labels_by_hand():
    # 12 of 120 rows: shares 8, 3.5, 0.4 and 0.1; the last two are lifted to one, which the others pay for.
    y = np.repeat(list("dcba"), [80, 35, 4, 1])
    kept = few_label_rows(y, 0.1, seed=5)
    assert dict(zip(*np.unique(y[kept], return_counts=True), strict=True)) == {"a": 1, "b": 1, "c": 3, "d": 7}
    assert not np.array_equal(kept, few_label_rows(y, 0.1, seed=6))


def test_more_classes_than_rows_to_keep_leave_one_each():
    y = np.arange(100) % 20
    assert sorted(y[few_label_rows(y, 0.1, seed=0)]) == list(range(20))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 90), min_size=1, max_size=12),
    fraction=st.floats(0.01, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_few_labels_are_stratified(counts, fraction, seed):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    kept = few_label_rows(y, fraction, seed)
    if kept is None:
        assert fraction * len(y) < 10
        return
    size = max(round(fraction * len(y)), len(counts))
    assert len(kept) == size
    assert (np.diff(kept) > 0).all()
    assert 0 <= kept[0] <= kept[-1] < len(y)
    np.testing.assert_array_equal(kept, few_label_rows(y, fraction, seed))
    found, share = np.bincount(y[kept], minlength=len(counts)), size * np.array(counts) / len(y)
    assert (found >= 1).all()
    assert (found < np.maximum(share + 1, 1.5)).all()
    if (share >= 1).all():
        assert (np.abs(found - share) < 1).all()


def test_few_labels_refuse_wrong_input():
    with pytest.raises(InputError, match="fraction: found 0, want"):
        few_label_rows(np.zeros(100), 0, seed=0)
    with pytest.raises(InputError, match=r"y: found shape \(5, 2\)"):
        few_label_rows(np.zeros((5, 2)), 0.1, seed=0)
