"""What the benchmarks share: interleaved timing, child processes and their peak of memory, tables, JSON records.

Imports neither jax nor torch before it needs them: a child process that measures memory imports this too.
"""

import argparse
import importlib.util
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Cases = Mapping[str, Callable[[], object]]
HERE = Path(__file__).parent
# Share of the cores that other processes may use.
_QUIET = 0.02


def _cpu_seconds() -> tuple[float, float]:
    """Seconds of processor time since the machine started, and of this process and its finished children."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan, math.nan
    user, nice, system, _, _, *interrupts = (int(field) for field in stat.read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])


_STARTED = time.perf_counter(), _cpu_seconds()


def others_share() -> float | None:
    """The share of all cores that other processes used since this one began; None where it cannot be known."""
    began, (all_before, own_before) = _STARTED
    all_now, own_now = _cpu_seconds()
    used = (all_now - all_before) - (own_now - own_before)
    share = used / (time.perf_counter() - began) / (os.cpu_count() or 1)
    return None if math.isnan(share) else max(0.0, share)


def peer_available() -> bool:
    """Whether torch can be imported; says so when it cannot."""
    found = importlib.util.find_spec("torch") is not None
    if not found:
        print("The peer was not measured: torch is not installed.")
    return found


def flags(doc: str | None, repeats: int) -> argparse.ArgumentParser:
    """A parser with the flags of every benchmark; `repeats` is the default."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--json", type=Path)
    return parser


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


def in_child(script: str, settings: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs a script of this folder with `--child SETTINGS` in a fresh process.

    Args:
      script: its file name. It prints one JSON object as its last line.
      settings: JSON values.
      environment: variables set for it, beside those of this process.

    Returns:
      What it printed; `{"error": ...}` where it failed, as it does without enough memory.
    """
    command = [sys.executable, str(HERE / script), "--child", json.dumps(settings)]
    done = subprocess.run(command, env=os.environ | dict(environment), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"error": f"exit status {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def killed_first() -> None:
    """Asks Linux to end this process, not another one, when memory runs out."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def peak_bytes() -> int:
    """The peak of resident memory of this process so far.

    Linux counts into `ru_maxrss` what the process that started this one held at the time, so its own peak is read
    where there is one to be read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def show(results: Mapping[str, Mapping[str, Any]], unit: str = "ms") -> None:
    """Prints a row per result: median and spread in `unit` (ms or s), the peak of memory where one is known.

    Says how busy others kept the machine. A few per cent already spoil a comparison: torch's threads wait for each
    other by spinning, and a thread that has lost its core holds up all of them, several milliseconds at a time.
    """
    factor, digits = (1e3, 0) if unit == "ms" else (1.0, 2)
    memory = any("peak_bytes" in result for result in results.values())
    table = Table("case", f"median {unit}", "min", "max", *(["peak MB"] if memory else []))
    for name, result in results.items():
        if "error" in result:
            table.add_row(name, result["error"])
            continue
        times = [f"{factor * result[key]:.{digits}f}" for key in ("median", "min", "max")]
        peak = f"{result['peak_bytes'] / 1e6:.0f}" if "peak_bytes" in result else ""
        table.add_row(name, *times, *([peak] if memory else []))
    Console().print(table)
    share = others_share()
    if share is not None:
        advice = "; measure again on a quiet machine" if share > _QUIET else ""
        print(f"Other processes used {share:.1%} of the cores meanwhile{advice}.")


def write(path: Path | None, results: Mapping[str, Any], **further: Any) -> None:
    """Writes results, machine and versions as JSON, if a path is given."""
    if path is None:
        return
    from tsrl.experiment import hardware, versions

    found = versions()
    if importlib.util.find_spec("torch") is not None:
        found["torch"] = version("torch")
    machine = hardware() | {"cpu": _cpu(), "others_share": others_share()}
    record = {"command": sys.argv, "results": results, **further, "hardware": machine, "versions": found}
    path.write_text(json.dumps(record, indent=1) + "\n")


def _cpu() -> str | None:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), None)
