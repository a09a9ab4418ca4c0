"""A trained model of events as users hold it: representations, surprise, what comes next, save and load."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tsrl.behaviour.functions import Function, apply, at_last, encoded, expect_next, expected, side_by_side, surprised
from tsrl.config import Options, model_from_json, model_json
from tsrl.data.events import EventFields, EventLog, event_columns, stretches
from tsrl.encoders import EventFront
from tsrl.errors import InputError, check_whole
from tsrl.model_files import read_config, read_model, save_model
from tsrl.types import Aux, Params, as_batch

# Events of one call, filling included; more are no faster an event.
_AT_ONCE = 2**15
_SHORTEST = 16


def event_front(encoder: nn.Module, fields: EventFields) -> EventFront:
    """The front of an encoder for events with these fields."""
    sizes = tuple(fields.sizes().items())
    return EventFront(encoder.width, sizes, "numbers" if fields.width() else "", parent=None)


class EventEmbedder:
    """A frozen model of events, of one seed.

    An event is represented from itself and those of its sequence before it, `context` of them in all at least where
    there are as many. With a convolution that sees no more than these it does not matter how many more there are.

    Args:
      method: the method's settings.
      encoder: the encoder module.
      fields: how events become numbers.
      params: the method's parameters.
      aux: the method's auxiliary pytree.
      context: see above.
    """

    def __init__(
        self, method: Options, encoder: nn.Module, fields: EventFields, params: Params, aux: Aux, context: int
    ):
        check_whole("context", context, 2)
        self.options, self.encoder, self.fields = method, encoder, fields
        self.context = context
        # Weights that stay on the host would be sent again with every call.
        self.params, self.aux = jax.tree.map(jnp.asarray, (params, aux))
        self.method = method.build(encoder, None, event_front(encoder, fields))

    def __repr__(self) -> str:
        count = sum(np.size(leaf) for leaf in jax.tree.leaves(self.params))
        return f"EventEmbedder({self.options.name}, {', '.join(self.fields.vocabularies)}, {count:,} parameters)"

    def fingerprint(self) -> str:
        """SHA-256 of all that a model is made of: two with the same one say the same."""
        record = [model_json(self.options, self.encoder), self.fields.as_json(), self.context]
        made = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
        for path, leaf in jax.tree.leaves_with_path((self.params, self.aux)):
            made.update(f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}".encode())
            made.update(np.ascontiguousarray(leaf).tobytes())
        return made.hexdigest()

    def encode(self, log: EventLog) -> np.ndarray:
        """One representation per event, `[E, D]` float32.

        Raises:
          InputError: a log with other columns than were trained on.
        """
        return self._of_events(encoded(self.method), log)

    def embed(self, log: EventLog, most: int = 1024) -> np.ndarray:
        """One representation per sequence, `[N, D]` float32, as the method makes it; zeros for one without events.

        Args:
          log: the events.
          most: of a longer sequence its last events.

        Raises:
          InputError: a log with other columns than were trained on.
        """
        check_whole("most", most, 1)
        columns, count = event_columns(log, self.fields), np.minimum(log.lengths, most)
        return self._of_stretches(self.method.embed, columns, log.starts[1:] - count, count)

    def surprise(self, log: EventLog) -> dict[str, np.ndarray]:
        """How little the model expected each event from those before it.

        Returns:
          Column -> `[E]` float32 in nats: minus the log-probability of a name; of a number half of its squared error on
          the training scale, 0 where it is missing; "calendar": that of hour and weekday on their circles. NaN for the
          first event of a sequence.

        Raises:
          InputError: a method that predicts nothing; a log with other columns than were trained on.
        """
        self._need_expect()
        return self._surprise(self._of_events(self._surprising(), log), log)

    def represent(self, log: EventLog) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """`encode` and `surprise` in one pass; no surprise of a method that predicts nothing."""
        if self.method.expect is None:
            return self.encode(log), {}
        found = self._of_events(side_by_side(encoded(self.method), self._surprising()), log)
        count = len(self.fields.vocabularies) + len(self.fields.scales) + self.fields.calendar
        return found[:, :-count], self._surprise(found[:, -count:], log)

    def _surprising(self) -> Function:
        return surprised(self.method, tuple(self.fields.vocabularies), len(self.fields.scales), self.fields.calendar)

    def _surprise(self, found: np.ndarray, log: EventLog) -> dict[str, np.ndarray]:
        names = [*self.fields.vocabularies, *self.fields.scales, *(["calendar"] if self.fields.calendar else [])]
        found[log.starts[:-1][log.lengths > 0]] = np.nan
        return {name: found[:, place] for place, name in enumerate(names)}

    def next_action(self, log: EventLog, every: bool = False) -> np.ndarray:
        """Log-probabilities of the actions that may come next.

        Args:
          log: histories.
          every: after every event; otherwise after the last of each sequence.

        Returns:
          `[N, A]` float32, a column for each code of `fields`, uniform for a sequence without events; or `[E, A]`.

        Raises:
          InputError: a method that predicts nothing; a log with other columns than were trained on.
        """
        self._need_expect()
        function = expected(self.method, log.action)
        if every:
            return self._of_events(function, log)
        columns, count = event_columns(log, self.fields), np.minimum(log.lengths, self.context)
        found = self._of_stretches(at_last(function), columns, log.starts[1:] - count, count)
        found[log.lengths == 0] = -np.log(found.shape[1])
        return found

    def expect_next(self, fields: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        """What is expected after the last of a few events, for one sequence whose inputs are at hand.

        Args:
          fields: column -> `[T, ...]`, see `event_columns`; one compiled program for each T.
          count: events from the left, 1 to T; what is after them does not matter.

        Returns:
          Column -> `[K]` float32, see `Method.expect`.

        Raises:
          InputError: a method that predicts nothing.
        """
        self._need_expect()
        mask = np.arange(len(next(iter(fields.values())))) < count
        made = expect_next(self.method, self.params, self.aux, {name: one[None] for name, one in fields.items()}, mask)
        return {name: np.asarray(values) for name, values in made.items()}

    def _need_expect(self) -> None:
        if self.method.expect is None:
            raise InputError(f"method: found {self.options.name}, which predicts no events, want next_step")

    def _of_events(self, function: Function, log: EventLog) -> np.ndarray:
        """`[B, T, ...]` of a function, for every event, in windows that hold its context."""
        columns = event_columns(log, self.fields)
        # A causal encoder represents as many events more at once as are context; another sees each from its own window.
        block = self.context if getattr(self.encoder, "causal", False) else 1
        blocks = -(-log.lengths // block)
        sequence = np.repeat(np.arange(len(log)), blocks)
        begin = block * (np.arange(len(sequence)) - np.repeat(np.cumsum(blocks) - blocks, blocks))
        end = np.minimum(begin + block, log.lengths[sequence])
        seen = np.maximum(begin - self.context + 1, 0)
        start, made = log.starts[:-1][sequence], None
        for rows, z in self._each(function, columns, start + seen, end - seen):
            if made is None:
                made = np.empty((log.events, *z.shape[2:]), z.dtype)
            kept = (end - begin)[rows]
            place = np.arange(z.shape[1])
            inside = (place >= (begin - seen)[rows, None]) & (place < (end - seen)[rows, None])
            row, step = np.nonzero(inside)
            made[(start + seen)[rows][row] + step] = z[row, step]
            assert len(row) == kept.sum()
        return self._nothing(function, log) if made is None else made

    def _nothing(self, function: Function, log: EventLog) -> np.ndarray:
        """What `_of_events` gives for a log without events."""
        made, mask = stretches(event_columns(log, self.fields), np.zeros(1, int), np.zeros(1, int), 2)
        shape = jax.eval_shape(function, self.params, self.aux, as_batch(made, mask=mask)).shape
        return np.zeros((0, *shape[2:]), np.float32)

    def _of_stretches(
        self, function: Function, columns: dict[str, np.ndarray], first: np.ndarray, count: np.ndarray
    ) -> np.ndarray:
        """`[B, ...]` of a function, for every stretch."""
        made = None
        for rows, z in self._each(function, columns, first, count):
            if made is None:
                made = np.empty((len(first), *z.shape[1:]), z.dtype)
            made[rows] = z
        if made is None:
            raise InputError("log: found no sequences, want at least one")
        return made

    def _each(
        self, function: Function, columns: dict[str, np.ndarray], first: np.ndarray, count: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """A function of stretches of about the same number of events together, in few compiled shapes.

        Yields:
          `[M]` numbers of stretches, and what the function gives for them.
        """
        # The next power of two: at most half of what is computed is filling.
        lengths = np.maximum(_SHORTEST, 2 ** np.ceil(np.log2(np.maximum(count, 1))).astype(int))
        for length in np.unique(lengths):
            alike, rows_at_once = np.flatnonzero(lengths == length), max(1, _AT_ONCE // int(length))
            for start in range(0, len(alike), rows_at_once):
                rows = alike[start : start + rows_at_once]
                # A short last part is filled with empty stretches up to a power of two.
                size = min(rows_at_once, 2 ** int(np.ceil(np.log2(len(rows)))))
                filling = np.zeros(size - len(rows), np.int64)
                firsts, counts = (np.concatenate([values[rows], filling]) for values in (first, count))
                made, mask = stretches(columns, firsts, counts, int(length))
                z = apply(function, self.params, self.aux, as_batch(made, mask=mask))
                yield rows, np.asarray(z)[: len(rows)]

    def save(self, folder: Path | str) -> None:
        """Writes the model to a new folder, for `load`.

        Raises:
          InputError: the folder exists and is not empty.
        """
        record = model_json(self.options, self.encoder) | {"events": self.fields.as_json(), "context": self.context}
        save_model(Path(folder), self.params, self.aux, {}, record)


def load(folder: Path | str) -> EventEmbedder:
    """A model from a folder that `EventEmbedder.save` wrote.

    Raises:
      InputError: no model there, a damaged one, or one of series.
    """
    record = read_config(Path(folder))
    if "events" not in record:
        raise InputError(f"folder: found a model of series in {folder}, want one of events; tsrl.load reads it")
    fields = EventFields.from_json(record["events"])
    options, encoder = model_from_json(record)
    made: dict[str, np.ndarray] = {name: np.zeros((1, 2), np.int32) for name in fields.vocabularies}
    if fields.width():
        made["numbers"] = np.zeros((1, 2, fields.width()), np.float32)
    method = options.build(encoder, None, event_front(encoder, fields))
    params, aux, _ = read_model(Path(folder), method, lambda meta: as_batch(made))
    return EventEmbedder(options, encoder, fields, params, aux, record["context"])
