"""What the benchmarks share: child processes, tables, JSON records; how time is measured is `tsrl.timing`'s.

Imports neither jax nor torch before it needs them: a child process that measures memory imports this too.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tsrl.timing import Cases, cpu_name, measure, others_share, peak_bytes, timed

__all__ = [
    "HERE",
    "Cases",
    "flags",
    "in_child",
    "killed_first",
    "measure",
    "others_share",
    "peak_bytes",
    "peer_available",
    "show",
    "timed",
    "write",
]

HERE = Path(__file__).parent
# Share of the cores that other processes may use.
_QUIET = 0.02


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
    machine = hardware() | {"cpu": cpu_name(), "others_share": others_share()}
    record = {"command": sys.argv, "results": results, **further, "hardware": machine, "versions": found}
    path.write_text(json.dumps(record, indent=1) + "\n")
