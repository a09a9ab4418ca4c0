"""What a model makes of raw series, as a program that runs without this library: StableHLO, by `jax.export`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.types import Array, Encoded, as_batch

Function = Literal["embed", "encode"]
Platform = Literal["cpu", "cuda", "rocm", "tpu"]

# Of a model that has not been told how long its series were.
_UNKNOWN_LENGTH = 2
# Shortest lengths that are tried where the length is left open, up to that of training: some encoders want a few steps.
_SHORTEST = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# A program and the model are compared on series up to this long.
_COMPARED = 512
# Of the largest value: compilers differ by far less, a program of another function by far more.
_TOLERANCE = 1e-3


class Program(NamedTuple):
    """A function of raw series `[B, T, C]` float32, NaN = missing; B is free.

    Attributes:
      name: what it computes, as the `Embedder`'s function of that name.
      content: what `jax.export.deserialize` reads.
      length: T, or None where it is free.
      shortest: the least T where it is free.
      reason: why T is fixed; "" where it is free.
      output: the shape of the result, in terms of "batch" and "length".
      compared: lengths of the series that program and model were compared on.
      difference: the largest there, as a share of the largest value.
    """

    name: Function
    content: bytes
    length: int | None
    shortest: int
    reason: str
    output: str
    compared: list[int]
    difference: float


def exported(model: Embedder, name: Function, length: int | None, platforms: tuple[Platform, ...]) -> Program:
    """A function of a model as a program, compared with the model on this machine.

    Args:
      model: whose function it is; its scaler and what it does about NaN become part of the program.
      name: "embed" or "encode".
      length: T of the series; None: free where the model allows that, otherwise the length that it was trained on.
      platforms: that the program is lowered for.

    Raises:
      InputError: the length is needed and not known, or no length for this model; flatbuffers is not installed.
    """
    if length is not None:
        return _compared(model, name, length, 1, "as asked", platforms)
    reason, known = "", model.length > _UNKNOWN_LENGTH
    for shortest in _SHORTEST:
        if known and shortest > model.length:
            break
        try:
            return _compared(model, name, None, shortest, "", platforms)
        except ModuleNotFoundError:
            raise
        # Whatever keeps a program from being traced with an open length is the reason why it has none. A mistake that
        # is no matter of length comes again below.
        except Exception as error:  # noqa: BLE001
            reason = reason if "inconclusive" in str(error) and reason else _first_line(error)
    if not known:
        raise InputError(
            f"length: not given, and not known of this model, whose `{name}` is a program for one length only "
            f"({reason}); want --length, the steps of a series"
        )
    return _compared(model, name, model.length, 1, reason, platforms)


def _compared(
    model: Embedder, name: Function, length: int | None, shortest: int, reason: str, platforms: tuple[Platform, ...]
) -> Program:
    shape = ("batch", "length" if length is None else str(length), str(model.channels))
    constraints = (f"length >= {shortest}",) if length is None else ()
    sizes = export.symbolic_shape(", ".join(shape), constraints=constraints)
    with _without_places():
        made = export.export(jax.jit(_of_raw(model, name)), platforms=platforms)(
            jax.ShapeDtypeStruct(sizes, jnp.float32)
        )
        content = bytes(made.serialize())
    usual = min(max(model.length, shortest + 1), max(_COMPARED, shortest))
    compared = [length] if length is not None else sorted({shortest, usual})
    # The bytes are what is compared: they are all that others have.
    difference = _difference(export.deserialize(bytearray(content)), model, name, compared)
    if difference > _TOLERANCE:
        raise InputError(f"{name}: found a program that differs from the model by {difference:.2g} of its values")
    output = "[" + ", ".join(str(size) for size in made.out_avals[0].shape) + "]"
    return Program(name, content, length, shortest, reason, output, compared, difference)


def _of_raw(model: Embedder, name: Function) -> Callable[[Array], Array]:
    """The function `[B, T, C] -> [B, ...]`, a row at a time, so that no part of it has to know how many there are."""
    function, scaler = getattr(model.method, name), model.scaler

    def of_one(x: Array) -> Array:
        if scaler is not None:
            x = (x - jnp.asarray(scaler.mean)) / jnp.asarray(scaler.std)
        batch = as_batch(x[None], mask=jnp.ones((1, x.shape[0]), bool))
        out = function(model.params, model.aux, batch)
        found: Array = (out.z if isinstance(out, Encoded) else out)[0]
        return found

    def of_all(x: Array) -> Array:
        return jax.vmap(of_one)(x)

    of_all.__name__ = name
    return of_all


@contextmanager
def _without_places() -> Iterator[None]:
    """Leaves out where in which file of this machine an operation comes from: equal models give equal bytes."""
    option = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, option)
    jax.config.update(option, 0)
    try:
        yield
    finally:
        jax.config.update(option, before)


def _difference(program: Any, model: Embedder, name: Function, lengths: list[int]) -> float:
    """The largest difference on random series with a missing step, as a share of the largest value; or infinite."""
    random, worst = np.random.default_rng(0), 0.0
    for length in lengths:
        x = random.normal(size=(2, length, model.channels)).astype(np.float32)
        if model.scaler is not None:
            x = x * model.scaler.std + model.scaler.mean
        if length > 2:
            x[0, length // 2] = np.nan
        want, got = getattr(model, name)(x), np.asarray(program.call(x))
        if want.shape != got.shape:
            return float("inf")
        apart = np.abs(want - got).max() / max(np.abs(want).max(), 1e-6)
        worst = max(worst, float(apart) if np.isfinite(apart) else float("inf"))
    return worst


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"[:200]
