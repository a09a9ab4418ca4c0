"""CoST: trend contrasted in the time domain against a queue, season in the frequency domain.

References: Woo, Liu, Sahoo, Kumar, Hoi (2022), CoST: Contrastive Learning of Disentangled Seasonal-Trend
Representations for Time Series Forecasting, arXiv 2202.01575. Where paper and released code differ, the code is
followed: one band of frequencies, a queue of 256 keys, both seasonal views through the trained encoder, dropout on the
season. Not followed: that code zeroes missing steps in the input itself, so that its second pass over a view takes them
for observed zeros; here they are missing in every pass.
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl import parallel
from tsrl.encoders.disentangle import Disentangle
from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.losses.nt_xent import unit
from tsrl.methods.backbone import Backbone, own_parts
from tsrl.methods.cost_contrast import Parts, compared, contrast, draw_views
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params

# Windows that are encoded at a time in `last_of_windows`: keeps the widest array at 16 MB for the published sizes.
_WINDOWS = 64


def cost(
    encoder: nn.Module,
    *,
    alpha: float = 5e-4,
    length: int = 201,
    longest_kernel: int = 128,
    queue: int = 256,
    temperature: float = 0.07,
    momentum: float = 0.999,
    sigma: float = 0.5,
    dropout: float = 0.1,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """CoST over any encoder that keeps the length.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form, of an even number of features: half are the
        trend's, half the season's.
      alpha: weight of the season's contrast.
      length: steps of the training series and of every window that is represented: the season has weights for each
        frequency.
      longest_kernel: the trend is a mean of causal convolutions over 1, 2, 4, ... up to this many steps.
      queue: earlier keys that the trend is contrasted with; at least the batch size.
      temperature: of the trend's contrast.
      momentum: of the encoder that makes the keys.
      sigma: strength of the augmentations, see `views.perturbed`.
      dropout: rate on the season in training.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range.

    Returns:
      A `Method` with `params = {"front", "encoder", "branches", "head"}` and `aux = {"momentum": the same but for the
      season, "queue": [K, D / 2], "pointer": where the next key goes, "stats": batch statistics}`.
    """
    for name, count, least in [("length", length, 2), ("longest_kernel", longest_kernel, 1), ("queue", queue, 1)]:
        check_whole(name, count, least)
    for name, rate in [("dropout", dropout), ("momentum", momentum)]:
        check_rate(name, rate)
    for name, value in [("alpha", alpha), ("sigma", sigma)]:
        if not 0 <= value < math.inf:
            raise InputError(f"{name}: found {value}, want a finite number from 0 up")
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature: found {temperature}, want a finite number above 0")
    backbone = Backbone(encoder, front, axis_name)
    backbone.need_steps("cost")
    kernels = tuple(2**i for i in range(longest_kernel.bit_length()))
    parts = Parts(backbone, Disentangle(length, kernels), ProjectionHead())

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, branches_key, head_key, queue_key = jax.random.split(key, 4)
        params, stats = backbone.init(backbone_key, batch)
        width = jax.eval_shape(lambda: backbone(params, stats, batch.fields, batch.mask)[0]).shape[-1]
        if width % 2:
            raise InputError(f"encoder.features: found {width}, want an even number: half trend, half season")
        branches = parts.branches.init(branches_key, jnp.zeros((1, length, width)), "both_last")["params"]
        head = parts.head.init(head_key, jnp.zeros((1, width // 2)))["params"]
        params = {**params, "branches": branches, "head": head}
        keys = unit(jax.random.normal(queue_key, (queue, width // 2)))
        return params, {
            "momentum": compared(params),
            "queue": keys,
            "pointer": jnp.zeros((), jnp.int32),
            "stats": stats,
        }

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        steps = batch.mask.shape[1]
        if steps != length:
            raise InputError(
                f"length: found {length} for training examples of {steps} steps; want the same: "
                + (f"--train.max-train-length {length}, or " if steps > length else "")
                + f"--method.length {steps}"
            )
        rows = len(batch.mask) * parallel.device_count(axis_name)
        if rows > queue:
            raise InputError(f"queue: found {queue} for batches of {rows} rows, want at least as many")
        drawn = draw_views(key, batch, sigma, dropout > 0)
        settings = {"alpha": alpha, "momentum": momentum, "temperature": temperature, "dropout": dropout}
        return contrast(parts, params, aux, drawn, axis_name=axis_name, **settings)

    def both(params: Params, z: Array, last: bool) -> Array:
        found: Any = parts.branches.apply({"params": params["branches"]}, z, "both_last" if last else "both")
        return found

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        _check_window(batch.mask.shape[1])
        found = backbone.encoded(params, aux["stats"], batch)
        return found._replace(z=both(params, found.z, False))

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        # The last step's, as the released code does: from its window, which begins before a short series.
        fields, mask = jax.tree.map(partial(_last_steps, length=length), (batch.fields, batch.mask))
        z, _ = backbone(params, aux["stats"], fields, mask)
        return both(params, z, True)

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return [*backbone.layers(params, aux["stats"], batch), encode(params, aux, batch).z]

    def last_of_windows(params: Params, aux: Aux, batch: Batch, before: int, hide_last: bool) -> Array:
        _check_window(before + 1)
        rows, count = batch.mask.shape[0], batch.mask.shape[1] - before
        visible = jnp.arange(length) < length - hide_last

        def represent(starts: Array) -> Array:
            """`[W]` first steps of windows to `[W, B, D]`."""
            place = starts[:, None] + jnp.arange(length)

            def cut(array: Array) -> Array:
                return array[:, place].swapaxes(0, 1).reshape(len(starts) * rows, length, *array.shape[2:])

            z, _ = backbone(params, aux["stats"], jax.tree.map(cut, batch.fields), cut(batch.mask) & visible)
            return both(params, z, True).reshape(len(starts), rows, -1)

        # Some windows at a time: their representations, of all steps, would not fit into memory at once.
        some = min(max(_WINDOWS // rows, 1), count)
        starts = jnp.minimum(jnp.arange(-(-count // some) * some), count - 1).reshape(-1, some)
        found = lax.map(represent, starts)
        return found.reshape(-1, *found.shape[2:])[:count].swapaxes(0, 1)

    def _check_window(steps: int) -> None:
        if steps != length:
            advice = "sliding windows of that length" if steps > length else "series of that length"
            raise InputError(
                f"length: found {steps} steps, want the {length} that the season has weights for: {advice}"
            )

    return Method(
        init,
        loss,
        encode,
        embed,
        layers=layers,
        last_of_windows=last_of_windows,
        weights=own_parts("front", "encoder", "branches"),
    )


def _last_steps(array: Array, length: int) -> Array:
    """The last `length` steps of `[B, T, ...]`, zeros before the first."""
    missing = max(length - array.shape[1], 0)
    return jnp.pad(array, [(0, 0), (missing, 0)] + [(0, 0)] * (array.ndim - 2))[:, -length:]
