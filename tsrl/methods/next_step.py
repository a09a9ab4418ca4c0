"""Next step: a causal encoder predicts every field of the step that follows.

References: Chung, Hsu, Tang, Glass (2019), An Unsupervised Autoregressive Model for Speech Representation Learning,
arXiv 1904.03240, for series; of events it is the language model of Radford, Narasimhan, Salimans, Sutskever (2018),
Improving Language Understanding by Generative Pre-Training, with a softmax for each field of names. Hiding a part of
the input is ours: a model that was trained so can be asked what it expects where a field is not to be believed. With
`agreement` it is after TimeDRL (see `timedrl`): two passes, of which the representations of steps are trained to
predict and that of the whole to agree with the other pass. Unlike there what is predicted is the step that follows and
not the own patch, the whole is the steps pooled and no [CLS], and what is hidden makes the passes differ as well.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from tsrl import parallel, views
from tsrl.encoders.heads import StepHeads
from tsrl.errors import InputError, check_rate
from tsrl.methods.backbone import Backbone, Pooling, check_pooling, pooled, pooled_method
from tsrl.methods.timedrl import Predictor, instance_contrast
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params


def next_step(
    encoder: nn.Module,
    *,
    hide: float = 0.1,
    numbers: float = 1.0,
    agreement: float = 0.0,
    dropout: float = 0.2,
    pooling: Pooling = "mean",
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """Prediction of the next step over any causal encoder.

    Args:
      encoder: a module of `tsrl.encoders` whose steps see no later ones.
      hide: share of the values of each field that the encoder does not see in training: zeros stand for them.
      numbers: weight of the squared error of a field of numbers, the mean over its channels; the cross-entropy of a
        field of names has 1.
      agreement: weight of TimeDRL's instance-contrastive loss between two passes, which differ by what is hidden and by
        the encoder's dropout; 0: one pass and no such loss.
      dropout: rate in the predictor of the other pass.
      pooling: how a series is made of its steps.
      front: module `fields -> [B, T, width]`; default: the encoder's own. Its `sizes`, if it has any, are those of the
        fields of names.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range, an encoder that is not causal, agreement of passes that
        cannot differ; in use, batches of one step.

    Returns:
      A `Method` with `params = {"front", "encoder", "head"}` and `aux = {"stats"}`, whose `expect` is what it predicts;
      with `agreement` params have "predictor" as well.
      Steps that are missing are predicted from, and are no targets.
    """
    check_rate("hide", hide)
    check_rate("dropout", dropout)
    if not 0 <= numbers < float("inf"):
        raise InputError(f"numbers: found {numbers}, want a finite number from 0 up")
    if not 0 <= agreement < float("inf"):
        raise InputError(f"agreement: found {agreement}, want a finite number from 0 up")
    if agreement and not hide and not getattr(encoder, "dropout", 0):
        raise InputError("hide: found 0 with an encoder without dropout, want more: agreement is of passes that differ")
    check_pooling(pooling)
    backbone = Backbone(encoder, front, axis_name)
    backbone.need_steps("next_step")
    backbone.need_causal("next_step")
    codes = dict(getattr(front, "sizes", ()))
    predictor = Predictor(dropout, axis_name)

    def heads(fields: dict[str, Array]) -> StepHeads:
        """Those of fields without a vocabulary are numbers."""
        sizes = [(name, codes[name] if value.ndim == 2 else value.shape[-1]) for name, value in sorted(fields.items())]
        return StepHeads(tuple(sizes))

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, head_key = jax.random.split(key)
        params, stats = backbone.init(backbone_key, batch)
        z = jax.eval_shape(lambda: backbone.encoded(params, stats, batch).z)
        head = heads(batch.fields).init(head_key, jnp.zeros((1, z.shape[-1])))["params"]
        params = {**params, "head": head}
        if agreement:
            i = jax.eval_shape(lambda: backbone.pooled(params, stats, batch, pooling))
            # A key of its own, so that the other weights are those without agreement.
            variables = predictor.init(jax.random.fold_in(key, 1), jnp.zeros((1, *i.shape[1:])))
            params |= {"predictor": variables["params"]}
            stats |= {"predictor": variables["batch_stats"]}
        return params, {"stats": stats}

    def predicted(params: Params, fields: dict[str, Array], z: Array) -> dict[str, Array]:
        made: dict[str, Array] = heads(fields).apply({"params": params["head"]}, z)  # type: ignore[assignment]
        return made

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        if batch.mask.shape[1] < 2:
            raise InputError("x: found series of one step, want two or more: the next one is to be predicted")
        hide_key, encoder_key = jax.random.split(key)
        keys = jax.random.split(hide_key) if agreement else [hide_key]
        passes = [hidden(own, batch, hide) for own in keys]
        fields = jax.tree.map(lambda *each: jnp.concatenate(each), *passes)
        mask = jnp.concatenate([batch.mask] * len(passes))
        z, stats = backbone(params, aux["stats"], fields, mask, key=encoder_key)
        target = mask[:, 1:]
        came = jax.tree.map(lambda array: jnp.concatenate([array] * len(passes)), batch.fields)
        errors = next_step_errors(predicted(params, fields, z[:, :-1]), came)
        weights = {name: 1.0 if name in codes else numbers for name in errors}
        every = sum(weights[name] * error for name, error in errors.items())
        of_rows = jnp.sum(every, 1, where=target) / jnp.maximum(target.sum(1), 1)
        if not agreement:
            return of_rows.mean(), ({"stats": stats}, {})
        i = jnp.split(pooled(z, mask, pooling), 2)
        stats, head_key = {**aux["stats"], **stats}, parallel.own_key(jax.random.fold_in(key, 2), axis_name)
        predictive, head_keys = of_rows.mean(), list(jax.random.split(head_key))
        contrastive, stats = instance_contrast(predictor, params["predictor"], stats, i, head_keys)
        metrics = {"predictive": predictive, "contrastive": contrastive}
        return predictive + agreement * contrastive, ({"stats": stats}, metrics)

    def expect(params: Params, aux: Aux, batch: Batch) -> dict[str, Array]:
        return predicted(params, batch.fields, backbone.encoded(params, aux["stats"], batch).z)

    return pooled_method(backbone, pooling, init, loss, expect=expect, couples_batch=bool(agreement))


def hidden(key: Key, batch: Batch, share: float) -> dict[str, Array]:
    """The fields of a batch with zeros for a share of the steps of each, drawn for each row and field."""
    keys, steps = views.example_keys(key, batch.index), batch.mask.shape[1]
    made = {}
    for place, (name, value) in enumerate(sorted(batch.fields.items())):
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, place)
        seen = views.time_step_mask("binomial", own, steps, keep=1 - share)
        made[name] = jnp.where(seen[..., None] if value.ndim == 3 else seen, value, 0)
    return made


def next_step_errors(expected: dict[str, Array], fields: dict[str, Array]) -> dict[str, Array]:
    """How wrong the expectations of steps were.

    Args:
      expected: field -> `[B, T - 1, K]`, of the first T - 1 steps what follows, as `Method.expect`.
      fields: field -> `[B, T]` ints or `[B, T, C]` floats, what came.

    Returns:
      Field -> `[B, T - 1]`: the cross-entropy in nats, or the mean squared error of the channels.
    """
    errors = {}
    for name, guess in expected.items():
        came = fields[name][:, 1:]
        if came.ndim == 2:
            errors[name] = optax.softmax_cross_entropy_with_integer_labels(guess, came)
        else:
            errors[name] = jnp.square(guess - came).mean(-1)
    return errors
