"""The moving parts of a run: its programs, its state, its plan, its place in the data."""

import dataclasses
import math
import os
import time
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsrl.errors import InputError
from tsrl.train import hosts
from tsrl.train.checkpoints import Checkpoints, like
from tsrl.train.devices import DeviceStep
from tsrl.train.feed import Fed, Resident, Rows, fits, for_init, order_of
from tsrl.train.state import State, init_state, make_step
from tsrl.types import Batch, Method, Metrics, Plan


class Programs:
    """What a run compiles: the states before the first update, and the steps. Made by `programs`.

    Args:
      method: made with `axis_name`.
      optimizer: applied to the gradient averaged over devices.
      steps: optimiser updates in all.
      devices: see `fit`.
      axis_name: see `fit`.
      at_once: see `DeviceStep`.
      resident: whether the data set lives on the devices.

    Attributes:
      init: `(seeds [S], data) -> state [S, ...]`, see `feed.for_init` for its data.
      steps: the steps, see `DeviceStep`.
    """

    def __init__(
        self,
        method: Method,
        optimizer: optax.GradientTransformation,
        steps: int,
        devices: tuple[jax.Device, ...],
        axis_name: str | None,
        at_once: int | None,
        resident: bool,
    ):
        start = partial(init_state, method, optimizer)
        self.init = jax.jit(jax.vmap(lambda seed, data: start(data, seed), in_axes=(0, None)))
        self.steps = DeviceStep(make_step(method, optimizer, steps, axis_name), devices, at_once, fed=not resident)


# Equal arguments give the same programs, so that what was traced to check it is compiled.
programs = lru_cache(maxsize=4)(Programs)


def trace(
    method: Method,
    data: Batch | Rows,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    batch_size: int,
    seeds: Sequence[int],
    devices: Sequence[jax.Device],
    axis_name: str | None,
) -> None:
    """Traces the very step that `fit` with these arguments compiles; computes nothing.

    Raises:
      InputError: a setting does not fit the shapes.
    """
    resident = fits(data, devices)
    found = programs(method, optimizer, steps, tuple(devices), axis_name, None, resident)
    _shaped(found, data, batch_size, len(seeds), resident, compiled=False)


def _shaped(found: Programs, data: Batch | Rows, batch_size: int, seeds: int, resident: bool, compiled: bool) -> None:
    """Traces, or starts to compile, the steps of a method without plans for arrays of these sizes."""
    numbers = jax.ShapeDtypeStruct((seeds,), jnp.uint32)
    like_data = for_init(data, resident)
    state = jax.eval_shape(found.init, numbers, like_data)
    steps = found.steps
    share = (steps.at_once, seeds, batch_size // len(steps.devices))
    index = jax.ShapeDtypeStruct((len(steps.devices), *share), np.int32)
    if not resident:
        rows = (len(steps.devices), math.prod(share))
        like_data = jax.tree.map(
            lambda column: jax.ShapeDtypeStruct((*rows, *column.shape[1:]), column.dtype), like_data
        )
    (steps.compile if compiled else steps.trace)(state, like_data, Plan(), index, numbers)


class Position(NamedTuple):
    """Where in the data a run stands: the epoch and the step at which it began."""

    epoch: int
    epoch_start: int


class Run:
    """State, plan and position in the data; arguments as for `fit`."""

    def __init__(
        self,
        method: Method,
        data: Batch | Rows,
        optimizer: optax.GradientTransformation,
        steps: int,
        batch_size: int,
        seeds: Sequence[int],
        devices: Sequence[jax.Device],
        axis_name: str | None,
        meta: dict[str, Any],
        at_once: int | None,
        resident: bool,
    ):
        self._meta = meta
        self._method, self._batch_size, self._seeds = method, batch_size, list(seeds)
        found = programs(method, optimizer, steps, tuple(devices), axis_name, at_once, resident)
        self._init, self._steps = found.init, found.steps
        if method.before_epoch is None:
            # Meanwhile the program of the state before the first update is compiled, or a checkpoint read.
            _shaped(found, data, batch_size, len(self._seeds), resident, compiled=True)
        self._shuffled = order_of(data)
        self._feed: Resident | Fed
        if resident and isinstance(data, Batch):
            self._feed = Resident(data, self._steps)
        else:
            self._feed = Fed(data, self._steps)
        self._seed_array = self._steps.replicate(np.asarray(self._seeds, np.uint32))
        self.state: State
        self.step = 0
        self._seconds_before, self._started = 0.0, time.perf_counter()
        self._position = Position(-1, 0)
        self._plan = Plan()
        self._order = np.zeros((len(self._seeds), 0, batch_size), np.int32)

    def seconds(self) -> float:
        """Time spent on this run up to now, earlier parts included."""
        return self._seconds_before + time.perf_counter() - self._started

    def close(self) -> None:
        """Ends the thread that reads ahead."""
        self._feed.close()

    def begin(self, checkpoints: Checkpoints | None) -> None:
        """Goes to the newest readable checkpoint of the first process, or without one before the first update."""
        if hosts.from_first("saved", checkpoints is not None and bool(checkpoints.steps())):
            self._restore(checkpoints)
        else:
            self.state = self._steps.replicate(hosts.same(self._init(self._seed_array, self._feed.initial)))
            self.step = 0

    def advance(self, most: int) -> tuple[int, Metrics]:
        """Up to `most` updates in one call, none beyond the end of an epoch.

        Returns:
          Their count, and metrics `[K, S]`, of which the first `count` rows count; still on the device.
        """
        if self.step - self._position.epoch_start >= self._order.shape[1]:
            self._begin_epoch(Position(self._position.epoch + 1, self.step))
        at = self.step - self._position.epoch_start
        count = min(most, self._steps.at_once, self._order.shape[1] - at)
        data, plan, index = self._feed.rows(self._order, at)
        self.state, metrics = self._steps(self.state, data, plan, index, self._seed_array, count)
        self._feed.ahead(self._order, at + count)
        self.step += count
        return count, metrics

    def ended_epoch(self) -> int | None:
        """The number of the epoch whose last update was just made, if one was."""
        done = self.step - self._position.epoch_start == self._order.shape[1]
        return self._position.epoch if done else None

    def _begin_epoch(self, position: Position) -> None:
        plan = None
        if self._method.before_epoch is not None:
            seed = self._seeds[0]
            params, aux = jax.tree.map(lambda leaf: leaf[0], (self.state.params, self.state.aux))
            key = jax.random.fold_in(jax.random.key(seed + 2**31), position.epoch)
            if hosts.first():
                plan = self._method.before_epoch(params, aux, self._feed.data, key)
            plan = _shared(plan)
        self._set_epoch(position, plan)

    def _set_epoch(self, position: Position, plan: Plan | None) -> None:
        self._position = position
        if plan is not None:
            self._plan = plan
            self._feed.set_plan(plan)
        if plan is not None and plan.order is not None:
            self._order = np.asarray(plan.order, np.int32)[None]
        else:
            orders = [self._shuffled(seed, position.epoch, self._batch_size) for seed in self._seeds]
            self._order = np.stack(orders)
        if not self._order.shape[1] or self._order.shape[2] != self._batch_size:
            raise InputError(
                f"order: found shape {self._order.shape[1:]}, want [steps, {self._batch_size}] with at least one step"
            )

    def save(self, checkpoints: Checkpoints) -> None:
        """Starts saving state, plan and position."""
        plan = (
            {} if self._method.before_epoch is None else {"plan": dataclasses.replace(self._plan, order=self._order[0])}
        )
        model = {"params": self.state.params, "aux": self.state.aux}
        training = {"step": self.state.step, "opt_state": self.state.opt_state, **plan}
        meta = {**self._meta, "seeds": self._seeds, "position": list(self._position), "seconds": self.seconds()}
        if plan:
            meta["plan"] = _described(training["plan"])
        checkpoints.save(self.step, {"model": model, "training": training}, meta)

    def _restore(self, checkpoints: Checkpoints | None) -> None:
        """Goes to the newest readable checkpoint and drops the unreadable ones after it; the first process reads it."""
        state = jax.eval_shape(self._init, self._seed_array, self._feed.initial)
        model = {"params": state.params, "aux": state.aux}
        training = {"step": state.step, "opt_state": state.opt_state}
        items = {"model": like(model), "training": like(training)}

        def with_plan(meta: dict[str, Any]) -> dict[str, Any]:
            if "plan" not in meta:
                return items
            return {**items, "training": {**items["training"], "plan": _empty(meta["plan"])}}

        restored = None
        if checkpoints is not None:
            restored = checkpoints.restore(with_plan)
            checkpoints.discard_after(restored.step)
        found = None if restored is None else {"step": restored.step, "meta": restored.meta}
        found = hosts.from_first("restored", found)
        read = hosts.same(with_plan(found["meta"]) if restored is None else restored.items)
        model, training = read["model"], read["training"]
        state = State(training["step"], model["params"], training["opt_state"], model["aux"])
        self.state = self._steps.replicate(state)
        self.step, self._seconds_before = found["step"], found["meta"]["seconds"]
        self._set_epoch(Position(*found["meta"]["position"]), training.get("plan"))


def _shared(plan: Plan | None) -> Plan | None:
    """The first process's plan, on all."""
    if hosts.count() == 1:
        return plan
    described = hosts.from_first("plan", None if plan is None else _described(plan))
    return hosts.same(_empty(described) if plan is None else plan)


def _described(plan: Plan) -> dict[str, Any]:
    """Shapes and types of a plan's arrays, as JSON values."""
    columns, tables = (
        {name: [list(np.shape(array)), str(jnp.result_type(array))] for name, array in arrays.items()}
        for arrays in (plan.columns, plan.tables)
    )
    return {"columns": columns, "tables": tables, "order": None if plan.order is None else list(plan.order.shape)}


def _empty(described: dict[str, Any]) -> Plan:
    columns, tables = (
        {name: np.empty(shape, dtype) for name, (shape, dtype) in described[part].items()}
        for part in ("columns", "tables")
    )
    return Plan(columns, tables, None if described["order"] is None else np.empty(described["order"], np.int32))


def enable_compilation_cache() -> None:
    """Keeps compiled programs in the user's cache folder, so that only the first run of a shape compiles it.

    `JAX_COMPILATION_CACHE_DIR` names another folder, `JAX_ENABLE_COMPILATION_CACHE=false` turns it off.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "tsrl" / "jax"))
