"""`main` of every experiment script: flags, exit codes, one data set or several, what is printed."""

import argparse
import ctypes
import errno
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from types import FrameType
from typing import Any, NoReturn

import flax.linen as nn
import tyro
from rich.console import Console

from tsrl.config import Config
from tsrl.encoders import ENCODERS
from tsrl.errors import InputError, TrainingDiverged, nearest
from tsrl.report.comparison import comparison_tables
from tsrl.report.table import results_tables
from tsrl.suite import suite
from tsrl.train import hosts

_M_ARENA_MAX = -8  # of glibc's malloc.h
_EMBED = """Embeds the series of files of any size with a trained model, in bounded memory; the same command resumes.

  tsrl embed corpus embeddings --model runs/ts2vec-corpus-seed0

  tsrl embed machines.parquet out --model my-model --columns load heat --id machine

  tsrl embed x.npz out --model my-model --level steps

  tsrl embed corpus out --model my-model --engine ray --workers 8

OUT gets part-00000.parquet, ..., one for each row group of the input (16 MB of an array, 1,024 records), with the
columns id, part, row (its place there), embedding; errors-NNNNN.parquet where rows could not be embedded: id, part,
row, reason; manifest.json; and done.json at the end. The bytes follow from input, model and settings, so a job that was
stopped or killed and resumed, or run by Ray, leaves the same folder. Another job's folder is refused.

Exit codes: 0 done; 3 done, but some rows are among the errors; 2 wrong input; 130 stopped by Ctrl-C, 143 by SIGTERM."""


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
    _share_arenas()
    args = sys.argv[1:] if args is None else args
    prog = prog or f"python {sys.argv[0]}"
    command = shlex.join([*prog.split(), *args])
    args = ["--distributed.auto" if arg == "--distributed" else arg for arg in args]
    with hosts.ending_together(), exit_codes():
        named, args = _encoder_flag(args)
        words = f"{description or sys.modules['__main__'].__doc__}\n--encoder NAME: one of {', '.join(ENCODERS)}"

        def read(base: Config) -> Config:
            base = base if named is None else replace(base, encoder=named)
            return tyro.cli(Config, default=base, args=args, prog=prog, description=words)

        def of_dataset(name: str) -> Config:
            first = replace(read(default), dataset=name, datasets="")
            return first if settings is None else replace(read(settings(first)), dataset=name, datasets="")

        config = read(default)
        config = config if config.datasets else of_dataset(config.dataset)
        hosts.join(**asdict(config.distributed))
        for report in suite(config, command, of_dataset):
            if "stopped" in report:
                hosts.leave()
                code = 130 if report["stopped"] == signal.SIGINT else 0
                _leave(f"stopped at step {report['step']}, saved; the same command resumes", code)
            if hosts.first():
                _show(report)
        # The first still evaluates: here a signal to those who wait for it is an exit code and not a traceback.
        hosts.leave()


def _encoder_flag(args: list[str]) -> tuple[nn.Module | None, list[str]]:
    """The encoder that `--encoder NAME` asks for, in the size of its paper, and the flags without it.

    It decides which flags `--encoder.` has, so it is read before them.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--encoder")
    known, rest = parser.parse_known_args(args)
    if known.encoder is None:
        return None, rest
    if known.encoder not in ENCODERS:
        raise InputError(f"encoder: found {known.encoder!r}; {nearest(known.encoder, ENCODERS)}")
    return ENCODERS[known.encoder](), rest


def _share_arenas() -> None:
    """Lets all threads allocate from two arenas, where the C library is glibc and the user has not said otherwise.

    It gives each thread an arena of its own, in which freed memory stays: compiling, which uses many threads, peaks a
    sixth higher then. Training takes as long with two.
    """
    if os.name != "posix" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def evaluate(args: list[str]) -> None:
    """`tsrl evaluate`: judges embeddings in a file, prints the tables. Exit codes: 0 done, 2 wrong input.

    Args:
      args: the flags, see `tsrl.judge.Embeddings`.
    """
    from tsrl.judge import Embeddings, judge_embeddings

    with exit_codes():
        config = tyro.cli(Embeddings, args=args, prog="tsrl evaluate")
        _show(judge_embeddings(config, shlex.join(["tsrl", "evaluate", *args])))


def datasets(args: list[str]) -> None:
    """`tsrl datasets`: lists, shows or prepares data sets. Exit codes: 0 done, 2 wrong input, 130 stopped by Ctrl-C.

    Args:
      args: see `tsrl.datasets.main`.
    """
    from tsrl.datasets import main as command

    with exit_codes("the same command starts anew; a download goes on where it was", 143):
        command(args)


def embed(args: list[str]) -> None:
    """`tsrl embed`: embeds files of any size. Exit codes: 0 done; 3 done, but some rows could not be embedded; 2 wrong
    input; 130 stopped by Ctrl-C, 143 by SIGTERM.

    Args:
      args: the flags, see `tsrl.bulk.Embed`.
    """
    from tsrl.bulk import Embed, embed_files

    _share_arenas()
    with exit_codes(terminated=143):
        config = tyro.cli(Embed, args=args, prog="tsrl embed", description=_EMBED)
        found = embed_files(config)
        kept = f", {found.kept} of {found.parts} parts were there" if found.kept else ""
        print(f"{config.out}: {found.rows - found.errors:,} of {found.rows:,} rows embedded{kept}")
        if found.errors:
            _leave(f"{found.errors:,} rows could not be embedded: {config.out}/errors-*.parquet says why", 3)


def monitor(args: list[str]) -> None:
    """`tsrl monitor`: finds unusual behaviour in a log of users' actions. Exit codes: 0 done, whatever was found; 2
    wrong input; 1 the loss was no longer finite; 130 stopped by Ctrl-C, 143 by SIGTERM; nothing is written then.

    Args:
      args: see `tsrl.monitoring.main`.
    """
    from tsrl.monitoring import main as command

    _share_arenas()
    with exit_codes("nothing was written, the same command starts anew", 143):
        command(args)


def export(args: list[str]) -> None:
    """`tsrl export`: writes a model as files. Exit codes: 0 done; 2 wrong input; 130 stopped by Ctrl-C, 143 by SIGTERM;
    nothing is written then.

    Args:
      args: the flags, see `tsrl.export.Export`.
    """
    from tsrl.export import main as command

    with exit_codes("nothing was written, the same command starts anew", 143):
        command(args)


def report(args: list[str]) -> None:
    """`tsrl report`: one page, or one table for machines, of many runs. Exit codes: 0 done; 2 wrong input, no report
    found, or plotly is missing; 130 stopped by Ctrl-C, 143 by SIGTERM; nothing is written then.

    Args:
      args: see `tsrl.explorer.main`.
    """
    from tsrl.explorer import main as command

    with exit_codes("nothing was written, the same command starts anew", 143):
        command(args)


def _show(report: dict[str, Any]) -> None:
    console = Console()
    tables = comparison_tables if report.get("kind") == "comparison" else results_tables
    for table in tables(report, console.width):
        console.print(table)
    if report.get("results") == [] and report["task"] != "pretrain":
        drawn = " (--classify.split random draws one)" if report["dataset"].get("split") == "published" else ""
        console.print(f"no scores: the data set has no labels or no test part{drawn}", highlight=False)
    if "workdir" in report:
        console.print(f"run: {report['workdir']}", highlight=False, soft_wrap=True)


def _leave(message: str, code: int) -> NoReturn:
    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(code)


@contextmanager
def exit_codes(resumes: str = "the same command resumes", terminated: int = 0) -> Iterator[None]:
    """Turns what a user can cause into a message and an exit code.

    Args:
      resumes: what the same command would do after a stop.
      terminated: the exit code after SIGTERM.
    """
    try:
        with _terminated_by_exception():
            yield
    except InputError as error:
        _leave(f"error: {error}", 2)
    except TrainingDiverged as error:
        _leave(f"stopped: {error}", 1)
    except KeyboardInterrupt:
        _leave(f"stopped; {resumes}", 130)
    except _Terminated:
        _leave(f"stopped; {resumes}", terminated)
    except BrokenPipeError:
        # Whoever read the output has enough; Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        # Of what a user can mend: a place that cannot be written to, a full disk.
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        if error.filename is None and not full:
            raise
        _leave(f"error: {error.filename or 'writing'}: {error.strerror or error}", 2)


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
