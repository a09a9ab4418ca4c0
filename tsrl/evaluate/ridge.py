"""Ridge regression of a series' future in closed form, every penalty and every horizon from shared sums.

All penalties share one eigendecomposition of the Gram matrix, horizons share the sums over the rows they have in
common, and a forecast of targets minus a value of the origin (an *anchor*) costs one more column: ridge is linear in
its targets, so the forecast of `y - anchor` is that of `y` minus that of `anchor`.

Rows are origins t with targets `x[t+1..t+H]`, read from the series a block at a time: `[N, H, C]` never exists.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tsrl.evaluate.origins import Series

# The published grid (TS2Vec).
PENALTIES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
# For windows, whose many correlated values need more: raw windows of ETTh1 choose up to 200,000.
WINDOW_PENALTIES = (*PENALTIES, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)
# Origins at a time: their targets of 720 steps and one channel take 3 MB.
BLOCK = 512
# Features at a time where rows are multiplied with rows: 4,096 float64 rows take 134 MB.
_KERNEL_BLOCK = 4096
# Features up to which a Gram matrix counts as small.
_SMALL = 512

# Origins `[n]` -> features `[n, G, F]`: G = 1, one row an origin that forecasts all channels jointly, or G = C, one row
# an origin and channel under one map that the channels share.
Features = Callable[[np.ndarray], np.ndarray]


class RidgePath(NamedTuple):
    """A ridge regression for every penalty: coefficients are `basis @ (weights / (eigenvalues + penalty))`.

    Attributes:
      mean: `[F]` of the training rows; zeros without an intercept. F counts features, or training rows where the query
        is a row of the kernel.
      basis: `[F, R]` eigenvectors.
      eigenvalues: `[R]` of the centred Gram matrix.
      weights: `[G, R, V + H]` products of training rows in the basis with anchors and targets; G = C, a map for each
        channel, or 1, a map that the channels share.
      intercept: `[G, V + H]` the mean target; zeros without an intercept.
    """

    mean: np.ndarray
    basis: np.ndarray
    eigenvalues: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray


def fit_ridge(
    features: Features,
    series: Series,
    origins: np.ndarray,
    stop: int,
    horizons: Sequence[int],
    *,
    intercept: bool = True,
    max_dual_rows: int | None = None,
) -> tuple[dict[int, RidgePath], Features]:
    """Fits one ridge regression a horizon, each on the origins whose targets end before `stop`.

    Minimises squared error plus penalty times the squared coefficients; the intercept is free of penalty. The same as
    scikit-learn's `Ridge`. With fewer features than rows the eigenvectors are those of the features (primal), otherwise
    those of the rows (dual).

    Args:
      features: see `Features`; called for at most `BLOCK` origins at a time.
      series: see `Series`.
      origins: `[N]` ascending training origins of the shortest horizon.
      stop: the first step that no target may reach.
      horizons: steps ahead, each at least 1.
      intercept: False leaves rows and targets as they are.
      max_dual_rows: rows that the dual may have; more are thinned to evenly spaced origins. Features beyond twice that
        many go the dual way too. None: no limit.

    Returns:
      Horizon -> `RidgePath`, and the function of origins whose output the paths take: `features`, or products with
      the training rows.

    References:
      Hoerl and Kennard 1970, Ridge regression; Saunders et al. 1998, Ridge regression learning algorithm in dual
      variables.
    """
    probe = features(origins[:BLOCK])
    # A shift near the mean keeps the centred sums exact where features vary little around a large value.
    shift = probe.mean((0, 1), dtype=np.float64) if intercept else np.zeros(probe.shape[2])
    maps, width = probe.shape[1:]
    rows = len(origins) * maps
    if width < rows and (max_dual_rows is None or width <= 2 * max_dual_rows):
        with _blas_threads(width):
            return _fit_primal(features, shift, maps, series, origins, stop, horizons, intercept), features
    if max_dual_rows is not None and rows > max_dual_rows:
        kept = max(1, max_dual_rows // maps)
        origins = origins[np.arange(kept) * len(origins) // kept]
    stored = np.empty((len(origins), maps, width), probe.dtype)
    for start in range(0, len(origins), BLOCK):
        stored[start : start + BLOCK] = features(origins[start : start + BLOCK])
    kernel = _products(stored, stored, shift).reshape(len(origins) * maps, -1)
    paths = _fit_dual(kernel, maps, series, origins, stop, horizons, intercept)
    return paths, lambda asked: _products(features(asked), stored, shift)


def path_errors(
    path: RidgePath,
    query: np.ndarray,
    series: Series,
    origins: np.ndarray,
    horizon: int,
    penalties: Sequence[float],
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """Sums of squared and of absolute errors over origins and steps.

    Args:
      path: a fit for `horizon`.
      query: `[n, G, F]` what `fit_ridge`'s function gives for `origins`.
      series: see `Series`.
      origins: `[n]`.
      horizon: H.
      penalties: `[P]`, positive.
      dtype: of the forecasts. In float32 the sums are right to about 1e-7, for twice the speed: targets are centred and
        representations rotated in float64 before they are rounded.

    Returns:
      `[2, V, P, C]` float64.
    """
    channels, variants, _ = series.anchors.shape
    sums = np.empty((2, variants, len(penalties), channels))

    def rotated(row: int) -> list[np.ndarray]:
        z = (query[:, row, : len(path.mean)] - path.mean) @ path.basis
        return [(z / (path.eigenvalues + penalty)).astype(dtype, copy=False) for penalty in penalties]

    with _blas_threads(len(path.mean)):
        common = rotated(0) if query.shape[1] == 1 else None

    def add(channel: int) -> None:
        target = series.columns(channel, origins, horizon) - path.intercept[channel % len(path.intercept)]
        target = target.astype(dtype, copy=False)
        weights = path.weights[channel % len(path.weights)].astype(dtype, copy=False)
        residual, error = np.empty_like(target), np.empty((len(origins), horizon), dtype)
        for p, z in enumerate(common or rotated(channel)):
            np.subtract(target, np.matmul(z, weights, out=residual), out=residual)
            for v in range(variants):
                np.subtract(residual[:, variants:], residual[:, v, None], out=error)
                # Rows are summed by themselves and then in float64, so that float32 sums stay short.
                sums[0, v, p, channel] = np.vecdot(error, error).sum(dtype=np.float64)
                sums[1, v, p, channel] = np.abs(error, out=error).sum(-1).sum(dtype=np.float64)

    _each_channel(add, channels)
    return sums


def _fit_primal(
    features: Features,
    shift: np.ndarray,
    maps: int,
    series: Series,
    origins: np.ndarray,
    stop: int,
    horizons: Sequence[int],
    intercept: bool,
) -> dict[int, RidgePath]:
    """From sums over rows that grow from the longest horizon, which has the fewest origins, to the shortest."""
    channels, variants, _ = series.anchors.shape
    groups, width, columns = _groups(channels, maps), len(shift), variants + max(horizons)
    # Small sums are kept by channel, so that the channels can be added side by side.
    apart = width <= _SMALL
    gram, total = np.zeros((maps if apart else 1, width, width)), np.zeros((maps, width))
    cross = np.zeros((channels if apart else groups, width, columns))
    target_total = np.zeros((channels, columns))

    def add(part: np.ndarray, z: np.ndarray, horizon: int, channel: int) -> None:
        rows, y = z[:, channel % maps], series.columns(channel, part, horizon)
        cross[channel % len(cross), :, : y.shape[1]] += rows.T @ y
        target_total[channel, : y.shape[1]] += y.sum(0)
        if channel < maps:
            gram[channel % len(gram)] += rows.T @ rows
            total[channel] += rows.sum(0)

    paths, start = {}, 0
    for horizon in sorted(horizons, reverse=True):
        count = int(np.searchsorted(origins, stop - horizon))
        for part in blocks(origins[start:count]):
            block = partial(add, part, features(part) - shift, horizon)
            if apart:
                _each_channel(block, channels)
            else:
                for channel in range(channels):
                    block(channel)
        start = count
        rows, used = count * channels // groups, variants + horizon
        mean = total.sum(0) / (count * maps)
        target_mean = target_total[:, :used].reshape(groups, -1, used).sum(1) / rows
        if not intercept:
            mean, target_mean = np.zeros_like(mean), np.zeros_like(target_mean)
        eigenvalues, basis = np.linalg.eigh(gram.sum(0) - count * maps * np.outer(mean, mean))
        weights = np.empty((groups, width, used))
        for group in range(groups):
            products = cross[group] if len(cross) == groups else cross.sum(0)
            weights[group] = basis.T @ (products[:, :used] - rows * np.outer(mean, target_mean[group]))
        paths[horizon] = RidgePath(shift + mean, basis, np.maximum(eigenvalues, 0), weights, target_mean)
    return paths


def _fit_dual(
    kernel: np.ndarray,
    maps: int,
    series: Series,
    origins: np.ndarray,
    stop: int,
    horizons: Sequence[int],
    intercept: bool,
) -> dict[int, RidgePath]:
    """From the products of rows with rows, of which each horizon uses the first part."""
    channels, variants, _ = series.anchors.shape
    groups = _groups(channels, maps)
    paths = {}
    for horizon in horizons:
        count = int(np.searchsorted(origins, stop - horizon))
        gram = kernel[: count * maps, : count * maps]
        mean = gram.mean(0) if intercept else np.zeros(len(gram))
        centred = gram - mean
        if intercept:
            centred -= centred.mean(1, keepdims=True)
        eigenvalues, basis = np.linalg.eigh(centred)
        if intercept:
            # This centres the products of every query, and the targets, once for all.
            basis -= basis.mean(0)
        by_origin = basis.reshape(count, maps, -1)
        weights = np.zeros((groups, basis.shape[1], variants + horizon))
        target_total = np.zeros((groups, variants + horizon))
        for start in range(0, count, BLOCK):
            part = slice(start, min(start + BLOCK, count))
            for channel in range(channels):
                y = series.columns(channel, origins[part], horizon)
                weights[channel % groups] += by_origin[part, channel % maps].T @ y
                target_total[channel % groups] += y.sum(0)
        target_mean = target_total / (count * channels // groups) if intercept else np.zeros_like(target_total)
        paths[horizon] = RidgePath(mean, basis, np.maximum(eigenvalues, 0), weights, target_mean)
    return paths


@cache
def _blas() -> Any:
    """What sets the number of BLAS threads; scikit-learn brings the library."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _blas_threads(width: int) -> Any:
    """One BLAS thread where matrices are small: on busy cores more of them wait for each other most of the time."""
    return _blas().limit(limits=1 if width <= _SMALL else None)


def _each_channel(work: Callable[[int], None], channels: int) -> None:
    """Runs independent work of the channels on all cores, which serves sums and small products alike."""
    with _blas().limit(limits=1), ThreadPoolExecutor(min(channels, os.cpu_count() or 1)) as pool:
        list(pool.map(work, range(channels)))


def _groups(channels: int, maps: int) -> int:
    """How many sets of coefficients: one a channel where an origin is one row, one for all where it is a row each."""
    return channels if maps == 1 else 1


def _products(z: np.ndarray, stored: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Products of shifted rows `[n, G, F]` with all shifted training rows `[N, G, F]`: `[n, G, N * G]` in float64."""
    width = len(shift)
    products = np.zeros((z.shape[0] * z.shape[1], stored.shape[0] * stored.shape[1]))
    for start in range(0, width, _KERNEL_BLOCK):
        part = slice(start, start + _KERNEL_BLOCK)
        right = stored.reshape(-1, width)[:, part] - shift[part]
        # The same array twice lets numpy compute one half and mirror it.
        left = right if z is stored else z.reshape(-1, width)[:, part] - shift[part]
        products += left @ right.T
    return products.reshape(*z.shape[:2], -1)


def blocks(origins: np.ndarray) -> Iterator[np.ndarray]:
    """The origins, at most `BLOCK` at a time."""
    return (origins[start : start + BLOCK] for start in range(0, len(origins), BLOCK))
