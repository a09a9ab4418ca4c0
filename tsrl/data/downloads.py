"""Published sets that are downloaded at first use: where they are kept, what is shown meanwhile, how they are read."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsrl.data.archives import download_archive, facts, read_archive
from tsrl.data.builders import is_prepared, prepare, read_classification, read_forecasting, tfds_folder
from tsrl.data.builders.spec import Series
from tsrl.data.dataset import Dataset
from tsrl.data.fetch import Progress
from tsrl.errors import InputError

log = logging.getLogger("tsrl")


def built_series(name: str, folder: Path | None) -> Dataset:
    """A classification set of `tsrl.data.builders`, prepared now if it is not yet.

    Args:
      name: of the set.
      folder: whose files are taken instead of a download, or None.

    Raises:
      InputError: see `prepare` and `read_classification`.
    """
    built(name, folder)
    return Dataset(name, built_source(name), *read_classification(name))


def built_forecast(name: str, folder: Path | None) -> Series:
    """A forecasting set of `tsrl.data.builders`; arguments and errors as for `built_series`."""
    built(name, folder)
    return read_forecasting(name)


def built(name: str, folder: Path | None) -> None:
    """Prepares a set of `tsrl.data.builders`, with a progress bar, if it is not ready; arguments as `built_series`."""
    if not is_prepared(name):
        with progress(name) as shown:
            made = prepare(name, folder, shown)
        for file, (sha256, state) in made.files.items():
            _say(file, sha256, state)


def built_source(name: str) -> str:
    """What reports call a set of `tsrl.data.builders`."""
    return f"{name}, prepared from its published files"


def archive_set(name: str, folder: Path | None) -> Dataset:
    """A set of the UCR or UEA archive: from NAME.zip in the data folder or the cache, otherwise downloaded.

    Args:
      name: of the set.
      folder: the data folder, or None.

    Raises:
      InputError: see `read_archive` and `download_archive`.
    """
    if folder is not None and any(path.is_file() for path in folder.rglob(f"{name}.zip")):
        kept = folder
    else:
        kept, fresh = archive_cache(), not is_downloaded(name)
        with progress(name) as shown:
            try:
                download_archive(name, kept, shown)
            except InputError as error:
                raise InputError(
                    f"{error}\n{name}.zip, or its two files, may be put into the data folder by hand"
                ) from error
        if fresh:
            _say(f"{name}.zip", (kept / f"{name}.zip.sha256").read_text().strip(), "unverified")
    return Dataset(name, f"{facts(name).archive} archive", *read_archive(name, kept))


def _say(file: str, sha256: str, state: str) -> None:
    if state == "unverified":
        log.warning("%s: sha256 %s, unverified: no published checksum is known", file, sha256)


def archive_cache() -> Path:
    """Where sets of the archives are kept: beside the downloads of TensorFlow Datasets."""
    return tfds_folder() / "downloads" / "archives"


def is_downloaded(name: str) -> bool:
    """Whether the archives' set of that name is in the cache."""
    # A folder that may not be looked into has nothing; Path.is_file would raise.
    return os.path.isfile(archive_cache() / f"{name}.zip")


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A progress bar on standard error, shown as soon as something arrives; a line where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console, told = Console(stderr=True), False
    bars = Bars(*columns, console=console, transient=True)
    task = bars.add_task(f"downloading {what}", total=None)

    def show(done: int, total: int | None) -> None:
        nonlocal told
        if not console.is_terminal:
            if not told:
                console.print(f"downloading {what}", markup=False, highlight=False)
            told = True
            return
        bars.start()
        bars.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if bars.live.is_started:
            bars.stop()
