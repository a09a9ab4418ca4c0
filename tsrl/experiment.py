"""One experiment from the command line to the report; every script and `tsrl train` go through `main`."""

import json
import logging
import math
import os
import platform
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import jax
import numpy as np
import tyro
from rich.console import Console

from tsrl.config import Config, config_json
from tsrl.data.named import Dataset, load
from tsrl.data.scaling import fit_archive_scaler
from tsrl.embedder import load as load_model
from tsrl.errors import InputError, TrainingDiverged
from tsrl.evaluate.classify import evaluate_svc
from tsrl.files import write_whole
from tsrl.pretraining import prepare, run
from tsrl.report.page import write_page
from tsrl.report.published import published
from tsrl.report.table import mean_and_std, results_table
from tsrl.train.metrics import MetricsFile
from tsrl.workdir import default_workdir, open_workdir

log = logging.getLogger("tsrl")

SCHEMA = 1
SCORES = ("accuracy", "macro_f1", "kappa")


def main(
    default: Config, args: list[str] | None = None, prog: str | None = None, description: str | None = None
) -> None:
    """Reads flags over `default`, runs the experiment, prints its table.

    Exit codes: 0 done, or stopped by SIGTERM with what there was saved; 2 wrong input; 1 the loss was no longer finite;
    130 stopped by Ctrl-C with what there was saved.

    Args:
      default: the settings that flags replace.
      args: the flags; default: those of this process.
      prog: the command's name in help texts and in the report.
      description: the help's first words; default: the docstring of the script that runs.
    """
    args = sys.argv[1:] if args is None else args
    prog = prog or f"python {sys.argv[0]}"
    stderr = Console(stderr=True)

    def leave(message: str, code: int) -> NoReturn:
        stderr.print(message, markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(code) from None

    try:
        with _terminated_by_exception():
            description = description or sys.modules["__main__"].__doc__
            config = tyro.cli(Config, default=default, args=args, prog=prog, description=description)
            report = experiment(config, shlex.join([*prog.split(), *args]))
    except InputError as error:
        leave(f"error: {error}", 2)
    except TrainingDiverged as error:
        leave(f"stopped: {error}", 1)
    except KeyboardInterrupt:
        leave("stopped; the same command resumes", 130)
    except _Terminated:
        leave("stopped; the same command resumes", 0)
    if "stopped" in report:
        code = 130 if report["stopped"] == signal.SIGINT else 0
        leave(f"stopped at step {report['step']}, saved; the same command resumes", code)
    console = Console()
    console.print(results_table(report))
    console.print(f"run: {report['workdir']}", highlight=False, soft_wrap=True)


class _Terminated(BaseException):
    """SIGTERM outside the training loop, which has its own way to stop."""


@contextmanager
def _terminated_by_exception() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def experiment(config: Config, command: str = "") -> dict[str, Any]:
    """Trains, restores the saved checkpoint, evaluates it, writes everything to the workdir.

    Args:
      config: the run.
      command: recorded in the report.

    Returns:
      The report as written to report.json with the `workdir`; or `stopped` (a signal) and `step`.

    Raises:
      InputError: wrong input; nothing has been written.
      TrainingDiverged: a loss is not finite; checkpoints from before are kept.
    """
    dataset = load(config.dataset, config.data_dir)
    if dataset.y_train is not None and dataset.y_test is not None and len(np.unique(dataset.y_train)) < 2:
        raise InputError(f"y_train: found one class in {dataset.name}, want two or more to classify, or no labels")
    job = prepare(config, dataset.x_train, fit_archive_scaler(dataset.x_train, dataset.name))
    if dataset.x_test is not None and dataset.x_test.shape[2] != job.channels:
        raise InputError(f"x_test: found {dataset.x_test.shape[2]} channels, want {job.channels} as in x_train")
    workdir = config.workdir or default_workdir(config)
    record = config_json(config) | {"data": dataset.fingerprint()}
    with open_workdir(workdir, record, config.overwrite):
        fitted = run(job, workdir, config.quiet)
        if fitted.stopped is not None:
            return {"stopped": fitted.stopped, "step": int(fitted.state.step[0])}
        report, arrays = evaluate(config, dataset, workdir)
        report |= {
            "steps": job.steps,
            "batch_size": job.batch_size,
            "versions": versions(),
            "hardware": hardware(),
            "command": command,
            "config": record,
        }
        report["wall_s"] = {"train": round(fitted.seconds, 3), **report["wall_s"]}
        _write_embeddings(workdir / "embeddings.npz", arrays)
        write_whole(workdir / "report.json", json.dumps(_nan_as_null(report), indent=2, allow_nan=False) + "\n")
        several = config.seeds > 1
        shown = {name: z[0] if name.startswith("z_") and several else z for name, z in arrays.items()}
        curve = MetricsFile(workdir / "metrics.jsonl").read()
        try:
            write_page(workdir / "report.html", report, curve, shown)
        except ImportError as error:
            log.warning("report.html is not written: %s", error)
    return report | {"workdir": str(workdir)}


def evaluate(config: Config, dataset: Dataset, workdir: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Embeds both splits with each restored seed and fits the paper's classifier on the frozen embeddings.

    Returns:
      The report's part about data, protocol and scores, and the arrays of embeddings.npz.
    """
    results: list[dict[str, Any]] = []
    embedded: dict[str, list[np.ndarray]] = {"z_train": [], "z_test": []}
    encode_s = evaluate_s = 0.0
    for seed in config.seed_list():
        model = load_model(workdir, seed)
        start = time.perf_counter()
        z_train = model.embed(dataset.x_train)
        z_test = None if dataset.x_test is None else model.embed(dataset.x_test)
        encoded = time.perf_counter()
        embedded["z_train"].append(z_train)
        if z_test is not None:
            embedded["z_test"].append(z_test)
            if dataset.y_train is not None and dataset.y_test is not None:
                scores = evaluate_svc(z_train, dataset.y_train, z_test, dataset.y_test, seed=seed)
                results.append({"seed": seed, **scores})
        encode_s += encoded - start
        evaluate_s += time.perf_counter() - encoded
    arrays = {name: np.stack(z) if len(z) > 1 else z[0] for name, z in embedded.items() if z}
    arrays |= {name: y for name in ("y_train", "y_test") if (y := getattr(dataset, name)) is not None}
    over_seeds = {score: mean_and_std([row[score] for row in results]) for score in SCORES} if results else {}
    found = published(config.method.name, dataset.name, "accuracy")
    report = {
        "schema": SCHEMA,
        "task": "classify",
        "method": config.method.name,
        "dataset": {
            "name": dataset.name,
            "source": dataset.source,
            "n_train": len(dataset.x_train),
            "n_test": 0 if dataset.x_test is None else len(dataset.x_test),
            "length": dataset.x_train.shape[1],
            "channels": dataset.x_train.shape[2],
            "classes": list(dataset.classes),
        },
        "protocol": {
            "classifier": "RBF SVC on frozen embeddings",
            "selection": "C by 5-fold cross-validation on train",
            "scaling": "archive protocol, statistics of train only",
        },
        "seeds": config.seed_list(),
        "results": results,
        "mean": {score: mean for score, (mean, _) in over_seeds.items()},
        "std": {score: std for score, (_, std) in over_seeds.items()},
        "published": {} if found is None else {"accuracy": {"value": found.value, "source": found.source}},
        "wall_s": {"encode": round(encode_s, 3), "evaluate": round(evaluate_s, 3)},
    }
    return report, arrays


def _nan_as_null(value: Any) -> Any:
    """JSON has no NaN; a score that is not defined is null."""
    if isinstance(value, dict):
        return {name: _nan_as_null(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_nan_as_null(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_embeddings(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Saves an .npz that is whole or absent."""
    fresh = path.with_name("embeddings.tmp.npz")
    np.savez(fresh, **arrays)  # type: ignore[arg-type]
    os.replace(fresh, path)


def versions() -> dict[str, str]:
    """Versions of Python and the libraries that decide a result."""
    names = ("tsrl", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


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
    }
