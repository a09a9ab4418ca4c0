"""Published sets that are prepared once and read quickly; TensorFlow Datasets keeps them where it keeps its own."""

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tsrl.data.builders.spec import ClassifyFacts, ForecastFacts, Rows, Series, Spec, check_facts
from tsrl.data.builders.specs import spec_of
from tsrl.data.npz import Arrays, readable
from tsrl.errors import InputError

if TYPE_CHECKING:
    from tsrl.data.builders.tfds_builders import PublishedBuilder
    from tsrl.data.fetch import Progress


_PARTS = {"train": "train", "validation": "val", "test": "test"}


class Prepared(NamedTuple):
    """A set that is ready.

    Attributes:
      folder: where it is.
      files: name of each published file it was made of -> its SHA-256 and "verified" or "unverified".
    """

    folder: Path
    files: dict[str, tuple[str, str]]


def prepare(name: str, manual: str | Path | None = None, progress: "Progress | None" = None) -> Prepared:
    """Makes a published set ready: finds or downloads its files, checks them, writes it whole or not at all.

    Args:
      name: of the set, see `specs.SPECS`.
      manual: a folder with files put there by hand, looked up by name, in sub-folders too; besides `downloads/manual`
        in the folder of TensorFlow Datasets (TFDS_DATA_DIR, otherwise ~/tensorflow_datasets).
      progress: see `fetch`.

    Returns:
      Where it is and what it was made of; at once if it is ready already.

    Raises:
      InputError: no such set or folder, a folder that cannot be written to, files that cannot be had or are not the
        published ones.
    """
    spec = spec_of(name)
    if manual is not None and not Path(manual).is_dir():
        raise InputError(f"manual: found no folder at {manual}")
    folder = _folder(spec)
    if not is_prepared(name):
        try:
            _prepare(spec, manual, progress)
        except OSError as error:
            raise InputError(
                f"TFDS_DATA_DIR: found no way to prepare {name} in {tfds_folder()} ({error}), want a folder that can "
                "be written to"
            ) from error
    with _reading(spec):
        files = _builder(spec).info.metadata["files"]
        return Prepared(folder, {file: (known["sha256"], known["state"]) for file, known in files.items()})


def _prepare(spec: Spec, manual: str | Path | None, progress: "Progress | None") -> None:
    from filelock import FileLock

    made = _folder(spec).parent
    made.mkdir(parents=True, exist_ok=True)
    with FileLock(made.with_name(f"{spec.builder}.lock")):
        for left in made.glob("incomplete.*"):  # a process was killed here
            shutil.rmtree(left)
        import tensorflow_datasets as tfds

        builder = _builder(spec)
        builder.progress = progress
        manual_dir = None if manual is None else str(Path(manual).resolve())
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))


def is_prepared(name: str) -> bool:
    """Whether `prepare` has finished for the set, in the version that this library reads.

    Raises:
      InputError: no such set.
    """
    # A folder that may not be looked into has nothing; Path.is_file would raise.
    return os.path.isfile(_folder(spec_of(name)) / "dataset_info.json")


def read_forecasting(name: str) -> Series:
    """A prepared series to forecast.

    Args:
      name: of the set.

    Returns:
      `values` `[T, C]` float32, `time` `[T]` datetime64[s], `columns`.

    Raises:
      InputError: no such set, not a forecasting set, not prepared, or not what it must be.
    """
    spec = spec_of(name)
    if not isinstance(spec.facts, ForecastFacts):
        raise InputError(f"dataset: found {name}, a classification set, want one to forecast")
    (example,) = _examples(spec, "series")
    time = np.asarray(example["time"]).astype("datetime64[s]")
    series = Series(np.asarray(example["values"]), time, spec.facts.columns)
    check_facts(spec, series, f"prepared {name}")
    return series


def read_classification(name: str) -> Arrays:
    """A prepared classification set.

    Args:
      name: of the set.

    Returns:
      The published splits, rows in their published order.

    Raises:
      InputError: no such set, not a classification set, not prepared, or not what it must be.
    """
    spec = spec_of(name)
    if not isinstance(spec.facts, ClassifyFacts):
        raise InputError(f"dataset: found {name}, a forecasting set, want one to classify")
    splits = {}
    for split in spec.facts.rows:
        # They are stored in the order of a hash.
        examples = sorted(_examples(spec, split), key=lambda example: int(example["id"]))
        if not examples:
            raise InputError(f"prepared {name}: found no rows in {split}, want {spec.facts.rows[split]}")
        group = np.array([example["group"].decode() for example in examples]) if spec.facts.group else None
        y = np.array([example["y"] for example in examples], np.int32)
        splits[split] = Rows(np.stack([example["x"] for example in examples]), y, group)
    check_facts(spec, splits, f"prepared {name}")
    # TFDS calls it "validation".
    parts = {part: splits[split] for split, part in _PARTS.items() if split in splits}
    rows = {f"group_{part}": own.group for part, own in parts.items() if own.group is not None}
    (train, test), val = (parts["train"], parts["test"]), parts.get("val")
    arrays = Arrays(train.x, train.y, test.x, test.y, spec.facts.classes, rows=rows)
    return arrays if val is None else arrays._replace(x_val=val.x, y_val=val.y)


def _folder(spec: Spec) -> Path:
    return tfds_folder() / spec.builder / spec.version


def tfds_folder() -> Path:
    """The folder of TensorFlow Datasets: TFDS_DATA_DIR, or ~/tensorflow_datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _examples(spec: Spec, split: str) -> list[dict[str, Any]]:
    if not is_prepared(spec.name):
        raise InputError(
            f"dataset: found {spec.name} not prepared in {tfds_folder()}, want prepare({spec.name!r}) first"
        )
    with _reading(spec):
        source = _builder(spec).as_data_source(split=split)
        return [source[row] for row in range(len(source))]


def _reading(spec: Spec) -> AbstractContextManager[None]:
    return readable(f"prepared {spec.name}", f"damaged files, want it prepared anew after {_folder(spec)} is removed")


def _builder(spec: Spec) -> "PublishedBuilder":
    import tensorflow_datasets as tfds

    from tsrl.data.builders.tfds_builders import BUILDERS

    tfds.disable_progress_bar()
    return BUILDERS[spec.name](data_dir=str(tfds_folder()))
