"""How time and memory are measured: repetitions in turn, the peak of a process, what others used; made-up series.

Imports no jax before it needs it: a process that measures memory imports this too.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

Cases = Mapping[str, Callable[[], object]]


def _cpu_seconds() -> tuple[float, float]:
    """Seconds of processor time since the machine started, and of this process and its finished children."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan, math.nan
    user, nice, system, _, _, *interrupts = (int(field) for field in stat.read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])


_STARTED = time.perf_counter(), _cpu_seconds()


def others_share() -> float | None:
    """The share of all cores that other processes used since this was imported; None where it cannot be known."""
    began, (all_before, own_before) = _STARTED
    all_now, own_now = _cpu_seconds()
    used = (all_now - all_before) - (own_now - own_before)
    share = used / (time.perf_counter() - began) / (os.cpu_count() or 1)
    return None if math.isnan(share) else max(0.0, share)


def random_walks(rows: int, steps: int, channels: int) -> np.ndarray:
    """Standardised random walks `[rows, steps, channels]`, float32."""
    x = np.random.default_rng(0).normal(size=(rows, steps, channels)).cumsum(1)
    return ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)).astype(np.float32)


def measure(cases: Cases, repeats: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each repetition, the cases in turn, so that what else the machine does meets all of them.

    Args:
      cases: name -> what is timed; arrays of jax in its result are waited for.
      repeats: timed runs of each case.
      warm: runs before these, which compile.
    """
    import jax

    for case in cases.values():
        for _ in range(warm):
            jax.block_until_ready(case())
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.perf_counter()
            jax.block_until_ready(case())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def timed(seconds: Sequence[float], **further: Any) -> dict[str, Any]:
    """A result: all seconds, their median and spread, and what else is known of the case."""
    spread = {"median": median(seconds), "min": min(seconds), "max": max(seconds)}
    return {"seconds": list(seconds), **spread, **further}


def peak_bytes() -> int | None:
    """The peak of resident memory of this process so far, in bytes; None where the system does not tell.

    Linux counts into `ru_maxrss` what the process that started this one held at the time, so its own peak is read
    where there is one to be read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        # Not on Windows.
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_name() -> str | None:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), None)
