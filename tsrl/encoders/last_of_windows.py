"""Representations of the last step of every sliding window, without encoding the windows.

In a window of `before + 1` steps, the last output of a convolution with dilation d depends on every d-th step counted
back from the end only. Working back through the blocks, each needs its input on a grid twice as fine as its output's: a
pyramid. And a step far enough from both ends of a window has in it the value it has in an endless series, the same for
all windows that hold it. So every layer is computed once along the whole series, and besides, for each window, at the
few grid points that feel its ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tsrl.encoders.convolution import dilated_convolution, matmul
from tsrl.encoders.layers import gelu
from tsrl.types import Array

# With fewer grid points than this to read from the series, windows compute these too: the pass over the series, a
# product for each of its steps, would cost about as much.
_LEAST_SHARED = 3


class _Layer(NamedTuple):
    """One layer's values in all windows, at grid points counted back from the end of the window.

    Attributes:
      own: grid point -> `[B, T, width]`, the values that the ends of the window change, for each of T windows.
      series: `[B, before + T, width]`, the values away from all ends; None when all that is needed is in `own`.
    """

    own: dict[int, Array]
    series: Array | None

    def at(self, point: int, spacing: int, before: int) -> Array:
        """`[B, T, width]` at a grid point inside the windows."""
        if self.series is None or point in self.own:
            return self.own[point]
        start = before - point * spacing
        return self.series[:, start : start + self.series.shape[1] - before]


def last_of_windows(
    params: Mapping[str, Any], h: Array, before: int, depth: int, *, hide_last: bool = False, dtype: str = "float32"
) -> Array:
    """What a `DilatedConv` gives for the last step of each window of `before + 1` steps.

    Args:
      params: of the `DilatedConv`.
      h: `[B, before + T, width]` projected steps, missing ones zero.
      before: steps of a window before its last, 0 or more.
      depth: the `DilatedConv`'s.
      hide_last: whether each window's last step enters as zeros.
      dtype: of the products' factors, see `dilated_convolution`.

    Returns:
      `[B, T, features]`, equal to the encoder's on each window up to rounding.
    """
    spacing, last = 1, before
    layer = _Layer({0: jnp.zeros_like(h[:, before:])} if hide_last else {}, h)
    for block in range(depth + 1):
        # The next block, twice as dilated, needs every second point; the last block's output only the end.
        outputs = range(0, last + 1, 2) if block < depth else range(1)
        inner, outer = (params[f"block_{block}_conv_{i}"] for i in range(2))
        reach = len(outer["kernel"]) // 2
        between = sorted({p + tap for p in outputs for tap in range(-reach, reach + 1) if 0 <= p + tap <= last})
        y = _convolve(layer, inner, spacing, last, before, between, dtype)
        y = _convolve(y, outer, spacing, last, before, outputs, dtype)
        own = {p // 2: value + _skip(params, block, layer.at(p, spacing, before), dtype) for p, value in y.own.items()}
        kept = (
            None if y.series is None or layer.series is None else y.series + _skip(params, block, layer.series, dtype)
        )
        layer = _Layer(own, kept)
        spacing, last = 2 * spacing, last // 2
    return layer.at(0, spacing, before)


def _skip(params: Mapping[str, Any], block: int, h: Array, dtype: str) -> Array:
    """The residual path of a block."""
    projection = params.get(f"block_{block}_projection")
    return h if projection is None else matmul(h, projection["kernel"][0], dtype) + projection["bias"]


def _convolve(
    layer: _Layer,
    weights: Mapping[str, Array],
    spacing: int,
    last: int,
    before: int,
    points: Sequence[int],
    dtype: str,
) -> _Layer:
    """GELU and a convolution of taps `spacing` apart, at some grid points of the windows that reach to `last`."""
    kernel, bias = weights["kernel"], weights["bias"]
    layer = jax.tree.map(gelu, layer)
    reach = len(kernel) // 2

    def sees(point: int) -> list[int]:
        return [point + reach - tap for tap in range(len(kernel))]  # the oldest first, as the kernel's taps are

    own = [p for p in points if any(not 0 <= q <= last or q in layer.own for q in sees(p))]
    if layer.series is None or len(points) - len(own) < _LEAST_SHARED:
        own = list(points)
    values = _own_values(layer, kernel, {p: sees(p) for p in own}, spacing, last, before, dtype) if own else {}
    values = {p: value + bias for p, value in values.items()}
    series = None
    if layer.series is not None and len(own) < len(points):
        series = dilated_convolution(layer.series, kernel, bias, spacing, dtype)
    return _Layer(values, series)


def _own_values(
    layer: _Layer, kernel: Array, sees: dict[int, list[int]], spacing: int, last: int, before: int, dtype: str
) -> dict[int, Array]:
    """A convolution without its bias, at the grid points that are the keys of `sees`; its values are what taps see."""
    # Taps that are outside of the window at every point see zeros only.
    taps = [tap for tap in range(len(kernel)) if any(0 <= seen[tap] <= last for seen in sees.values())]
    outside = jnp.zeros_like(layer.at(0, spacing, before))

    def side_by_side(seen: list[int]) -> Array:
        points = [seen[tap] for tap in taps]
        return jnp.concatenate([layer.at(q, spacing, before) if 0 <= q <= last else outside for q in points], -1)

    chosen = kernel[jnp.array(taps)].reshape(-1, kernel.shape[-1])
    values = matmul(jnp.stack([side_by_side(seen) for seen in sees.values()]), chosen, dtype)
    return dict(zip(sees, values, strict=True))
