"""The one training loop: every method, any number of devices, several seeds at once, exact resume."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsrl.errors import InputError, TrainingDiverged
from tsrl.train.checkpoints import Checkpoints, like
from tsrl.train.devices import DeviceStep
from tsrl.train.metrics import MetricsFile
from tsrl.train.monitor import Monitor, Watch
from tsrl.train.order import shuffled_order
from tsrl.train.signals import StopRequest
from tsrl.train.state import State, init_state, make_step
from tsrl.types import Batch, Method, Plan

_MUST_BE_FINITE = ("loss", "grad_norm", "param_norm")
Report = Callable[[int, dict[str, Any] | None, float], None]


class Fitted(NamedTuple):
    """What training ends with.

    Attributes:
      state: stacked over seeds, `[S, ...]`.
      history: a row per step of this run: step, loss and further metrics (a list over seeds when there are several).
      stopped: the signal that ended it early, or None.
      seconds: time spent training, over all parts of a run that was taken up again; compilation included.
    """

    state: State
    history: list[dict[str, Any]]
    stopped: int | None
    seconds: float


class Position(NamedTuple):
    """Where in the data a run stands: the epoch and the step at which it began."""

    epoch: int
    epoch_start: int


def fit(
    method: Method,
    data: Batch,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    batch_size: int,
    seeds: Sequence[int] = (0,),
    devices: Sequence[jax.Device],
    axis_name: str | None,
    checkpoints: Checkpoints | None = None,
    checkpoint_every: int = 100,
    metrics_file: MetricsFile | None = None,
    meta: dict[str, Any] | None = None,
    report: Report | None = None,
    report_every: int = 10,
    monitor: Monitor | None = None,
) -> Fitted:
    """Trains to `steps` updates, from the newest checkpoint if there is one.

    Args:
      method: made with `axis_name`.
      data: the whole training set, rows on the first axis.
      optimizer: applied to the gradient averaged over devices.
      steps: optimiser updates in all.
      batch_size: rows in the global batch, a multiple of the device count, at most the rows of `data`.
      seeds: trained together, each as it would be alone.
      devices: local devices to use.
      axis_name: `tsrl.parallel.AXIS`, or None when the method was made for a single device.
      checkpoints: where to save and resume; None = nowhere.
      checkpoint_every: updates between checkpoints; the last update is always saved.
      metrics_file: where to add a row per step.
      meta: JSON values to record in every checkpoint.
      report: called as `(step, row, steps_per_second)` every `report_every` updates, and once before the first with
        None for the row.
      report_every: updates between reports; losses are looked at then, not after every step.
      monitor: `(params, aux) -> {name: scalar}`, pure and jit-able, of one seed. It looks every `checkpoint_every`
        updates and after the last; the step's row holds its numbers as `health`. It cannot change the training.

    Returns:
      The final state and what happened.

    Raises:
      InputError: sizes that do not fit, or several seeds of a method that plans its epochs.
      TrainingDiverged: a loss, gradient or weight is not finite; the last checkpoint is from before.
    """
    check(method, data, steps, batch_size, seeds, devices)
    run = _Run(method, data, optimizer, steps, batch_size, seeds, devices, axis_name, meta or {})
    watch = Watch(monitor, seeds)
    history: list[dict[str, Any]] = []
    pending: list[tuple[int, dict[str, jax.Array]]] = []

    def settle() -> None:
        """Fetches the pending metrics, checks them, writes them down."""
        rows = [{"step": step, **_plain(metrics)} for step, metrics in jax.device_get(pending)]
        pending.clear()
        wrong = [row for row in rows if not np.all(np.isfinite([row[name] for name in _MUST_BE_FINITE]))]
        rows = [row for row in rows if not wrong or row["step"] <= wrong[0]["step"]]
        # A stop by a signal saves as well but is not looked at: the rows equal those of an uninterrupted run.
        if rows and not wrong and (run.step % checkpoint_every == 0 or run.step == steps):
            rows[-1].update(watch(run.step, run.state))
        history.extend(rows)
        if metrics_file is not None:
            metrics_file.append(rows)
        if wrong:
            raise TrainingDiverged(_diverged(wrong[0], checkpoints))

    with StopRequest() as stop:
        if checkpoints is not None and checkpoints.steps():
            run.restore(checkpoints)
        else:
            run.start()
        if metrics_file is not None:
            metrics_file.keep_until(run.step)
        if report is not None:
            report(run.step, None, 0.0)
        since = (time.perf_counter(), run.step)
        while run.step < steps and stop.signal is None:
            pending.append((run.step + 1, run.advance()))
            # One step of run-ahead keeps the device busy and still answers a signal within a step.
            if len(pending) > 1:
                jax.block_until_ready(pending[-2][1])
            due = run.step % checkpoint_every == 0
            if due or run.step % report_every == 0:
                settle()
                if report is not None:
                    now = time.perf_counter()
                    report(run.step, history[-1], (run.step - since[1]) / max(now - since[0], 1e-9))
                    since = (now, run.step)
            if due and checkpoints is not None:
                run.save(checkpoints)
        settle()
        # A run stopped before its first step has nothing that a new start would not make again.
        if checkpoints is not None and run.step > 0:
            run.save(checkpoints)
            checkpoints.wait()
    return Fitted(run.state, history, stop.signal, run.seconds())


class _Run:
    """The moving parts of one run: state, plan, position in the data."""

    def __init__(
        self,
        method: Method,
        data: Batch,
        optimizer: optax.GradientTransformation,
        steps: int,
        batch_size: int,
        seeds: Sequence[int],
        devices: Sequence[jax.Device],
        axis_name: str | None,
        meta: dict[str, Any],
    ):
        self._meta = meta
        self._method, self._batch_size, self._seeds = method, batch_size, list(seeds)
        self._rows = data.index.shape[0]
        self._advance = DeviceStep(make_step(method, optimizer, steps, axis_name), devices)
        self._data = self._advance.replicate(data)
        self._seed_array = self._advance.replicate(jnp.asarray(self._seeds, jnp.uint32))
        self._init = jax.vmap(lambda seed, data: init_state(method, optimizer, data, seed), in_axes=(0, None))
        self.state: State
        self.step = 0
        self._seconds_before, self._started = 0.0, time.perf_counter()
        self._position = Position(-1, 0)
        self._plan = Plan()
        self._order = np.zeros((len(self._seeds), 0, batch_size), np.int32)

    def seconds(self) -> float:
        """Time spent on this run up to now, earlier parts included."""
        return self._seconds_before + time.perf_counter() - self._started

    def start(self) -> None:
        """Goes to the state before the first update."""
        self.state = self._advance.replicate(jax.jit(self._init)(self._seed_array, self._data))

    def advance(self) -> dict[str, jax.Array]:
        """One optimiser update; returns its metrics `[S]`, still on the device."""
        if self.step - self._position.epoch_start >= self._order.shape[1]:
            self._begin_epoch(Position(self._position.epoch + 1, self.step))
        index = self._order[:, self.step - self._position.epoch_start]
        self.state, metrics = self._advance(self.state, self._data, self._plan, index, self._seed_array)
        self.step += 1
        return metrics

    def _begin_epoch(self, position: Position) -> None:
        plan = None
        if self._method.before_epoch is not None:
            seed = self._seeds[0]
            params, aux = jax.tree.map(lambda leaf: leaf[0], (self.state.params, self.state.aux))
            key = jax.random.fold_in(jax.random.key(seed + 2**31), position.epoch)
            plan = self._method.before_epoch(params, aux, self._data, key)
        self._set_epoch(position, plan)

    def _set_epoch(self, position: Position, plan: Plan | None) -> None:
        self._position = position
        if plan is not None:
            self._plan = self._advance.replicate(dataclasses.replace(plan, order=None))
        if plan is not None and plan.order is not None:
            self._order = np.asarray(plan.order, np.int32)[None]
        else:
            orders = [shuffled_order(seed, position.epoch, self._rows, self._batch_size) for seed in self._seeds]
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
            meta["plan"] = {
                "columns": _shapes(self._plan.columns),
                "tables": _shapes(self._plan.tables),
                "order": list(self._order[0].shape),
            }
        checkpoints.save(self.step, {"model": model, "training": training}, meta)

    def restore(self, checkpoints: Checkpoints) -> None:
        """Goes to the newest readable checkpoint and drops the unreadable ones after it."""
        state = jax.eval_shape(self._init, self._seed_array, self._data)
        model = {"params": state.params, "aux": state.aux}
        training = {"step": state.step, "opt_state": state.opt_state}
        items = {"model": like(model), "training": like(training)}

        def with_plan(meta: dict[str, Any]) -> dict[str, Any]:
            if "plan" not in meta:
                return items
            saved = meta["plan"]
            plan = Plan(_empty(saved["columns"]), _empty(saved["tables"]), np.empty(saved["order"], np.int32))
            return {**items, "training": {**items["training"], "plan": plan}}

        restored = checkpoints.restore(with_plan)
        checkpoints.discard_after(restored.step)
        model, training = restored.items["model"], restored.items["training"]
        state = State(training["step"], model["params"], training["opt_state"], model["aux"])
        self.state = self._advance.replicate(state)
        self.step, self._seconds_before = restored.step, restored.meta["seconds"]
        self._set_epoch(Position(*restored.meta["position"]), training.get("plan"))


def _shapes(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: [list(np.shape(array)), str(jnp.result_type(array))] for name, array in arrays.items()}


def _empty(shapes: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.empty(shape, dtype) for name, (shape, dtype) in shapes.items()}


def _plain(metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """Metrics `[S]` as a number for one seed, a list for several."""
    return {name: value.tolist() if len(value) > 1 else value[0].item() for name, value in metrics.items()}


def _diverged(row: dict[str, Any], checkpoints: Checkpoints | None) -> str:
    kept = checkpoints.steps() if checkpoints is not None else []
    good = f"the last good checkpoint is step {kept[-1]}" if kept else "no checkpoint was saved before"
    found = ", ".join(f"{name} {row[name]}" for name in _MUST_BE_FINITE)
    return f"step {row['step']}: found {found}; {good}"


def check(
    method: Method, data: Batch, steps: int, batch_size: int, seeds: Sequence[int], devices: Sequence[jax.Device]
) -> None:
    """Raises the `InputError` that `fit` would raise for these sizes."""
    rows = data.index.shape[0]
    if steps < 1:
        raise InputError(f"steps: found {steps}, want at least 1")
    if not 1 <= batch_size <= rows:
        raise InputError(f"batch_size: found {batch_size}, want 1 to {rows}, the rows of the training set")
    if batch_size % len(devices):
        raise InputError(f"batch_size: found {batch_size}, want a multiple of the {len(devices)} devices")
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(f"seeds: found {list(seeds)}, want distinct numbers from 0 up")
    if method.before_epoch is not None and len(seeds) > 1:
        raise InputError(f"seeds: found {len(seeds)}, want 1: this method plans its epochs; run its seeds in sequence")
