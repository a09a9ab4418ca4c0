"""Which two views are a pair: SimCLR's loss and one encoder under every rule of `tsrl.pairs`, judged by linear probes.

Paper: TS2Vec (Yue et al. 2022, arXiv 2106.10466), section 3, argues that shifts of level break T-Loss's pairs (a
  stretch and a stretch within it: `subseries`), anomalies those of TNC (neighbouring windows: `adjacent`), and neither
  those that show the same steps in two contexts (`overlapping_crops`, `time_step_mask`).
Test: Synthetic series of a known class are pre-trained on as they are, with shifts of level, and with anomalies, which
  do not depend on the class. Probes read the class of a series, the level of a step, and whether a step is in an
  anomaly, from encoders that were pre-trained on clean and on disturbed series: what the first read better is lost in
  training, to the pairs. The same encoder untrained and the raw values stand beside. Then the class of real series.
Settings: All are ours. TS2Vec's own loss contrasts single steps; this one contrasts whole views, for all rules alike.
Result: experiments/README.md. With these settings the series do not bear the argument out.
Command: python experiments/pair_construction.py
Overrides: --rules subseries,adjacent,time_step_mask, --seeds 5, --no-synthetic --datasets GunPoint,ArrowHead,
  --method.objective semi_hard, --train.steps 600. The same command again computes only what is missing.
"""

import dataclasses
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import tyro
from pair_parts.pictures import draw_pairs, draw_scores, tables
from pair_parts.probes import CONDITIONS, PROTOCOLS, Cell, Synthetic, draw, scores
from pair_parts.settings import Comparison
from rich.console import Console

from tsrl.config import Config, model_json
from tsrl.data.hashing import fingerprint
from tsrl.errors import InputError, check_whole, nearest
from tsrl.experiment import hardware, nan_as_null, versions
from tsrl.files import write_whole
from tsrl.pairs import RULES, Strength
from tsrl.pretraining import prepare
from tsrl.process import exit_codes
from tsrl.report.schema import SCHEMA
from tsrl.tasks.classify import Labelled, load_labelled, prepared
from tsrl.workdir import open_workdir


def main(args: list[str] | None = None, prog: str | None = None) -> None:
    """Reads flags, computes the cells that are missing, prints what all of them say.

    Exit codes: as those of `tsrl.script.main`.
    """
    args = sys.argv[1:] if args is None else args
    prog = prog or f"python {sys.argv[0]}"
    with exit_codes():
        settings = tyro.cli(Comparison, default=Comparison(), args=args, prog=prog, description=__doc__)
        report = compare(settings, shlex.join([*prog.split(), *args]))
        console = Console()
        for table in tables(report, console.width):
            console.print(table)
        console.print(f"run: {settings.workdir}", highlight=False, soft_wrap=True)


def compare(settings: Comparison, command: str = "") -> dict[str, Any]:
    """Runs the comparison.

    Returns:
      The report as written to results.json. Its rows are those of a run's report (`tsrl.report.schema`); their cell
      says what the encoder was trained on and what it is judged on.

    Raises:
      InputError: wrong input; nothing has been written.
    """
    started = time.perf_counter()
    rules, sets = _names("rules", settings.rules, RULES), _names("datasets", settings.datasets)
    _check(settings, sets)
    seeds = list(range(settings.seed, settings.seed + settings.seeds))
    real = {Path(name).stem: _labelled(settings, name) for name in sets}
    synthetic = {seed: draw(settings.series, seed) for seed in seeds} if settings.synthetic else {}
    for x in [*(data.train.clean for data in synthetic.values())][:1] + [data.x_train for data in real.values()]:
        # Refuses settings that do not fit the data before anything is written.
        prepare(_config(settings, rules[0], seeds[0]), x, None)
    record = {
        **model_json(settings.method, settings.encoder),
        "train": dataclasses.asdict(settings.train),
        "series": dataclasses.asdict(settings.series),
    }
    done = []
    with open_workdir(settings.workdir, record, settings.overwrite):
        folder = settings.workdir / "cells"
        if settings.overwrite and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        for group in ([CONDITIONS] if synthetic else []) + [(name,) for name in real]:
            for cell in _cells(group, rules, seeds):
                data = real[cell.trained_on] if cell.trained_on in real else synthetic[cell.seed]
                done.append(_held(settings, cell, data, folder, rules[0]))
            # Programs are compiled for one data set's shapes: kept for all, they use up what a process may map.
            jax.clear_caches()
        report = {
            "schema": SCHEMA,
            "kind": "pairs",
            "rules": rules,
            "datasets": [*(CONDITIONS if synthetic else ()), *real],
            "protocol": PROTOCOLS,
            "seeds": seeds,
            "results": [row for cell in done for row in cell["rows"]],
            "wall_s": {
                "cells": round(sum(cell["wall_s"] for cell in done), 3),
                "this_call": round(time.perf_counter() - started, 3),
            },
            "versions": versions(),
            "hardware": hardware(),
            "command": command,
            "config": record,
        }
        write_whole(settings.workdir / "results.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
        if synthetic:
            strength = Strength(*(getattr(settings.method, name) for name in Strength._fields))
            drawn = draw_pairs(strength, rules, synthetic[seeds[0]], seeds[0])
            write_whole(settings.workdir / "pairs.svg", drawn)
        write_whole(settings.workdir / "losses.svg", draw_scores(report))
    return report


def _names(flag: str, text: str, known: Mapping[str, Any] | None = None) -> list[str]:
    names = [name.strip() for name in text.split(",")] if text or known else []
    for name in names:
        if known is not None and name not in known:
            raise InputError(f"{flag}: found {name!r}; {nearest(name, known)}")
    if "" in names or len({Path(name).stem for name in names}) < len(names):
        raise InputError(f"{flag}: found {text!r}, want different names separated by commas")
    return names


def _check(settings: Comparison, sets: Sequence[str]) -> None:
    whole = {"seed": (settings.seed, 0), "seeds": (settings.seeds, 1)}
    whole |= {f"series.{name}": (value, 8) for name, value in dataclasses.asdict(settings.series).items()}
    for name, (value, least) in whole.items():
        check_whole(name, value, least)
    if settings.method.name != "simclr":
        raise InputError(f"method: found {settings.method.name}, want simclr")
    if (pairs := settings.method.pairs) != Comparison().method.pairs:
        raise InputError(f"method.pairs: found {pairs}, want the rules by --rules")
    if not sets and not settings.synthetic:
        raise InputError("datasets: found none and no synthetic series, want one of them")
    if same := [name for name in sets if Path(name).stem in CONDITIONS]:
        raise InputError(
            f"datasets: found {same}, want other names than the synthetic series': {', '.join(CONDITIONS)}"
        )


def _labelled(settings: Comparison, name: str) -> Labelled:
    """Both splits as an encoder is given them."""
    config = Config(method=settings.method, encoder=settings.encoder, dataset=name, data_dir=settings.data_dir)
    return prepared(config, load_labelled(config))


def _config(settings: Comparison, rule: str, seed: int) -> Config:
    method = dataclasses.replace(settings.method, pairs=rule)
    return Config(method=method, encoder=settings.encoder, train=settings.train, seed=seed)


def _cells(trained_on: Sequence[str], rules: Sequence[str], seeds: Sequence[int]) -> Iterator[Cell]:
    """What is not trained, then one rule after another, so that its program serves all its cells."""
    yield from (Cell(trained_on[0], "untrained", seed) for seed in seeds)
    # Synthetic series are drawn by the seed, real ones know none.
    yield from (Cell(trained_on[0], "raw", seed) for seed in (seeds if trained_on == CONDITIONS else seeds[:1]))
    for rule in rules:
        for name in trained_on:
            yield from (Cell(name, rule, seed) for seed in seeds)


def _held(
    settings: Comparison, cell: Cell, data: Synthetic | Labelled, folder: Path, spare_rule: str
) -> dict[str, Any]:
    """A cell from its file, where that is of the same data and versions; else it is computed and kept there.

    The `spare_rule` makes the programs of a model that follows none.
    """
    path = folder / f"{cell.trained_on}-{cell.model}-seed{cell.seed}.json"
    leaves = jax.tree.leaves(tuple(data))
    made_of = {
        "data": fingerprint(dict(zip(map(str, range(len(leaves))), leaves, strict=True))),
        "versions": versions(),
    }
    if path.is_file():
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            held = {}
        if {name: held.get(name) for name in made_of} == made_of:
            return held
    started = time.perf_counter()
    rule = cell.model if cell.model in RULES else spare_rule
    rows = nan_as_null(scores(_config(settings, rule, cell.seed), cell, data, settings.series.probed))
    made = {**made_of, "rows": rows, "wall_s": round(time.perf_counter() - started, 3)}
    write_whole(path, json.dumps(made, indent=1, allow_nan=False) + "\n")
    if not settings.quiet:
        shown = ", ".join(f"{row['protocol']} {row['cell']['on']} {row['scores']['accuracy']:.3f}" for row in rows)
        told = f"{cell.model} trained on {cell.trained_on}, seed {cell.seed}: {shown} ({made['wall_s']:.1f} s)"
        Console(stderr=True).print(told, markup=False, highlight=False, soft_wrap=True)
    return made


if __name__ == "__main__":
    main()
