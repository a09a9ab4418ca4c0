"""SimTS: the representations of the future predicted from that of one step of the history; no negatives.

References: Zheng, Chen, Schürholz, Stockinger, Vogt (2023), SimTS: Rethinking Contrastive Representation Learning for
Time Series Forecasting, arXiv 2303.18205. The released code draws the step of the history that predicts, the paper
takes the last: the code is followed, see `history_step`. Missing steps enter as zeros after the front, not before it as
in that code, where the front's bias stands for them.
"""

from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl import views
from tsrl.encoders.layers import Linear
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.losses.latent_prediction import hierarchical_latent_prediction, latent_prediction
from tsrl.methods.backbone import Backbone, own_parts
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params

# The first step that the released code draws.
_FIRST_STEP = 127


class Drawn(NamedTuple):
    """The random choices of one step.

    Attributes:
      step: scalar, the step of the history that predicts.
      drop: `[B]` keys of the dropout on its representation, or None for none.
      history_key: of the encoder's own dropout over the history, or None.
      future_key: the same over the future.
    """

    step: Array
    drop: Key | None = None
    history_key: Key | None = None
    future_key: Key | None = None


class Predictor(nn.Module):
    """A representation `[B, D]` to those of the next steps, `[B, future, D]`.

    Each feature goes through the same map from one value to one for each step, then each step through a linear layer.
    """

    future: int

    @nn.compact
    def __call__(self, z: Array) -> Array:
        over_time = nn.relu(Linear(self.future, name="steps")(z[..., None])).swapaxes(1, 2)
        return Linear(z.shape[-1], name="features")(over_time)


def simts(
    encoder: nn.Module,
    *,
    history: int = 201,
    future: int = 201,
    history_step: Literal["random", "last"] = "random",
    hierarchical: bool = False,
    dropout: float = 0.1,
    predictor_rate: float = 1e-4,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """SimTS over any encoder that keeps the length.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form; its method `last_of_windows`, if it has one, serves
        sliding windows.
      history: first steps of a training example.
      future: steps after them, whose representations are predicted: examples have `history + future` steps.
      history_step: which step of the history predicts: one drawn for each batch, from the 128th on, as in the released
        code; or the last, as in the paper. A step before the last skips some steps, but so all steps learn.
      hierarchical: average the loss over max-pooled scales.
      dropout: rate on the history's representation in training.
      predictor_rate: factor of the learning rate for the predictor.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range.

    Returns:
      A `Method` with `params = {"front", "encoder", "predictor"}` and `aux = {"stats": batch statistics}`.
    """
    for name, count, least in [("history", history, 1), ("future", future, 2 if hierarchical else 1)]:
        check_whole(name, count, least)
    if history_step not in ("random", "last"):
        raise InputError(f"history_step: found {history_step!r}, want random or last")
    check_rate("dropout", dropout)
    if predictor_rate < 0:
        raise InputError(f"predictor_rate: found {predictor_rate}, want 0 or more")
    backbone, predictor = Backbone(encoder, front, axis_name), Predictor(future)
    backbone.need_steps("simts")

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, predictor_key = jax.random.split(key)
        params, stats = backbone.init(backbone_key, batch)
        z = jax.eval_shape(lambda: backbone(params, stats, batch.fields, batch.mask)[0])
        found = predictor.init(predictor_key, jnp.zeros((1, z.shape[-1])))["params"]
        return {**params, "predictor": found}, {"stats": stats}

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        steps = batch.mask.shape[1]
        if steps != history + future:
            raise InputError(
                f"train.window: found examples of {steps} steps, want {history + future}: {history} of history and "
                f"{future} of future; --train.window {history + future}, or others with --method.history and "
                "--method.future"
            )
        step_key, drop_key, history_key, future_key = jax.random.split(key, 4)
        first = min(_FIRST_STEP, history - 1) if history_step == "random" else history - 1
        step = jax.random.randint(step_key, (), first, history)
        drop = views.example_keys(drop_key, batch.index) if dropout else None
        drawn = Drawn(step, drop, history_key, future_key)
        return predict_future(
            backbone, predictor, params, aux, batch, drawn, history=history, hierarchical=hierarchical, dropout=dropout
        )

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        return backbone.encoded(params, aux["stats"], batch)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        # The last step's, as in the released code.
        return backbone(params, aux["stats"], batch.fields, batch.mask, None, lambda array: array[:, -1:])[0][:, 0]

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return backbone.layers(params, aux["stats"], batch)

    def last_of_windows(params: Params, aux: Aux, batch: Batch, before: int, hide_last: bool) -> Array:
        return backbone.last_of_windows(params, batch, before, hide_last, aux["stats"])

    def rates(params: Params) -> Params:
        return {name: predictor_rate if name == "predictor" else 1.0 for name in params}

    shortcut = last_of_windows if hasattr(encoder, "last_of_windows") else None
    return Method(
        init,
        loss,
        encode,
        embed,
        layers=layers,
        last_of_windows=shortcut,
        weights=own_parts("front", "encoder"),
        couples_batch=False,
        rates=rates,
    )


def predict_future(
    backbone: Backbone,
    predictor: Predictor,
    params: Params,
    aux: Aux,
    batch: Batch,
    drawn: Drawn,
    *,
    history: int,
    hierarchical: bool,
    dropout: float,
) -> tuple[Array, tuple[Aux, Metrics]]:
    """SimTS's loss for given random choices.

    Args:
      backbone: front and encoder.
      predictor: from one representation to those of the future.
      params: of the method.
      aux: of the method.
      batch: rows `[B, history + future, ...]`.
      drawn: the random choices.
      history: steps of it.
      hierarchical: see `simts`.
      dropout: rate on the history's representation, when `drawn.drop` is given.

    Returns:
      The mean over this device's rows.
    """

    def part(steps: slice) -> tuple[dict[str, Array], Array]:
        return {name: field[:, steps] for name, field in batch.fields.items()}, batch.mask[:, steps]

    # One step predicts: an encoder may leave out the others.
    at_step = lambda array: lax.dynamic_slice_in_dim(array, drawn.step, 1, 1)  # noqa: E731
    z, stats = backbone(params, aux["stats"], *part(slice(history)), wanted=at_step, key=drawn.history_key)
    if drawn.drop is not None:
        z = views.dropout(drawn.drop, z, dropout)
    future, stats = backbone(lax.stop_gradient(params), stats, *part(slice(history, None)), key=drawn.future_key)
    predicted: Any = predictor.apply({"params": params["predictor"]}, z[:, 0])
    compare = hierarchical_latent_prediction if hierarchical else latent_prediction
    return compare(predicted, future).mean(), ({"stats": stats}, {})
