"""Classification on frozen embeddings: TS2Vec's support vector machine, and all classifiers' checks and scores."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tsrl.errors import InputError

if TYPE_CHECKING:
    from sklearn.svm import SVC

FOLDS = 5
MAX_SAMPLES = 10_000
MAX_ITERATIONS = 10_000_000
# The protocol's C = inf. scikit-learn 1.4 refuses inf and 1.9 takes it; no dual coefficient can reach the largest
# double, so it is the same hard margin in all of them (and, unlike inf, it is valid JSON).
UNBOUNDED_C = float(np.finfo(np.float64).max)
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, UNBOUNDED_C)


def fit_svc(z_train: np.ndarray, y_train: np.ndarray, seed: int = 0) -> "SVC":
    """Fits an RBF support vector classifier to embeddings, C chosen by 5-fold accuracy on the training set.

    With fewer than 50 rows, or fewer than five a class on average, there is no search and C is `UNBOUNDED_C`. A class
    with fewer rows than folds is missing from some folds; where a fold would be left with a single class to learn
    from, which the official code does not survive, there is no search either. Both fits stop after 10,000,000
    iterations (official: only the search does), without which labels that no margin separates would never end.

    Args:
      z_train: `[N, D]` embeddings, used as they are: not rescaled.
      y_train: `[N]` labels.
      seed: picks the at most 10,000 rows, stratified by class, that the search sees (official: 0).

    Returns:
      The fitted classifier; its `C` is the chosen one.

    Raises:
      InputError: wrong ranks, row counts that differ, NaN or infinite embeddings, fewer than two classes.

    References:
      Yue et al. 2022, TS2Vec: Towards Universal Representation of Time Series, arXiv 2106.10466; official code
      zhihanyue/ts2vec, `tasks/_eval_protocols.py`. The grid of C is from Franceschi et al. 2019, arXiv 1901.10738.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    z, y, _ = labelled_rows(z_train, y_train)
    svc = SVC(C=UNBOUNDED_C, kernel="rbf", gamma="scale", max_iter=MAX_ITERATIONS)
    rows, folds = search_folds(y, seed)
    z, y = z[rows], y[rows]
    with warnings.catch_warnings():
        # Expected: the iteration limit is the protocol's.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if not folds:
            return svc.fit(z, y)
        return GridSearchCV(svc, {"C": PENALTIES}, cv=folds, n_jobs=1).fit(z, y).best_estimator_


def classification_scores(
    y_true: np.ndarray, y_pred: np.ndarray, classes: np.ndarray, decision: np.ndarray | None = None
) -> dict[str, float]:
    """Accuracy, macro-F1, Cohen's kappa and the area under the precision-recall curve.

    Args:
      y_true: `[N]` labels.
      y_pred: `[N]` predicted labels.
      classes: `[K]` every label that may occur. One that occurs in neither argument has no F1 and is left out of the
        macro average (scikit-learn's default).
      decision: `[N, K]` how strongly each row is taken for each of `classes`: any numbers that grow with it.

    Returns:
      `accuracy`, `macro_f1`, `kappa`, and with `decision` also `auprc`: the average precision of each class against
      the rest, averaged over the classes that occur in `y_true` (of two classes both count); one that does not has no
      precision-recall curve and is left out. It is 1 where a single class occurs. Kappa is NaN where it is undefined:
      one label is all there is in both.

    Raises:
      InputError: no rows, row counts that differ, a label outside `classes`, a decision of another shape or not finite.
    """
    from sklearn.metrics import accuracy_score, average_precision_score, cohen_kappa_score, f1_score

    true, pred, labels = np.asarray(y_true), np.asarray(y_pred), np.asarray(classes)
    if true.ndim != 1 or true.shape != pred.shape or not len(true):
        raise InputError(f"y_pred: found shape {pred.shape}, want y_true's {true.shape}, [N] with at least one row")
    present = np.union1d(true, pred)
    if unknown := sorted(set(present.tolist()) - set(labels.tolist())):
        raise InputError(f"classes: found no {unknown[:5]}, want every label of y_true and y_pred")
    scores = {
        "accuracy": float(accuracy_score(true, pred)),
        "macro_f1": float(f1_score(true, pred, labels=present, average="macro", zero_division=0.0)),
        "kappa": float(cohen_kappa_score(true, pred, labels=present)) if len(present) > 1 else float("nan"),
    }
    if decision is not None:
        strength = np.asarray(decision)
        if strength.shape != (len(true), len(labels)):
            raise InputError(f"decision: found shape {strength.shape}, want {(len(true), len(labels))}, [N, K]")
        if not np.isfinite(strength).all():
            raise InputError("decision: found NaN or infinity, want finite numbers")
        areas = [
            average_precision_score(true == label, strength[:, k])
            for k, label in enumerate(labels)
            if (true == label).any()
        ]
        scores["auprc"] = float(np.mean(areas))
    return scores


def evaluate_svc(
    z_train: np.ndarray, y_train: np.ndarray, z_test: np.ndarray, y_test: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Fits `fit_svc` on the training embeddings and scores it on the test embeddings.

    Args:
      z_train: `[N, D]` embeddings.
      y_train: `[N]` labels.
      z_test: `[M, D]` embeddings.
      y_test: `[M]` labels, all of which occur in `y_train`.
      seed: see `fit_svc`.

    Returns:
      `accuracy`, `macro_f1`, `kappa`, `auprc` (of the one-against-rest decision function), `n_train`, `n_test` and the
      chosen `C` (`UNBOUNDED_C` stands for infinity).

    Raises:
      InputError: as `fit_svc`, for either split; widths that differ; a test label that training has not seen.

    References:
      See `fit_svc`.
    """
    z, y, z_new, y_new, classes = labelled_splits(z_train, y_train, z_test, y_test)
    svc = fit_svc(z, y, seed)
    # Its prediction is a vote of pairs of classes, which the one-against-rest decision does not always follow.
    scores = classification_scores(y_new, svc.predict(z_new), classes, _by_class(svc.decision_function(z_new)))
    return {**scores, "n_train": len(y), "n_test": len(y_new), "C": float(svc.C)}


def decision_scores(decision: np.ndarray, y_true: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """`classification_scores` where the class with the largest decision is the prediction, the first of equals.

    Args:
      decision: as scikit-learn's `decision_function` gives it: `[N, K]`, or `[N]` with two classes.
      y_true: `[N]` labels.
      classes: `[K]` sorted labels.
    """
    strength = _by_class(decision)
    return classification_scores(y_true, classes[strength.argmax(axis=1)], classes, strength)


def _by_class(decision: np.ndarray) -> np.ndarray:
    """A decision function as `[N, K]`: of two classes scikit-learn gives the second one's alone."""
    return decision if decision.ndim == 2 else np.stack([-decision, decision], axis=1)


def checked_rows(split: str, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The embeddings `[N, D]` of one split and its labels or targets `[N]`, as arrays.

    Raises:
      InputError: wrong ranks, no rows or columns, row counts that differ, embeddings that are no numbers, NaN or
        infinity in either.
    """
    z, y = np.asarray(z), np.asarray(y)
    if z.ndim != 2 or 0 in z.shape:
        raise InputError(f"z_{split}: found shape {z.shape}, want [N, D] with at least one row and one column")
    if z.dtype.kind not in "biuf":
        raise InputError(f"z_{split}: found type {z.dtype}, want numbers")
    if y.shape != z.shape[:1]:
        raise InputError(f"y_{split}: found shape {y.shape}, want [{len(z)}], one entry for each row of z_{split}")
    for name, values in (("z", z), ("y", y)):
        if values.dtype.kind == "f":
            bad = np.flatnonzero(~np.isfinite(values).reshape(len(z), -1).all(axis=1))
            if len(bad):
                raise InputError(
                    f"{name}_{split}: found NaN or infinity in {len(bad)} of {len(z)} rows, the first {bad[0]}; "
                    "want finite numbers"
                )
    return z, y


def labelled_rows(z_train: np.ndarray, y_train: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The checked training embeddings `[N, D]`, labels `[N]` and sorted classes `[K]`, K at least two.

    Raises:
      InputError: as `checked_rows`; a single class.
    """
    z, y = checked_rows("train", z_train, y_train)
    classes = np.unique(y)
    if len(classes) < 2:
        raise InputError(f"y_train: found {len(classes)} class ({classes.tolist()}), want at least two")
    return z, y, classes


def labelled_splits(
    z_train: np.ndarray, y_train: np.ndarray, z_test: np.ndarray, y_test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both checked splits and the sorted classes of the training labels.

    Raises:
      InputError: as `labelled_rows`; widths that differ; a test label that training has not seen.
    """
    z, y, classes = labelled_rows(z_train, y_train)
    z_new, y_new = checked_rows("test", z_test, y_test)
    if z_new.shape[1] != z.shape[1]:
        raise InputError(f"z_test: found width {z_new.shape[1]}, want z_train's {z.shape[1]}")
    if unseen := sorted(set(np.unique(y_new).tolist()) - set(classes.tolist())):
        raise InputError(f"y_test: found labels {unseen[:5]}, want only labels of y_train: {classes[:10].tolist()}")
    return z, y, z_new, y_new, classes


def search_folds(
    y: np.ndarray, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """The rows and folds that choose a classifier's penalty; the rule is the one `fit_svc` describes.

    Args:
      y: `[N]` labels.
      seed: picks the rows of a large set.
      groups: `[N]` whose row each is: where there are five groups or more, none is in two folds' held out parts.

    Returns:
      Row numbers: all, or at most 10,000, stratified by class. The five folds as pairs of numbers into those rows, to
      learn from and held out; none where there is to be no search.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = np.arange(len(y))
    if len(y) < 50 or len(y) // len(np.unique(y)) < FOLDS:
        return rows, []
    if len(y) > MAX_SAMPLES:
        rows = _stratified_rows(y, seed)
    with warnings.catch_warnings():
        # A class smaller than the folds is expected: it is missing from some of them.
        warnings.filterwarnings("ignore", message="The least populated class in y", category=UserWarning)
        if groups is not None and len(np.unique(groups[rows])) >= FOLDS:
            folds = list(StratifiedGroupKFold(FOLDS).split(rows, y[rows], groups[rows]))
        else:
            folds = list(StratifiedKFold(FOLDS).split(rows, y[rows]))
    return rows, [] if any(len(np.unique(y[rows][learnt])) < 2 for learnt, _ in folds) else folds


def _stratified_rows(y: np.ndarray, seed: int) -> np.ndarray:
    """At most `MAX_SAMPLES` row numbers, drawn by class; a class's only row cannot be split and is always kept."""
    from sklearn.model_selection import train_test_split

    _, label, counts = np.unique(y, return_inverse=True, return_counts=True)
    alone = counts[label] == 1
    rows = np.flatnonzero(~alone)
    # The part left out needs a row of every class too: a set just over the limit keeps that many fewer.
    size = min(MAX_SAMPLES - int(alone.sum()), len(rows) - int((counts > 1).sum()))
    kept, _ = train_test_split(rows, train_size=size, random_state=seed, stratify=y[rows])
    return np.concatenate([kept, np.flatnonzero(alone)])
