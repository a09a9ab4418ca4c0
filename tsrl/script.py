"""`main` of every experiment script: flags, exit codes, one data set or several, what is printed."""

import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import tyro

from tsrl.commands import asks_for_help, script_examples, shown_examples
from tsrl.config import Config
from tsrl.encoders import ENCODERS
from tsrl.experiment import nan_as_null
from tsrl.named_flags import named_encoder
from tsrl.process import exit_codes, leave, share_arenas
from tsrl.report.comparison import comparison_tables
from tsrl.report.table import results_tables
from tsrl.suite import suite
from tsrl.terminal import Console, output
from tsrl.train import hosts


def main(
    default: Config,
    args: list[str] | None = None,
    prog: str | None = None,
    description: str | None = None,
    *,
    settings: Callable[[Config], Config] | None = None,
) -> None:
    """Reads flags over `default`, runs the experiment, prints its tables.

    Exit codes: 0 done, or stopped by SIGTERM with what there was saved; 2 wrong input; 1 the loss was no longer finite;
    130 stopped by Ctrl-C with what there was saved; 3 another process of several is gone.

    Args:
      default: the settings that flags replace.
      args: the flags; default: those of this process.
      prog: the command's name in help texts and in the report.
      description: the help's first words; default: the docstring of the script that runs.
      settings: what to use instead of `default` for the data set, task and horizons of the configuration that it is
        given; flags win over it.
    """
    share_arenas()
    args = sys.argv[1:] if args is None else args
    # Of a script that was started as a file, whose path may have spaces.
    words = ["python", sys.argv[0]] if prog is None else prog.split()
    alone, prog = prog is None, shlex.join(words)
    command = shlex.join([*words, *args])
    args = ["--distributed.auto" if arg == "--distributed" else arg for arg in args]
    with hosts.ending_together(), exit_codes():
        encoder, args = named_encoder(args)
        described = f"{description or sys.modules['__main__'].__doc__}\n--encoder NAME: one of {', '.join(ENCODERS)}"

        def read(base: Config) -> Config:
            base = base if encoder is None else replace(base, encoder=encoder)
            try:
                return tyro.cli(Config, default=base, args=args, prog=prog, description=described)
            except SystemExit as end:
                if alone and not end.code and asks_for_help(args):
                    print(f"\n{shown_examples(script_examples(prog))}")
                raise

        def of_dataset(name: str) -> Config:
            first = replace(read(default), dataset=name, datasets="")
            return first if settings is None else replace(read(settings(first)), dataset=name, datasets="")

        config = read(default)
        config = config if config.datasets else of_dataset(config.dataset)
        hosts.join(**asdict(config.distributed))
        with output(config.json) as write:
            for report in suite(config, command, of_dataset):
                if "stopped" in report:
                    hosts.leave()
                    code = 130 if report["stopped"] == signal.SIGINT else 0
                    leave(f"stopped at step {report['step']}, saved; the same command resumes", code)
                if hosts.first():
                    write(nan_as_null(report))
                    if not config.json:
                        show_report(report)
        # The first still evaluates: here a signal to those who wait for it is an exit code and not a traceback.
        hosts.leave()


def show_report(report: dict[str, Any]) -> None:
    """Prints the tables of a report, or of a comparison of several.

    Args:
      report: as `tsrl.experiment.experiment`, `tsrl.suite.suite` or `tsrl.judge.judge_embeddings` returns it.
    """
    console = Console()
    tables = comparison_tables if report.get("kind") == "comparison" else results_tables
    for table in tables(report, console.width):
        console.print(table)
    if report.get("results") == [] and report["task"] != "pretrain":
        drawn = " (--classify.split random draws one)" if report["dataset"].get("split") == "published" else ""
        console.print(f"no scores: the data set has no labels or no test part{drawn}", highlight=False)
    if "workdir" in report:
        console.print(f"run: {report['workdir']}", highlight=False, soft_wrap=True)
