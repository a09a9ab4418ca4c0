"""A hierarchy of clusters over a data set, found anew at every epoch: what CCL and MHCCL plan with.

References: Sarfraz, Sharma, Stiefelhagen (2019), Efficient Parameter-free Clustering Using First Neighbor Relations
(FINCH), CVPR 2019, through the package `finch-clust`.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Params

# FINCH compares all pairs of up to so many series; of more it needs a search for neighbours that is not exact.
MOST = 20_000
_AT_ONCE = 256


class Level(NamedTuple):
    """One partition of N series into K clusters.

    Attributes:
      cluster: `[N]` int, that of each series.
      prototypes: `[K, D]`, the mean of what belongs to a cluster, of unit length.
      parent: `[K]` int, the cluster of the next, coarser level that holds this one; at the coarsest each is its own.
    """

    cluster: np.ndarray
    prototypes: np.ndarray
    parent: np.ndarray


def check_data(data: Batch) -> None:
    """What can be clustered: see `Method.check_data`.

    Raises:
      InputError: too few series, too many, or no FINCH.
    """
    count = len(data.mask)
    if count < 4:
        raise InputError(f"data: found {count} series to cluster, want at least 4")
    if count > MOST:
        raise InputError(f"data: found {count} series to cluster, want at most {MOST}: all pairs are compared")
    try:
        _finch()
    except ImportError as error:
        raise InputError("clusters: found no finch-clust: pip install 'tsrl[clusters]'") from error


def features_of(represent: Callable[[Params, Aux, Batch], Array], params: Params, aux: Aux, data: Batch) -> np.ndarray:
    """`represent` of a whole data set, some rows at a time: `[N, D]`.

    Args:
      represent: pure and jit-able, `(params, aux, batch) -> [B, D]`.
      params: of the method.
      aux: of the method.
      data: on the host or on devices.
    """
    count = len(data.mask)
    some = min(_AT_ONCE, count)
    found = []
    for start in range(0, count, some):
        # The last rows again where there are too few: one program for all.
        rows = np.minimum(np.arange(start, start + some), count - 1)
        found.append(np.asarray(represent(params, aux, data.take(rows)))[: count - start])
    return np.concatenate(found)


def hierarchy(z: np.ndarray, levels: int, farthest: float) -> list[Level]:
    """FINCH's partitions, the finest first.

    Args:
      z: `[N, D]` of unit length.
      levels: at most so many; a coarser one, if there is one, says the last one's parents.
      farthest: what lies farther from the mean of its cluster does not count for its prototype, unless all do.

    Returns:
      One to `levels` levels.
    """
    partitions = list(_partitions(z).T[: levels + 1])
    found: list[Level] = []
    members = z
    for place, cluster in enumerate(partitions[:levels]):
        # Whose members: the series, above them the clusters below.
        of_members = cluster if place == 0 else _first_of(partitions[place - 1], cluster)
        prototypes = _prototypes(members, of_members, farthest)
        coarser = partitions[place + 1] if place + 1 < len(partitions) else cluster
        found.append(Level(cluster, prototypes, _first_of(cluster, coarser)))
        members = prototypes
    return found


def _first_of(fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """The coarse cluster of each fine one."""
    _, place = np.unique(fine, return_index=True)
    return coarse[place]


def _prototypes(members: np.ndarray, cluster: np.ndarray, farthest: float) -> np.ndarray:
    means = _unit(_means(members, cluster, np.ones(len(members))))
    near = np.linalg.norm(members - means[cluster], axis=-1) <= farthest
    # A cluster whose members are all far keeps them.
    near |= np.bincount(cluster, near, len(means))[cluster] == 0
    return _unit(_means(members, cluster, near.astype(float))).astype(np.float32)


def _means(members: np.ndarray, cluster: np.ndarray, weight: np.ndarray) -> np.ndarray:
    total = np.zeros((cluster.max() + 1, members.shape[1]))
    np.add.at(total, cluster, members * weight[:, None])
    return total / np.bincount(cluster, weight)[:, None]


def _unit(z: np.ndarray) -> np.ndarray:
    return z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-12)


def _finch() -> Any:
    with warnings.catch_warnings():
        # It says that it lacks an optional package for large sets.
        warnings.simplefilter("ignore")
        from finch import FINCH
    return FINCH


def _partitions(z: np.ndarray) -> np.ndarray:
    """`[N, P]`, at least one column; clusters are numbered from 0 without gaps."""
    found = _finch()(z, distance="euclidean", ann_threshold=MOST, verbose=False)[0]
    columns = found.reshape(len(z), -1).T
    return np.stack([np.unique(column, return_inverse=True)[1] for column in columns], 1).astype(np.int32)
