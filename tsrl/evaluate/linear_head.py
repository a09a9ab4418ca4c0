"""The compiled part of fine-tuning: a linear head, the weights that move with it, one update of both by AdamW.

References: AdamW: Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, arXiv 1711.05101.
"""

import re
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Method, Params

Mode = Literal["probe", "partial", "full", "supervised"]
Loss = Literal["cross_entropy", "squared"]
Head = dict[str, Any]
Trained = dict[str, Any]


class Model(NamedTuple):
    """What a program is compiled for.

    Attributes:
      method: made for a single device.
      moving: which leaves of the method's weights are trained.
      loss: of the head's output.
    """

    method: Method
    moving: tuple[bool, ...]
    loss: Loss


class Fixed(NamedTuple):
    """What training reads and leaves alone.

    Attributes:
      params: of the method, as given.
      aux: of the method, as given.
      statistics: see `statistics`.
      learning_rate: of the head.
      encoder_rate_ratio: the encoder's learning rate over the head's.
      weight_decay: of all that moves.
    """

    params: Params
    aux: Aux
    statistics: Head
    learning_rate: float
    encoder_rate_ratio: float
    weight_decay: float


def moving_leaves(weights: Params, mode: Mode, blocks: int) -> tuple[bool, ...]:
    """Which leaves of the weights a mode trains.

    Raises:
      InputError: "partial" for weights without block names, or with fewer blocks.
    """
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree.leaves_with_path(weights)]
    if mode != "partial":
        return (mode != "probe",) * len(names)
    found = [re.search(r"(?:^|/)block_(\d+)(?:_|/)", name) for name in names]
    numbers = [None if match is None else int(match[1]) for match in found]
    known = sorted({number for number in numbers if number is not None})
    if not known:
        raise InputError("mode: found 'partial' for weights without names block_0_..., want 'probe' or 'full'")
    if blocks > len(known):
        raise InputError(f"blocks: found {blocks}, want 1 to {len(known)}, the blocks of the encoder")
    return tuple(number in known[-blocks:] for number in numbers)


def statistics(z: np.ndarray) -> Head:
    """`mean` and `scale` `[D]` that standardise embeddings `[N, D]`; what varies by rounding alone keeps its scale."""
    deviation = z.std(0, dtype=np.float64)
    scale = np.where(deviation > 1e-6 * np.abs(z).max(0), deviation, 1)
    return {"mean": z.mean(0, dtype=np.float64).astype(np.float32), "scale": scale.astype(np.float32)}


def start(model: Model, fixed: Fixed, outputs: int) -> tuple[Trained, Any]:
    """What is trained, `{"encoder": leaves, "head": {"kernel", "bias"}}`, and the optimiser's state."""
    weights, _ = model.method.weights(fixed.params, fixed.aux)
    leaves = [leaf for leaf, moves in zip(jax.tree.leaves(weights), model.moving, strict=True) if moves]
    width = len(fixed.statistics["mean"])
    trained = {"encoder": leaves, "head": {"kernel": jnp.zeros((width, outputs)), "bias": jnp.zeros(outputs)}}
    return trained, _optimizer(fixed).init(trained)


def rebuilt(model: Model, fixed: Fixed, trained: Trained) -> tuple[Params, Aux]:
    """The method's params and aux with the trained leaves in their places."""
    weights, rebuild = model.method.weights(fixed.params, fixed.aux)
    leaves, tree = jax.tree.flatten(weights)
    new = iter(trained["encoder"])
    replaced = [next(new) if moves else leaf for leaf, moves in zip(leaves, model.moving, strict=True)]
    return rebuild(jax.tree.unflatten(tree, replaced))


def output(head: Head, z: Any) -> Any:
    """`(z - mean) / scale @ kernel + bias`, `[N, D] -> [N, K]`, of numpy or jax arrays."""
    return (z - head["mean"]) / head["scale"] @ head["kernel"] + head["bias"]


@partial(jax.jit, static_argnums=0)
def losses(loss: Loss, made: Array, target: Array) -> Array:
    """Losses `[B]` of outputs `[B, K]`; the target `[B]` is class numbers, for the squared loss floats."""
    if loss == "squared":
        return jnp.square(made[:, 0] - target)
    return optax.losses.softmax_cross_entropy_with_integer_labels(made, target)


@partial(jax.jit, static_argnums=0)
def update(
    model: Model, fixed: Fixed, trained: Trained, state: Any, inputs: Batch | Array, target: Array, counts: Array
) -> tuple[Trained, Any, Array, Array]:
    """One update on a batch.

    Args:
      model: what moves.
      fixed: what does not.
      trained: see `start`.
      state: see `start`.
      inputs: B rows of series, or their embeddings `[B, D]` where the encoder does not move.
      target: `[B]`, see `losses`.
      counts: `[B]` floats, 0 for rows that only fill up the batch, else 1.

    Returns:
      `(trained, state, loss, norm)`; the loss is the mean over the rows that count, before the update, the norm that of
      all that is trained, after it.
    """

    def mean_loss(trained: Trained) -> Array:
        z = model.method.embed(*rebuilt(model, fixed, trained), inputs) if isinstance(inputs, Batch) else inputs
        made = output(fixed.statistics | trained["head"], z)
        return jnp.sum(losses(model.loss, made, target) * counts) / counts.sum()

    value, gradient = jax.value_and_grad(mean_loss)(trained)
    updates, state = _optimizer(fixed).update(gradient, state, trained)
    trained = optax.apply_updates(trained, updates)
    return trained, state, value, optax.tree.norm(trained)


def _optimizer(fixed: Fixed) -> optax.GradientTransformation:
    rates = {"encoder": fixed.encoder_rate_ratio * fixed.learning_rate, "head": fixed.learning_rate}
    groups = {name: optax.adamw(rate, weight_decay=fixed.weight_decay) for name, rate in rates.items()}
    return optax.multi_transform(groups, {name: name for name in groups})
