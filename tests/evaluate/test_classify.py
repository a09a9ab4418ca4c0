"""The SVC protocol against scikit-learn used directly, scores against numbers worked out by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

from tsrl.errors import InputError
from tsrl.evaluate import classify
from tsrl.evaluate.classify import UNBOUNDED_C, classification_scores, evaluate_svc, fit_svc


def blobs(counts, spread=1.0, seed=0, width=4):
    """Rows around one random centre a class, `counts` rows each, shuffled."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return (3 * rng.normal(size=(len(counts), width))[y] + spread * rng.normal(size=(len(y), width))).astype("f4"), y


def test_search_equals_grid_search_of_scikit_learn():
    z, y = blobs([30, 25, 20], spread=3.0)
    grid = GridSearchCV(SVC(gamma="scale"), {"C": [10.0**k for k in range(-4, 5)] + [1e100]}, cv=5).fit(z, y)
    svc = fit_svc(z, y)
    assert svc.C == grid.best_params_["C"] == 1.0
    fresh, _ = blobs([200, 200, 200], spread=3.0, seed=1)
    np.testing.assert_array_equal(svc.decision_function(fresh), grid.decision_function(fresh))


def test_unbounded_penalty_is_the_hard_margin():
    # Two points: the margin's dual coefficients are 1 / (1 - K(a, b)), which no bound clips.
    z = np.array([[0.0], [1.0]])
    svc = fit_svc(z, np.array([0, 1]))
    gamma = 1 / (1 * 0.25)
    np.testing.assert_allclose(np.abs(svc.dual_coef_), 1 / (1 - math.exp(-gamma)), rtol=1e-3)
    assert svc.C == UNBOUNDED_C


@pytest.mark.parametrize(
    ("counts", "searched"), [([25, 24], False), ([25, 25], True), ([4] * 15, False), ([5] * 10, True)]
)
def test_small_training_sets_skip_the_search(counts, searched):
    assert (fit_svc(*blobs(counts, spread=5.0)).C != UNBOUNDED_C) == searched


@pytest.mark.parametrize("counts", [[60, 3], [60, 1, 1], [30, 30, 1]])
def test_class_smaller_than_the_folds_is_searched_without_a_warning(counts):
    z, y = blobs(counts, spread=5.0)
    assert fit_svc(z, y).C < UNBOUNDED_C


@pytest.mark.parametrize("counts", [[60, 1], [1, 49, 1]])
def test_fold_left_with_one_class_skips_the_search(counts):
    # In the second both lone rows fall into the first fold: they are the 1st and the 51st row in order of class.
    z, _ = blobs(counts)
    svc = fit_svc(z, np.repeat(np.arange(len(counts)), counts))
    assert svc.C == UNBOUNDED_C
    assert svc.classes_.tolist() == list(range(len(counts)))


def test_large_training_set_is_sampled_by_class(monkeypatch):
    monkeypatch.setattr(classify, "MAX_SAMPLES", 60)
    z, y = blobs([100, 50], spread=3.0)
    z_kept, _, y_kept, _ = train_test_split(z, y, train_size=60, random_state=0, stratify=y)
    expected = fit_svc(z_kept, y_kept)
    assert sorted(np.bincount(y_kept)) == [20, 40]
    np.testing.assert_array_equal(fit_svc(z, y).decision_function(z), expected.decision_function(z))
    assert not np.array_equal(fit_svc(z, y, seed=1).decision_function(z), expected.decision_function(z))


@pytest.mark.parametrize("counts", [[40, 21], [80, 80, 1], [30, 29, 1, 1, 1]])
def test_sample_of_a_set_just_over_the_limit_or_with_a_lone_row_has_every_class(monkeypatch, counts):
    monkeypatch.setattr(classify, "MAX_SAMPLES", 60)
    _, y = blobs(counts)
    kept = classify._stratified_rows(y, seed=0)
    assert len(np.unique(kept)) == len(kept) <= 60
    assert set(y[kept]) == set(y)


def test_collapsed_embeddings_end_without_a_warning(monkeypatch):
    monkeypatch.setattr(classify, "MAX_ITERATIONS", 1000)
    z, y = np.ones((60, 3)), np.arange(60) % 2
    assert evaluate_svc(z, y, z, y)["accuracy"] == 0.5
    assert evaluate_svc(z[:20], y[:20], z[:20], y[:20])["accuracy"] == 0.5


def test_scores_by_hand():
    # Confusion [[2, 1], [1, 4]]: F1 4/6 and 8/10; agreement 6/8, by chance (3 * 3 + 5 * 5) / 64 = 34/64.
    scores = classification_scores(np.array([0, 0, 0, 1, 1, 1, 1, 1]), np.array([0, 0, 1, 0, 1, 1, 1, 1]), np.arange(2))
    assert scores == pytest.approx({"accuracy": 0.75, "macro_f1": (4 / 6 + 8 / 10) / 2, "kappa": 14 / 30})


def test_class_without_rows_does_not_lower_macro_f1_but_a_missed_one_does():
    classes = np.array(["run", "sit", "walk"])
    assert classification_scores(classes[[0, 1]], classes[[0, 1]], classes)["macro_f1"] == 1.0
    assert classification_scores(classes[[0, 1]], classes[[0, 0]], classes)["macro_f1"] == pytest.approx(1 / 3)


def test_kappa_of_one_label_is_undefined():
    scores = classification_scores(np.zeros(3), np.zeros(3), np.arange(2))
    assert scores["accuracy"] == scores["macro_f1"] == 1.0
    assert math.isnan(scores["kappa"])


def test_auprc_by_hand():
    # Class a ranks its rows 1st and 3rd: precision 1 and 2/3 at recall 1/2 and 1; so does class b. Class c ranks its
    # only row 1st. Class d has none and is left out.
    decision = np.array([[9, 1, 3, 0], [7, 2, 1, 0], [8, 9, 2, 0], [1, 7, 4, 0], [2, 8, 5, 9]])
    true = np.array(list("aabbc"))
    auprc = classification_scores(true, true, np.array(list("abcd")), decision)["auprc"]
    ranks = [average_precision_score(true == name, decision[:, k]) for k, name in enumerate("abc")]
    assert auprc == pytest.approx(np.mean(ranks)) == pytest.approx((5 / 6 + 5 / 6 + 1.0) / 3)
    assert "auprc" not in classification_scores(true, true, np.unique(true))


def test_auprc_of_the_only_class_is_one():
    assert classification_scores(np.zeros(3), np.zeros(3), np.arange(2), np.zeros((3, 2)))["auprc"] == 1.0


@pytest.mark.parametrize("counts", [[40, 30, 20], [30, 20]])
def test_evaluate_scores_the_decision_function(counts):
    z, y = blobs(counts, spread=5.0)
    fresh, labels = blobs([c * 2 for c in counts], spread=6.0)
    result = evaluate_svc(z, y, fresh, labels)
    svc = fit_svc(z, y)
    decision = svc.decision_function(fresh)
    by_class = [-decision, decision] if len(counts) == 2 else decision.T
    areas = [average_precision_score(labels == k, strength) for k, strength in enumerate(by_class)]
    assert result["auprc"] == pytest.approx(np.mean(areas))
    assert result["auprc"] < 1
    assert result["accuracy"] == svc.score(fresh, labels)


def test_evaluate_reports_rows_and_penalty():
    z, y = blobs([20, 20])
    labels = np.array(["left", "right"])[y]
    result = evaluate_svc(z[:30], labels[:30], z[30:], labels[30:])
    scores = {"accuracy": 1.0, "macro_f1": 1.0, "kappa": 1.0, "auprc": 1.0}
    assert result == scores | {"n_train": 30, "n_test": 10, "C": UNBOUNDED_C}


Z, Y = blobs([5, 5])
HOLED = Z.copy()
HOLED[3, 1] = np.nan


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((Z[None], Y, Z, Y), r"z_train: found shape \(1, 10, 4\), want \[N, D\]"),
        ((Z[:0], Y[:0], Z, Y), r"z_train: found shape \(0, 4\)"),
        ((Z, Y[:9], Z, Y), r"y_train: found shape \(9,\), want \[10\]"),
        ((Z, Y[:, None], Z, Y), r"y_train: found shape \(10, 1\)"),
        ((HOLED, Y, Z, Y), "z_train: found NaN or infinity in 1 of 10 rows, the first 3"),
        ((Z, Y, np.full_like(Z, np.inf), Y), "z_test: found NaN or infinity in 10 of 10 rows"),
        ((Z, np.where(Y, np.nan, 0), Z, Y), "y_train: found NaN or infinity in 5 of 10 rows"),
        ((Z.astype(str), Y, Z, Y), "z_train: found type <U32, want numbers"),
        ((Z, Y, Z[:, :3], Y), "z_test: found width 3, want z_train's 4"),
        ((Z, 0 * Y, Z, 0 * Y), r"y_train: found 1 class \(\[0\]\), want at least two"),
        ((Z, Y, Z, Y + 1), r"y_test: found labels \[2\], want only labels of y_train: \[0, 1\]"),
    ],
)
def test_wrong_input_is_named(inputs, message):
    with pytest.raises(InputError, match=message):
        evaluate_svc(*inputs)


def test_scores_refuse_unknown_labels_and_uneven_rows():
    with pytest.raises(InputError, match=r"classes: found no \[2\]"):
        classification_scores(np.array([0, 2]), np.array([0, 0]), np.arange(2))
    with pytest.raises(InputError, match=r"y_pred: found shape \(1,\)"):
        classification_scores(np.array([0, 1]), np.array([0]), np.arange(2))
    with pytest.raises(InputError, match=r"decision: found shape \(2,\), want \(2, 2\)"):
        classification_scores(np.array([0, 1]), np.array([0, 1]), np.arange(2), np.zeros(2))
    with pytest.raises(InputError, match="decision: found NaN"):
        classification_scores(np.array([0, 1]), np.array([0, 1]), np.arange(2), np.full((2, 2), np.nan))
