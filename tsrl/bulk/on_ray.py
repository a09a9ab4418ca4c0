"""The engine on Ray Data: a worker is a process with a model of its own, and makes parts as the local engine does.

Ray gives a part of a lost worker to another one; a part that is made twice has the same bytes, and its file takes the
place of the other. Input, model and output are paths that all machines see.
"""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import ray
import ray.data

from tsrl.bulk.job import Embed, Job
from tsrl.bulk.parts import Done
from tsrl.bulk.source import Part
from tsrl.errors import InputError


class _Worker:
    """Made once in each process of Ray's. Wrong input is an answer: Ray would wrap the exception and lose its kind."""

    def __init__(self, settings: Embed, digest: str):
        self._wrong = ""
        try:
            self._job = Job(settings)
            if self._job.form.digest != digest:
                self._wrong = "input, model: found others than where the job was started, want the same everywhere"
        except InputError as error:
            self._wrong = str(error)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Makes the part of this number."""
        (number,) = batch["part"]
        wrong, found = self._wrong, Done(int(number), 0, 0)
        if not wrong:
            try:
                (found,) = self._job.make([self._job.source.parts[found.part]])
            except InputError as error:
                wrong = str(error)
            except OSError as error:
                wrong = f"out: found no way to write part {number} ({error.strerror or error}), want a folder with room"
        return {name: [value] for name, value in (found._asdict() | {"wrong": wrong}).items()}


def make_on_ray(job: Job, parts: Sequence[Part]) -> Generator[Done]:
    """`Job.make` on the cluster that RAY_ADDRESS names, or on one of this machine that ends with the job.

    Args:
      job: of this process.
      parts: to be made.

    Yields:
      Each part that is in its place, in any order.

    Raises:
      InputError: the cluster does not answer; or as `Job.make`, from any worker.
    """
    if not parts:
        return
    ours = not ray.is_initialized()
    if ours:
        # Without a word of the user's, none of Ray's is sent to its makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            with _started_quietly():
                ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            address = os.environ.get("RAY_ADDRESS", "")
            raise InputError(f"RAY_ADDRESS: found {address!r}, where no cluster answers, want one, or none") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        numbers = [{"part": part.number} for part in parts]
        made = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map_batches(
            _Worker,
            fn_constructor_args=(_everywhere(job.settings), job.form.digest),
            batch_size=1,
            num_gpus=1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0,
            compute=ray.data.ActorPoolStrategy(size=min(job.settings.workers, len(numbers))),
        )
        # Ray sets it up anew with a data set.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        for row in made.iter_rows():
            if row["wrong"]:
                raise InputError(row["wrong"])
            yield Done(*(int(row[name]) for name in Done._fields))
    finally:
        if ours:
            ray.shutdown()


def _everywhere(settings: Embed) -> Embed:
    """The settings with paths that do not depend on the folder of a process: Ray's workers have others."""
    paths = {name: getattr(settings, name).absolute() for name in ("input", "out", "model")}
    return replace(settings, **paths)


@contextmanager
def _started_quietly() -> Iterator[None]:
    """Keeps the handler of SIGTERM, in whose place Ray puts one that leaves at once, and jax from warning of forks."""
    before = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        # Ray's processes are other programs, which know nothing of jax's threads.
        warnings.filterwarnings("ignore", r"os\.fork", RuntimeWarning)
        yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
