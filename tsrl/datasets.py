"""`tsrl datasets`: all data sets by name, one of them described and drawn, one of them prepared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.markup import escape
from rich.progress import track
from rich.table import Table as RichTable

from tsrl.data.anomaly import ARCHIVES, AnomalySet, load_anomaly
from tsrl.data.builders import prepare
from tsrl.data.builders.spec import ClassifyFacts
from tsrl.data.builders.specs import SPECS
from tsrl.data.catalogue import catalogue, entry, task_of
from tsrl.data.dataset import Dataset
from tsrl.data.downloads import archive_set, progress
from tsrl.data.forecasting import ForecastSet, load_forecast
from tsrl.data.locate import data_folder, locate
from tsrl.data.named import SUFFIXES, load
from tsrl.data.regression import RegressionSet, load_regression
from tsrl.data.store import is_store, open_store, store_sample, write_store
from tsrl.data.tables.settings import Table, check_unused
from tsrl.describe import described
from tsrl.errors import InputError, nearest
from tsrl.report.dataset_page import write_dataset_page
from tsrl.terminal import Console, output, wide_console

_STATES = {"here": "here", "download": "downloads", "by hand": "by hand", "damaged": "damaged"}
# Narrower terminals get neither the sources nor the licences, which `show` tells.
_WIDE = 140


@dataclass(frozen=True, kw_only=True)
class List:
    """Lists every data set by name.

    Attributes:
      data_dir: folder of your own files; default: the environment variable TSRL_DATA_DIR.
      task: only sets for this task; "table": tables whose columns must be named.
      here: only sets that can be read now.
      json: as JSON lines.
    """

    data_dir: Path | None = None
    task: Literal["", "classify", "forecast", "regress", "anomaly", "table"] = ""
    here: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Show:
    """Describes one data set and draws some of its series.

    Attributes:
      name: of the set, or the path of a file.
      task: where a name or file serves several tasks.
      data_dir: folder of your own files; default: the environment variable TSRL_DATA_DIR.
      table: how a table's columns are read.
      out: the HTML file; default: NAME.html in runs/datasets.
      json: print what the set is as JSON; messages go to standard error.
    """

    name: tyro.conf.Positional[str]
    task: Literal["", "classify", "forecast", "regress", "anomaly"] = ""
    data_dir: Path | None = None
    table: Table = field(default_factory=Table)
    out: Path | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Build:
    """Downloads and prepares one data set, so that it can be read without a network.

    Attributes:
      name: of the set.
      data_dir: folder of files that are taken instead of a download.
      json: print where it is as JSON.
    """

    name: tyro.conf.Positional[str]
    data_dir: Path | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Synthesize:
    """Draws series of known structure and writes them as a store, for `--task pretrain`.

    Attributes:
      folder: to be made.
      count: series.
      length: steps of each, at least 32.
      channels: of each.
      seed: row i is a function of the seed and i alone.
      kinds: parts that a series may have; default: all but missing steps.
      json: print what was written as JSON.
    """

    folder: tyro.conf.Positional[Path]
    count: int = 10_000
    length: int = 512
    channels: int = 1
    seed: int = 0
    kinds: tuple[str, ...] = ()
    json: bool = False


def main(args: Sequence[str]) -> None:
    """`tsrl datasets [list | show NAME | build NAME | synthesize FOLDER]`; `--help` after each lists its flags.

    Raises:
      InputError: an unknown command or name, or a file that is wrong.
    """
    commands: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "list": (List, list_sets),
        "show": (Show, show_set),
        "build": (Build, build_set),
        "synthesize": (Synthesize, synthesize),
    }
    name, rest = (args[0], args[1:]) if args and args[0] in commands else ("list", args)
    if rest is args and args and not args[0].startswith("-"):
        raise InputError(f"command: found {args[0]!r} after datasets; {nearest(args[0], commands)}")
    settings, command = commands[name]
    asked: Any = tyro.cli(settings, args=list(rest), prog=f"tsrl datasets {name}")
    with output(asked.json) as write:
        found = command(asked)
        for one in found if isinstance(found, list) else [found]:
            write(one)


def list_sets(asked: List) -> list[dict[str, Any]]:
    """Prints the table of all sets, and returns its rows."""
    entries = [
        one
        for one in catalogue(asked.data_dir)
        if asked.task in ("", one.task) and (one.state == "here" or not asked.here)
    ]
    rows = [one._asdict() for one in entries]
    if asked.json:
        return rows
    console = wide_console()
    wide = console.width >= _WIDE
    table = RichTable(box=None, pad_edge=False)
    for name in ("name", "task", "shape", "classes"):
        table.add_column(name, no_wrap=True)
    for name in ("available", "licence")[: 1 + wide]:
        table.add_column(name, overflow="fold")
    for one in entries:
        available = _STATES[one.state] + (f": {one.source}" if wide else "") + ("" if one.verified else ", unverified")
        columns = (one.name, one.task, one.shape, str(one.classes or ""), escape(available), one.licence)
        table.add_row(*columns if wide else columns[:-1])
    console.print(table)
    here = sum(one.state == "here" for one in entries)
    console.print(
        f"{len(entries)} data sets, {here} can be read now. Shapes: series of each split x steps x channels; steps x "
        "channels to forecast; series x steps in all x channels with anomalies; ? = only reading tells. Unverified: no "
        "checksum is known before the first download, whose own is kept. `tsrl datasets show NAME` describes one.",
        highlight=False,
    )
    return rows


def show_set(asked: Show) -> dict[str, Any]:
    """Writes a page with a set's channels in numbers and some series drawn, prints what the set is, and returns it."""
    data = _read(asked)
    spec = SPECS.get(data.name)
    names: Sequence[str] = ()
    notes: Sequence[str] = data.notes if isinstance(data, ForecastSet) else ()
    if not isinstance(data, ForecastSet) and "validation" in data.about:
        # pyarrow, which takes a while to import, comes with it.
        from tsrl.data.tables.report import Validation

        names = data.about["columns"]
        notes = str(Validation(**data.about["validation"])).splitlines()
    elif spec is not None and isinstance(spec.facts, ClassifyFacts):
        names = spec.facts.channels
    found = described(data, names)
    about = found.about
    if spec is not None:
        about |= {"licence": spec.licence, "published": spec.homepage, "what it is": spec.description}
        about |= {"cite": spec.citation}
    out = asked.out or Path("runs") / "datasets" / f"{data.name.replace('/', '-')}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    written = str(out)
    try:
        write_dataset_page(out, data.name, about, found.channels, found.counts, found.picture, notes)
    except ImportError:
        written = "not written, for it needs plotly: pip install 'tsrl[report]'"
    console = Console()
    table = RichTable(show_header=False, box=None)
    for term, told in about.items():
        table.add_row(term, escape(told))
    console.print(escape(data.name), style="bold")
    console.print(table)
    for line in notes:
        console.print(line, markup=False, highlight=False)
    console.print(f"page: {written}", highlight=False, markup=False, soft_wrap=True)
    held = {"name": data.name, "about": about, "channels": found.channels, "counts": found.counts}
    return held | {"notes": list(notes), "page": str(out) if out.exists() else None}


def _read(asked: Show) -> Dataset | ForecastSet | RegressionSet | AnomalySet:
    if is_store(asked.name):
        check_unused(asked.table, "a store")
        return _of_store(Path(asked.name))
    task = asked.task or _task(asked)
    if task == "forecast" and (asked.task or asked.table == Table() or asked.name in SPECS):
        return load_forecast(asked.name, asked.data_dir, asked.table)
    if task == "regress":
        return load_regression(asked.name, asked.data_dir, asked.table, "random" if _unsplit(asked) else "published")
    if task == "anomaly":
        return load_anomaly(asked.name, asked.data_dir, table=asked.table)
    return load(asked.name, asked.data_dir, asked.table)


def _task(asked: Show) -> str:
    """What a name or file is for."""
    if asked.name.partition("/")[0] in ARCHIVES:
        return "anomaly"
    path = locate(asked.name, asked.data_dir, SUFFIXES)
    return entry(asked.name, asked.data_dir).task if path is None else task_of(path)


def _unsplit(asked: Show) -> bool:
    """Whether a table of numbers to predict does not say what is for testing: some series are taken to show them."""
    return asked.table.label is not None and asked.table.split is None


def _of_store(path: Path) -> Dataset:
    """The series of a store that `--task pretrain` keeps the embeddings of."""
    store = open_store(path)
    rows = store_sample(len(store))
    about = f"Parquet store {path.name} of {len(store)} series"
    return Dataset(path.stem, about, store.take(rows), rows={"id_train": rows})


def build_set(asked: Build) -> dict[str, Any]:
    """Downloads and prepares a set, says what its files were held to, and returns it."""
    console, folder = Console(), data_folder(asked.data_dir)
    if asked.name in SPECS:
        with progress(asked.name) as shown:
            made = prepare(asked.name, folder, shown)
        for name, (sha256, state) in made.files.items():
            console.print(f"{name}: sha256 {sha256}, {state}", highlight=False, soft_wrap=True)
        console.print(f"{asked.name}: prepared in {made.folder}", highlight=False, soft_wrap=True)
        files = {name: {"sha256": sha256, "state": state} for name, (sha256, state) in made.files.items()}
        return {"name": asked.name, "folder": str(made.folder), "files": files}
    found = archive_set(asked.name, folder)
    console.print(f"{asked.name}: {len(found.x_train)} series to train on, from the {found.source}", highlight=False)
    return {"name": asked.name, "n_train": len(found.x_train), "source": found.source}


def synthesize(asked: Synthesize) -> dict[str, Any]:
    """Writes a store of synthetic series, whole or not at all, and returns what it holds."""
    # scipy, which takes a while to import, comes with it.
    from tsrl.data.synthetic import synthetic

    if asked.count < 1:
        raise InputError(f"count: found {asked.count}, want at least 1")
    kinds = asked.kinds or None
    # As many at a time as are about 64 MB.
    at_once = max(1, 2**24 // max(1, asked.length * asked.channels))
    batches = (
        synthetic(min(at_once, asked.count - start), asked.length, asked.channels, asked.seed, start, kinds).x
        for start in track(range(0, asked.count, at_once), "drawing", console=Console(stderr=True), transient=True)
    )
    write_store(asked.folder, batches)
    print(f"{asked.count} series of {asked.length} steps and {asked.channels} channels: {asked.folder}")
    return {"folder": str(asked.folder), "count": asked.count, "length": asked.length, "channels": asked.channels}
