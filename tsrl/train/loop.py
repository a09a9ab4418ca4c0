"""The one training loop: every method, any number of devices, several seeds at once, exact resume."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from tsrl.errors import InputError, TrainingDiverged
from tsrl.train import hosts
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.feed import Rows, check_draw, count_of, fits
from tsrl.train.metrics import MetricsFile
from tsrl.train.monitor import Monitor, Watch
from tsrl.train.run import Run
from tsrl.train.signals import SharedStop, StopRequest
from tsrl.train.state import State
from tsrl.types import Batch, Method

_MUST_BE_FINITE = ("loss", "grad_norm", "param_norm")
Report = Callable[[int, dict[str, Any] | None, float], None]
EveryEpoch = Callable[[int, State, Callable[[], bool]], bool]


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


def fit(
    method: Method,
    data: Batch | Rows,
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
    every_epoch: Sequence[EveryEpoch] = (),
    at_once: int | None = None,
    resident: bool | None = None,
) -> Fitted:
    """Trains to `steps` updates, from the newest checkpoint if there is one.

    Args:
      method: made with `axis_name`.
      data: the whole training set, rows on the first axis; arrays of numpy or of jax. Or `Rows`, of which no more than
        a few steps are in memory; methods that plan their epochs and several seeds are refused then.
      optimizer: applied to the gradient averaged over devices.
      steps: optimiser updates in all.
      batch_size: rows in the global batch, a multiple of the device count, at most the rows of `data`.
      seeds: trained together, each as it would be alone.
      devices: devices to use; of several processes, those of each side by side, in the order of the processes.
      axis_name: `tsrl.parallel.AXIS`, or None when the method was made for a single device.
      checkpoints: where to save and resume; None = nowhere.
      checkpoint_every: updates between checkpoints; the last update is always saved.
      metrics_file: where to add a row per step.
      meta: JSON values to record in every checkpoint.
      report: called as `(step, row, steps_per_second)` every `report_every` updates and after the first of this call,
        and once before that with None for the row.
      report_every: updates between reports; losses are looked at then, not after every step.
      monitor: `(params, aux) -> {name: scalar}`, pure and jit-able, of one seed. It looks every `checkpoint_every`
        updates and after the last; the step's row holds its numbers as `health`. It cannot change the training.
      every_epoch: each called as `(epoch, state, stopping)` after the last update of an epoch, counted from 0, with the
        state of all seeds; they cannot change the training. When `stopping()` says that a signal has come, one may
        return False: that it has not finished. The run then ends at the checkpoint before. A run that is taken up again
        calls them anew for an epoch if no later checkpoint was saved, and always with the same state.
      at_once: most updates in one call of the compiled program; default: 1 on CPUs, else 10. It changes no result.
      resident: whether the data set lives on the devices or is fed to them call by call, which changes no result;
        default: whether it takes at most a quarter of their memory; never for `Rows`. A method that plans its epochs is
        given it on the host then.

    Returns:
      The final state and what happened.

    Raises:
      InputError: sizes that do not fit, several seeds of a method that plans its epochs, or a method whose examples
        are made of several rows of a data set that does not fit on the devices.
      TrainingDiverged: a loss, gradient or weight is not finite; the last checkpoint is from before.

    Several processes call this alike. The first decides where to begin, plans the epochs, calls `every_epoch` and the
    monitor; the others need no checkpoints, metrics file or report.
    """
    resident = fits(data, devices) if resident is None else resident and isinstance(data, Batch)
    resident = all(hosts.agree("resident", resident))
    check(method, data, steps, batch_size, seeds, devices, resident)
    run = Run(
        method, data, optimizer, steps, batch_size, seeds, devices, axis_name, meta or {}, at_once, resident=resident
    )
    watch = Watch(monitor if hosts.first() else None, seeds)
    history: list[dict[str, Any]] = []
    pending: list[tuple[int, int, dict[str, jax.Array]]] = []

    def settle(last: bool = False) -> None:
        """Fetches the pending metrics, checks them, writes them down."""
        rows = [
            {"step": first + row, **_plain({name: value[row] for name, value in metrics.items()})}
            for first, count, metrics in jax.device_get(pending)
            for row in range(count)
        ]
        pending.clear()
        wrong = [row for row in rows if not np.all(np.isfinite([row[name] for name in _MUST_BE_FINITE]))]
        rows = [row for row in rows if not wrong or row["step"] <= wrong[0]["step"]]
        # A stop by a signal saves as well but is not looked at: the rows equal those of an uninterrupted run.
        if rows and not wrong and (run.step % checkpoint_every == 0 or run.step == steps):
            rows[-1].update(watch(run.step, run.state))
        history.extend(rows)
        if metrics_file is not None:
            metrics_file.append(rows, last)
        if wrong:
            raise TrainingDiverged(_diverged(wrong[0], checkpoints))

    with closing(run), StopRequest() as own:
        stop = SharedStop(own)
        run.begin(checkpoints)
        if metrics_file is not None:
            metrics_file.keep_until(run.step)
        if report is not None:
            report(run.step, None, 0.0)
        began = run.step
        since, speed = (time.perf_counter(), began), 0.0
        while run.step < steps and not stop.look(run.step, _in_a_second(speed)):
            # A call ends where the loop has something to do.
            borders = (steps - run.step, *(every - run.step % every for every in (checkpoint_every, report_every)))
            first = run.step + 1
            count, metrics = run.advance(min(*borders, stop.until_next(run.step)))
            pending.append((first, count, metrics))
            # One call of run-ahead keeps the device busy and still answers a signal within a call.
            if len(pending) > 1:
                jax.block_until_ready(pending[-2][2])
            due = run.step % checkpoint_every == 0
            ended = run.ended_epoch() if every_epoch else None
            # The first is waited for as well: from then on it is known that all works, and compilation is over.
            if due or ended is not None or run.step % report_every == 0 or first == began + 1:
                settle()
                now = time.perf_counter()
                speed = (run.step - since[1]) / max(now - since[0], 1e-9)
                since = (now, run.step)
                if report is not None:
                    report(run.step, history[-1], speed)
            if ended is not None:
                called = hosts.first() and all(call(ended, run.state, own.requested) for call in every_epoch)
                if not hosts.from_first("epoch", called):
                    run.begin(checkpoints)
                    break
            if due and checkpoints is not None:
                run.save(checkpoints)
        settle(last=True)
        # A run stopped before its first step has nothing that a new start would not make again.
        if checkpoints is not None and run.step > 0:
            run.save(checkpoints)
            checkpoints.wait()
        # The last look of all, who are done when the first has saved.
        stop.last()
    return Fitted(run.state, history, stop.signal, run.seconds())


def _in_a_second(speed: float) -> int:
    """Steps of a call that lasts about a second at most: a signal waits for the end of the calls in progress."""
    return max(1, int(speed))


def _plain(metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """Metrics `[S]` as a number for one seed, a list for several."""
    return {name: value.tolist() if len(value) > 1 else value[0].item() for name, value in metrics.items()}


def _diverged(row: dict[str, Any], checkpoints: Checkpoints | None) -> str:
    kept = hosts.from_first("kept", checkpoints.steps() if checkpoints is not None else [])
    good = f"the last good checkpoint is step {kept[-1]}" if kept else "no checkpoint was saved before"
    found = ", ".join(f"{name} {row[name]}" for name in _MUST_BE_FINITE)
    return f"step {row['step']}: found {found}; {good}"


def check(
    method: Method,
    data: Batch | Rows,
    steps: int,
    batch_size: int,
    seeds: Sequence[int],
    devices: Sequence[jax.Device],
    resident: bool,
) -> None:
    """Raises the `InputError` that `fit` would raise for these arguments."""
    rows = count_of(data)
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
    if isinstance(data, Rows) and method.before_epoch is not None:
        found = "windows" if data.in_memory else "a store"
        raise InputError(f"data: found {found} for a method that plans its epochs on all rows, want whole series")
    if isinstance(data, Rows) and not data.in_memory and len(seeds) > 1:
        # Every seed has an order of its own, and so needs other row groups in memory.
        raise InputError(f"seeds: found {len(seeds)} for a store, want 1: run its seeds in sequence")
    if method.check_data is not None and isinstance(data, Batch):
        method.check_data(data)
    if not resident:
        check_draw(method, data)
