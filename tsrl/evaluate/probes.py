"""Other classifiers on frozen embeddings, and training sets with few labels."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.classify import decision_scores, labelled_rows, labelled_splits, search_folds

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# For standardised features, of which 100 is next to no penalty.
LOGISTIC_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
LOGISTIC_ITERATIONS = 1000
# From so many training rows on, one fold is enough to choose a penalty, at a fifth of the time.
LOGISTIC_ONE_FOLD = 5000
# The grid of the ROCKET papers' ridge classifier.
RIDGE_PENALTIES = tuple(np.logspace(-3, 3, 10).tolist())
FEWEST_LABELLED = 10


def evaluate_logistic(
    z_train: np.ndarray,
    y_train: np.ndarray,
    z_test: np.ndarray,
    y_test: np.ndarray,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """Multinomial logistic regression on embeddings standardised by the training set: the linear probe.

    C is the value of `LOGISTIC_PENALTIES` with the best 5-fold accuracy on the training set, the smallest of equals,
    tried from the smallest on until two in a row are not better; of 5,000 rows and more, on the first of the five folds
    alone. Each fold is standardised by the part it learns from. Where `fit_svc` does not search, C is 1. Every fit
    stops after 1,000 iterations.

    Args:
      z_train: `[N, D]` embeddings.
      y_train: `[N]` labels.
      z_test: `[M, D]` embeddings.
      y_test: `[M]` labels, all of which occur in `y_train`.
      seed: picks the at most 10,000 rows that the search sees; the final fit sees all.
      groups: `[N]` whose training row each is, so that C is chosen on groups that the fit has not seen, where there are
        five or more.

    Returns:
      `accuracy`, `macro_f1`, `kappa`, `auprc` (see `classification_scores`), `n_train`, `n_test` and the chosen `C`.

    Raises:
      InputError: as `evaluate_svc`; groups of another shape.
    """
    from scipy.special import log_softmax
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    z, y, z_new, y_new, classes = labelled_splits(z_train, y_train, z_test, y_test)
    if groups is not None and np.shape(groups) != y.shape:
        raise InputError(f"groups: found shape {np.shape(groups)}, want y_train's {y.shape}")
    z, z_new = z.astype(np.float64), z_new.astype(np.float64)
    rows, folds = search_folds(y, seed, groups)
    folds = folds[:1] if len(rows) >= LOGISTIC_ONE_FOLD else folds
    with warnings.catch_warnings():
        # Expected: classes that a hyperplane separates have no optimum but for the penalty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        chosen = _logistic_penalty(z[rows], y[rows], folds) if folds else 1.0
        final = make_pipeline(StandardScaler(), LogisticRegression(C=chosen, max_iter=LOGISTIC_ITERATIONS)).fit(z, y)
    # Rows rank by a class's probability: the multinomial logits of a row are known up to a constant of its own.
    logits = final.decision_function(z_new)
    scores = decision_scores(logits if logits.ndim == 1 else log_softmax(logits, axis=1), y_new, classes)
    return {**scores, "n_train": len(y), "n_test": len(y_new), "C": chosen}


def _logistic_penalty(z: np.ndarray, y: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The best of `LOGISTIC_PENALTIES` on what the folds hold out, see `evaluate_logistic`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaled = [StandardScaler().fit(z[learnt]).transform(z) for learnt, _ in folds]
    # Each fit starts from the one before, of a stronger penalty: fewer iterations than from zero.
    models = [LogisticRegression(max_iter=LOGISTIC_ITERATIONS, warm_start=True) for _ in folds]
    best, most, since = LOGISTIC_PENALTIES[0], -1, 0
    for penalty in LOGISTIC_PENALTIES:
        hits = 0
        for model, fold, (learnt, held_out) in zip(models, scaled, folds, strict=True):
            model.set_params(C=penalty).fit(fold[learnt], y[learnt])
            hits += int(np.count_nonzero(model.predict(fold[held_out]) == y[held_out]))
        best, most, since = (penalty, hits, 0) if hits > most else (best, most, since + 1)
        # The weakest penalties take most of the time, and are seldom the best of wide embeddings.
        if since == 2:
            break
    return best


def evaluate_nearest(
    z_train: np.ndarray, y_train: np.ndarray, z_test: np.ndarray, y_test: np.ndarray
) -> dict[str, Any]:
    """The label of the nearest training embedding, by Euclidean distance, unscaled.

    Test rows rank for a class, as AUPRC needs, by `nearness`. Of classes equally close the first is predicted.

    Args:
      z_train: `[N, D]` embeddings.
      y_train: `[N]` labels.
      z_test: `[M, D]` embeddings.
      y_test: `[M]` labels, all of which occur in `y_train`.

    Returns:
      `accuracy`, `macro_f1`, `kappa`, `auprc` (see `classification_scores`), `n_train`, `n_test`.

    Raises:
      InputError: as `evaluate_svc`.
    """
    from sklearn.neighbors import NearestNeighbors

    z, y, z_new, y_new, classes = labelled_splits(z_train, y_train, z_test, y_test)
    z, z_new = z.astype(np.float64), z_new.astype(np.float64)
    distances = [NearestNeighbors(n_neighbors=1).fit(z[y == label]).kneighbors(z_new)[0][:, 0] for label in classes]
    scores = decision_scores(nearness(np.stack(distances, axis=1)), y_new, classes)
    return {**scores, "n_train": len(y), "n_test": len(y_new)}


def nearness(distances: np.ndarray) -> np.ndarray:
    """How much closer each class is than the closest of the others: a measure that compares rows, as distance does not.

    Args:
      distances: `[M, K]` from each row to the closest training row of each class, K at least two.

    Returns:
      `[M, K]`, largest for the closest class.
    """
    first, second = np.partition(distances, 1, axis=1)[:, :2].T
    return np.where(distances == first[:, None], second[:, None], first[:, None]) - distances


def fit_ridge_classifier(z_train: np.ndarray, y_train: np.ndarray) -> "Pipeline":
    """A ridge classifier of standardised features, its penalty by leave-one-out squared error on the training set.

    A column that is constant in training is left at zero and gets no weight.

    Args:
      z_train: `[N, D]` features.
      y_train: `[N]` labels.

    Returns:
      The fitted scaler and classifier; the `alpha_` of the classifier is the chosen penalty.

    Raises:
      InputError: as `fit_svc`.

    References:
      Dempster et al. 2021, MiniRocket, arXiv 2012.08791: the classifier and its penalties.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    z, y, _ = labelled_rows(z_train, y_train)
    return make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=RIDGE_PENALTIES)).fit(z, y)


def evaluate_ridge(z_train: np.ndarray, y_train: np.ndarray, z_test: np.ndarray, y_test: np.ndarray) -> dict[str, Any]:
    """Fits `fit_ridge_classifier` on the training features and scores it on the test features.

    Args:
      z_train: `[N, D]` features.
      y_train: `[N]` labels.
      z_test: `[M, D]` features.
      y_test: `[M]` labels, all of which occur in `y_train`.

    Returns:
      `accuracy`, `macro_f1`, `kappa`, `auprc` (see `classification_scores`), `n_train`, `n_test` and the chosen
      `alpha`.

    Raises:
      InputError: as `evaluate_svc`.

    References:
      See `fit_ridge_classifier`.
    """
    z, y, z_new, y_new, classes = labelled_splits(z_train, y_train, z_test, y_test)
    ridge = fit_ridge_classifier(z, y)
    scores = decision_scores(ridge.decision_function(z_new), y_new, classes)
    return {**scores, "n_train": len(y), "n_test": len(y_new), "alpha": float(ridge[-1].alpha_)}


def few_label_rows(y: np.ndarray, fraction: float, seed: int) -> np.ndarray | None:
    """Rows of a training set whose labels are kept, drawn by class.

    There are `round(fraction * N)` rows, but one of every class at least. Each class has its share of them, or one row
    where that is more; the rows left over by rounding go one by one to the class that is furthest below its share.

    Args:
      y: `[N]` labels of the training set.
      fraction: in (0, 1].
      seed: of the draw.

    Returns:
      `[n]` row numbers, ascending; None where `fraction * N` is below 10, too few to say anything: 10 % of the labels
      wants 100 rows, 1 % wants 1,000.

    Raises:
      InputError: y is not `[N]`; a fraction outside (0, 1].
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"y: found shape {labels.shape}, want [N] with at least one row")
    if not 0 < fraction <= 1:
        raise InputError(f"fraction: found {fraction}, want a number above 0, at most 1")
    # The small allowance: the product is not always exact.
    if fraction * len(labels) < FEWEST_LABELLED - 1e-9:
        return None
    _, label, counts = np.unique(labels, return_inverse=True, return_counts=True)
    size = max(round(fraction * len(labels)), len(counts))
    share = size * counts / len(labels)
    kept = np.ones_like(counts)
    while kept.sum() < size:
        kept[np.argmax(share - kept)] += 1
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(label == k))[:number] for k, number in enumerate(kept)]
    return np.sort(np.concatenate(rows))
