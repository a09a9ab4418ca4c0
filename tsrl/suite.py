"""One data set after another, and what they say together: ranks, tests, the critical-difference diagram."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax

from tsrl.config import Config
from tsrl.errors import InputError
from tsrl.evaluate.compare import average_ranks, cliques, wilcoxon_holm
from tsrl.experiment import experiment, nan_as_null
from tsrl.files import write_whole
from tsrl.report.comparison import comparison, score_matrix, write_comparison
from tsrl.report.schema import METRICS
from tsrl.tasks import TASKS
from tsrl.train import hosts
from tsrl.workdir import default_workdir

ALPHA = 0.05


def suite(
    config: Config, command: str = "", of_dataset: Callable[[str], Config] | None = None
) -> Iterator[dict[str, Any]]:
    """Runs every data set of the configuration.

    Args:
      config: with `datasets`, a run for each below `workdir` (default: `runs/`); otherwise one run.
      command: recorded in the reports.
      of_dataset: the configuration of a data set's run; default: `config` with its name.

    Yields:
      Each run's report as it is done; with several data sets at last the comparison of all (schema:
      `tsrl.report.comparison`). A run that was stopped ends the suite. Of several processes all but the first have no
      scores, see `experiment`, and compare nothing.

    Raises:
      InputError: wrong input of any data set, before the first is trained; nothing has been written.
    """
    if not config.datasets:
        yield experiment(config, command)
        return
    names = [name.strip() for name in config.datasets.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise InputError(f"datasets: found {config.datasets!r}, want different names separated by commas")
    runs = [_one(config if of_dataset is None else of_dataset(name), name) for name in names]
    for run in runs:
        hosts.in_turn(partial(TASKS[run.task].load, run))
    reports = []
    for run in runs:
        report = experiment(run, command, reuse=True)
        yield report
        if "stopped" in report:
            return
        reports.append(report)
        # Programs are compiled for one data set's shapes: kept for all, they use up what a process may map.
        jax.clear_caches()
    if TASKS[config.task].headline and hosts.first():
        yield compare(config, reports)


def compare(config: Config, reports: list[dict[str, Any]]) -> dict[str, Any]:
    """What the reports of several data sets say together; written to the suite's folder.

    Args:
      config: of the suite.
      reports: of runs with the same task, method and settings.

    Returns:
      The comparison (schema: `tsrl.report.comparison`), with its `workdir`.

    Raises:
      InputError: no line has a score on every data set.
    """
    task = TASKS[config.task]
    matrix = score_matrix(reports, task.headline, lambda line: line.protocol in task.compared)
    higher = METRICS[task.headline].higher_is_better
    ranks = average_ranks(matrix.scores, higher)
    tested = wilcoxon_holm(matrix.scores, ALPHA)
    found = comparison(
        reports,
        matrix,
        average_ranks=ranks.tolist(),
        cliques=cliques(ranks, tested.different),
        alpha=ALPHA,
        p_values=tested.adjusted,
    )
    folder = config.workdir or default_workdir(replace(config, dataset=f"{len(reports)}-sets"))
    folder.mkdir(parents=True, exist_ok=True)
    record = found | {
        "runs": [Path(report["workdir"]).name for report in reports],
        "wall_s": round(sum(sum(report["wall_s"].values()) for report in reports), 1),
        "versions": reports[0]["versions"],
        "hardware": reports[0]["hardware"],
        "command": reports[0]["command"],
    }
    write_whole(folder / "comparison.json", json.dumps(nan_as_null(record), indent=1, allow_nan=False) + "\n")
    write_comparison(folder / "comparison.html", found, folder / "comparison.svg")
    return record | {"workdir": str(folder)}


def _one(config: Config, name: str) -> Config:
    workdir = None if config.workdir is None else config.workdir / Path(name).stem
    return replace(config, dataset=name, datasets="", workdir=workdir)
