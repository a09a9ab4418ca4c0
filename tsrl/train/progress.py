"""What a person sees while a model trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tsrl.train.loop import Report


@contextmanager
def progress_bar(total: int, quiet: bool) -> Iterator[Report | None]:
    """A bar on standard error with loss, steps per second and time left; yields what `fit` calls with its progress."""
    if quiet:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=total, shown="")

        def report(step: int, row: dict[str, Any] | None, steps_per_second: float) -> None:
            if row is None:
                progress.update(task, completed=step, shown="" if step == total else "compiling")
                return
            shown = f"loss {np.mean(row['loss']):.4f}  {steps_per_second:.1f} steps/s"
            progress.update(task, completed=step, shown=shown)

        yield report
