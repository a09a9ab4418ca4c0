"""A training run whose input has been checked: the method and the optimiser that its settings ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

from tsrl.config import Config
from tsrl.data.scaling import Scaler
from tsrl.encoders.micro_batched import micro_batched
from tsrl.methods.accumulated import accumulated
from tsrl.methods.contextual import contextual
from tsrl.methods.continued import Start, continued
from tsrl.train.feed import Rows, count_of, for_init
from tsrl.train.optimizer import optimizer
from tsrl.types import Aux, Batch, Method, Params, as_batch
from tsrl.views import random_window


@dataclass(frozen=True)
class Job:
    """A training run whose input has been checked: nothing has been written or computed yet.

    Attributes:
      config: the run's settings.
      data: the prepared training set, or the rows of a store.
      length: T of its series.
      channels: C of the series.
      scaler: already applied to `data`, to be applied to everything that is encoded.
      steps: optimiser updates.
      batch_size: rows in the global batch.
      front: what turns the fields of a batch into steps; default: the encoder's own.
      start: the model that training goes on from; default: random weights.
    """

    config: Config
    data: Batch | Rows
    length: int
    channels: int
    scaler: Scaler | None
    steps: int
    batch_size: int
    front: nn.Module | None = None
    start: Start | None = None

    def method(self, axis_name: str | None) -> Method:
        """The method, with batches cut to `max_train_length`, unless they are windows or it cuts out windows itself."""
        train, encoder = self.config.train, self.config.encoder
        if train.micro_batch:
            encoder = micro_batched(encoder, train.micro_batch)
        method = self.config.method.build(encoder, axis_name, self.front)
        if self.start is not None:
            method = _continued(method, self.start)
        if train.accumulate > 1:
            method = _accumulated(method, train.accumulate)
        if train.batches == "contextual":
            alone = self.config.method.build(self.config.encoder, None, self.front)
            method = _contextual(method, alone, self.batch_size, train.same_above)
        if method.cuts_windows or train.window:
            return method
        return _windowed(method, train.max_train_length)

    def check_window(self, represent: Callable[[Params, Aux, Batch], Any], steps: int) -> None:
        """Traces a function of the method on a window of `steps` steps.

        Raises:
          InputError: the method's own, of a window that it cannot represent.
        """
        params, aux = jax.eval_shape(self.method(None).init, jax.random.key(0), for_init(self.data, resident=False))
        window = as_batch(np.zeros((1, steps, self.channels), np.float32))
        jax.eval_shape(represent, params, aux, window)

    def optimizer(self) -> optax.GradientTransformation:
        """The optimiser and its schedule, as `Train` says."""
        train = self.config.train
        return optimizer(
            train.optimizer,
            train.learning_rate,
            train.weight_decay,
            train.momentum,
            train.schedule,
            self.steps,
            self.steps_per_epoch,
            self.method(None).rates,
            train.beta2,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch of a method that does not plan its own; without incomplete batches."""
        return count_of(self.data) // self.batch_size

    @property
    def checkpoint_every(self) -> int:
        """Updates between checkpoints."""
        return self.config.train.checkpoint_every or self.steps_per_epoch


# Equal settings give the very same functions, so that what is traced and compiled for one run serves all.
@lru_cache(maxsize=32)
def _windowed(method: Method, max_length: int) -> Method:
    return method._replace(draw=random_window(method.draw, max_length))


_contextual, _accumulated = lru_cache(maxsize=32)(contextual), lru_cache(maxsize=32)(accumulated)
_continued = lru_cache(maxsize=32)(continued)
