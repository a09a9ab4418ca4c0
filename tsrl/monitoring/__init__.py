"""`tsrl monitor`: learns what is regular from a log of users' actions, and finds, explains and draws what is not."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from tsrl.monitoring.asked import Demo, Fit, Report, Score, Update
from tsrl.monitoring.commands import demo, fit, report, score, update

__all__ = ["Demo", "Fit", "Report", "Score", "Update", "demo", "fit", "main", "report", "score", "update"]

_DESCRIPTION = """Learns what is regular from a log of users' actions, and finds, explains and draws what is not.

  tsrl monitor demo --out demo

  tsrl monitor fit demo/log.csv --out monitor --categorical device --numeric amount --until 2026-03-30

  tsrl monitor score demo/log.csv --monitor monitor --since 2026-03-30 --out scores.csv

  tsrl monitor report demo/log.csv --monitor monitor --since 2026-03-30 --out page.html

  tsrl monitor update demo/log.csv --monitor monitor --since 2026-03-30 --out monitor-2

A log has a row for each event: .csv, .csv.gz, .parquet or .jsonl. Files and folders are whole or absent.

Exit codes: 0 done, whatever was found; 2 wrong input, nothing written; 1 the loss was no longer finite; 130 stopped by
Ctrl-C, 143 by SIGTERM, nothing written."""


def main(args: Sequence[str]) -> None:
    """`tsrl monitor fit | score | report | update | demo`; `--help` after each lists its flags.

    Raises:
      InputError: wrong input; nothing is written then.
    """
    commands: dict[Any, Callable[[Any], None]] = {
        Fit: fit,
        Score: score,
        Report: report,
        Update: update,
        Demo: demo,
    }
    asked: Any = tyro.cli(
        Annotated[Fit, tyro.conf.subcommand("fit")]
        | Annotated[Score, tyro.conf.subcommand("score")]
        | Annotated[Report, tyro.conf.subcommand("report")]
        | Annotated[Update, tyro.conf.subcommand("update")]
        | Annotated[Demo, tyro.conf.subcommand("demo")],
        args=list(args),
        prog="tsrl monitor",
        description=_DESCRIPTION,
    )
    commands[type(asked)](asked)
