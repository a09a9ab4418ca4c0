"""A front and an encoder as pure functions: what every method trains, whatever the encoder."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl import parallel
from tsrl.encoders import front_of
from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params, max_over_time

Stats = Any
Pooling = Literal["flatten", "mean", "max"]


class Backbone:
    """Front and encoder of a method.

    `params` is `{"front", "encoder"}`; `stats`, of the same form, holds running batch statistics and is empty for
    modules without any. With a key the modules are in training: dropout is drawn, batch statistics are taken over all
    devices and their running means moved.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.
    """

    def __init__(self, encoder: nn.Module, front: nn.Module | None = None, axis_name: str | None = None):
        front = front_of(encoder) if front is None else front
        self.encoder, self.front = (
            module.clone(axis_name=axis_name) if hasattr(module, "axis_name") else module for module in (encoder, front)
        )
        self._axis_name = axis_name

    @property
    def keeps_steps(self) -> bool:
        """Whether there is one representation for each step."""
        return getattr(self.encoder, "keeps_steps", True)

    def need_causal(self, method: str) -> None:
        """Refuses an encoder whose steps see later ones, for a method that predicts these."""
        if not getattr(self.encoder, "causal", False):
            raise InputError(
                f"encoder: found {type(self.encoder).__name__}, whose steps see later ones, for {method}, which "
                "predicts them; want a causal encoder: CausalConv, TCN, or Recurrent with bidirectional=False"
            )

    def need_steps(self, method: str) -> None:
        """Refuses an encoder that shortens the series, for a method that wants a representation of every step."""
        if not self.keeps_steps:
            raise InputError(
                f"encoder: found {type(self.encoder).__name__}, which shortens the series, for {method}, which "
                "takes single steps; want an encoder with one representation for each step"
            )

    def init(self, key: Key, batch: Batch) -> tuple[Params, Stats]:
        """Parameters and batch statistics before the first update."""
        front_key, encoder_key = jax.random.split(key)
        h, front = self.front.init_with_output(front_key, batch.fields)
        encoder = self.encoder.init(encoder_key, h, batch.mask)
        made = {"front": front, "encoder": encoder}
        params = {name: variables.get("params", {}) for name, variables in made.items()}
        # Empty for most: a method then needs nothing beside its parameters.
        stats = {name: variables["batch_stats"] for name, variables in made.items() if "batch_stats" in variables}
        return params, stats

    def init_with_head(self, key: Key, batch: Batch, head: nn.Module, pooling: Pooling) -> tuple[Params, Stats]:
        """`init`, and "head" among the parameters: those of a module over pooled series, without batch statistics."""
        backbone_key, head_key = jax.random.split(key)
        params, stats = self.init(backbone_key, batch)
        width = jax.eval_shape(lambda: self.pooled(params, stats, batch, pooling)).shape[-1]
        return {**params, "head": head.init(head_key, jnp.zeros((1, width)))["params"]}, stats

    def __call__(
        self,
        params: Params,
        stats: Stats,
        fields: dict[str, Array],
        mask: Array,
        exists: Array | None = None,
        wanted: Callable[[Array], Array] | None = None,
        *,
        key: Key | None = None,
    ) -> tuple[Array, Stats]:
        """Representations of steps.

        Args:
          params: see the class.
          stats: see the class.
          fields: name -> `[B, T, C]` or `[B, T]`.
          mask: `[B, T]` bool, see the encoder.
          exists: see the encoder.
          wanted: see the encoder.
          key: of training, the same on all devices; None = evaluation.

        Returns:
          `[B, S, features]`, and the statistics after this batch.
        """
        h, front = self._apply("front", self.front, params, stats, key, fields)
        z, encoder = self._apply("encoder", self.encoder, params, stats, key, h, mask, exists, wanted)
        return z, {**front, **encoder}

    def _apply(
        self, name: str, module: nn.Module, params: Params, stats: Stats, key: Key | None, *inputs: Any
    ) -> tuple[Array, Stats]:
        variables = {"params": params[name], **({"batch_stats": stats[name]} if name in stats else {})}
        # Keys of its own for each module.
        rngs = None if key is None else module_keys(key, ("front", "encoder").index(name), self._axis_name)
        if key is None or name not in stats:
            made: Any = module.apply(variables, *inputs, rngs=rngs)
            return made, {name: stats[name]} if name in stats else {}
        made, changed = module.apply(variables, *inputs, rngs=rngs, mutable=["batch_stats"])
        return made, {name: changed["batch_stats"]}

    def encoded(self, params: Params, stats: Stats, batch: Batch) -> Encoded:
        """What `Method.encode` gives: the representations in evaluation and what each stands for."""
        z, _ = self(params, stats, batch.fields, batch.mask)
        steps = batch.mask.shape[1]
        if self.keeps_steps:
            return Encoded(z, jnp.arange(steps), batch.mask)
        mask = jnp.broadcast_to(batch.mask.any(1, keepdims=True), z.shape[:2])
        return Encoded(z, jnp.full(z.shape[1], steps - 1), mask)

    def pooled(self, params: Params, stats: Stats, batch: Batch, pooling: Pooling) -> Array:
        """What `Method.embed` gives where a series is its steps, pooled: in evaluation, `[B, D']`."""
        z, _ = self(params, stats, batch.fields, batch.mask)
        return pooled(z, batch.mask, pooling)

    def layers(self, params: Params, stats: Stats, batch: Batch) -> list[Array]:
        """What `Method.layers` gives: the output of every block that the encoder sows, or its only one."""
        return self.with_layers(params, stats, batch)[1]

    def with_layers(self, params: Params, stats: Stats, batch: Batch) -> tuple[Array, list[Array]]:
        """Representations of steps, in evaluation, and what `layers` gives, in one pass."""
        h, _ = self._apply("front", self.front, params, stats, None, batch.fields)
        variables = {"params": params["encoder"], **({"batch_stats": stats["encoder"]} if "encoder" in stats else {})}
        z, sown = self.encoder.apply(variables, h, batch.mask, None, None, mutable=["intermediates"])
        return z, list(sown.get("intermediates", {}).get("block", (z,)))

    def last_of_windows(
        self, params: Params, batch: Batch, before: int, hide_last: bool, stats: Stats | None = None
    ) -> Array:
        """What `Method.last_of_windows` gives, for an encoder that has a method of that name."""
        h, _ = self._apply("front", self.front, params, stats or {}, None, batch.fields)
        variables = {"params": params["encoder"]}
        z: Any = self.encoder.apply(variables, h, batch.mask, before, hide_last=hide_last, method="last_of_windows")
        return z


def pooled_method(
    backbone: Backbone,
    pooling: Pooling,
    init: Callable[[Key, Batch], tuple[Params, Aux]],
    loss: Callable[[Params, Aux, Batch, Key], tuple[Array, tuple[Aux, Metrics]]],
    **more: Any,
) -> Method:
    """A method whose `aux` has "stats" and whose series are its steps, pooled.

    Args:
      backbone: what encodes.
      pooling: see `pooled`.
      init: of the method.
      loss: of the method.
      **more: other entries of `Method`.
    """
    return Method(
        init,
        loss,
        encode=lambda params, aux, batch: backbone.encoded(params, aux["stats"], batch),
        embed=lambda params, aux, batch: backbone.pooled(params, aux["stats"], batch, pooling),
        layers=lambda params, aux, batch: backbone.layers(params, aux["stats"], batch),
        weights=own_parts("front", "encoder"),
        **more,
    )


def check_pooling(pooling: str) -> None:
    """Refuses what is no way to pool."""
    if pooling not in get_args(Pooling):
        raise InputError(f"pooling: found {pooling!r}, want one of {', '.join(get_args(Pooling))}")


def pooled(z: Array, mask: Array, pooling: Pooling) -> Array:
    """A series of its steps' representations.

    Args:
      z: `[B, S, D]`.
      mask: `[B, T]` bool, observed steps; where S is not T all representations of a row with any count.
      pooling: all of them side by side, `[B, S * D]`, where missing ones count as they are; or the mean or the maximum
        of the observed ones, `[B, D]`, zeros for a row without any.
    """
    if pooling == "flatten":
        return z.reshape(len(z), -1)
    seen = mask if mask.shape[1] == z.shape[1] else jnp.broadcast_to(mask.any(1, keepdims=True), z.shape[:2])
    if pooling == "max":
        return max_over_time(Encoded(z, jnp.arange(z.shape[1]), seen))
    return jnp.where(seen[..., None], z, 0).sum(1) / jnp.maximum(seen.sum(1), 1)[:, None]


def module_keys(key: Key, place: int, axis_name: str | None) -> dict[str, Key]:
    """The random keys of one module in training.

    Args:
      key: of the step, the same on all devices.
      place: which of the method's modules it is.
      axis_name: device axis, or None.

    Returns:
      "dropout", another on every device, and "sample", of what all rows share, the same on all.
    """
    own = parallel.own_key(key, axis_name)
    return {"dropout": jax.random.fold_in(own, place), "sample": jax.random.fold_in(jax.random.fold_in(key, place), 1)}


def own_parts(*names: str) -> Callable[[Params, Aux], tuple[Params, Callable[[Params], tuple[Params, Aux]]]]:
    """`Method.weights` of a method that encodes with these parts of its parameters alone."""

    def weights(params: Params, aux: Aux) -> tuple[Params, Callable[[Params], tuple[Params, Aux]]]:
        own = {name: params[name] for name in names}
        return own, lambda changed: ({**params, **changed}, aux)

    return weights
