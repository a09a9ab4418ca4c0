"""Representations of series that are still arriving: each step's own, from the window of steps that ends there."""

import io
from collections.abc import Iterable, Iterator
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tsrl.data.npz import npz_source, readable, stored_keys
from tsrl.data.scaling import Scaler
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.files import write_whole
from tsrl.types import Array, Aux, Method, Params, as_batch

# Lengths of the pieces that blocks are cut into: one compiled program each, whatever lengths are pushed.
_PIECES = (1, 4, 16, 64, 256, 1024)
# Windows that one call represents when it has more than a step of each stream: memory grows with them.
_WINDOWS = 2048
_MOST_SEEN = np.iinfo(np.int32).max
_KEYS = ("history", "seen", "mean", "std")


@flax.struct.dataclass
class StreamState:
    """What is kept of S streams.

    Attributes:
      history: `[S, window - 1, C]` float32, the last steps before the next one, scaled; NaN = missing, as all steps
        before a stream's first are.
      seen: `[S]` int32, steps pushed so far; stays at 2^31 - 1.
    """

    history: Array
    seen: Array


def empty_state(window: int, streams: int, channels: int) -> StreamState:
    """The state before the first step.

    Args:
      window: steps of a window, its last included.
      streams: S.
      channels: C.
    """
    # With its dtype named the array is not weakly typed: the first push and all others share their program.
    history = jnp.full((streams, window - 1, channels), jnp.nan, jnp.float32)
    return StreamState(history, jnp.zeros(streams, jnp.int32))


@partial(jax.jit, static_argnames="method", donate_argnames="state")
def push(
    method: Method, params: Params, aux: Aux, state: StreamState, block: Array, steps: Array | int | None = None
) -> tuple[StreamState, Array]:
    """Represents the next steps of all streams; compiled once per shape of the block.

    Args:
      method: made for a single device.
      params: of one seed.
      aux: of one seed.
      state: its arrays are given up to the new state's.
      block: `[S, K, C]` float32, scaled, NaN = missing.
      steps: how many of the block's first steps there are; the others are filling. Default: all K.

    Returns:
      The state after these steps, and `[S, K, D]`: what `method.encode` gives for the last step of the window that ends
      at each step. Rows of filling mean nothing.
    """
    count, before = block.shape[1], state.history.shape[1]
    steps = count if steps is None else steps
    known = jnp.concatenate([state.history, block], 1)

    def represent_last(start: Array) -> Array:
        window = lax.dynamic_slice_in_dim(known, start, before + 1, axis=1)
        return method.encode(params, aux, as_batch(window)).z[:, before]

    if method.last_of_windows is not None:
        z = method.last_of_windows(params, aux, as_batch(known), before, False)
    else:
        # One after another: all windows at once would take K times the memory.
        z = lax.map(represent_last, jnp.arange(count)).swapaxes(0, 1)
    history = lax.dynamic_slice_in_dim(known, steps, before, axis=1)
    return StreamState(history, state.seen + jnp.minimum(steps, _MOST_SEEN - state.seen)), z


class StreamingEncoder:
    """Represents steps as they arrive, of one stream or of several that advance together.

    Each step's representation is, up to rounding, the one that `embedder.encode(x, sliding_length=1, sliding_padding=
    window - 1, causal=True)` gives for the last step of the series so far, however the steps are cut into blocks.

    Args:
      embedder: the frozen model; its scaler is applied to every step.
      window: steps that a representation sees, its own included.
      streams: S; memory grows with it.

    Raises:
      InputError: a number below 1; a method without a representation per step; a scaler that is no `Scaler`: one that
        computes its statistics from the series itself would need the steps to come.
    """

    def __init__(self, embedder: Embedder, window: int = 201, streams: int = 1):
        for name, value in (("window", window), ("streams", streams)):
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name}: found {value!r}, want a whole number from 1 up")
        if not isinstance(embedder.scaler, Scaler | None):
            raise InputError(
                f"embedder: found the scaler {type(embedder.scaler).__name__}, want a Scaler, whose statistics are "
                "those of the training series, or None"
            )
        self.embedder, self.window, self.streams = embedder, int(window), int(streams)
        # Weights that stay on the host would be sent again with every step.
        self._params, self._aux = (jax.tree.map(jnp.asarray, weights) for weights in (embedder.params, embedder.aux))
        example = np.zeros((1, self.window, embedder.channels), np.float32)
        z = jax.eval_shape(lambda: embedder.method.encode(self._params, self._aux, as_batch(example))).z
        if z.shape[1] != window:
            raise InputError(
                f"embedder: found {z.shape[1]} representations of a window of {window} steps, want one per step"
            )
        self.state = empty_state(self.window, self.streams, embedder.channels)

    def __repr__(self) -> str:
        return f"StreamingEncoder({self.embedder!r}, window={self.window}, streams={self.streams})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by model and state; compiled programs are made again."""
        return _rebuilt, (self.embedder, np.asarray(self.state.history), np.asarray(self.state.seen))

    @property
    def seen(self) -> np.ndarray:
        """Steps of each stream so far, `[S]` int32."""
        return np.array(self.state.seen)

    def push(self, x: Any) -> np.ndarray:
        """Represents the next step or steps.

        Args:
          x: `[C]` or `[K, C]` for one stream, `[S, C]` for several, or `[S, K, C]`, numbers; a step with NaN in any
            channel is missing, and is a step all the same.

        Returns:
          float32 of the same shape with D in the place of C.

        Raises:
          InputError: another rank, channel count or number of streams, no steps, no numbers, infinite values. The
            streams are as they were before.
        """
        x = self._checked(x)
        block = x if x.ndim == 3 else x.reshape(self.streams, -1, x.shape[-1])
        if self.embedder.scaler is not None:
            block = self.embedder.scaler.apply(block)
        outputs, start = [], 0
        for piece in _pieces(block.shape[1], self.streams):
            part = block[:, start : start + piece]
            filling = ((0, 0), (0, piece - part.shape[1]), (0, 0))
            padded = np.pad(part, filling, constant_values=np.nan)
            self.state, z = push(self.embedder.method, self._params, self._aux, self.state, padded, part.shape[1])
            outputs.append(np.asarray(z)[:, : part.shape[1]])
            start += piece
        return np.concatenate(outputs, 1).reshape(*x.shape[:-1], -1)

    def _checked(self, x: Any) -> np.ndarray:
        """x as float32 of one of the ranks that `push` takes."""
        several = self.streams > 1
        form = f"[S, C] or [S, K, C] with S = {self.streams}" if several else "[C], [K, C] or [1, K, C]"
        try:
            found = np.asarray(x)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"x: found {type(x).__name__} that numpy cannot make an array of ({error}), want {form}"
            ) from error
        shape = found.shape
        if found.dtype.kind not in "iuf":
            raise InputError(f"x: found dtype {found.dtype} in shape {shape}, want {form} of numbers")
        if found.ndim not in ((2, 3) if several else (1, 2, 3)):
            raise InputError(f"x: found shape {shape}, want {form}")
        if shape[-1] != self.embedder.channels:
            channels = self.embedder.channels
            raise InputError(f"x: found {shape[-1]} channels in shape {shape}, want {channels} as in training")
        if (several or found.ndim == 3) and shape[0] != self.streams:
            raise InputError(f"x: found {shape[0]} streams in shape {shape}, want {self.streams}")
        if 0 in shape:
            raise InputError(f"x: found 0 time steps in shape {shape}, want at least 1")
        # A float64 beyond float32 becomes infinite here and is reported below.
        with np.errstate(over="ignore"):
            found = found.astype(np.float32, copy=False)
        if np.isinf(found).any():
            infinite = np.isinf(found.reshape(self.streams, -1)).any(1)
            raise InputError(
                f"x: found values infinite in float32 in {infinite.sum()} of {self.streams} streams, first in stream "
                f"{infinite.argmax()}, want finite numbers, NaN = missing"
            )
        return found

    def reset(self, streams: int | Iterable[int] | None = None) -> None:
        """Forgets the steps of some streams, so that new ones begin in their places.

        Args:
          streams: a number or numbers from 0 to S - 1; default all.

        Raises:
          InputError: a number out of that range; nothing is forgotten.
        """
        if streams is None:
            streams = range(self.streams)
        asked = list(streams) if isinstance(streams, Iterable) else [streams]
        for number in asked:
            whole = isinstance(number, Integral) and not isinstance(number, bool)
            if not whole or not 0 <= number < self.streams:
                raise InputError(f"streams: found {number!r}, want whole numbers from 0 to {self.streams - 1}")
        history, seen = (np.array(array) for array in (self.state.history, self.state.seen))
        history[asked], seen[asked] = np.nan, 0
        self.state = StreamState(jnp.array(history), jnp.array(seen))

    def save(self, path: Path | str) -> None:
        """Writes the streams' state, without the model, to an .npz file, for `StreamingEncoder.load`.

        Args:
          path: of the file; one that is there is replaced, as a whole.

        Raises:
          InputError: the file cannot be written.
        """
        content = io.BytesIO()
        mean, std = _scaling(self.embedder)
        np.savez(content, history=self.state.history, seen=self.state.seen, mean=mean, std=std)
        try:
            write_whole(Path(path), content.getvalue())
        except OSError as error:
            raise InputError(f"path: cannot write {path} ({error.strerror}), want a file in a folder") from error

    @classmethod
    def load(cls, path: Path | str, embedder: Embedder, window: int | None = None) -> "StreamingEncoder":
        """Streams that go on where they were when `save` wrote the file.

        Args:
          path: of the file.
          embedder: the model, with the channels and the scaler of the one that was saved with.
          window: the window that the file must have; default: whatever it has.

        Raises:
          InputError: no such file, a damaged one, one that `save` did not write, or one of other channels, scaling or
            window.
        """
        path, wanted = Path(path), "want one that StreamingEncoder.save wrote"
        if not path.is_file():
            raise InputError(f"path: found no file at {path}, {wanted}")
        source = npz_source(path)
        if set(keys := stored_keys(path)) != set(_KEYS):
            raise InputError(f"{source}: found the keys {', '.join(keys) or 'none'}, {wanted}")
        with readable(source, f"a damaged file, {wanted}"), np.load(path, allow_pickle=False) as archive:
            history, seen, *scaling = (np.asarray(archive[key]) for key in _KEYS)
        form = history.ndim == 3 and seen.shape == history.shape[:1] and min(history.shape[::2]) > 0
        if not form or history.dtype != np.float32 or seen.dtype != np.int32:
            raise InputError(
                f"{source}: found history {history.dtype} {history.shape} and seen {seen.dtype} {seen.shape}, {wanted}"
            )
        if history.shape[2] != embedder.channels:
            raise InputError(f"{source}: found {history.shape[2]} channels, want {embedder.channels} as the model's")
        if window not in (None, history.shape[1] + 1):
            raise InputError(f"{source}: found a window of {history.shape[1] + 1} steps, want {window}")
        for name, found, want in zip(("mean", "std"), scaling, _scaling(embedder), strict=True):
            # The steps are kept scaled: another model's scaler would leave them on another scale than the next ones.
            if not np.array_equal(found, want):
                raise InputError(f"{source}: found steps scaled with {name} {found}, want {want} as the model's scaler")
        return _rebuilt(embedder, history, seen)


def _rebuilt(embedder: Embedder, history: np.ndarray, seen: np.ndarray) -> StreamingEncoder:
    made = StreamingEncoder(embedder, history.shape[1] + 1, len(history))
    made.state = StreamState(jnp.array(history), jnp.array(seen))
    return made


def _scaling(embedder: Embedder) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the model's scaler, `[C]` each."""
    if embedder.scaler is None:
        return np.zeros(embedder.channels, np.float32), np.ones(embedder.channels, np.float32)
    return np.asarray(embedder.scaler.mean, np.float32), np.asarray(embedder.scaler.std, np.float32)


def _pieces(steps: int, streams: int) -> Iterator[int]:
    """Lengths that a block is cut into; the last may reach beyond its end, to at most twice what was left."""
    lengths = [length for length in _PIECES if length == 1 or length * streams <= _WINDOWS]
    while steps > 0:
        yield (piece := max(length for length in lengths if length <= 2 * steps))
        steps -= piece
