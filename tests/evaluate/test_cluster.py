"""k-means scores against their definitions."""

import math

import numpy as np
import pytest
from sklearn.cluster import KMeans

from tsrl.errors import InputError
from tsrl.evaluate import cluster
from tsrl.evaluate.cluster import evaluate_kmeans

CENTRES = np.array([[0.0, 0], [3, 0], [0, 3], [9, 9]])
Y = np.repeat(np.arange(4), 15)
Z = CENTRES[Y] + np.random.default_rng(0).normal(size=(60, 2))


def entropy(counts):
    share = counts[counts > 0] / counts.sum()
    return -np.sum(share * np.log(share))


def pairs(counts):
    return np.sum(counts * (counts - 1)) / 2


def slow_silhouette(z, found):
    distance = np.linalg.norm(z[:, None] - z, axis=2)
    widths = []
    for n, mine in enumerate(found):
        own = (found == mine) & (np.arange(len(z)) != n)
        inside = distance[n, own].mean()
        outside = min(distance[n, found == other].mean() for other in set(found) - {mine})
        widths.append((outside - inside) / max(inside, outside))
    return np.mean(widths)


def test_scores_equal_their_definitions():
    found = KMeans(4, n_init=10, random_state=0).fit_predict(Z)
    table = np.array([[np.sum((a == Y) & (found == b)) for b in range(4)] for a in range(4)])
    rows, columns = table.sum(1), table.sum(0)
    shared = entropy(rows) + entropy(columns) - entropy(table.ravel())
    by_chance = pairs(rows) * pairs(columns) / pairs(np.array(60))
    result = evaluate_kmeans(Z, Y)
    assert result["nmi"] == pytest.approx(2 * shared / (entropy(rows) + entropy(columns)))
    assert result["ari"] == pytest.approx((pairs(table) - by_chance) / ((pairs(rows) + pairs(columns)) / 2 - by_chance))
    assert result["silhouette"] == pytest.approx(slow_silhouette(Z, found))
    assert (result["n_test"], result["k"]) == (60, 4)
    assert 0.5 < result["nmi"] < 1


def test_clusters_do_not_depend_on_names_or_order_of_labels():
    names = np.array(["z", "b", "q", "a"])[Y]
    assert evaluate_kmeans(Z, names) == pytest.approx(evaluate_kmeans(Z, Y))


def test_number_of_clusters_can_be_given():
    result = evaluate_kmeans(Z, Y, k=2, seed=3)
    assert result["k"] == 2
    assert result["silhouette"] == pytest.approx(
        slow_silhouette(Z, KMeans(2, n_init=10, random_state=3).fit_predict(Z))
    )


@pytest.mark.parametrize(
    ("z", "y", "k"),
    [(Z, Y, 1), (Z, Y, 60), (np.ones((60, 2)), Y, None), (np.eye(3), np.arange(3), None)],
)
def test_undefined_silhouette_is_nan_without_a_warning(z, y, k):
    result = evaluate_kmeans(z, y, k=k)
    assert math.isnan(result["silhouette"])
    assert 0 <= result["nmi"] <= 1
    assert -0.5 <= result["ari"] <= 1


def test_fewer_different_rows_than_clusters_make_fewer_clusters():
    result = evaluate_kmeans(CENTRES[Y % 2], Y)
    assert result["silhouette"] == 1.0
    assert result["k"] == 4


def test_silhouette_of_a_large_set_is_of_a_sample(monkeypatch):
    monkeypatch.setattr(cluster, "SILHOUETTE_ROWS", 40)
    found = KMeans(4, n_init=10, random_state=2).fit_predict(Z)
    rows = np.random.default_rng(2).choice(60, 40, replace=False)
    assert evaluate_kmeans(Z, Y, seed=2)["silhouette"] == pytest.approx(slow_silhouette(Z[rows], found[rows]))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((Z, 0 * Y), "y_test: found 1 label, want at least two"),
        ((Z, Y, 0), "k: found 0, want 1 to 60"),
        ((Z, Y, 61), "k: found 61"),
        ((np.where(Z > 8, np.nan, Z), Y), "z_test: found NaN"),
        ((Z, Y[:9]), r"y_test: found shape \(9,\), want \[60\]"),
    ],
)
def test_wrong_input_is_named(inputs, message):
    with pytest.raises(InputError, match=message):
        evaluate_kmeans(*inputs)
