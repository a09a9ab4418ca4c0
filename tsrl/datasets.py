"""`tsrl datasets`: all data sets by name, one of them described and drawn, one of them prepared."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table as RichTable

from tsrl.data.anomaly import load_anomaly
from tsrl.data.catalogue import Entry, catalogue, entry
from tsrl.data.dataset import Dataset
from tsrl.data.forecasting import load_forecast
from tsrl.data.named import load
from tsrl.data.regression import load_regression
from tsrl.data.tables import Table
from tsrl.errors import InputError
from tsrl.report.dataset_page import MAX_PANELS, Line, Picture, channel_rows, write_dataset_page

_STATES = {"here": "here", "download": "downloads at first use", "by hand": "put by hand"}


@dataclass(frozen=True, kw_only=True)
class List:
    """Lists every data set by name.

    Attributes:
      data_dir: folder of your own files; default: the environment variable TSRL_DATA_DIR.
      task: only sets for this task.
      here: only sets that can be read now.
      json: as JSON lines.
    """

    data_dir: Path | None = None
    task: str = ""
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
    """

    name: tyro.conf.Positional[str]
    task: Literal["", "classify", "forecast", "regress", "anomaly"] = ""
    data_dir: Path | None = None
    table: Table = Table()
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Build:
    """Downloads and prepares one data set, so that it can be read without a network.

    Attributes:
      name: of the set.
      data_dir: folder of files that are taken instead of a download.
    """

    name: tyro.conf.Positional[str]
    data_dir: Path | None = None


def main(args: Sequence[str]) -> None:
    """`tsrl datasets [list | show NAME | build NAME]`; `--help` after each lists its flags.

    Raises:
      InputError: an unknown name or a file that is wrong.
    """
    commands: dict[str, tuple[Any, Callable[[Any], None]]] = {
        "list": (List, list_sets),
        "show": (Show, show_set),
        "build": (Build, build_set),
    }
    name, rest = (args[0], args[1:]) if args and args[0] in commands else ("list", args)
    settings, command = commands[name]
    command(tyro.cli(settings, args=list(rest), prog=f"tsrl datasets {name}"))


def list_sets(asked: List) -> None:
    """Prints the table of all sets."""
    entries = [
        one
        for one in catalogue(asked.data_dir)
        if asked.task in ("", one.task) and (one.state == "here" or not asked.here)
    ]
    if asked.json:
        for one in entries:
            print(json.dumps(one._asdict()))
        return
    console = Console()
    table = RichTable("name", "task", "shape", "classes", "licence", "available", "source")
    for one in entries:
        state = _STATES[one.state] + ("" if one.verified else ", unverified")
        table.add_row(
            one.name, one.task, one.shape, str(one.classes or ""), one.licence, state, one.source,
        )  # fmt: skip
    console.print(table)
    here = sum(one.state == "here" for one in entries)
    console.print(
        f"{len(entries)} data sets, {here} can be read now. Shapes: train+test series x steps x channels, or steps x "
        "channels of a series to forecast. Unverified: no checksum is known before the first download.",
        highlight=False,
    )
