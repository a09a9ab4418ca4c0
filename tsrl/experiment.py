"""One run: train, restore the checkpoint, score it beside its controls, write everything to the workdir."""

import json
import logging
import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.config import Config, config_json, evaluation_json
from tsrl.embedder import load as load_model
from tsrl.evaluate.health import health
from tsrl.files import write_whole
from tsrl.job import Job
from tsrl.pretraining import prepare, run, untrained
from tsrl.report.page import write_page
from tsrl.report.published import published_rows
from tsrl.report.schema import METRICS, SCHEMA, Row
from tsrl.run_readme import run_readme
from tsrl.tasks import TASKS
from tsrl.tasks.base import Scored, Source, Task, Watcher
from tsrl.terminal import working
from tsrl.train import hosts
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.metrics import MetricsFile
from tsrl.workdir import default_workdir, open_workdir

log = logging.getLogger("tsrl")


def experiment(config: Config, command: str = "", reuse: bool = False) -> dict[str, Any]:
    """Trains, restores the saved checkpoint, evaluates it, writes everything to the workdir.

    Args:
      config: the run, of one data set.
      command: recorded in the report.
      reuse: a report that the workdir has of this very run, by the same version, is returned instead.

    Returns:
      The report as written to report.json (schema: `tsrl.report.schema`) with the `workdir`; or `stopped` (a signal)
      and `step`. Of several processes the first alone writes and evaluates: the others return only the `workdir`.

    Raises:
      InputError: wrong input; nothing has been written.
      TrainingDiverged: a loss is not finite; checkpoints from before are kept.
    """
    task = TASKS[config.task]
    data = hosts.in_turn(lambda: task.load(config))
    training = task.training(config, data)
    job = prepare(config, training.x, training.scaler)
    workdir = config.workdir or default_workdir(config)
    record = config_json(config) | {"data": task.fingerprint(data)}
    settings = evaluation_json(config) | {"controls": config.controls}
    hosts.check_same("run", record | {"tsrl": versions().get("tsrl"), "overwrite": config.overwrite, "reuse": reuse})
    if reuse and not config.overwrite:
        held = _held(workdir, record, settings) if hosts.first() else None
        if held := hosts.from_first("report", held):
            return held | {"workdir": str(workdir)}
    # Made before anything is written: they refuse what does not fit them.
    watchers = task.watchers(config, data, job, workdir) if task.watchers is not None else []
    with open_workdir(workdir, record, config.overwrite) if hosts.first() else nullcontext():
        kept, quiet = (workdir, config.quiet) if hosts.first() else (None, True)
        if hosts.first():
            # Before training, so that a run that is killed explains itself too.
            write_whole(workdir / "README.txt", run_readme(config, task, workdir, command, versions()))
        fitted = run(job, kept, quiet, [watcher.every_epoch for watcher in watchers])
        if fitted.stopped is not None:
            return {"stopped": fitted.stopped, "step": int(fitted.state.step[0])}
        if not hosts.first():
            return {"workdir": str(workdir)}
        report, arrays = evaluate(config, task, data, job, workdir, watchers)
        report |= {
            "steps": job.steps,
            "batch_size": job.batch_size,
            "versions": versions(),
            "hardware": hardware(),
            "command": command,
            "config": record,
            "evaluation": settings,
        }
        report["wall_s"] = {"train": round(fitted.seconds, 3), **report["wall_s"]}
        report = nan_as_null(report)
        _write_embeddings(workdir / "embeddings.npz", arrays)
        write_whole(workdir / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
        # The page draws the first seed; labels have no axis of seeds.
        own = task.labels(config, data)
        shown = {name: z if name in own or config.seeds == 1 else z[0] for name, z in arrays.items()}
        if task.picture is not None:
            shown |= task.picture(config, data, shown)
        curve = MetricsFile(workdir / "metrics.jsonl").read()
        try:
            write_page(workdir / "report.html", report, curve, shown)
        except ImportError as error:
            log.warning("report.html is not written: %s", error)
    return report | {"workdir": str(workdir)}


def evaluate(
    config: Config, task: Task, data: Any, job: Job, workdir: Path, watchers: Sequence[Watcher]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores each restored seed, and beside it the same encoder untrained and the task's controls.

    Returns:
      The report's part about data, protocol and scores, and the arrays of embeddings.npz.
    """
    started = time.perf_counter()
    name, rows, embedded = config.method.name, [], []
    for seed in config.seed_list():
        with working(f"encoding and scoring seed {seed}", config.quiet):
            scored = _scored(config, task, data, name, seed, workdir)
        rows += scored.rows
        rows += [row for watcher in watchers for row in watcher.rows(Source(name, "method", seed))]
        embedded.append(scored.embeddings)
    trained = time.perf_counter()
    if config.controls and task.protocols:
        for seed in config.seed_list():
            with working(f"encoding and scoring seed {seed} untrained", config.quiet):
                rows += task.score(config, data, untrained(job, seed), Source("untrained", "untrained", seed)).rows
        with working("scoring controls", config.quiet):
            rows += task.controls(config, data)
    own = task.labels(config, data)
    if task.baseline is not None:
        for seed in config.seed_list():
            rows += task.baseline(config, own, seed)
    arrays = {name: np.stack(each) if len(each) > 1 else each[0] for name, each in _by_name(embedded).items()}
    used = {row["protocol"] for row in rows}
    report = {
        "schema": SCHEMA,
        "task": config.task,
        "method": name,
        "dataset": task.dataset(config, data),
        "protocol": {protocol: words for protocol, words in task.protocols.items() if protocol in used},
        "selection": config.selection,
        "seeds": config.seed_list(),
        "results": rows,
        "published": published_rows(name, task.dataset(config, data), config.task),
        "health": [
            found for seed, z in zip(config.seed_list(), embedded, strict=True) for found in health_row(seed, z)
        ],
        "wall_s": {"evaluate": round(trained - started, 3), "controls": round(time.perf_counter() - trained, 3)},
    }
    return report, arrays | own


def health_row(seed: int, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The health of one seed's test embeddings, where there are two or more; rows with NaN are left out."""
    z = arrays.get("z_test", arrays.get("z"))
    z = None if z is None else z[np.isfinite(z).all(-1)]
    if z is None or len(z) < 2:
        return []
    return [{"seed": seed, **{name: float(value) for name, value in health(jnp.asarray(z)).items()}}]


def _scored(config: Config, task: Task, data: Any, name: str, seed: int, workdir: Path) -> Scored:
    """The trained model of one seed: its last checkpoint, a forecaster's best of all on validation; under selection
    "paper" the best of all on test."""
    source = Source(name, "method", seed)
    model = load_model(workdir, seed)
    scored = task.score(config, data, model, source)
    if config.selection == "validation" and model.method.predict is None:
        return scored
    *earlier, last = Checkpoints(workdir / "checkpoints", read_only=True).steps()
    optimistic = config.selection == "paper"
    rows, forecasts = [], {}
    for step in (last, *earlier):
        found = scored if step == last else task.score(config, data, load_model(workdir, seed, step), source)
        rows += [_at(row, step, optimistic) for row in found.rows]
        forecasts[step] = {name: z for name, z in found.embeddings.items() if name.startswith("forecast_")}
    best = _best(rows, optimistic)
    # Representations are those of the last checkpoint; a forecast belongs to the one that was chosen for its row.
    chosen = {
        name: forecasts[row["chosen"]["checkpoint"]][name]
        for row in best
        if not row["cell"].get("anchored")
        and (name := f"forecast_{row['protocol']}_{row['cell'].get('horizon')}") in forecasts[last]
    }
    return Scored(best, scored.embeddings | chosen)


def _at(row: Row, step: int, optimistic: bool) -> Row:
    chosen = {**row["chosen"], "checkpoint": step, **({"optimistic": True} if optimistic else {})}
    return Row(**{**row, "chosen": chosen})


def _best(rows: list[Row], on_test: bool) -> list[Row]:
    """Of the rows of one protocol and cell the best, by its first score on test, which is TimeDRL's way to report a
    number, or by its validation loss."""
    best: dict[str, Row] = {}
    for row in rows:
        place = json.dumps([row["protocol"], row["cell"]], sort_keys=True)
        if place not in best or _better(row, best[place], on_test):
            best[place] = row
    return list(best.values())


def _better(row: Row, held: Row, on_test: bool) -> bool:
    if not on_test:
        return row["chosen"]["validation_loss"] < held["chosen"]["validation_loss"]
    (metric, value), other = next(iter(row["scores"].items())), next(iter(held["scores"].values()))
    if value is None or other is None:
        return value is not None
    return value > other if METRICS[metric].higher_is_better else value < other


def _held(workdir: Path, record: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any] | None:
    """The report of the same run, judged in the same way by the same version; None where there is none."""
    path = workdir / "report.json"
    if not path.is_file():
        return None
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    wanted = {"schema": SCHEMA, "config": record, "evaluation": settings, "versions": versions()}
    return held if isinstance(held, dict) and {name: held.get(name) for name in wanted} == wanted else None


def _by_name(embedded: list[dict[str, np.ndarray]]) -> dict[str, list[np.ndarray]]:
    return {name: [arrays[name] for arrays in embedded] for name in embedded[0]}


def nan_as_null(value: Any) -> Any:
    """JSON has no NaN; a score that is not defined is null."""
    if isinstance(value, dict):
        return {name: nan_as_null(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_as_null(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_embeddings(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Saves an .npz that is whole or absent."""
    fresh = path.with_name("embeddings.tmp.npz")
    np.savez(fresh, **arrays)  # type: ignore[arg-type]
    os.replace(fresh, path)


def versions() -> dict[str, str]:
    """Versions of Python and the libraries that decide a result."""
    names = (
        "tsrl",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "orbax-checkpoint",
        "numpy",
        "scikit-learn",
        "aeon",
        "statsmodels",
    )
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def hardware() -> dict[str, Any]:
    """The machine a run was made on."""
    device = jax.local_devices()[0]
    return {
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "backend": device.platform,
        "device": device.device_kind,
        "devices": jax.local_device_count(),
        **({"processes": hosts.count()} if hosts.count() > 1 else {}),
    }
