"""`tsrl monitor`: learns what is regular from a log of users' actions, and finds, explains and draws what is not."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from tsrl.errors import InputError, nearest
from tsrl.monitoring.asked import Demo, Fit, Report, Score, Update
from tsrl.monitoring.commands import demo, fit, report, score, update
from tsrl.terminal import output

__all__ = ["Demo", "Fit", "Report", "Score", "Update", "demo", "fit", "main", "report", "score", "update"]

_DESCRIPTION = """Learns what is regular from a log of users' actions, and finds, explains and draws what is not.

A log has a row for each event: .csv, .csv.gz, .parquet or .jsonl. Files and folders are whole or absent.

Exit codes: 0 done, whatever was found; 2 wrong input, nothing written; 1 the loss was no longer finite; 130 stopped by
Ctrl-C, 143 by SIGTERM, nothing written."""


def main(args: Sequence[str]) -> None:
    """`tsrl monitor fit | score | report | update | demo`; `--help` after each lists its flags.

    Raises:
      InputError: wrong input; nothing is written then.
    """
    names = ("fit", "score", "report", "update", "demo")
    if args and not args[0].startswith("-") and args[0] not in names:
        raise InputError(f"command: found {args[0]!r} after monitor; {nearest(args[0], names)}")
    commands: dict[Any, Callable[[Any], Any]] = {
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
    with output(asked.json) as write:
        write(commands[type(asked)](asked))
