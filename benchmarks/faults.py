"""What checkpoints cost, and what SIGKILL at random moments takes away.

1. Kills: a run is started and killed `--kills` times in a row, each time at a random moment, while libraries load, a
   checkpoint is read, steps are made or a checkpoint is written. After each the newest readable checkpoint is compared
   with the steps that the run had written down. The run is then left to end, and its files are compared byte by byte
   with those of a run that nobody stopped.
2. Cost: seconds of updates of TS2Vec at the paper's size with a checkpoint at the default interval, and without any, in
   turn.

Command: python benchmarks/faults.py [--kills 50] [--seed 0] [--repeats 3] [--json FILE]
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from timing import flags, write
from training import DEPTH, FEATURES, WIDTH, series

ROOT = Path(__file__).parents[1]
_EVERY, _STEPS = 20, 12_000
# Of a run that writes to another folder in another time, all that may differ.
_OWN = ("command", "wall_s")


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=3)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killed = kills(Path(folder), asked.kills, random.Random(asked.seed))
    lost = [life["lost"] for life in killed["lives"]]
    print(f"{len(lost)} kills, at step {killed['lives'][-1]['checkpoint']} after the last; steps lost: {sorted(lost)}")
    print(f"equal bytes at the end: {killed['equal']}")
    cost = overhead(asked.repeats)
    print(f"checkpoints of {cost['megabytes']:.1f} MB every {cost['every']} updates: {cost['share']:+.2%} of the time")
    write(asked.json, {"kills": killed, "overhead": cost})


def _run(folder: Path, data: Path) -> subprocess.Popen[str]:
    sizes = ["--encoder.width", "8", "--encoder.features", "16", "--encoder.depth", "3"]
    command = [sys.executable, str(ROOT / "experiments" / "ts2vec.py"), *sizes, "--dataset", str(data), "--quiet"]
    command += ["--train.steps", str(_STEPS), "--train.checkpoint-every", str(_EVERY), "--workdir", str(folder)]
    # The runs of this script share what they compile.
    kept = {"JAX_COMPILATION_CACHE_DIR": str(data.parent / "compiled"), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=os.environ | kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kills(folder: Path, count: int, draw: random.Random) -> dict[str, Any]:
    """Kills a run again and again; see above."""
    from tsrl.train.checkpoints import Checkpoints
    from tsrl.train.metrics import MetricsFile

    x = np.random.default_rng(0).normal(size=(40, 30, 1)).cumsum(1).astype(np.float32)
    np.savez(folder / "walks.npz", x_train=x[:20], y_train=np.arange(20) % 2, x_test=x[20:], y_test=np.arange(20) % 2)
    whole, cut, lives = folder / "whole", folder / "cut", []
    began = time.perf_counter()
    _finish(_run(whole, folder / "walks.npz"))
    # The first update comes in two thirds of this time: a third of the kills meet steps and checkpoints.
    longest = 1.5 * _seconds_to_start(folder)
    reached = 0
    for _ in range(count):
        process = _run(cut, folder / "walks.npz")
        time.sleep(draw.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            raise RuntimeError(f"the run ended after {len(lives)} kills: more steps are needed")
        written = MetricsFile(cut / "metrics.jsonl").read()
        done = written[-1]["step"] if written else 0
        steps = Checkpoints(cut / "checkpoints", read_only=True).steps()
        newest = _readable(cut) if steps else 0
        if newest < reached:
            raise RuntimeError(f"a checkpoint was lost: step {newest} after {reached}")
        reached = newest
        lives.append({"written": done, "checkpoint": newest, "lost": max(0, done - newest)})
    _finish(_run(cut, folder / "walks.npz"))
    names = ("metrics.jsonl", "embeddings.npz", "report.json")
    digests = [{name: _digest(run / name) for name in names} for run in (whole, cut)]
    return {"every": _EVERY, "steps": _STEPS, "lives": lives, "equal": digests[0] == digests[1], "sha256": digests} | {
        "seconds": time.perf_counter() - began
    }


def _finish(process: subprocess.Popen[str]) -> None:
    shown, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(shown)


def _seconds_to_start(folder: Path) -> float:
    began = time.perf_counter()
    process = _run(folder / "first", folder / "walks.npz")
    while not (folder / "first" / "metrics.jsonl").exists() or not (folder / "first" / "metrics.jsonl").stat().st_size:
        if process.poll() is not None:
            raise RuntimeError(process.communicate()[0])
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    process.kill()
    process.communicate()
    return seconds


def _readable(folder: Path) -> int:
    """The step of the newest checkpoint that can be read as a model."""
    import tsrl
    from tsrl.train.checkpoints import Checkpoints

    tsrl.load(folder)
    steps = Checkpoints(folder / "checkpoints", read_only=True).steps()
    # `load` goes back to an older one with a warning only: the newest itself is to be readable.
    tsrl.load(folder, step=steps[-1])
    return steps[-1]


def _digest(path: Path) -> str:
    if path.suffix == ".json":
        report = {name: value for name, value in json.loads(path.read_text()).items() if name not in _OWN}
        content = json.dumps(report, sort_keys=True).encode()
    elif path.suffix == ".npz":
        # A zip file holds the times at which its members were written.
        with np.load(path) as arrays:
            content = b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays))
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def overhead(repeats: int) -> dict[str, Any]:
    """Seconds of updates with checkpoints and without, in turn; compiled before."""
    import jax

    from tsrl.config import Config, Train, options
    from tsrl.encoders import DilatedConv
    from tsrl.parallel import AXIS
    from tsrl.pretraining import prepare
    from tsrl.train.checkpoints import Checkpoints
    from tsrl.train.loop import fit

    steps, rows = 500, 8
    every = Train().checkpoint_every
    train = Train(steps=2 * every, batch_size=rows, max_train_length=steps)
    encoder = DilatedConv(width=WIDTH, features=FEATURES, depth=DEPTH)
    job = prepare(Config(method=options("ts2vec"), encoder=encoder, train=train), series(steps, rows), None)
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    size = 0
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats + 1):
            for name in seconds:
                checkpoints = Checkpoints(Path(folder) / f"{name}{repeat}") if name == "with" else None
                began = time.perf_counter()
                made = fit(
                    job.method(AXIS),
                    job.data,
                    job.optimizer(),
                    steps=job.steps,
                    batch_size=rows,
                    devices=jax.local_devices()[:1],
                    axis_name=AXIS,
                    checkpoints=checkpoints,
                )
                jax.block_until_ready(made.state)
                if repeat:
                    seconds[name].append(time.perf_counter() - began)
                if checkpoints is not None:
                    checkpoints.close()
                    newest = checkpoints.folder / str(job.steps)
                    size = sum(file.stat().st_size for file in newest.rglob("*") if file.is_file())
    share = median(seconds["with"]) / median(seconds["without"]) - 1
    return {"every": every, "updates": job.steps, "megabytes": size / 1e6, "seconds": seconds, "share": share}


if __name__ == "__main__":
    main()
