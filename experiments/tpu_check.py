"""Checks the accelerator at hand: equal updates on one device and on all, resume, seconds of a step.

For TS2Vec, TimeDRL and SimCLR, the last with batch statistics over all devices. What is compared is trained by SGD,
whose updates show a wrong scale; with full products in float32.

Command: python experiments/tpu_check.py [--methods ts2vec] [--updates 60] [--series 64x512] [--json FILE]

Exit code 1 when a check fails. With one device the first check compares nothing, and says so.
"""

import argparse
import json
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv, PooledConv, Transformer
from tsrl.experiment import hardware, versions
from tsrl.files import write_whole
from tsrl.job import Job
from tsrl.methods import ENCODER_OF
from tsrl.parallel import AXIS
from tsrl.pretraining import prepare
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.devices import usable_devices
from tsrl.train.loop import Fitted, fit

# Small enough for a minute, and without dropout, which every device draws for itself.
SMALL: dict[str, tuple[Any, dict[str, Any]]] = {
    "ts2vec": (DilatedConv(width=16, features=32, depth=4), {"dropout": 0.0}),
    "timedrl": (Transformer(width=16, heads=2, dropout=0.0), {"patch_len": 8, "stride": 8, "dropout": 0.0}),
    "simclr": (PooledConv(width=8, features=16, layers=2, kernel_size=4, dropout=0.0), {"hidden": 16, "output": 8}),
}
STEPS, HALF, BATCH = 6, 3, 64
# Relative, of weights after `STEPS` updates: sums over devices have another order.
TOLERANCE = 1e-4


def main(args: list[str] | None = None, prog: str | None = None) -> None:
    """Checks, prints, writes; ends with code 1 when a check fails.

    Args:
      args: the flags; default those of the process.
      prog: the command, as its help names it.
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="*", choices=SMALL, default=list(SMALL))
    parser.add_argument("--updates", type=_updates, default=60, help="of which the last are timed, in tens; 0: none")
    parser.add_argument("--series", type=_shape, default=(64, 512), help="in a timed batch, and their steps")
    parser.add_argument("--json", type=Path, help="a file for the results")
    asked = parser.parse_args(args)
    devices = jax.local_devices()
    print(f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})")
    with jax.default_matmul_precision("highest"):
        results = {name: {"parity": parity(name), "resume": resume(name)} for name in asked.methods}
    for name in results:
        results[name]["step_ms"] = step_ms(name, asked.updates, *asked.series) if asked.updates else None
    table = Table("method", "largest difference, 1 and all devices", "resumed run", "an update, ms")
    for name, found in results.items():
        same = "one device" if found["parity"] is None else f"{found['parity']:.1e}"
        timed = "" if found["step_ms"] is None else f"{found['step_ms']:.1f}"
        table.add_row(name, same, "bit-equal" if found["resume"] else "differs", timed)
    Console().print(table)
    if asked.json is not None:
        record = {"results": results, "tolerance": TOLERANCE, "hardware": hardware(), "versions": versions()}
        write_whole(asked.json, json.dumps(record, indent=1) + "\n")
    wrong = [name for name, found in results.items() if not found["resume"] or (found["parity"] or 0) > TOLERANCE]
    if wrong:
        raise SystemExit(f"failed: {', '.join(wrong)}")


def job_of(name: str) -> Job:
    """A small run of a method by SGD."""
    encoder, settings = SMALL[name]
    train = Train(steps=STEPS, batch_size=BATCH, optimizer="sgd", learning_rate=1e-3)
    x = np.random.default_rng(0).normal(size=(2 * BATCH, 96, 3)).cumsum(1).astype(np.float32)
    return prepare(Config(method=options(name, **settings), encoder=encoder, train=train), x, None)


def trained(job: Job, devices: list[jax.Device], folder: Path | None = None, stop: int = STEPS) -> Fitted:
    """Trains to `stop` updates, from a checkpoint in the folder if there is one."""
    checkpoints = None if folder is None else Checkpoints(folder)
    made = fit(
        job.method(AXIS),
        job.data,
        job.optimizer(),
        steps=stop,
        batch_size=BATCH,
        devices=devices,
        axis_name=AXIS,
        checkpoints=checkpoints,
        checkpoint_every=HALF,
    )
    if checkpoints is not None:
        checkpoints.close()
    return made


def parity(name: str) -> float | None:
    """The largest difference of the weights after training on one device and on all, relative to the largest weight of
    each array; None where there is one device."""
    job, devices = job_of(name), usable_devices(BATCH)
    if len(devices) == 1:
        return None
    one, several = (trained(job, own).state.params for own in (devices[:1], devices))

    def difference(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6))

    return max(jax.tree.leaves(jax.tree.map(difference, host(one), host(several))))


def resume(name: str) -> bool:
    """Whether a run that was taken up from its checkpoint ends with the same bits."""
    job, devices = job_of(name), usable_devices(BATCH)
    whole = trained(job, devices)
    with tempfile.TemporaryDirectory() as folder:
        trained(job, devices, Path(folder) / "checkpoints", HALF)
        taken_up = trained(job, devices, Path(folder) / "checkpoints")
    equal = jax.tree.map(np.array_equal, host(whole.state), host(taken_up.state))
    return len(taken_up.history) == STEPS - HALF and all(jax.tree.leaves(equal))


def step_ms(name: str, updates: int, batch: int, steps: int) -> float:
    """The median milliseconds of an update by the paper's encoder, over tens of them; the first ten compile."""
    x = np.random.default_rng(0).normal(size=(batch, steps, 7)).cumsum(1).astype(np.float32)
    train = Train(steps=updates, batch_size=batch)
    job = prepare(Config(method=options(name), encoder=ENCODER_OF[name](), train=train), x, None)
    times: list[tuple[int, float]] = []

    def note(step: int, row: dict[str, Any] | None, speed: float) -> None:
        times.append((step, time.perf_counter()))

    fit(
        job.method(AXIS),
        job.data,
        job.optimizer(),
        steps=job.steps,
        batch_size=batch,
        devices=usable_devices(batch),
        axis_name=AXIS,
        report=note,
        report_every=10,
    )
    settled = [found for found in times if found[0] >= 10]
    return median(1e3 * (end - start) / (last - first) for (first, start), (last, end) in pairwise(settled))


def _updates(text: str) -> int:
    if not text.isdecimal() or 0 < int(text) < 20:
        raise argparse.ArgumentTypeError(f"found {text}, want 0 or at least 20")
    return int(text)


def _shape(text: str) -> tuple[int, int]:
    batch, steps = text.split("x")
    return int(batch), int(steps)


def host(tree: Any) -> Any:
    """The arrays of a pytree as numpy's."""
    return jax.tree.map(np.asarray, tree)


if __name__ == "__main__":
    main()
