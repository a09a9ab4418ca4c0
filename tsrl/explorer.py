"""`tsrl report`: the reports of many runs found, put together, and made one page or one table for machines."""

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro

from tsrl.errors import InputError, check_whole
from tsrl.files import write_whole
from tsrl.report.collected import Run, collected
from tsrl.report.explorer import Extra, explorer_page
from tsrl.report.schema import check_report
from tsrl.train.metrics import MetricsFile

_DESCRIPTION = """One page about the results of many runs: a table to choose from and sort, bars, average ranks, curves.

RUNS are report.json files, folders of runs, and folders that are searched: for *.json in them and report.json below.
Other kinds of JSON are passed over, with a note; a file that cannot be read is named in a warning. The page needs no
network; it has plotly's script in it, 4.8 MB. Numbers published for the same data sets stand beside the runs'.

Exit codes: 0 done; 2 wrong input or no report found, nothing written."""
# Arrays of a run that a page draws; others are not read.
_DRAWN = ("z_train", "z_test", "y_train", "y_test", "anomaly_values", "anomaly_labels", "anomaly_detected",
          "anomaly_score", "anomaly_name", "x")  # fmt: skip
# Folders of a run that hold no report.
_PASSED = ("checkpoints", "model")
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What `tsrl report` is asked for.

    Attributes:
      runs: report.json files, folders of runs, folders to be searched.
      html: the page's file, replaced if it is there; default: none.
      json: print the table of all runs as JSON.
      title: of the page.
      pictures: so many runs at most are drawn as maps of their embeddings, in the order they are found.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    html: Path | None = None
    json: bool = False
    title: str = "Results"
    pictures: int = 4


class Found(NamedTuple):
    """Reports, where they are, and what was passed over.

    Attributes:
      reports: file -> report.
      unreadable: sentences about files that cannot be read, each with its name.
      passed: files of another kind.
    """

    reports: dict[Path, dict[str, Any]]
    unreadable: list[str]
    passed: list[Path]


def main(args: Sequence[str]) -> None:
    """`tsrl report RUNS... [--html FILE] [--json]`; `--help` lists the flags.

    Raises:
      InputError: no such path, no report found, no output asked for, plotly missing; nothing is written then.
    """
    asked = tyro.cli(Asked, args=list(args), prog="tsrl report", description=_DESCRIPTION)
    if asked.html is None and not asked.json:
        raise InputError("html, json: found neither, want --html FILE, --json or both")
    check_whole("pictures", asked.pictures, 0)
    found = find_reports(asked.runs)
    notes = [*found.unreadable, *_passed(found.passed)]
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    if not found.reports:
        raise InputError(f"runs: found no report in {', '.join(map(str, asked.runs))}, want report.json files of runs")
    names = _names(list(found.reports))
    collection = collected([Run(names[path], report) for path, report in found.reports.items()])
    if asked.html is not None:
        extras = _extras(found.reports, names, asked.pictures)
        try:
            page = explorer_page(collection, extras, asked.title, notes)
        except ImportError as error:
            raise InputError(f"html: {error}") from error
        write_whole(asked.html, page)
    if asked.json:
        print(json.dumps(collection | {"skipped": notes}, allow_nan=False))
    else:
        print(f"{asked.html}: {len(found.reports):,} runs, {asked.html.stat().st_size / 1e6:.1f} MB")  # type: ignore[union-attr]


def find_reports(paths: Sequence[Path]) -> Found:
    """The reports that files and folders hold, each once.

    Args:
      paths: files; folders with a report.json, which are runs; other folders, where *.json and, at any depth,
        report.json are looked at.

    Raises:
      InputError: a path that is not there.
    """
    found = Found({}, [], [])
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise InputError(f"runs: found no file or folder at {path}")
        for file in _files(path):
            if (place := file.resolve()) not in seen:
                seen.add(place)
                _read(file, found)
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / "report.json").is_file():
        return [path / "report.json"]
    files = sorted(path.glob("*.json"))
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if name not in _PASSED)
        if "report.json" in names:
            files.append(Path(folder) / "report.json")
    return files


def _read(file: Path, found: Found) -> None:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        found.unreadable.append(f"{file} cannot be read and is left out ({error})")
        return
    if not isinstance(report, dict) or "kind" in report or not {"schema", "task", "results"} <= set(report):
        found.passed.append(file)
        return
    try:
        check_report(report)
    except InputError as error:
        found.unreadable.append(f"{file} is no report of this version and is left out ({error})")
        return
    found.reports[file] = report


def _passed(files: Sequence[Path]) -> list[str]:
    if not files:
        return []
    named = ", ".join(file.name for file in files[:_NAMED]) + (", ..." if len(files) > _NAMED else "")
    count = "1 file is" if len(files) == 1 else f"{len(files)} files are"
    return [f"{count} no report of a run and left out: {named}"]


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """A short name for each file: its folder's or its own; with the folder above where several are called so."""
    short = {file: file.resolve().parent.name if file.name == "report.json" else file.stem for file in files}
    counts = Counter(short.values())
    named = {file: name if counts[name] == 1 else "" for file, name in short.items()}
    for file in [file for file, name in named.items() if not name]:
        parts = file.resolve().with_suffix("").parts
        used = set(named.values())
        named[file] = next(
            (name for n in range(2, len(parts) + 1) if (name := "/".join(parts[-n:])) not in used), str(file)
        )
    return named


def _extras(reports: dict[Path, dict[str, Any]], names: dict[Path, str], pictures: int) -> list[Extra]:
    """What lies beside the reports that are in a folder of their run."""
    extras = []
    for file, report in reports.items():
        if file.name != "report.json":
            continue
        curve = MetricsFile(file.parent / "metrics.jsonl").read()
        arrays = _arrays(file.parent / "embeddings.npz", report["seeds"]) if pictures > 0 else {}
        pictures -= bool(arrays)
        if curve or arrays:
            extras.append(Extra(names[file], report["seeds"], report["dataset"].get("classes") or (), curve, arrays))
    return extras


def _arrays(file: Path, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """What a page draws of a run's arrays, of its first seed; nothing where there is no file, or none to be read."""
    if not file.is_file():
        return {}
    try:
        with np.load(file) as stored:
            drawn = [name for name in stored.files if name in _DRAWN or name.startswith("forecast_")]
            arrays = {name: stored[name] for name in drawn}
    except (OSError, ValueError) as error:
        print(f"warning: {file} cannot be read and is not drawn ({error})", file=sys.stderr)
        return {}
    by_seed = {name for name, z in arrays.items() if name[:9] == "forecast_" or (name[:2] == "z_" and z.ndim > 2)}
    arrays = {name: z[0] if name in by_seed and len(seeds) > 1 else z for name, z in arrays.items()}
    embeddings = [z for name, z in arrays.items() if name[:2] == "z_"]
    usable = all(z.ndim == 2 and np.isfinite(z).all() for z in embeddings)
    if not usable:
        print(f"warning: {file} has embeddings that are no finite [N, D] and is not drawn", file=sys.stderr)
    drawable = embeddings or "anomaly_values" in arrays or any(name.startswith("forecast_") for name in arrays)
    return arrays if usable and drawable else {}
