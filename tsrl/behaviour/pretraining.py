"""From a log of events to a trained model."""

from typing import Any

import flax.linen as nn
import jax
import numpy as np

from tsrl.behaviour.embedder import EventEmbedder, event_front
from tsrl.config import Config, Train, options
from tsrl.data.events import EventFields, EventLog, event_columns, stretches
from tsrl.data.store.order import shuffled_order
from tsrl.encoders import CausalConv
from tsrl.errors import InputError, check_whole
from tsrl.pretraining import check_config, job_of, raise_stopped, run
from tsrl.train.feed import Rows
from tsrl.types import Batch, as_batch

# Of padded stretches that are made at once; of a larger log those of a batch are made when it is due.
_AT_ONCE = 256e6


def pretrain_events(
    log: EventLog,
    method: str = "next_step",
    *,
    fields: EventFields | None = None,
    encoder: nn.Module | None = None,
    length: int = 128,
    steps: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    quiet: bool = True,
    **settings: Any,
) -> EventEmbedder:
    """Trains a model of users' actions on a log, without labels.

    A training example is a stretch of up to `length` events of one sequence; the stretches of a longer sequence begin
    half a length apart.

    Args:
      log: of training events, with two or more in some sequence.
      method: a name of `tsrl.methods.METHODS` that takes any fields: next_step (with `agreement=0.5` after
        TimeDRL), ts2vec, tnc; simclr and byol with pairs that cut or hide events, such as `pairs="slices"` (stretches
        of one user as positives, CoLES), and a pooling other than "flatten".
      fields: how events become numbers; default: learned from the log.
      encoder: a module of `tsrl.encoders`; default: causal convolutions, 64 wide, that see 125 events.
      length: of stretches, and of the context that an event's representation sees at least.
      steps: optimiser updates; default 200 for up to 100,000 events, else 600.
      seed: of the initial weights and every draw.
      batch_size: stretches in a batch.
      learning_rate: AdamW's rate.
      weight_decay: AdamW's decay.
      quiet: no progress bar.
      **settings: the method's own.

    Returns:
      The trained model.

    Raises:
      InputError: a log without two events in a row, settings out of range, a method that is for series alone.
      TrainingDiverged: the loss stopped being finite.
    """
    check_whole("length", length, 2)
    encoder = encoder or CausalConv(width=64, features=64, depth=4)
    train = Train(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        max_train_length=length,
    )
    config = Config(method=options(method, **settings), encoder=encoder, train=train, seed=seed)
    check_config(config)
    fields = EventFields.learn(log) if fields is None else fields
    data = training_stretches(log, fields, length)
    job = job_of(config, data, length, 0, None, log.events, event_front(encoder, fields))
    fitted = run(job, quiet=quiet)
    raise_stopped(fitted)
    params, aux = jax.tree.map(lambda leaf: np.asarray(leaf[0]), (fitted.state.params, fitted.state.aux))
    return EventEmbedder(config.method, encoder, fields, params, aux, length)


def training_stretches(log: EventLog, fields: EventFields, length: int) -> Batch | Rows:
    """The stretches of a log, see `pretrain_events`.

    Raises:
      InputError: no sequence of two events.
    """
    hop = max(length // 2, 1)
    long_enough = log.lengths >= 2
    counts = np.where(long_enough, 1 + -(-np.maximum(log.lengths - length, 0) // hop), 0)
    if not counts.any():
        raise InputError(f"log: found {len(log)} sequences of at most one event, want some of two or more")
    sequence = np.repeat(np.arange(len(log)), counts)
    place = np.arange(len(sequence)) - np.repeat(np.cumsum(counts) - counts, counts)
    # The last stretch of a sequence ends with it.
    begin = np.minimum(place * hop, np.maximum(log.lengths[sequence] - length, 0))
    count = np.minimum(log.lengths[sequence] - begin, length)
    first, columns = log.starts[:-1][sequence] + begin, event_columns(log, fields)

    def take(rows: np.ndarray) -> Batch:
        made, mask = stretches(columns, first[rows], count[rows], length)
        return as_batch(made, mask=mask, index=rows, on_host=True)

    width = sum(values[:1].nbytes for values in columns.values())
    if len(first) * length * width <= _AT_ONCE:
        return take(np.arange(len(first)))
    order = lambda seed, epoch, batch_size: shuffled_order(seed, epoch, len(first), batch_size)  # noqa: E731
    return Rows(len(first), take, order, in_memory=True)
