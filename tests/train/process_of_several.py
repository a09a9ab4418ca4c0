"""One of the processes of `test_hosts`: joins the others and trains what it is told, as `train` does alone."""

import json
import os
import sys
import time
from pathlib import Path

import jax
import numpy as np
import optax

from tsrl.parallel import AXIS
from tsrl.process import exit_codes
from tsrl.train import hosts
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.devices import usable_devices
from tsrl.train.loop import fit
from tsrl.train.metrics import MetricsFile


def train(name, out, *, steps=11, batch_size=4, folder=None, strike=None, pause=0.0, **settings):
    """Trains a small method; the first process writes the last state to `out`.

    Args:
      name: a key of `METHODS`.
      out: an .npz file.
      steps: updates in all.
      batch_size: of all devices together.
      folder: of checkpoints and metrics, or None.
      strike: `[rank, step, signal]`: the process of that rank sends it to itself after that step, once the checkpoint
        before is complete.
      pause: seconds after every step.
      **settings: of `fit`.
    """
    # Here, because it computes, which is to be done after joining.
    from small_methods import METHODS

    make, data = METHODS[name]

    def report(step, row, speed):
        time.sleep(pause)
        if strike is not None and row is not None and strike[:2] == [hosts.rank(), step]:
            before = (step - 1) // settings["checkpoint_every"] * settings["checkpoint_every"]
            until = time.monotonic() + 60
            while before and not (Path(folder) / "checkpoints" / str(before)).exists():
                assert time.monotonic() < until, f"the checkpoint of step {before} is not written"
                time.sleep(0.05)
            os.kill(os.getpid(), strike[2])

    saved = folder is not None and hosts.first()
    if saved:
        Path(folder).mkdir(exist_ok=True)
    checkpoints = Checkpoints(Path(folder) / "checkpoints") if saved else None
    fitted = fit(
        make(axis_name=AXIS),
        data,
        optax.sgd(0.05),
        steps=steps,
        batch_size=batch_size,
        devices=usable_devices(batch_size),
        axis_name=AXIS,
        checkpoints=checkpoints,
        metrics_file=MetricsFile(Path(folder) / "metrics.jsonl") if saved else None,
        report=report,
        report_every=1,
        **settings,
    )
    if checkpoints is not None:
        checkpoints.close()
    print("trained", json.dumps([name, int(fitted.state.step[0]), fitted.stopped]), flush=True)
    if hosts.first():
        leaves = jax.tree.leaves(fitted.state)
        np.savez(out, **{str(place): leaf for place, leaf in enumerate(leaves)})
    return fitted


if __name__ == "__main__":
    world, runs = json.loads(sys.argv[1])
    with hosts.ending_together(), exit_codes():
        hosts.join(**world)
        for run in runs:
            train(**run)
