"""Seconds from the command of the default run to its first update, and of `import tsrl` beyond jax.

Each repetition is a fresh process. Cold: the folder of compiled programs is empty; warm: a second run with that folder.
The first update is seen when its row stands in the run's metrics.jsonl; the process is then killed. Releases that wrote
no row before the tenth are timed up to that with `--updates 10`.

Command: python benchmarks/startup.py [--repeats 5] [--updates 1] [--root FOLDER OF ANOTHER CHECKOUT] [--json FILE]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import HERE, flags, show, timed, write

# What a user imports: `import tsrl` alone loads its parts at first use.
IMPORTS = {"import tsrl": "import tsrl", "from tsrl import pretrain": "from tsrl import pretrain"}
_TIMED = "import jax, time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
LIMIT_S = 600.0


def import_s(statement: str, root: Path) -> float:
    """Seconds of an import in a fresh process that has imported jax."""
    command = [sys.executable, "-c", _TIMED.format(statement)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def first_updates_s(root: Path, cache: Path, updates: int) -> float:
    """Seconds from starting the default run until the rows of its first updates are written.

    Raises:
      RuntimeError: it ended before, or took more than `LIMIT_S`.
    """
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / "run"
        command = [sys.executable, str(root / "experiments" / "ts2vec.py"), "--quiet", "--workdir", str(workdir)]
        environment = os.environ | {"PYTHONPATH": str(root), "JAX_COMPILATION_CACHE_DIR": str(cache)}
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            while _lines(workdir / "metrics.jsonl") < updates:
                if process.poll() is not None or time.perf_counter() - start > LIMIT_S:
                    raise RuntimeError(f"no row of update {updates}: exit status {process.returncode}")
                time.sleep(0.01)
            return time.perf_counter() - start
        finally:
            process.kill()
            process.wait()


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n") if path.exists() else 0


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=5)
    parser.add_argument("--updates", type=int, default=1, help="the update whose row is waited for")
    parser.add_argument("--root", type=Path, nargs="*", default=[HERE.parent], help="checkouts to compare, in turn")
    asked = parser.parse_args()
    found: dict[str, list[float]] = {}
    for _ in range(asked.repeats):
        for root in (folder.resolve() for folder in asked.root):
            end = f", {root.name}" if len(asked.root) > 1 else ""
            for name, statement in IMPORTS.items():
                found.setdefault(f"{name}, beyond jax{end}", []).append(import_s(statement, root))
            with tempfile.TemporaryDirectory() as cache:
                for kind in ("cold", "warm"):
                    seconds = first_updates_s(root, Path(cache), asked.updates)
                    found.setdefault(f"to update {asked.updates}, {kind}{end}", []).append(seconds)
    results = {name: timed(seconds) for name, seconds in found.items()}
    show(results, "s")
    write(asked.json, results)


if __name__ == "__main__":
    main()
