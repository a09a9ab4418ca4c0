"""`tsrl evaluate`: the protocols on embeddings that came from elsewhere."""

import json
import logging
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from tsrl.config import Evaluation, evaluation_json
from tsrl.data.npz import npz_source, readable
from tsrl.errors import InputError
from tsrl.experiment import hardware, health_row, nan_as_null, versions
from tsrl.files import write_whole
from tsrl.report.page import write_page
from tsrl.report.schema import SCHEMA
from tsrl.tasks import TASKS
from tsrl.tasks.base import Source
from tsrl.terminal import output, working

log = logging.getLogger("tsrl")


@dataclass(frozen=True, kw_only=True)
class Embeddings(Evaluation):
    """Judges embeddings in an .npz file.

    Attributes:
      embeddings: the file. Its arrays, by task: classify, regress: z_train [N, D], y_train [N], z_test [M, D],
        y_test [M]; cluster: z_test, y_test; forecast: z [T, D], x [T, C], borders [3]; anomaly: score [T], labels [T],
        timestamps [T], lengths [N], train_stops [N]. A run's embeddings.npz is such a file; where it holds several
        seeds, they are the leading axis of z or score.
      name: shown in the table.
      seed: of classifiers and clusterings; of the first of several seeds.
      out: a folder for report.json and report.html; default: none is written.
      json: print the report as JSON.
      quiet: do not say what is being done.
    """

    embeddings: Path
    name: str = "embeddings"
    seed: int = 0
    out: Path | None = None
    json: bool = False
    quiet: bool = False


def main(args: Sequence[str]) -> None:
    """`tsrl evaluate`; `--help` lists its flags.

    Raises:
      InputError: wrong input.
    """
    from tsrl.script import show_report

    config = tyro.cli(Embeddings, args=list(args), prog="tsrl evaluate")
    with output(config.json) as write, working(f"scoring by {config.task}", config.quiet):
        report = judge_embeddings(config, shlex.join(["tsrl", "evaluate", *args]))
        write(report)
    if not config.json:
        show_report(report)


def judge_embeddings(config: Embeddings, command: str = "") -> dict[str, Any]:
    """Scores the embeddings of a file with all protocols of a task.

    Args:
      config: see `Embeddings`.
      command: recorded in the report.

    Returns:
      A report (schema: `tsrl.report.schema`) without training.

    Raises:
      InputError: a file that cannot be read, arrays that are missing or do not fit.
    """
    task = TASKS[config.task]
    if task.judge is None:
        raise InputError(f"task: found {config.task}, which needs the model itself, want another task")
    if not config.embeddings.is_file():
        raise InputError(f"embeddings: found no file at {config.embeddings}")
    with readable(npz_source(config.embeddings), "no readable arrays"), np.load(config.embeddings) as stored:
        arrays = {name: stored[name] for name in stored.files}
    started, rows = time.perf_counter(), []
    seeds = _seeds(arrays)
    for i, own in enumerate(seeds):
        rows += task.judge(config, own, Source(config.name, "method", config.seed + i))
    if task.baseline is not None:
        for i, own in enumerate(seeds):
            rows += task.baseline(config, own, config.seed + i)
    report = nan_as_null(
        {
            "schema": SCHEMA,
            "task": config.task,
            "method": config.name,
            "dataset": {"name": config.embeddings.stem, "source": npz_source(config.embeddings)},
            "protocol": {
                name: words for name, words in task.protocols.items() if name in {r["protocol"] for r in rows}
            },
            "selection": "validation",
            "seeds": [config.seed + i for i in range(len(seeds))],
            "results": rows,
            "published": [],
            "health": [found for i, own in enumerate(seeds) for found in health_row(config.seed + i, own)],
            "wall_s": {"evaluate": round(time.perf_counter() - started, 3)},
            "versions": versions(),
            "hardware": hardware(),
            "command": command,
            "config": {"embeddings": config.embeddings.name, "name": config.name, "seed": config.seed},
            "evaluation": evaluation_json(config),
        }
    )
    if config.out is not None:
        config.out.mkdir(parents=True, exist_ok=True)
        write_whole(config.out / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
        try:
            write_page(config.out / "report.html", report, [], seeds[0])
        except ImportError as error:
            log.warning("report.html is not written: %s", error)
    return report


def _seeds(arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """One set of arrays a seed: representations may have a leading axis of seeds, which labels share."""
    ranks = {"score": 1, "z": 2, "z_train": 2, "z_test": 2}
    # What a run keeps of its forecasts, to be drawn.
    ranks |= {name: 1 if "_origins_" in name else 3 for name in arrays if name.startswith("forecast_")}
    stacked = {name for name, rank in ranks.items() if name in arrays and arrays[name].ndim == rank + 1}
    counts = {len(arrays[name]) for name in stacked}
    if len(counts) > 1:
        raise InputError(f"embeddings: found {sorted(counts)} seeds in different arrays, want one number")
    if not counts:
        return [arrays]
    return [{name: a[i] if name in stacked else a for name, a in arrays.items()} for i in range(counts.pop())]
