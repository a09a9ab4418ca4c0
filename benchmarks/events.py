"""Seconds and the peak of memory of reading a large log of events and of turning it into padded arrays.

The log is drawn by a seed, written as Parquet and as .csv, and each is read in a fresh process.

Command: python benchmarks/events.py [--events 10000000] [--json FILE]
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from timing import flags, in_child, killed_first, peak_bytes, show, timed, write

_USERS, _ACTIONS = 100_000, 300


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=1)
    parser.add_argument("--child")
    parser.add_argument("--events", type=int, default=10_000_000)
    asked = parser.parse_args()
    if asked.child:
        killed_first()
        print(json.dumps(_read(**json.loads(asked.child))))
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in _written(Path(folder), asked.events):
            for _ in range(asked.repeats):
                found = in_child("events.py", {"path": str(path)}, {})
                name = f"{asked.events:,} events, {path.suffix}, {path.stat().st_size / 1e6:.0f} MB"
                results[name] = found if "error" in found else timed([found.pop("read_s")], **found)
    show(results, "s")
    write(asked.json, results)


def _written(folder: Path, count: int) -> list[Path]:
    import pyarrow as pa
    from pyarrow import csv, parquet

    random = np.random.default_rng(0)
    table = pa.table(
        {
            "user": random.integers(0, _USERS, count),
            "action": pa.array([f"action {n}" for n in range(_ACTIONS)]).take(random.integers(0, _ACTIONS, count)),
            "time": (1.7e9 + np.sort(random.uniform(0, 3e7, count))).astype("datetime64[s]"),
            "amount": np.round(random.lognormal(3, 1, count), 2),
        }
    )
    paths = [folder / "log.parquet", folder / "log.csv"]
    parquet.write_table(table, paths[0])
    csv.write_csv(table, paths[1])
    return paths


def _read(path: str) -> dict[str, Any]:
    from tsrl.data.events import EventColumns, EventFields, read_events, whole_events

    start_bytes = peak_bytes()
    began = time.perf_counter()
    log = read_events(path, EventColumns(numeric=("amount",)))
    read_s = time.perf_counter() - began
    log_peak = peak_bytes()
    began = time.perf_counter()
    fields = EventFields.learn(log)
    made = whole_events(log.take(np.arange(1000)), fields, 64)
    return {
        "read_s": read_s,
        "start_bytes": start_bytes,
        "read_peak_bytes": log_peak,
        "learn_s": time.perf_counter() - began,
        "peak_bytes": peak_bytes(),
        "events": int(made.mask.sum()),
    }


if __name__ == "__main__":
    main()
