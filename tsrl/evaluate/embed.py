"""From a trained method to arrays: encode in chunks of one compiled shape, pool over time, slide a window.

References: Yue et al. (2022), TS2Vec, arXiv 2106.10466; pooling and sliding modes as in the released code's `encode`.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Encoded, Method, Params, as_batch

EncodeMask = Literal["all_true", "mask_last"]
Pooling = Literal["max", "multiscale"] | int | None
Readout = Callable[[list[Array], Array], Array]

# Windows that one call of a method's `last_of_windows` represents; more are no faster per window.
_SHARED_WINDOWS = 2048
# Values of the largest intermediate array in one chunk: 32 MB per copy in float32.
_CHUNK_VALUES = 2**23
# Where the width of a representation cannot be asked for.
_USUAL_WIDTH = 320


@partial(jax.jit, static_argnames=("function", "pooling", "kept"))
def _represent(
    function: Callable[[Params, Aux, Batch], Any],
    params: Params,
    aux: Aux,
    batch: Batch,
    pooling: Pooling = None,
    kept: tuple[int, int] | None = None,
) -> Array:
    out = function(params, aux, batch)
    if not isinstance(out, Encoded):
        return out
    window_max = pooling == "max"
    z = pool_over_time(out.z, None if window_max else pooling)
    if kept is not None:
        steps = batch.mask.shape[1]
        if z.shape[1] == steps:
            z = z[:, slice(*kept)]
        elif kept == (steps - 1, steps):
            # Patches, or a shortened series: the last one stands for the window's last step.
            z = z[:, -1:]
        else:
            raise InputError(
                f"sliding_length: found {kept[1] - kept[0]} for an encoder that gives {z.shape[1]} representations of "
                f"{steps} steps; want 1, with causal=True"
            )
    return z.max(1) if window_max else z


def _in_chunks(apply: Callable[[Batch], Array], x: np.ndarray, mask: EncodeMask, chunk: int) -> np.ndarray:
    """Applies a compiled function to the rows of `x` `[N, T, C]`, `chunk` at a time, all chunks of one shape."""
    visible = np.ones((chunk, x.shape[1]), bool)
    if mask == "mask_last":
        visible[:, -1] = False
    outputs = []
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        # A short last chunk is filled up with its own last row: a second shape would compile a second program.
        filled = np.concatenate([part, np.repeat(part[-1:], chunk - len(part), 0)])
        outputs.append(np.asarray(apply(as_batch(filled, mask=visible)))[: len(part)])
    return np.concatenate(outputs)


def embed_series(method: Method, params: Params, aux: Aux, x: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """The method's own instance representations.

    Args:
      method: made for a single device.
      params: of one seed.
      aux: of one seed.
      x: `[N, T, C]` float32, NaN = missing.
      batch_size: rows at a time; default: what keeps one intermediate array within 32 MB.

    Returns:
      `[N, D]`.
    """
    chunk = _chunk(batch_size, method, params, aux, x)
    return _in_chunks(partial(_represent, method.embed, params, aux), x, "all_true", min(chunk, len(x)))


def readout_series(
    method: Method,
    params: Params,
    aux: Aux,
    x: np.ndarray,
    readout: Readout,
    batch_size: int | None = None,
) -> np.ndarray:
    """Features of whole series, read out of every layer of the encoder.

    Args:
      method: made for a single device; without `layers`, its representation is the only layer.
      params: of one seed.
      aux: of one seed.
      x: `[N, T, C]` float32, NaN = missing.
      readout: `(layers: list of [B, S, D_i], mask [B, S]) -> [B, F]`, pure and jit-able; the mask is True where the
        representations stand for observed steps.
      batch_size: rows at a time; default: what keeps the representations of a chunk within 32 MB.

    Returns:
      `[N, F]`.
    """
    chunk = _chunk(batch_size, method, params, aux, x)
    return _in_chunks(partial(_read_out, method, readout, params, aux), x, "all_true", min(chunk, len(x)))


@partial(jax.jit, static_argnames=("method", "readout"))
def _read_out(method: Method, readout: Readout, params: Params, aux: Aux, batch: Batch) -> Array:
    encoded = method.encode(params, aux, batch)
    layers = [encoded.z] if method.layers is None else method.layers(params, aux, batch)
    return readout(layers, encoded.mask)


def pool_over_time(z: Array, pooling: Pooling) -> Array:
    """Max-pools representations over time.

    Args:
      z: `[B, T, D]`.
      pooling: None leaves z; "max": over all steps; a number w: over the w steps around each step; "multiscale": over
        windows of 3, 5, 9, ... steps around each step, side by side.

    Returns:
      `[B, T, D]`, `[B, D]` for "max", `[B, T, k * D]` for "multiscale" with `k = |{p : 2**p + 1 < T}|`.

    Raises:
      InputError: another pooling, or "multiscale" for fewer than 3 steps.
    """
    if pooling is None:
        return z
    if pooling == "max":
        return z.max(1)
    steps = z.shape[1]
    if isinstance(pooling, Integral) and not isinstance(pooling, bool) and pooling >= 1:
        return _max_around(z, int(pooling))
    if pooling == "multiscale":
        reaches = [2**p for p in range(steps.bit_length()) if 2**p + 1 < steps]
        if not reaches:
            raise InputError(f"pooling: found 'multiscale' for {steps} steps, want at least 3")
        return jnp.concatenate([_max_around(z, 2 * reach + 1) for reach in reaches], -1)
    raise InputError(f"pooling: found {pooling!r}, want 'max', 'multiscale', a window of at least 1 step, or None")


def _max_around(z: Array, window: int) -> Array:
    before = window // 2
    padding = ((0, 0), (before, window - 1 - before), (0, 0))
    return lax.reduce_window(z, -jnp.inf, lax.max, (1, window, 1), (1, 1, 1), padding)


def sliding_windows(x: np.ndarray, length: int, before: int, after: int) -> np.ndarray:
    """Windows that advance by `length` steps, each with context: `[N, T, C] -> [N, ceil(T / length), W, C]`.

    W = before + length + after; steps outside the series are NaN.
    """
    count = -(-x.shape[1] // length)
    padding = ((0, 0), (before, count * length - x.shape[1] + after), (0, 0))
    padded = np.pad(x, padding, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, before + length + after, axis=1)[:, ::length]
    return windows.swapaxes(2, 3)


def encode_series(
    method: Method,
    params: Params,
    aux: Aux,
    x: np.ndarray,
    *,
    mask: EncodeMask = "all_true",
    pooling: Pooling = None,
    sliding_length: int | None = None,
    sliding_padding: int = 0,
    causal: bool = False,
    batch_size: int | None = None,
) -> np.ndarray:
    """One representation per step, from whole series or sliding windows.

    Args:
      method: made for a single device.
      params: of one seed.
      aux: of one seed.
      x: `[N, T, C]` float32, NaN = missing.
      mask: "mask_last" hides the last step of each series, or of each window.
      pooling: see `pool_over_time`; with sliding windows each window is pooled by itself.
      sliding_length: encode windows that advance by this many steps; None = the series as a whole.
      sliding_padding: steps of context before (and, unless causal, after) those of the window that are kept.
      causal: no context after the kept steps.
      batch_size: series or windows at a time, each encoded by itself; default: what keeps one intermediate array within
        32 MB, and for causal windows that advance by one step the method's shortcut if it has one.

    Returns:
      `[N, S, D']`, S = T for most methods; with sliding windows `S = ceil(T / sliding_length) * sliding_length`;
      `[N, D]` for pooling "max".

    Raises:
      InputError: unknown mask or pooling, lengths below their minimum.
    """
    if mask not in ("all_true", "mask_last"):
        raise InputError(f"mask: found {mask!r}, want 'all_true' or 'mask_last'")
    if sliding_length is None:
        chunk = min(len(x), _chunk(batch_size, method, params, aux, x))
        return _in_chunks(partial(_represent, method.encode, params, aux, pooling=pooling), x, mask, chunk)
    if sliding_length < 1 or sliding_padding < 0:
        raise InputError(
            f"sliding_length, sliding_padding: found {sliding_length}, {sliding_padding}, want at least 1 and 0"
        )
    if method.last_of_windows is not None and causal and sliding_length == 1 and pooling is None and batch_size is None:
        return _last_of_windows(method, params, aux, x, sliding_padding, mask == "mask_last")
    windows = sliding_windows(x, sliding_length, sliding_padding, 0 if causal else sliding_padding)
    kept = (sliding_padding, sliding_padding + sliding_length)
    apply = partial(_represent, method.encode, params, aux, pooling=pooling, kept=kept)
    count = windows.shape[1]
    chunk = min(count, _chunk(batch_size, method, params, aux, windows[0]))
    # Windows are views of the series: they are copied a chunk at a time, never all at once.
    z = np.stack([_in_chunks(apply, series, mask, chunk) for series in windows])
    if pooling == "max":
        return z.max(1)
    return z.reshape(len(x), count * sliding_length, -1)


def _last_of_windows(method: Method, params: Params, aux: Aux, x: np.ndarray, before: int, hide: bool) -> np.ndarray:
    """The last step of each window of `before + 1` steps, `[N, T, C] -> [N, T, D]`, through the method's shortcut."""
    steps = min(x.shape[1], _SHARED_WINDOWS)
    stretches = sliding_windows(x, steps, before, 0)
    count, stretch = stretches.shape[:2]
    flat = stretches.reshape(count * stretch, before + steps, x.shape[2])
    chunk = min(len(flat), _SHARED_WINDOWS // steps)
    apply = partial(_shared, method, params, aux, before=before, hide=hide)
    z = _in_chunks(apply, flat, "all_true", chunk)
    return z.reshape(count, stretch * steps, -1)[:, : x.shape[1]]


@partial(jax.jit, static_argnames=("method", "before", "hide"))
def _shared(method: Method, params: Params, aux: Aux, batch: Batch, before: int, hide: bool) -> Array:
    assert method.last_of_windows is not None
    return method.last_of_windows(params, aux, batch, before, hide)


def _chunk(batch_size: int | None, method: Method, params: Params, aux: Aux, x: np.ndarray) -> int:
    if batch_size is not None:
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise InputError(f"batch_size: found {batch_size!r}, want a whole number from 1 up")
        return int(batch_size)
    try:
        z = jax.eval_shape(lambda: method.encode(params, aux, as_batch(np.zeros((1, *x.shape[1:]), np.float32)))).z
    except InputError:
        # A method that embeds series of any length, but represents the steps of one length only.
        return max(1, _CHUNK_VALUES // (x.shape[1] * _USUAL_WIDTH))
    return max(1, _CHUNK_VALUES // int(np.prod(z.shape)))


def predict_windows(method: Method, params: Params, aux: Aux, x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A supervised model's forecasts.

    Args:
      method: made for a single device, with `predict`.
      params: of one seed.
      aux: of one seed.
      x: `[N, L, K + C]` windows, their first K channels known in advance.
      known: `[N, H, K]` those channels after the windows.

    Returns:
      `[N, H, C]`.
    """
    assert method.predict is not None
    chunk = min(len(x), 128)
    # No value after the window reaches the model.
    target = np.zeros((len(x), known.shape[1], x.shape[2]), np.float32)
    target[..., : known.shape[2]] = known
    outputs = []
    for start in range(0, len(x), chunk):
        part = np.arange(start, min(start + chunk, len(x)))
        filled = np.concatenate([part, np.repeat(part[-1:], chunk - len(part))])
        batch = as_batch(x[filled], target=jnp.asarray(target[filled]))
        outputs.append(np.asarray(_represent(method.predict, params, aux, batch))[: len(part)])
    return np.concatenate(outputs)
