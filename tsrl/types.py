"""The contract between methods, the training loop and the evaluation.

Shapes: B batch, T time steps, C channels, S representation steps (time steps or patches), D width, H horizon,
K classes, N rows of the data set.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from tsrl.errors import InputError

Array = jax.Array
Key = jax.Array
Params = Any
Aux = Any
Metrics = dict[str, Array]


@flax.struct.dataclass
class Batch:
    """Rows of a data set, or the whole data set: every array's first axis is the row.

    Attributes:
      fields: name -> `[B, T, C]` float or `[B, T]` int; a plain series is the one field `x`. Missing steps hold zeros.
      mask: `[B, T]` bool, True = observed.
      time: `[B, T]` time stamps, or None.
      target: labels or future values, any shape beginning with B, or None.
      index: `[B]` int32 row ids in the data set; random draws of an example are keyed by it.
      group: `[B]` int32: rows of one series share it and are never each other's negatives; None = all differ.
      extra: what a `Plan` or a loader strategy added: its columns (rows taken at `index`) and its tables (whole).
    """

    fields: dict[str, Array]
    mask: Array
    index: Array
    time: Array | None = None
    target: Array | None = None
    group: Array | None = None
    extra: dict[str, Any] = flax.struct.field(default_factory=dict)

    @property
    def x(self) -> Array:
        """The series `[B, T, C]` of a batch that has the one field `x`.

        Raises:
          InputError: it has other fields, such as those of events.
        """
        if "x" not in self.fields:
            raise InputError(f"x: found the fields {', '.join(self.fields)} for a method that is for series, want x")
        return self.fields["x"]

    def take(self, index: Any) -> "Batch":
        """The rows `index`; `extra` is dropped, since its tables have no row axis."""
        return jax.tree.map(lambda column: column[index], dataclasses.replace(self, extra={}))


class Encoded(NamedTuple):
    """One representation per time step or patch.

    Attributes:
      z: `[B, S, D]` representations.
      last_step: `[S]` int32, the last time step each representation has seen.
      mask: `[B, S]` bool, True where the representation stands for observed steps.
    """

    z: Array
    last_step: Array
    mask: Array


@flax.struct.dataclass
class Plan:
    """What a method computes once per epoch on the whole data set; the checkpoint keeps it, so a resume is exact.

    Attributes:
      columns: name -> `[N, ...]`; the rows of a batch reach the loss as `batch.extra[name]`.
      tables: name -> array of a shape fixed over epochs; reaches the loss whole as `batch.extra[name]`.
      order: `[steps, B]` int32 row ids, the epoch's batches; None = a shuffled pass over all rows.
    """

    columns: dict[str, Any] = flax.struct.field(default_factory=dict)
    tables: dict[str, Any] = flax.struct.field(default_factory=dict)
    order: Any = None


def rows(key: Key, data: Batch, index: Array) -> Batch:
    """Default `Method.draw`: the rows `index` of the data set as they are; `key` is not used."""
    del key
    return data.take(index)


def unchanged(params: Params, aux: Aux, step: Array, total_steps: int) -> Aux:
    """Default `Method.after_step`: `aux` as it is."""
    del params, step, total_steps
    return aux


def all_params(params: Params, aux: Aux) -> tuple[Params, Callable[[Params], tuple[Params, Aux]]]:
    """Default `Method.weights`: `encode` uses the parameters themselves."""
    return params, lambda weights: (weights, aux)


class WindowFeatures(NamedTuple):
    """Windows of several channels, each channel represented by itself and normalised by its own mean and scale.

    Attributes:
      features: `[B, C, F]`.
      mean: `[B, C]` of the window; a forecast is `mean + scale * linear(features)`.
      scale: `[B, C]` of the window.
    """

    features: Array
    mean: Array
    scale: Array


class Method(NamedTuple):
    """A self-supervised method: pure functions, made by a factory in `tsrl.methods`.

    Attributes:
      init: `(key, batch) -> (params, aux)`; `aux` is a pytree: batch statistics, EMA target, queue, weight average.
      loss: `(params, aux, batch, key) -> (scalar, (aux, metrics))`. Under several devices it sees this device's rows,
        gathers what couples the batch, and returns the mean over its own rows; the loop averages over devices.
        The `aux` it returns is identical on all devices. `key` is the step's key, the same on all devices: draws of one
        example fold in `batch.index`.
      encode: `(params, aux, batch) -> Encoded`.
      embed: `(params, aux, batch) -> [B, D']`, the method's own instance representation.
      draw: `(key, data, index) -> Batch`, how training examples are cut out of the data set; pure and jit-able. `index`
        holds places in `data`, which is the data set or a block of its rows: draws are keyed by `data.index[index]`.
      after_step: `(params, aux, step, total_steps) -> aux`, once per optimiser update; `step` counts updates from 0.
      before_epoch: `(params, aux, data, key) -> Plan`, on the host, or None.
      predict: `(params, aux, batch) -> [B, H, C]`, supervised forecasters only. The first K channels of `x`
        `[B, L, K + C]` and of `target` `[B, H, K + C]` are known in advance; `predict` reads these alone of the target.
      expect: `(params, aux, batch) -> ` field -> `[B, S, K]`, at every step what the next one is expected to be: logits
        of the codes of a field of names, means of the channels of one of numbers; None = the method predicts no steps.
      layers: `(params, aux, batch) -> [[B, S, D_i], ...]`, the output of every block of the encoder, first to last, at
        the steps of `encode`; None = `encode(...).z` is the only one.
      last_of_windows: `(params, aux, batch, before, hide_last) -> [B, T - before, D]`: for every step but the first
        `before`, what `encode` gives for the last step of the window of `before + 1` steps that ends there, that last
        step hidden or not; None = the windows are encoded one by one.
      weights: `(params, aux) -> (weights, rebuild)`: the parameters that `encode` and `embed` use, as one pytree of
        floats, and `rebuild(weights) -> (params, aux)`, which puts changed ones back.
      rates: `params -> ` a prefix of their tree with a factor of the learning rate for each part; None = 1 for all.
      of_windows: `(params, aux, batch) -> WindowFeatures`, what a linear map is to forecast each channel of a window
        from; None = the representations of its steps.
      cuts_windows: whether the loss cuts windows out of whole series, at steps that the plan gives: batches are then
        not cut to `max_train_length`.
      couples_batch: whether the loss of a row depends on the other rows, by contrast or batch statistics; False for a
        mean of losses of single rows, whose gradient can be added up over parts of the batch.
      any_channels: whether one model represents series of any number of channels, each by itself under the same
        weights.
      check_data: raises InputError for a training set that `before_epoch` could not plan; called on the host before
        anything is written.
    """

    init: Callable[[Key, Batch], tuple[Params, Aux]]
    loss: Callable[[Params, Aux, Batch, Key], tuple[Array, tuple[Aux, Metrics]]]
    encode: Callable[[Params, Aux, Batch], Encoded]
    embed: Callable[[Params, Aux, Batch], Array]
    draw: Callable[[Key, Batch, Array], Batch] = rows
    after_step: Callable[[Params, Aux, Array, int], Aux] = unchanged
    before_epoch: Callable[[Params, Aux, Batch, Key], Plan] | None = None
    predict: Callable[[Params, Aux, Batch], Array] | None = None
    expect: Callable[[Params, Aux, Batch], dict[str, Array]] | None = None
    layers: Callable[[Params, Aux, Batch], list[Array]] | None = None
    last_of_windows: Callable[[Params, Aux, Batch, int, bool], Array] | None = None
    weights: Callable[[Params, Aux], tuple[Params, Callable[[Params], tuple[Params, Aux]]]] = all_params
    rates: Callable[[Params], Any] | None = None
    of_windows: Callable[[Params, Aux, Batch], WindowFeatures] | None = None
    cuts_windows: bool = False
    couples_batch: bool = True
    any_channels: bool = False
    check_data: Callable[[Batch], None] | None = None


def as_batch(x: Any, *, mask: Any = None, target: Any = None, index: Any = None, on_host: bool = False) -> Batch:
    """Lifts a float array to a `Batch`, once, at the public API.

    Args:
      x: `[B, T, C]` floats; a step with NaN in any channel is missing. Or a mapping name -> `[B, T, C]` float or
        `[B, T]` int arrays of one data set.
      mask: `[B, T]` bool, True = observed, combined with what NaN says; None = all observed.
      target: anything whose first axis is B.
      index: `[B]` row ids; default 0..B-1.
      on_host: leave arrays of numpy where they are: of a data set that need not fit on the device.

    Returns:
      A batch whose missing steps hold zeros in every float field (whole steps, as in TS2Vec's released encoder).

    Raises:
      InputError: a float field is not of rank 3, or the fields disagree about `[B, T]`.
    """
    fields = dict(x) if isinstance(x, Mapping) else {"x": x}
    # Host arrays are prepared with numpy: no program is compiled for them.
    fields = {name: value if isinstance(value, jax.Array) else np.asarray(value) for name, value in fields.items()}
    if not fields:
        raise InputError("x: found no field, want at least one")
    for name, value in fields.items():
        rank, form = (2, "[B, T]") if jnp.issubdtype(value.dtype, jnp.integer) else (3, "[B, T, C]")
        if value.ndim != rank:
            raise InputError(f"{name}: found shape {value.shape}, want {form}{_rank_hint(value)}")
    shapes = {name: value.shape for name, value in fields.items()}
    if len({shape[:2] for shape in shapes.values()}) > 1:
        raise InputError(f"fields: found shapes {shapes}, want the same [B, T] for all")
    count, length = next(iter(shapes.values()))[:2]
    observed = np.ones((count, length), bool) if mask is None else mask
    for value in fields.values():
        if value.ndim == 3:
            observed = observed & ~_numpy(value).isnan(value).any(-1)
    known = {}
    for name, value in fields.items():
        if value.ndim == 3:
            value = _numpy(value, observed).where(observed[..., None], value, 0).astype(np.float32)
        known[name] = value
    index = np.arange(count, dtype=np.int32) if index is None else index
    observed, index = _numpy(observed).asarray(observed, bool), _numpy(index).asarray(index, np.int32)
    if not on_host:
        known, observed, index = jax.tree.map(jnp.asarray, (known, observed, index))
    return Batch(known, observed, index, target=target)


def _numpy(*arrays: Any) -> Any:
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np


def _rank_hint(value: Any) -> str:
    return "; add the channel axis: x[..., None]" if value.ndim == 2 else ""


def max_over_time(encoded: Encoded) -> Array:
    """Default instance representation `[B, D]`: the maximum over observed steps; zeros for a row without any."""
    z = jnp.where(encoded.mask[..., None], encoded.z, -jnp.inf).max(1)
    return jnp.where(encoded.mask.any(1)[:, None], z, 0)
