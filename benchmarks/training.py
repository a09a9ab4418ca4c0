"""Training steps of TS2Vec at the paper's sizes, ours and the peer's, for the benchmarks that time or weigh them.

`--child SETTINGS` runs some in this process and prints their seconds and the peak of memory as JSON; `memory`,
`long_series` and `scaling` start it so.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import in_child, killed_first, peak_bytes, timed

from tsrl.timing import random_walks

CHANNELS, WIDTH, FEATURES, DEPTH = 14, 64, 320, 10
# The last is the peer with the released code's way of leaving out a row's product with itself: a copy without it.
MODELS = ("ours", "peer", "peer, diagonal cut out")


def shape(text: str) -> tuple[int, int]:
    """Time steps and batch of a flag: `500x8` -> (500, 8)."""
    steps, rows = text.split("x")
    return int(steps), int(rows)


def series(steps: int, rows: int, channels: int = CHANNELS) -> np.ndarray:
    """Standardised random walks `[rows, steps, channels]`, float32."""
    return random_walks(rows, steps, channels)


def job_of(x: np.ndarray, seeds: int = 1, micro_batch: int = 0) -> Any:
    """The training run whose batch is all rows of x."""
    from tsrl.config import Config, Train, options
    from tsrl.encoders import DilatedConv
    from tsrl.pretraining import prepare

    rows, steps, _ = x.shape
    train = Train(steps=600, batch_size=rows, max_train_length=steps, micro_batch=micro_batch)
    encoder = DilatedConv(width=WIDTH, features=FEATURES, depth=DEPTH)
    return prepare(Config(method=options("ts2vec"), encoder=encoder, train=train, seeds=seeds), x, None)


def ours(x: np.ndarray, seeds: int = 1, devices: int = 1, micro_batch: int = 0) -> Callable[[], object]:
    """A function that makes one update on all rows of x, as the training loop does, and waits for it."""
    import jax
    import jax.numpy as jnp

    from tsrl.data.store.order import shuffled_order
    from tsrl.parallel import AXIS
    from tsrl.train.devices import DeviceStep
    from tsrl.train.state import init_state, make_step
    from tsrl.types import Plan

    rows = len(x)
    job = job_of(x, seeds, micro_batch)
    method, optimizer = job.method(AXIS), job.optimizer()
    advance = DeviceStep(make_step(method, optimizer, job.steps, AXIS), jax.local_devices()[:devices])
    data, plan = advance.replicate(job.data), Plan()
    numbers = advance.replicate(jnp.arange(seeds, dtype=jnp.uint32))
    init = jax.vmap(lambda seed, data: init_state(method, optimizer, data, seed), in_axes=(0, None))
    state, epoch = advance.replicate(jax.jit(init)(numbers, data)), 0

    def step() -> object:
        nonlocal state, epoch
        index = np.stack([shuffled_order(seed, epoch, rows, rows) for seed in range(seeds)], 1)
        state, metrics = advance(state, data, plan, advance.split(advance.by_device(index)), numbers)
        epoch += 1
        return jax.block_until_ready((state, metrics))

    return step


def peer(x: np.ndarray, cut_diagonal: bool = False) -> Callable[[], object]:
    """The same by the peer."""
    import torch
    from peer import Encoder, Peer

    torch.manual_seed(0)
    model = Peer(Encoder(x.shape[2], WIDTH, FEATURES, DEPTH), max_train_length=x.shape[1], cut_diagonal=cut_diagonal)
    data = torch.from_numpy(x)
    return lambda: model.step(data[torch.randperm(len(data))])


def steps_in_child(
    who: str, steps: int, rows: int, updates: int, *, cores: int | None = None, devices: int = 1, **how: int
) -> dict[str, Any]:
    """Training steps of one of `MODELS` in a fresh process.

    Args:
      who: the model.
      steps: of a series.
      rows: in the batch.
      updates: that are timed.
      cores: the process is held to so many of them; default: all.
      devices: as which XLA presents the host.
      **how: further settings of `ours`.

    Returns:
      A result with `seconds` of each update, `first_s` of the one before, which compiles, `start_bytes` of memory
      before the first and `peak_bytes` in all; or an `error`.
    """
    settings = {"who": who, "steps": steps, "rows": rows, "updates": updates, "cores": cores}
    found = in_child("training.py", settings | {"how": {"devices": devices, **how}}, host_devices(devices))
    return found if "error" in found else timed(**found)


def host_devices(count: int) -> dict[str, str]:
    """The environment in which XLA presents the host as so many devices."""
    return {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}".strip()}


def _child(who: str, steps: int, rows: int, updates: int, cores: int | None, how: dict[str, int]) -> dict[str, Any]:
    if cores is not None:
        # Before the libraries count them.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    x = series(steps, rows)
    step = ours(x, **how) if who == "ours" else peer(x, who == MODELS[2])
    start_bytes, seconds = peak_bytes(), []
    for _ in range(updates + 1):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds[1:], "first_s": seconds[0], "start_bytes": start_bytes, "peak_bytes": peak_bytes()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", required=True)
    killed_first()
    print(json.dumps(_child(**json.loads(parser.parse_args().child))))
