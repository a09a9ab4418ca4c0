"""`tsrl embed` beside encoding alone, its peak of memory by the size of the input, and 100,000 series after kills.

Throughput: `Embedder.embed` of series in memory, and the whole job over the same series in Parquet files, model and
checks included, in turn; what is compiled is compiled before. Memory: fresh processes, everything compiled anew, for a
small and a large store and for one file with a single row group. Resume: a job is killed (SIGKILL) some times and
resumed; the bytes of its folder are compared with those of a job without a kill. Ray, where it is installed, once more.

Command: python benchmarks/bulk.py [--repeats 3] [--gigabytes 0.05 2] [--series 100000] [--kills 3] [--json FILE]
"""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import training
from larger_than_memory import CHANNELS, STEPS, walks, written
from timing import HERE, flags, in_child, killed_first, measure, peak_bytes, show, timed, write

_COMPILED_ANEW = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
_ROW_BYTES = 4 * STEPS * CHANNELS
SIZES = {
    "small encoder": {"width": 16, "features": 16, "depth": 3},
    "the paper's encoder": {"width": training.WIDTH, "features": training.FEATURES, "depth": training.DEPTH},
}


def models(folder: Path) -> dict[str, str]:
    """Trains for a step and saves: name -> folder."""
    import tsrl
    from tsrl.encoders import DilatedConv

    x = next(walks(8))
    for name, sizes in SIZES.items():
        tsrl.pretrain(x, steps=1, batch_size=8, encoder=DilatedConv(**sizes), scale=True).save(folder / name)
    return {name: str(folder / name) for name in SIZES}


def child(settings: dict[str, Any]) -> None:
    """Runs a job and prints what it took."""
    killed_first()
    from tsrl.bulk import Embed, embed_files
    from tsrl.process import share_arenas

    share_arenas()
    paths = {name: Path(settings.pop(name)) for name in ("input", "out", "model")}
    start = time.perf_counter()
    found = embed_files(Embed(**paths, quiet=True, **settings))
    record = {"rows": found.rows, "kept_parts": found.kept, "parts": found.parts, "peak_bytes": peak_bytes()}
    print(json.dumps(timed([time.perf_counter() - start], **record)))


def throughput(folder: Path, model: str, rows: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of encoding series in memory, and of the job over the same series in files."""
    import tsrl
    from tsrl.bulk import Embed, embed_files
    from tsrl.data.store import write_store

    store = write_store(folder / f"{rows}", walks(rows))
    loaded, x = tsrl.load(model), np.concatenate(list(walks(rows)))
    out = folder / "out"

    def job() -> None:
        shutil.rmtree(out, ignore_errors=True)
        embed_files(Embed(input=store, out=out, model=Path(model), quiet=True))

    found = measure({"encoding alone": lambda: loaded.embed(x), "job": job}, repeats)
    shutil.rmtree(out)
    return found


def one_group(folder: Path, gigabytes: float) -> Path:
    """A file whose rows are all in one row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    x = np.concatenate(list(walks(int(gigabytes * 1e9) // _ROW_BYTES))).reshape(-1)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(x), STEPS * CHANNELS)
    pq.write_table(pa.table({"x": lists}), folder / "one.parquet", row_group_size=len(lists), use_dictionary=False)
    return folder / "one.parquet"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a job."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def killed(settings: dict[str, Any], times: int, parts: int) -> list[int]:
    """Starts a job and kills it some times, evenly over its parts; how many were in their places each time."""
    counts, out = [], Path(settings["out"])
    command = [sys.executable, str(HERE / Path(__file__).name), "--child", json.dumps(settings)]
    for turn in range(times):
        wanted = parts * (turn + 1) // (times + 1)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while len(list(out.glob("part-*"))) < wanted and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        counts.append(len(list(out.glob("part-*"))))
    return counts


def main() -> None:
    """Measures, compares, prints, writes."""
    parser = flags(__doc__, repeats=3)
    parser.add_argument("--child", type=json.loads)
    parser.add_argument("--gigabytes", type=float, nargs="*", default=[0.05, 2.0], help="sizes as arrays of float32")
    parser.add_argument("--series", type=int, default=100_000, help="of the job that is killed")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs=2, default=[40_000, 2_000], help="of throughput, by encoder")
    asked = parser.parse_args()
    if asked.child:
        child(asked.child)
        return
    folder = Path(tempfile.mkdtemp(prefix="tsrl-bulk-"))
    results: dict[str, Any] = {}
    further: dict[str, Any] = {}
    try:
        made = models(folder)
        small, large = made.values()
        job = {"input": str(folder / "series"), "out": str(folder / "whole"), "model": small}
        written(folder / "series", asked.series * _ROW_BYTES / 1e9)
        results[f"{asked.series:,} series, no kill"] = whole = in_child(Path(__file__).name, dict(job), _COMPILED_ANEW)
        further["kills_at_parts"] = killed(job | {"out": str(folder / "again")}, asked.kills, whole["parts"])
        results[f"{asked.series:,} series, the rest after {asked.kills} kills"] = in_child(
            Path(__file__).name, job | {"out": str(folder / "again")}, _COMPILED_ANEW
        )
        want = digests(folder / "whole")
        further["equal_bytes_after_kills"] = digests(folder / "again") == want
        if importlib.util.find_spec("ray") is not None:
            by_ray = job | {"out": str(folder / "ray"), "engine": "ray"}
            results[f"{asked.series:,} series, Ray, one worker"] = in_child(
                Path(__file__).name, by_ray, _COMPILED_ANEW | {"RAY_ADDRESS": "local"}
            )
            further["equal_bytes_of_ray"] = digests(folder / "ray") == want
        for size in asked.gigabytes:
            written(folder / f"{size}", size)
            settings = job | {"input": str(folder / f"{size}"), "out": str(folder / f"out{size}")}
            results[f"{size:g} GB"] = in_child(Path(__file__).name, settings, _COMPILED_ANEW)
            shutil.rmtree(folder / f"{size}")
        half = {"input": str(one_group(folder, 0.5)), "out": str(folder / "one"), "model": small}
        results["0.5 GB in one row group"] = in_child(Path(__file__).name, half, _COMPILED_ANEW)
        paper = {"input": str(folder / "paper"), "out": str(folder / "outpaper"), "model": large}
        written(folder / "paper", asked.rows[1] * _ROW_BYTES / 1e9)
        results["the paper's encoder, from the start"] = in_child(Path(__file__).name, paper, _COMPILED_ANEW)
        steps = paper | {"out": str(folder / "outsteps"), "level": "steps"}
        results["the paper's encoder, all steps, from the start"] = in_child(Path(__file__).name, steps, _COMPILED_ANEW)
        shutil.rmtree(folder / "outsteps")
        for (name, model), rows in zip(made.items(), asked.rows, strict=True):
            seconds = throughput(folder, model, rows, asked.repeats)
            for case, found in seconds.items():
                results[f"{name}, {case}"] = timed(found, rows=rows, rows_per_s=rows / median(found))
            further[f"share_of_encoding, {name}"] = median(seconds["encoding alone"]) / median(seconds["job"])
    finally:
        shutil.rmtree(folder)
    show(results, "s")
    for name, value in further.items():
        print(f"{name}: {value}")
    for name, result in results.items():
        if "rows" in result and not result.get("kept_parts"):
            print(f"{name}: {result['rows'] / result['median']:,.0f} series/s")
    write(asked.json, results, **further, cores=len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    main()
