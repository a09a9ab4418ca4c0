"""Scoreboard: methods, frozen models and controls on many labelled sets, one line of JSON for each run.

Test: Every cell is a model, a set and a seed. A method is trained on the set; a frozen model, which comes with the
  package or lies in a folder, is used as it is; an untrained one has random weights; a control needs no encoder. All
  are judged by the protocols of `classify`.
Result: experiments/README.md. The lines lie in results/scoreboard/, a file for each model.
Command: python experiments/scoreboard.py --models tsrl-small
Overrides: --sets GunPoint,ECG200, --models ts2vec,untrained,MiniRocket,tsrl-small, --seeds 3. The same
  command again computes only what is missing; --no-run only prints.
"""

import dataclasses
import importlib.util
import json
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from tsrl.config import Config
from tsrl.embedder import Embedder, load
from tsrl.errors import InputError, check_whole
from tsrl.evaluate.classify_controls import CONTROLS
from tsrl.evaluate.compare import average_ranks
from tsrl.experiment import hardware, nan_as_null, versions
from tsrl.methods import METHODS
from tsrl.pretraining import prepare, raise_stopped, run, untrained
from tsrl.process import exit_codes
from tsrl.report.schema import Row
from tsrl.settings import Classify
from tsrl.shipped import shipped_models
from tsrl.tasks import TASKS
from tsrl.tasks.base import Source
from tsrl.tasks.classify import controls

HERE = Path(__file__).parent
UNTRAINED = "untrained"
# Of the UCR and UEA archives, those at hand when the first lines were made.
UCR = (
    "ACSF1,Adiac,AllGestureWiimoteX,AllGestureWiimoteZ,ArrowHead,BME,BirdChicken,CBF,Car,Coffee,Computers,CricketX,Crop,"
    "DistalPhalanxOutlineCorrect,DistalPhalanxTW,DodgerLoopGame,DodgerLoopWeekend,ECG200,ECG5000,ECGFiveDays,"
    "Earthquakes,FaceFour,FacesUCR,Fish,FordA,Fungi,GestureMidAirD1,GestureMidAirD2,GestureMidAirD3,GesturePebbleZ2,"
    "GunPoint,GunPointAgeSpan,GunPointOldVersusYoung,Ham,Herring,HouseTwenty,ItalyPowerDemand,Meat,MedicalImages,"
    "MiddlePhalanxOutlineAgeGroup,MiddlePhalanxOutlineCorrect,OSULeaf,PhalangesOutlinesCorrect,PickupGestureWiimoteZ,"
    "Plane,PowerCons,ProximalPhalanxOutlineAgeGroup,ProximalPhalanxOutlineCorrect"
)


@dataclass(frozen=True, kw_only=True)
class Scoreboard:
    """What is compared.

    Attributes:
      models: separated by commas: names of methods, of models that come with the package, folders of models;
        `untrained`: the model "tsrl-small" with random weights; controls on the raw series, such as MiniRocket.
      sets: names, separated by commas.
      seeds: from 0 on; of a frozen model only 0.
      data_dir: folder searched for the sets; default: the environment variable TSRL_DATA_DIR.
      folder: where the lines are kept.
      run: compute what is missing.
    """

    models: str = "tsrl-small"
    sets: str = UCR
    seeds: int = 1
    data_dir: Path | None = None
    folder: Path = HERE / "results" / "scoreboard"
    run: bool = True


def main(args: list[str] | None = None, prog: str | None = None) -> None:
    """Reads flags, computes the lines that are missing, prints what all of them say.

    Exit codes: as those of `tsrl.script.main`.
    """
    args = sys.argv[1:] if args is None else args
    prog = prog or f"python {sys.argv[0]}"
    with exit_codes():
        asked = tyro.cli(Scoreboard, default=Scoreboard(), args=args, prog=prog, description=__doc__)
        lines = board(asked, shlex.join([*prog.split(), *args]))
        Console().print(table(lines))


def board(asked: Scoreboard, command: str) -> list[dict[str, Any]]:
    """The lines of all models, sets and seeds that are asked for, after those that were missing have been computed.

    Raises:
      InputError: an unknown model, before anything is computed; an unknown set, or a file of lines that is damaged.
    """
    models, sets = asked.models.split(","), asked.sets.split(",")
    check_whole("seeds", asked.seeds, 1)
    for model in models:
        if model not in (*METHODS, UNTRAINED, *CONTROLS, *shipped_models()) and not Path(model).is_dir():
            known = ", ".join([*METHODS, UNTRAINED, *CONTROLS, *shipped_models()])
            raise InputError(f"models: found {model!r}, want a folder or one of {known}")
    own = _script("foundation")
    # A logistic regression of wide embeddings takes longer than all else.
    base = Config(method=own.method, encoder=own.encoder, classify=Classify(protocols=("svc", "nearest", "rich")))
    found = []
    for name in sets:
        config = dataclasses.replace(base, dataset=name, data_dir=asked.data_dir)
        data = TASKS["classify"].load(config)
        for model in models:
            path = asked.folder / f"{Path(model).name}.jsonl"
            for seed in range(asked.seeds if model in (*METHODS, UNTRAINED) else 1):
                line = _kept(path, data.name, seed)
                if line is None and asked.run:
                    started = time.perf_counter()
                    rows, trained = scores(dataclasses.replace(config, seed=seed), data, model)
                    line = {"dataset": data.name, "model": Path(model).name, "seed": seed, "rows": rows} | trained
                    line |= {"wall_s": round(time.perf_counter() - started, 1), "versions": versions()}
                    line |= {"hardware": hardware(), "command": command}
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(nan_as_null(line), allow_nan=False) + "\n")
                found += [] if line is None else [line]
        # Programs are compiled for one data set's shapes: kept for all, they use up what a process may map.
        jax.clear_caches()
    return found


def scores(config: Config, data: Any, model: str) -> tuple[list[Row], dict[str, Any]]:
    """The rows of one cell, and how it was trained."""
    task, name = TASKS["classify"], Path(model).name
    if model in CONTROLS:
        return controls(config, data, (model,)), {}
    training = task.training(config, data)
    if model in METHODS:
        own = _script(model)
        config = dataclasses.replace(config, method=own.method, encoder=own.encoder, train=own.train)
        job = prepare(config, training.x, training.scaler)
        fitted = run(job)
        raise_stopped(fitted)
        state = jax.tree.map(lambda leaf: np.asarray(leaf[0]), fitted.state)
        embedder = Embedder(own.method, own.encoder, state.params, state.aux, job.channels, job.scaler, job.length)
        trained = {"steps": job.steps, "batch_size": job.batch_size}
        return task.score(config, data, embedder, Source(name, "method", config.seed)).rows, trained
    if model == UNTRAINED:
        embedder = untrained(prepare(config, training.x[:2], None), config.seed)
        return task.score(config, data, embedder, Source(name, "untrained", config.seed)).rows, {}
    return task.score(config, data, load(model), Source(name, "frozen", 0)).rows, {}


def table(lines: list[dict[str, Any]]) -> Table:
    """Mean accuracy and average rank of every model and protocol over the sets that all have a score of."""
    cells: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        for row in line["rows"]:
            if not row["cell"] and row["scores"]["accuracy"] is not None:
                name = f"{row['model']}, {row['protocol']}"
                cells.setdefault(name, {}).setdefault(line["dataset"], []).append(row["scores"]["accuracy"])
    most = max((len(of) for of in cells.values()), default=0)
    full = {name: of for name, of in cells.items() if len(of) == most}
    sets = sorted(set.intersection(*(set(of) for of in full.values()))) if full else []
    found = Table(title=f"accuracy, {len(sets)} sets", title_justify="left")
    for column in ("model, protocol", "mean accuracy", "average rank"):
        found.add_column(column)
    matrix = np.array([[np.mean(of[name]) for of in full.values()] for name in sets])
    ranks = average_ranks(matrix, True) if len(sets) and len(full) > 1 else np.ones(len(full))
    for name, column, rank in zip(full, matrix.T, ranks, strict=True):
        found.add_row(name, f"{column.mean():.4f}", f"{rank:.2f}")
    return found


def _kept(path: Path, dataset: str, seed: int) -> dict[str, Any] | None:
    """The line of a set and a seed, if it is there."""
    for line in _lines(path):
        if (line["dataset"], line["seed"]) == (dataset, seed):
            return line
    return None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            # A kill in the middle of a line.
            raise InputError(f"{path}: line {number} is no JSON ({error}); remove it, the run is made again") from error


def _script(name: str) -> Config:
    """The settings of a script."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config: Config = module.CONFIG
    return config


if __name__ == "__main__":
    main()
