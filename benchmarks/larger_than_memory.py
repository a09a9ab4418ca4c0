"""Peak of resident memory while a model trains from a store, by the size of the store; each in a fresh process.

Random walks are written to a folder of Parquet files, standardised (which reads all of them), and a small TS2Vec is
trained on them, for which a part of them is read. The folder is deleted at the end. The peak includes Python, jax,
compilation and the reading; the process that writes the files is another one.

Command: python benchmarks/larger_than_memory.py [--gigabytes 0.05 5] [--updates 800] [--keep] [--json FILE]
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from timing import flags, in_child, killed_first, peak_bytes, show, timed, write

STEPS, CHANNELS, BATCH = 250, 4, 32
_ROW_BYTES = 4 * STEPS * CHANNELS
_AT_ONCE = 10_000
_COMPILED_ANEW = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def walks(rows: int) -> Iterator[np.ndarray]:
    """Random walks `[b, STEPS, CHANNELS]`, in batches."""
    random = np.random.default_rng(0)
    for first in range(0, rows, _AT_ONCE):
        size = (min(_AT_ONCE, rows - first), STEPS, CHANNELS)
        yield random.standard_normal(size, np.float32).cumsum(1)


def written(folder: Path, gigabytes: float) -> dict[str, Any]:
    """Writes a store and says how long it took and how large it became.

    Raises:
      RuntimeError: the disk has not half as much again as it takes.
    """
    from tsrl.data.store import write_store

    free = shutil.disk_usage(folder.parent).free
    if free < 1.5e9 * gigabytes:
        raise RuntimeError(f"{folder.parent}: found {free:,} free bytes, want half as much again as {gigabytes} GB")
    start = time.perf_counter()
    write_store(folder, walks(int(gigabytes * 1e9) // _ROW_BYTES))
    seconds = time.perf_counter() - start
    return {"write_s": seconds, "disk_bytes": sum(file.stat().st_size for file in folder.iterdir())}


def child(settings: dict[str, Any]) -> None:
    """Standardises and trains, and prints what it took."""
    killed_first()
    import jax

    import tsrl
    from tsrl.data.store import open_store, store_scaler
    from tsrl.encoders import DilatedConv

    jax.devices()
    start_bytes = peak_bytes()
    start = time.perf_counter()
    store = open_store(settings["folder"])
    opened = time.perf_counter()
    store_scaler(store)
    read = time.perf_counter()
    read_bytes = peak_bytes()
    encoder = DilatedConv(width=16, features=16, depth=3)
    tsrl.pretrain(store, steps=settings["updates"], batch_size=BATCH, encoder=encoder)
    seconds = time.perf_counter() - read
    found = {
        "series": len(store),
        "array_bytes": len(store) * store.row_bytes,
        "cache_bytes": store.cache_bytes,
        "open_s": opened - start,
        "one_pass_s": read - opened,
        "start_bytes": start_bytes,
        "one_pass_peak_bytes": read_bytes,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(timed([seconds], **found)))


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=1)
    parser.add_argument("--child", type=json.loads)
    parser.add_argument("--gigabytes", type=float, nargs="*", default=[0.05, 5.0], help="sizes as arrays of float32")
    parser.add_argument("--updates", type=int, default=800)
    parser.add_argument("--folder", type=Path, help="where the stores are written; default: the temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the stores there")
    asked = parser.parse_args()
    if asked.child:
        child(asked.child)
        return
    folder = Path(tempfile.mkdtemp(prefix="tsrl-store-", dir=asked.folder))
    results = {}
    try:
        for size in asked.gigabytes:
            store = folder / f"{size}GB"
            made = written(store, size)
            settings = {"folder": str(store), "updates": asked.updates}
            results[f"{size:g} GB, {asked.updates} updates"] = (
                in_child(Path(__file__).name, settings, _COMPILED_ANEW) | made
            )
    finally:
        if not asked.keep:
            shutil.rmtree(folder)
    show(results, "s")
    for name, result in results.items():
        if "one_pass_s" in result:
            rate = result["array_bytes"] / result["one_pass_s"] / 1e6
            print(
                f"{name}: {result['start_bytes'] / 1e6:.0f} MB before, {result['one_pass_peak_bytes'] / 1e6:.0f} MB "
                f"after one pass at {rate:.0f} MB/s"
            )
    write(asked.json, results)


if __name__ == "__main__":
    main()
