"""Classification on frozen embeddings: an RBF support vector machine chosen by cross-validation, TS2Vec's protocol."""

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
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.svm import SVC

    z, y = _rows("train", z_train, y_train)
    classes = np.unique(y)
    if len(classes) < 2:
        raise InputError(f"y_train: found {len(classes)} class ({classes[:1].tolist()}), want at least two")
    svc = SVC(C=UNBOUNDED_C, kernel="rbf", gamma="scale", max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        # Both are expected: the iteration limit is the protocol's, and small classes are dealt with above.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The least populated class in y", category=UserWarning)
        if len(y) < 50 or len(y) // len(classes) < 5:
            return svc.fit(z, y)
        if len(y) > MAX_SAMPLES:
            kept = _stratified_rows(y, seed)
            z, y = z[kept], y[kept]
        folds = list(StratifiedKFold(FOLDS).split(z, y))
        if any(len(np.unique(y[train])) < 2 for train, _ in folds):
            return svc.fit(z, y)
        return GridSearchCV(svc, {"C": PENALTIES}, cv=folds, n_jobs=1).fit(z, y).best_estimator_


def classification_scores(y_true: np.ndarray, y_pred: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 and Cohen's kappa.

    Args:
      y_true: `[N]` labels.
      y_pred: `[N]` predicted labels.
      classes: `[K]` every label that may occur. One that occurs in neither argument has no F1 and is left out of the
        macro average (scikit-learn's default).

    Returns:
      `accuracy`, `macro_f1`, `kappa`. Kappa is NaN where it is undefined: one label is all there is in both.

    Raises:
      InputError: no rows, row counts that differ, a label outside `classes`.
    """
    from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != pred.shape or not len(true):
        raise InputError(f"y_pred: found shape {pred.shape}, want y_true's {true.shape}, [N] with at least one row")
    present = np.union1d(true, pred)
    if unknown := sorted(set(present.tolist()) - set(np.asarray(classes).tolist())):
        raise InputError(f"classes: found no {unknown[:5]}, want every label of y_true and y_pred")
    return {
        "accuracy": float(accuracy_score(true, pred)),
        "macro_f1": float(f1_score(true, pred, labels=present, average="macro", zero_division=0.0)),
        "kappa": float(cohen_kappa_score(true, pred, labels=present)) if len(present) > 1 else float("nan"),
    }


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
      `accuracy`, `macro_f1`, `kappa`, `n_train`, `n_test` and the chosen `C` (`UNBOUNDED_C` stands for infinity).

    Raises:
      InputError: as `fit_svc`, for either split; widths that differ; a test label that training has not seen.

    References:
      See `fit_svc`.
    """
    z, y = _rows("train", z_train, y_train)
    z_new, y_new = _rows("test", z_test, y_test)
    if z_new.shape[1] != z.shape[1]:
        raise InputError(f"z_test: found width {z_new.shape[1]}, want z_train's {z.shape[1]}")
    classes = np.unique(y)
    if unseen := sorted(set(np.unique(y_new).tolist()) - set(classes.tolist())):
        raise InputError(f"y_test: found labels {unseen[:5]}, want only labels of y_train: {classes[:10].tolist()}")
    svc = fit_svc(z, y, seed)
    scores = classification_scores(y_new, svc.predict(z_new), classes)
    return {**scores, "n_train": len(y), "n_test": len(y_new), "C": float(svc.C)}


def _rows(split: str, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The embeddings `[N, D]` and labels `[N]` of one split, checked."""
    z, y = np.asarray(z), np.asarray(y)
    if z.ndim != 2 or 0 in z.shape:
        raise InputError(f"z_{split}: found shape {z.shape}, want [N, D] with at least one row and one column")
    if y.shape != z.shape[:1]:
        raise InputError(f"y_{split}: found shape {y.shape}, want [{len(z)}], one label for each row of z_{split}")
    finite = np.isfinite(z).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InputError(
            f"z_{split}: found NaN or infinity in {len(bad)} of {len(z)} rows, the first {bad[0]}; want finite numbers"
        )
    return z, y


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
