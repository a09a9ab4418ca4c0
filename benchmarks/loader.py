"""Seconds of one pass over a data set in random batches: an array, a store, and both read ahead of steps of 5 ms.

The floor is pyarrow reading the same row groups one after another, without making arrays of them. A cold store is one
whose files have left the system's page cache; a decoded one fits its own cache and has been read before.

Command: python benchmarks/loader.py [--megabytes 400] [--repeats 3] [--json FILE]
"""

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from larger_than_memory import CHANNELS, STEPS, walks
from timing import flags, measure, show, timed, write

from tsrl.data.store import Store, open_store, write_store
from tsrl.data.store.loader import Loader
from tsrl.data.store.order import shuffled_order

BATCH = 64
STEP_S = 0.005


def scan(folder: Path) -> None:
    """Reads all row groups by pyarrow."""
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group, columns=["x"], use_threads=False)


def forget(folder: Path) -> None:
    """Drops the files from the page cache, where the system can."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def epoch(source: np.ndarray | Store, step_s: float = 0.0) -> None:
    """Takes the rows of every batch when it is due."""
    if isinstance(source, Store):
        consume((source.take(rows) for rows in source.order(0, 0, BATCH)), step_s)
    else:
        consume((source[rows] for rows in shuffled_order(0, 0, len(source), BATCH)), step_s)


def epoch_ahead(source: np.ndarray | Store, step_s: float = 0.0) -> None:
    """The same batches from a loader."""
    loader = Loader(source, BATCH, seed=0)
    with loader.at(0) as batches:
        consume((next(batches).x for _ in range(loader.steps_per_epoch)), step_s)


def consume(batches: Iterable[np.ndarray], step_s: float) -> None:
    """Sleeps as a device would compute: the processor is free meanwhile."""
    for _ in batches:
        if step_s:
            time.sleep(step_s)


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=3)
    parser.add_argument("--megabytes", type=float, default=400, help="size as an array of float32")
    asked = parser.parse_args()
    rows = int(asked.megabytes * 1e6) // (4 * STEPS * CHANNELS)
    with tempfile.TemporaryDirectory(prefix="tsrl-store-") as temporary:
        folder = write_store(Path(temporary) / "store", walks(rows))
        array = np.concatenate(list(walks(rows)))
        decoded = open_store(folder, cache_bytes=array.nbytes)
        epoch(decoded)

        def cold() -> None:
            forget(folder)
            epoch(open_store(folder))

        cases = {
            "pyarrow, row groups in turn": lambda: scan(folder),
            "array": lambda: epoch(array),
            "array, read ahead": lambda: epoch_ahead(array),
            "store": lambda: epoch(open_store(folder)),
            "store, read ahead": lambda: epoch_ahead(open_store(folder)),
            "store, cold": cold,
            "store, decoded": lambda: epoch(decoded),
            "array beside steps": lambda: epoch(array, STEP_S),
            "store beside steps": lambda: epoch(open_store(folder), STEP_S),
            "store beside steps, read ahead": lambda: epoch_ahead(open_store(folder), STEP_S),
        }
        seconds = measure(cases, asked.repeats)
    results = {}
    for name, found in seconds.items():
        result = timed(found)
        speed = {"rows_per_s": rows / result["median"], "bytes_per_s": array.nbytes / result["median"]}
        results[name] = result | speed
    show(results, "s")
    for name, result in results.items():
        print(f"{name}: {result['rows_per_s']:,.0f} series/s, {result['bytes_per_s'] / 1e6:,.0f} MB/s")
    write(asked.json, results, steps=rows // BATCH, step_s=STEP_S, cache_bytes=open_store.__kwdefaults__["cache_bytes"])


if __name__ == "__main__":
    main()
