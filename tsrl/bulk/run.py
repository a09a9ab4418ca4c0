"""Runs a bulk job: the engine in this process, what is finished already, and what a person sees meanwhile."""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tsrl.bulk.folder import open_folder
from tsrl.bulk.job import Embed, Job
from tsrl.bulk.parts import Done, finished
from tsrl.bulk.source import Part
from tsrl.errors import InputError
from tsrl.files import write_whole

Engine = Callable[[Job, Sequence[Part]], Generator[Done]]


class Summary(NamedTuple):
    """What a job came to.

    Attributes:
      rows: of the input.
      errors: rows that could not be embedded.
      parts: of the input.
      kept: parts that an earlier call had finished.
      seconds: of this call's parts, compilation included.
    """

    rows: int
    errors: int
    parts: int
    kept: int
    seconds: float


def embed_files(settings: Embed) -> Summary:
    """Embeds what is not embedded yet; `done.json` stands in the folder when all of it is.

    A part of the result, `part-NNNNN.parquet`, belongs to a part of the input, in the same order: a row group of
    Parquet, 16 MB of an array, 1,024 records. Its columns: the id, where there are ids; part; row, the place in the
    part; embedding, D numbers, or a list of these; score, where asked for. Rows that could not be embedded stand, with
    the reason, in `errors-NNNNN.parquet`. The bytes of all files follow from input, model and settings.

    Args:
      settings: see `Embed`.

    Raises:
      InputError: wrong input, before anything is written; or a damaged part, those before it stay.
    """
    engine = _engine(settings)
    job = Job(settings)
    parts = job.source.parts
    with open_folder(settings.out, job.manifest):
        known = {part.number: finished(settings.out, job.form, part) for part in parts}
        todo = [part for part in parts if known[part.number] is None]
        rows, errors = sum(part.rows for part in parts), sum(count or 0 for count in known.values())
        if todo:
            # Of a folder from which someone has removed parts.
            (settings.out / "done.json").unlink(missing_ok=True)
        start = time.perf_counter()
        with (
            _progress(len(parts), len(parts) - len(todo), settings.quiet) as report,
            closing(engine(job, todo)) as made,
        ):
            for done in made:
                errors += done.errors
                report(done.rows)
        text = json.dumps({"rows": rows, "errors": errors, "parts": len(parts)}, indent=1) + "\n"
        write_whole(settings.out / "done.json", text)
    return Summary(rows, errors, len(parts), len(parts) - len(todo), time.perf_counter() - start)


def _engine(settings: Embed) -> Engine:
    if settings.engine == "local":
        return Job.make
    try:
        from tsrl.bulk.on_ray import make_on_ray
    except ModuleNotFoundError as error:
        raise InputError(
            f"engine: found no package {error.name}, want it installed: pip install 'tsrl[ray]'"
        ) from error
    return make_on_ray


@contextmanager
def _progress(total: int, before: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar of parts on standard error with rows per second and time left; yields what is told of each part's rows."""
    if quiet:
        yield lambda rows: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("parts  {task.fields[shown]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("embedding", total=total, completed=before, shown="compiling")
        start, done = time.perf_counter(), 0

        def report(rows: int) -> None:
            nonlocal done
            done += rows
            rate = done / (time.perf_counter() - start)
            progress.update(task, advance=1, shown=f"{rate:,.0f} rows/s")

        yield report
