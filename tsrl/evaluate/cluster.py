"""Clustering of frozen embeddings, scored against the labels and by itself."""

import warnings
from typing import Any

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.classify import checked_rows

SILHOUETTE_ROWS = 10_000


def evaluate_kmeans(z_test: np.ndarray, y_test: np.ndarray, k: int | None = None, seed: int = 0) -> dict[str, Any]:
    """K-means on embeddings, the best of ten starts.

    The labels are compared with the clusters and otherwise give only their number, so no training set is needed.

    Args:
      z_test: `[N, D]` embeddings, used as they are: not rescaled.
      y_test: `[N]` labels, at least two different ones.
      k: number of clusters; default: of different labels.
      seed: of the starts, and of the rows of a large set that the silhouette sees.

    Returns:
      `nmi` (arithmetic mean of the entropies), `ari`, `silhouette` (Euclidean; of 10,000 random rows where there are
      more), `n_test`, `k`. Embeddings with fewer than k different rows make fewer clusters. The silhouette is NaN where
      it is undefined: a single cluster, or as many as rows.

    Raises:
      InputError: wrong ranks, row counts that differ, NaN or infinite embeddings, one label, k outside [1, N].
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

    z, y = checked_rows("test", z_test, y_test)
    labels = len(np.unique(y))
    if labels < 2:
        raise InputError(f"y_test: found {labels} label, want at least two")
    clusters = labels if k is None else k
    if not 1 <= clusters <= len(z):
        raise InputError(f"k: found {clusters}, want 1 to {len(z)}, the number of rows")
    z = z.astype(np.float64)
    with warnings.catch_warnings():
        # Expected of collapsed embeddings; the docstring says what comes of it.
        warnings.filterwarnings("ignore", message="Number of distinct clusters", category=ConvergenceWarning)
        found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(z)
    rows = np.arange(len(z))
    if len(z) > SILHOUETTE_ROWS:
        rows = np.random.default_rng(seed).choice(len(z), SILHOUETTE_ROWS, replace=False)
    defined = 1 < len(np.unique(found[rows])) < len(rows)
    return {
        "nmi": float(normalized_mutual_info_score(y, found)),
        "ari": float(adjusted_rand_score(y, found)),
        "silhouette": float(silhouette_score(z[rows], found[rows])) if defined else float("nan"),
        "n_test": len(z),
        "k": clusters,
    }
