"""A linear head on an encoder, trained with the encoder frozen, in part or as a whole.

References: probing and fine-tuning as compared by Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and
Underperform Out-of-Distribution, arXiv 2202.10054.
"""

import math
from typing import Any, NamedTuple

import jax
import numpy as np

from tsrl.errors import InputError, TrainingDiverged
from tsrl.evaluate.classify import classification_scores
from tsrl.evaluate.finetune_rows import batches, check_settings, checked_split, embed_rows, held_out_rows, on_host
from tsrl.evaluate.linear_head import (
    Fixed,
    Head,
    Loss,
    Mode,
    Model,
    Trained,
    losses,
    moving_leaves,
    output,
    rebuilt,
    start,
    statistics,
    update,
)
from tsrl.types import Aux, Batch, Method, Params


class Finetuned(NamedTuple):
    """An encoder and its head.

    Attributes:
      params: of the method.
      aux: of the method.
      head: `mean`, `scale` `[D]`, `kernel` `[D, K]`, `bias` `[K]`; the output is `(z - mean) / scale @ kernel + bias`.
      classes: `[K]` labels, or None for the squared loss, whose K is 1.
      epochs: passes over the training rows until these weights.
      validated: whether validation rows chose the epoch.
    """

    params: Params
    aux: Aux
    head: Head
    classes: np.ndarray | None
    epochs: int
    validated: bool


def finetune(
    method: Method,
    params: Params,
    aux: Aux,
    x_train: np.ndarray | Batch,
    y_train: np.ndarray,
    x_test: np.ndarray | Batch,
    y_test: np.ndarray,
    *,
    mode: Mode,
    loss: Loss = "cross_entropy",
    batch_size: int = 32,
    **settings: Any,
) -> dict[str, Any]:
    """Fits `fit_finetuned` on the training series and scores it on the test series.

    Args:
      method: made for a single device.
      params: of one seed.
      aux: of one seed.
      x_train: `[N, T, C]` float32, NaN = missing; or a batch on the host, of series or of events.
      y_train: `[N]` labels, or numbers for the squared loss.
      x_test: `[M, T, C]`, or a batch; another T compiles another program.
      y_test: `[M]`; labels all of which occur in `y_train`.
      mode: see `fit_finetuned`.
      loss: "cross_entropy" to classify, "squared" to regress.
      batch_size: rows in a batch.
      **settings: further ones of `fit_finetuned`.

    Returns:
      `accuracy`, `macro_f1`, `kappa`, `auprc` (see `classification_scores`), or for the squared loss `rmse` and `r2`
      (NaN where the test targets are constant); `n_train`, `n_test`; `mode`, `epochs` and `validated`, see `Finetuned`.

    Raises:
      InputError: as `fit_finetuned`, for either split; a test label that training has not seen.
      TrainingDiverged: a loss or weight is not finite.
    """
    x, y = checked_split("train", x_train, y_train, loss)
    x_new, y_new = checked_split("test", x_test, y_test, loss)
    channels, new = ({name: sum(v.shape[2:]) for name, v in each.fields.items()} for each in (x, x_new))
    if new != channels:
        raise InputError(f"x_test: found {new} channels, want x_train's {channels}")
    if loss == "cross_entropy" and (unseen := sorted(set(y_new.tolist()) - set(y.tolist()))):
        known = np.unique(y)[:10].tolist()
        raise InputError(f"y_test: found labels {unseen[:5]}, want only labels of y_train: {known}")
    tuned = fit_finetuned(method, params, aux, x, y, mode=mode, loss=loss, batch_size=batch_size, **settings)
    made = predict_finetuned(method, tuned, x_new, min(batch_size, len(y)))
    if tuned.classes is None:
        from sklearn.metrics import r2_score, root_mean_squared_error

        scores = {
            "rmse": float(root_mean_squared_error(y_new, made[:, 0])),
            "r2": float(r2_score(y_new, made[:, 0])) if np.ptp(y_new) > 0 else float("nan"),
        }
    else:
        from scipy.special import log_softmax

        # Logits say which class a row is in; only normalised they also say of two rows which is more of a class.
        decision = log_softmax(made.astype(np.float64), axis=1)
        scores = classification_scores(y_new, tuned.classes[made.argmax(1)], tuned.classes, decision=decision)
    chosen = {"mode": mode, "epochs": tuned.epochs, "validated": tuned.validated}
    return {**scores, "n_train": len(y), "n_test": len(y_new), **chosen}


def fit_finetuned(
    method: Method,
    params: Params,
    aux: Aux,
    x: np.ndarray | Batch,
    y: np.ndarray,
    *,
    mode: Mode,
    loss: Loss = "cross_entropy",
    blocks: int = 1,
    encoder_rate_ratio: float | None = None,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    epochs: int = 100,
    patience: int = 10,
    batch_size: int = 32,
    seed: int = 0,
) -> Finetuned:
    """Trains a linear head on `method.embed`, and with it what `mode` says of the encoder, by AdamW.

    The head reads embeddings standardised by their mean and standard deviation over the rows it learns from, taken
    before any training and left as they are. It starts at zero: the seed decides the validation rows and the batches,
    nothing else. The encoder runs as in `embed`: no dropout, no augmentation, batch statistics fixed.

    A fifth of the training rows, drawn by class, validates: the epoch with the least validation loss counts, and
    training ends when `patience` epochs have not improved on it. Where a class (with the squared loss: the set) has
    fewer than five rows, all rows train for all `epochs`, and the last weights count.

    Args:
      method: made for a single device.
      params: of one seed; for "supervised" those of an untrained encoder.
      aux: of one seed.
      x: `[N, T, C]` float32 training series, NaN = missing; or a batch on the host, of series or of events.
      y: `[N]` labels, or numbers for the squared loss.
      mode: "probe": the encoder is frozen; "partial": its last `blocks` blocks move; "full": all of it moves;
        "supervised": as "full", from scratch, the control that says what pretraining adds.
      loss: "cross_entropy" to classify, "squared" to regress.
      blocks: for "partial". A block is all weights with the same i in a name `block_{i}_...`; weights without such a
        name, before and after the blocks, stay frozen.
      encoder_rate_ratio: the encoder's learning rate over the head's; default 1 for "supervised", else 0.1.
      learning_rate: of the head.
      weight_decay: of all that moves.
      epochs: passes over the training rows at most.
      patience: epochs without a smaller validation loss after which training ends.
      batch_size: rows in a batch; the last batch of an epoch holds what is left.
      seed: of the validation rows and the batches.

    Returns:
      The weights of the epoch that counts.

    Raises:
      InputError: wrong shapes, infinite values, one class, targets that are no numbers, settings out of range,
        "partial" of weights without block names or with fewer blocks, embeddings that are not finite.
      TrainingDiverged: a loss or weight is not finite.
    """
    ratio = (1.0 if mode == "supervised" else 0.1) if encoder_rate_ratio is None else encoder_rate_ratio
    check_settings(
        mode,
        {"blocks": blocks, "epochs": epochs, "patience": patience, "batch_size": batch_size},
        {"learning_rate": learning_rate, "encoder_rate_ratio": ratio},
    )
    x, y = checked_split("train", x, y, loss)
    model = Model(method, moving_leaves(method.weights(params, aux)[0], mode, blocks), loss)
    classes: np.ndarray | None = None
    origin, unit, outputs = 0.0, 1.0, 1
    if loss == "cross_entropy":
        classes, target = np.unique(y, return_inverse=True)
        outputs = len(classes)
        if outputs < 2:
            raise InputError(f"y_train: found {outputs} class ({classes.tolist()}), want at least two")
        held_out = held_out_rows(target, seed)
    else:
        held_out = held_out_rows(np.zeros(len(y), int), seed)
        # In standard deviations of the targets a learning rate means the same whatever their unit.
        origin, unit = float(y[~held_out].mean()), float(y[~held_out].std()) or 1.0
        target = ((y - origin) / unit).astype(np.float32)
    learnt, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    size = min(batch_size, len(y))
    z = embed_rows(method, params, aux, x, size)
    if not np.isfinite(z).all():
        raise InputError("x_train: found series with a NaN or infinite embedding, want finite ones")
    standard = statistics(z[learnt])
    # On the device once, not at every update.
    fixed = jax.device_put(Fixed(params, aux, standard, learning_rate, ratio, weight_decay))

    def validation_loss(trained: Trained) -> float:
        now = z[validation]
        if mode != "probe":
            now = embed_rows(method, *rebuilt(model, fixed, trained), x.take(validation), size)
        made = output(standard | jax.device_get(trained["head"]), now)
        return float(np.mean(losses(loss, made, target[validation])))

    trained, state = start(model, fixed, outputs)
    best, best_epoch, least = trained, 0, math.inf
    for epoch in range(1, epochs + 1):
        seen: list[Any] = []
        for rows, counts in batches(np.random.default_rng((seed, epoch)).permutation(learnt), size):
            # What a frozen encoder says of the rows is known.
            inputs = z[rows] if mode == "probe" else x.take(rows)
            trained, state, *values = update(model, fixed, trained, state, inputs, target[rows], counts)
            seen += values
        if len(validation):
            seen.append(validation_loss(trained))
        if not np.isfinite(seen).all():
            raise TrainingDiverged(f"epoch {epoch}: found a loss or weight that is not finite; lower learning_rate")
        if not len(validation) or seen[-1] < least:
            best, best_epoch, least = trained, epoch, seen[-1]
        if epoch - best_epoch >= patience:
            break
    kernel, bias = (np.asarray(best["head"][name], np.float64) for name in ("kernel", "bias"))
    head = {**standard, "kernel": unit * kernel, "bias": unit * bias + origin}
    return Finetuned(*rebuilt(model, fixed, best), head, classes, best_epoch, bool(len(validation)))


def predict_finetuned(method: Method, tuned: Finetuned, x: np.ndarray | Batch, batch_size: int = 32) -> np.ndarray:
    """Outputs `[N, K]` for N rows, see `finetune`: logits of the classes, or one number with the squared loss.

    Raises:
      InputError: an output is not finite.
    """
    made = output(tuned.head, embed_rows(method, tuned.params, tuned.aux, on_host(x), batch_size))
    if not np.isfinite(made).all():
        raise InputError("x: found series with a NaN or infinite output, want finite ones")
    return made
