"""Rows of any length through a few compiled programs of fixed shape: what a row gives depends on that row alone."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.bulk.source import BLOCK_VALUES, Part, Rows, Source
from tsrl.config import model_json
from tsrl.embedder import Embedder, model_meta
from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Method, Params, as_batch

Level = Literal["series", "steps"]

# Values of the largest intermediate array of a batch: 32 MB per copy in float32, as in `evaluate.embed`.
_BATCH_VALUES = 2**23
# Numbers of a block's result: 16 MB.
_RESULT_VALUES = 2**22
# Rows of a block where nothing is known of their size.
_UNKNOWN_ROWS = 256
# The rows that fill no batch go through a program of this share of its rows.
_REST = 8


class Group(NamedTuple):
    """Rows of a block that are padded to one length.

    Attributes:
      places: `[n]` int64 of the rows in the block.
      steps: `[n]` int64, the true lengths.
      x: `[n, size, C]` float32, scaled; NaN = missing or padding.
    """

    places: np.ndarray
    steps: np.ndarray
    x: np.ndarray


class Block(NamedTuple):
    """Rows that are ready to be encoded.

    Attributes:
      part: of which part.
      first: the place of the first row in the part.
      rows: how many, those with reasons included.
      groups: by padded length.
      reasons: place in the block -> why the row is not encoded.
      ids: Arrow array, one a row, or None.
    """

    part: Part
    first: int
    rows: int
    groups: tuple[Group, ...]
    reasons: dict[int, str]
    ids: Any


class BatchEncoder:
    """A model, and which shapes it is compiled for.

    A series of T steps is padded at its end, by missing steps, to the smallest of some sizes that the model accepts,
    and stands in a batch of one of two numbers of rows. All this follows from the arguments alone.

    Args:
      model: of one seed.
      sizes: the lengths; empty: `lengths`, the model's own, and a ladder whose steps are a quarter apart.
      lengths: that are likely to occur; see `Source.lengths`.
      level: an embedding for each series, or for each of its steps.
      scores: the anomaly score of the last step too.
      batch_size: rows of a batch; None: what keeps one intermediate array within 32 MB, evened out over `block_rows`.

    Attributes:
      width: D of an embedding.

    Raises:
      InputError: the model has no embedding for a size; or none for steps, which `level` or `scores` need.
    """

    def __init__(
        self,
        model: Embedder,
        sizes: tuple[int, ...] = (),
        lengths: tuple[int, ...] = (),
        level: Level = "series",
        scores: bool = False,
        batch_size: int | None = None,
    ):
        self.model, self._level, self._scores, self._batch_size = model, level, scores, batch_size
        self._given, self._likely = tuple(sorted(sizes)), (*lengths, model.length)
        self._sizes: dict[int, int | str] = {}
        self._rows: dict[int, int] = {}
        self._block_rows = 1
        # The device keeps the weights: from the host they would be sent with every batch.
        self._params, self._aux = jax.tree.map(jnp.asarray, (model.params, model.aux))
        self._apply = partial(_encode, model.method, level, scores)
        forms = {size: self._form(size) for size in self._given or [model.length]}
        for size, form in forms.items():
            if isinstance(form, str):
                raise InputError(f"{'sizes' if self._given else 'model'}: found {size} steps, which it refuses: {form}")
        widths = sorted({int(form) for form in forms.values()})
        if len(widths) > 1:
            raise InputError(f"sizes: found embeddings of {' and '.join(map(str, widths))} numbers, want one width")
        self.width = widths[0]

    def plan(self, source: Source) -> None:
        """Evens batches out over the blocks of a source, so that few rows are left over."""
        self._block_rows = max(self.block_rows(part) for part in source.parts)

    def block_rows(self, part: Part) -> int:
        """Rows of a part that are decoded, encoded and written together."""
        values = part.row_values
        if not values:
            return min(part.rows, _UNKNOWN_ROWS)
        steps = 1 if self._level == "series" else -(-values // self.model.channels)
        return max(1, min(part.rows, BLOCK_VALUES // values, _RESULT_VALUES // (steps * self.width)))

    def prepare(self, rows: Rows) -> Block:
        """Sorts rows out: those that can be encoded by padded length, and why the others cannot."""
        reasons = dict(rows.reasons)
        by_size: dict[int, list[int]] = {}
        for place, series in enumerate(rows.series):
            if place in reasons:
                continue
            size = self._size(len(series)) if len(series) else "found no steps, want at least one"
            if isinstance(size, str):
                reasons[place] = size
            else:
                by_size.setdefault(size, []).append(place)
        groups = []
        for size, found in sorted(by_size.items()):
            places = np.array(found)
            steps = np.array([len(rows.series[place]) for place in found])
            if (steps == size).all():
                x = np.stack([rows.series[place] for place in found])
            else:
                x = np.full((len(found), size, self.model.channels), np.nan, np.float32)
                for row, place in enumerate(found):
                    x[row, : steps[row]] = rows.series[place]
            infinite, unseen = np.isinf(x).any((1, 2)), np.isnan(x).any(2).all(1)
            for row in np.flatnonzero(infinite | unseen):
                reasons[found[row]] = (
                    "found values infinite in float32, want finite, NaN = missing"
                    if infinite[row]
                    else "found no step with all channels observed, want at least one"
                )
            if (wrong := infinite | unseen).any():
                places, steps, x = places[~wrong], steps[~wrong], x[~wrong]
            if len(x):
                scaler = self.model.scaler
                groups.append(Group(places, steps, x if scaler is None else scaler.apply(x)))
        return Block(rows.part, rows.first, len(rows.series), tuple(groups), reasons, rows.ids)

    def batches(self, group: Group) -> Iterator[tuple[slice, Array, Array | None]]:
        """Starts encoding a group batch by batch.

        Yields:
          Which of the group's rows, `[B, D]`, or `[B, size, D]` of steps, and `[B]` scores or None; B is at least the
          number of these rows, what stands after them is to be left out.
        """
        size, most, count = group.x.shape[1], self._batch(group.x.shape[1]), len(group.x)
        few = -(-most // _REST)
        start = 0
        while start < count:
            left = count - start
            # Some small batches, unless they are as many rows as a whole one.
            rows = most if left > most - few else few
            part = group.x[start : start + rows]
            steps = np.pad(group.steps[start : start + rows], (0, rows - len(part)), mode="edge")
            filled = np.concatenate([part, np.repeat(part[-1:], rows - len(part), 0)]) if len(part) < rows else part
            found = self._apply(self._params, self._aux, as_batch(filled), self._hidden(steps, size))
            yield (slice(start, start + len(part)), *found)
            start += len(part)

    def _size(self, steps: int) -> int | str:
        """The padded length of a series, or why it has none."""
        if steps not in self._sizes:
            self._sizes[steps] = self._found_size(steps)
        return self._sizes[steps]

    def _found_size(self, steps: int) -> int | str:
        if self._given:
            fitting = [size for size in self._given if size >= steps]
            return fitting[0] if fitting else f"found {steps} steps, want at most {self._given[-1]} (sizes)"
        rungs = min([_rung(steps), *(length for length in self._likely if length >= steps)])
        reason = ""
        for size in (rungs, self.model.length):
            form = self._form(size)
            if size >= steps and form == self.width:
                return size
            reason = reason or (form if isinstance(form, str) else f"embeddings of {form} numbers, want {self.width}")
        return f"found {steps} steps, which the model refuses: {reason}"

    def _form(self, size: int) -> int | str:
        """D for series of this length, or why the model has none."""
        batch = as_batch(np.zeros((1, size, self.model.channels), np.float32))
        try:
            found, _ = jax.eval_shape(self._apply, self._params, self._aux, batch, self._hidden(np.array([size]), size))
        except InputError as error:
            return str(error)
        return int(found.shape[-1])

    def _hidden(self, steps: np.ndarray, size: int) -> np.ndarray | None:
        """The last step of each series, `[B, size]`, where it is to be hidden for its score."""
        return np.arange(size) == steps[:, None] - 1 if self._scores else None

    def _batch(self, size: int) -> int:
        """Rows of a whole batch of series of a length."""
        if self._batch_size is not None:
            return self._batch_size
        if size not in self._rows:
            most = max(1, _BATCH_VALUES // (size * self.width))
            count = -(-self._block_rows // most)
            self._rows[size] = -(-self._block_rows // count)
        return self._rows[size]


def _rung(steps: int) -> int:
    """The smallest step of the ladder 16, 24, 32, 40, 56, 72, 96, ... that holds a length."""
    size = 16
    while size < steps:
        size = -(-size * 5 // 32) * 8
    return size


@partial(jax.jit, static_argnames=("method", "level", "scores"))
def _encode(
    method: Method, level: Level, scores: bool, params: Params, aux: Aux, batch: Batch, hidden: Array | None
) -> tuple[Array, Array | None]:
    """Embeddings `[B, D]` or `[B, S, D]`, and `[B]` scores: how far the last step moves when it is hidden."""
    found = method.embed(params, aux, batch) if level == "series" else None
    if found is not None and not scores:
        return found, None
    z = method.encode(params, aux, batch).z
    if z.shape[1] != batch.mask.shape[1]:
        raise InputError(
            f"{z.shape[1]} representations of {batch.mask.shape[1]} steps, where level or scores want one of each"
        )
    if hidden is None:
        return z, None
    masked = method.encode(params, aux, _without(batch, hidden)).z
    # The last step of a series is observed or not; the score of one that is not is 0, as in `evaluate.anomaly`.
    distance = jnp.where((hidden & batch.mask)[..., None], jnp.abs(z - masked), 0).sum((1, 2))
    return (z if found is None else found), distance


def _without(batch: Batch, hidden: Array) -> Batch:
    x = jnp.where(hidden[..., None], 0, batch.x)
    return batch.replace(fields={"x": x}, mask=batch.mask & ~hidden)  # type: ignore[attr-defined]


def model_hash(model: Embedder) -> str:
    """SHA-256 of all that decides what a model gives: settings, encoder, channels, length, scaler, weights."""
    record = [model_json(model.options, model.encoder), model_meta(model.channels, model.length, model.scaler)]
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path((model.params, model.aux)):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
