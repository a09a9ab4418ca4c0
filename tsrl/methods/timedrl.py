"""TimeDRL: patches through a Transformer twice, which differ by dropout alone; one loss for each level.

The timestamp-level representations of patches are trained to give the patches back, the instance-level representation
of [CLS] to agree with that of the other pass. Nothing is masked and nothing augmented.

References: Chang, Chan, Wang, Peng, Chen (2024), TimeDRL: Disentangled Representation Learning for Multivariate
Time-Series, arXiv 2312.04142. The released code predicts the patches of the series as it was given, although the
encoder sees the instance-normalised one; it is followed, see `target`. Not followed: half precision, and the end of
pre-training after five epochs without a lower training loss.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl import parallel
from tsrl.encoders.layers import BatchNorm, Dropout, Linear
from tsrl.encoders.patch import PatchFront, patches
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.losses.predictive import predictive_error
from tsrl.losses.siamese import negative_cosine
from tsrl.methods.backbone import Backbone, Stats, own_parts
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params, WindowFeatures

Instance = Literal["cls", "last", "gap", "all"]
Target = Literal["raw", "normalised"]


class Tokens(NamedTuple):
    """What a batch is made into; G is the number of channels, or 1 where they are mixed.

    Attributes:
      x: `[B, G, N, P]` patches of the normalised series; mixed channels lie side by side.
      seen: `[B, G, N, P]` bool, the observed values.
      mask: `[B * G, 1 + N]` bool, [CLS] and the patches with an observed value.
      mean: `[B, C]` of the series.
      scale: `[B, C]` of the series.
    """

    x: Array
    seen: Array
    mask: Array
    mean: Array
    scale: Array


class PredictionHead(nn.Module):
    """A patch from each token: dropout and a linear map, `[R, N, D] -> [R, N, size]`."""

    size: int
    dropout: float

    @nn.compact
    def __call__(self, t: Array) -> Array:
        return Linear(self.size, name="linear")(Dropout(self.dropout)(t))


class Predictor(nn.Module):
    """The other pass's instance representation from one's own: `[R, D] -> [R, D]` through half the width."""

    dropout: float
    axis_name: str | None = None

    @nn.compact
    def __call__(self, i: Array) -> Array:
        width = i.shape[-1]
        made = BatchNorm(axis_name=self.axis_name, name="norm")(Linear(width // 2, name="linear_0")(i))
        return Linear(width, name="linear_1")(Dropout(self.dropout)(jax.nn.relu(made)))


def instance_contrast(
    predictor: Predictor,
    params: Params,
    stats: Stats,
    i: Sequence[Array],
    keys: Sequence[Key],
    stop_gradient: bool = True,
) -> tuple[Array, Stats]:
    """How far the instance representations of two passes are from predicting each other.

    Args:
      predictor: of one from the other.
      params: of the predictor.
      stats: of the method, with the predictor's batch statistics as "predictor".
      i: of both passes, `[R, D]`.
      keys: of the dropout in each prediction.
      stop_gradient: whether what is predicted is not trained by it.

    Returns:
      The mean negative cosine, -1 to 1, and the statistics after both predictions.
    """
    apart = []
    for own, other, key in zip(i, i[::-1], keys, strict=True):
        variables = {"params": params, "batch_stats": stats["predictor"]}
        guess, changed = predictor.apply(variables, own, rngs={"dropout": key}, mutable=["batch_stats"])
        stats = {**stats, "predictor": changed["batch_stats"]}
        fixed = jax.lax.stop_gradient(other) if stop_gradient else other
        apart.append(negative_cosine(guess, fixed).mean())
    return jnp.stack(apart).mean(), stats


def timedrl(
    encoder: nn.Module,
    *,
    patch_len: int = 16,
    stride: int = 16,
    kernel_size: int = 3,
    channel_independent: bool = True,
    contrastive_weight: float = 0.5,
    instance: Instance = "cls",
    target: Target = "raw",
    stop_gradient: bool = True,
    dropout: float = 0.2,
    axis_name: str | None = None,
) -> Method:
    """TimeDRL over any encoder that keeps the number of its tokens.

    Missing steps enter patches as zeros and count in no loss; mean and scale are those of the observed steps. A patch
    without an observed step is padding: no other token sees it.

    Args:
      encoder: a module of `tsrl.encoders`; it should draw dropout, which alone makes the two passes differ.
      patch_len: steps of a patch.
      stride: steps between the starts of patches.
      kernel_size: odd number of tokens that the token embedding sees, see `PatchFront`.
      channel_independent: each channel is a row by itself, under the same weights; otherwise a patch holds all
        channels.
      contrastive_weight: of the instance-contrastive loss; the timestamp-predictive one has 1.
      instance: the instance representation: of [CLS], of the last patch, the mean of all patches, or all of them.
      target: what patches are predicted: of the series as it is given, or instance-normalised as the encoder sees it.
      stop_gradient: the pass that is predicted is not trained by that; without it representations collapse.
      dropout: rate before the prediction head's map and in the predictor.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range, patches longer than the series, or an encoder that shortens the series.

    Returns:
      A `Method` with `params = {"front", "encoder", "head", "predictor"}` and `aux = {"stats"}`. `encode` gives patches
      `[B, N, G * D]`, `embed` the instance representation `[B, G * D]`.
    """
    for name, value in (("patch_len", patch_len), ("stride", stride), ("kernel_size", kernel_size)):
        check_whole(name, value, 1)
    if stride > patch_len:
        raise InputError(f"stride: found {stride}, want at most patch_len, {patch_len}: steps between patches are lost")
    choices: tuple[tuple[str, str, Any], ...] = (("instance", instance, Instance), ("target", target, Target))
    for name, chosen, known in choices:
        if chosen not in get_args(known):
            raise InputError(f"{name}: found {chosen!r}, want one of {', '.join(get_args(known))}")
    if kernel_size % 2 == 0:
        raise InputError(f"kernel_size: found {kernel_size}, want an odd number")
    if contrastive_weight < 0:
        raise InputError(f"contrastive_weight: found {contrastive_weight}, want 0 or more")
    check_rate("dropout", dropout)
    backbone = Backbone(encoder, PatchFront(encoder.width, kernel_size), axis_name)
    backbone.need_steps("timedrl")
    predictor = Predictor(dropout, axis_name)

    def tokens(batch: Batch) -> Tokens:
        return tokenise(batch, patch_len, stride, channel_independent)

    def represent(
        params: Params,
        stats: Stats,
        made: Tokens,
        wanted: Callable[[Array], Array] | None = None,
        *,
        key: Key | None = None,
    ) -> tuple[Array, Stats]:
        return backbone(params, stats, {"x": made.x}, made.mask, made.mask, wanted, key=key)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        made = tokens(batch)
        keys = jax.random.split(key, 3)
        params, stats = backbone.init(keys[0], Batch({"x": made.x}, made.mask, batch.index))
        shape, _ = jax.eval_shape(represent, params, stats, made)
        t = jnp.zeros((1, *shape.shape[1:]))
        head = PredictionHead(made.x.shape[-1], dropout).init(keys[1], t[:, 1:])["params"]
        variables = predictor.init(keys[2], instance_of(t, made.mask[:1], instance))
        params |= {"head": head, "predictor": variables["params"]}
        return params, {"stats": {**stats, "predictor": variables["batch_stats"]}}

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        made = tokens(batch)
        encoder_key, key = jax.random.split(key)
        # Dropout of the heads is each device's own, as the backbone makes that of the encoder.
        head_key, *predictor_keys = jax.random.split(parallel.own_key(key, axis_name), 3)
        # Both passes in one: the same rows twice, under dropout of their own.
        twice = jax.tree.map(lambda array: jnp.concatenate([array, array]), made)
        z, stats = represent(params, aux["stats"], twice, key=encoder_key)
        head = PredictionHead(made.x.shape[-1], dropout)
        guess: Array = head.apply({"params": params["head"]}, z[:, 1:], rngs={"dropout": head_key})  # type: ignore[assignment]
        wanted = twice.x
        if target == "raw":
            x = jnp.concatenate([batch.x, batch.x])
            wanted = grouped(patches(x, patch_len, stride), channel_independent)
        flat = lambda array: array.reshape(-1, *array.shape[2:])  # noqa: E731
        predictive = predictive_error(guess, flat(wanted), flat(twice.seen)).mean()
        i = jnp.split(instance_of(z, twice.mask, instance), 2)
        stats = {**aux["stats"], **stats}
        contrastive, stats = instance_contrast(predictor, params["predictor"], stats, i, predictor_keys, stop_gradient)
        value = predictive + contrastive_weight * contrastive
        return value, ({"stats": stats}, {"predictive": predictive, "contrastive": contrastive})

    def side_by_side(z: Array, batch: Batch) -> Array:
        """`[B * G, ..., D] -> [B, ..., G * D]`."""
        rows = batch.mask.shape[0]
        z = jnp.moveaxis(z.reshape(rows, -1, *z.shape[1:]), 1, -2)
        return z.reshape(*z.shape[:-2], -1)

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        made = tokens(batch)
        z, _ = represent(params, aux["stats"], made)
        steps, count = batch.mask.shape[1], z.shape[1] - 1
        last = jnp.minimum(stride * jnp.arange(count) + patch_len, steps) - 1
        seen = made.mask[:, 1:].reshape(len(batch.mask), -1, count).any(1)
        return Encoded(side_by_side(z[:, 1:], batch), last, seen)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        made = tokens(batch)
        if instance == "cls":
            # The one token that is asked for.
            z, _ = represent(params, aux["stats"], made, lambda array: array[:, :1])
            return side_by_side(z[:, 0], batch)
        z, _ = represent(params, aux["stats"], made)
        return side_by_side(instance_of(z, made.mask, instance), batch)

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        made = tokens(batch)
        inner = Batch({"x": made.x}, made.mask, batch.index)
        return [side_by_side(z[:, 1:], batch) for z in backbone.layers(params, aux["stats"], inner)]

    def of_windows(params: Params, aux: Aux, batch: Batch) -> WindowFeatures:
        made = tokens(batch)
        z, _ = represent(params, aux["stats"], made)
        features = z[:, 1:].reshape(*made.x.shape[:2], -1)
        return WindowFeatures(features, made.mean, made.scale)

    return Method(
        init,
        loss,
        encode,
        embed,
        layers=layers,
        weights=own_parts("front", "encoder"),
        of_windows=of_windows if channel_independent else None,
        any_channels=channel_independent,
    )


def grouped(x: Array, channel_independent: bool) -> Array:
    """Patches `[B, C, N, P]` as `[B, G, N, P']`: of each channel, or of all of them side by side."""
    if channel_independent:
        return x
    return x.swapaxes(1, 2).reshape(x.shape[0], 1, x.shape[2], -1)


def tokenise(batch: Batch, patch_len: int, stride: int, channel_independent: bool) -> Tokens:
    """Instance normalisation and patching.

    Raises:
      InputError: patches longer than the series.

    References: Kim et al. (2022), RevIN, without its affine map: the population variance plus 1e-5 under the root.
    """
    steps = batch.mask.shape[1]
    if patch_len > steps:
        raise InputError(f"patch_len: found {patch_len} for series of {steps} steps, want at most as many")
    seen = batch.mask[..., None]
    count = jnp.maximum(seen.sum(1), 1)
    mean = jnp.where(seen, batch.x, 0).sum(1) / count
    centred = jnp.where(seen, batch.x - mean[:, None], 0)
    scale = jnp.sqrt(jnp.square(centred).sum(1) / count + 1e-5)
    x = grouped(patches(centred / scale[:, None], patch_len, stride), channel_independent)
    every = jnp.broadcast_to(seen, batch.x.shape)
    observed = grouped(patches(every, patch_len, stride), channel_independent)
    any_seen = observed.any(-1).reshape(-1, observed.shape[2])
    mask = jnp.concatenate([jnp.ones((len(any_seen), 1), bool), any_seen], 1)
    return Tokens(x, observed, mask, mean, scale)


def instance_of(z: Array, mask: Array, instance: Instance) -> Array:
    """The instance representation `[R, D']` of tokens `[R, 1 + N, D]`; of missing patches the mean takes none."""
    t, seen = z[:, 1:], mask[:, 1:, None]
    if instance == "cls":
        return z[:, 0]
    if instance == "last":
        return t[:, -1]
    if instance == "gap":
        return jnp.where(seen, t, 0).sum(1) / jnp.maximum(seen.sum(1), 1)
    return t.reshape(len(t), -1)
