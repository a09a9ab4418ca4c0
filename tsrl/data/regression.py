"""Sets for extrinsic regression, series with one number each: files, and the sets inside the aeon package."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.hashing import fingerprint
from tsrl.data.locate import TABLE_SUFFIXES, locate, stem_of, suffix_of
from tsrl.data.npz import npz_source, readable, stored_keys
from tsrl.data.packaged import packaged_source, packaged_targets, test_file
from tsrl.data.series import check_series
from tsrl.data.series_files import stack, ts_header
from tsrl.data.tables.settings import Table
from tsrl.errors import InputError, nearest

SUFFIXES = (".npz", ".ts", *TABLE_SUFFIXES)


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class RegressionSet:
    """Series and the number that belongs to each.

    Attributes:
      name: as the archive or the file writes it.
      source: in words; the same on every machine.
      x_train: `[N, T, C]` float32, NaN = missing.
      y_train: `[N]` float64.
      x_test: `[M, T', C]` float32.
      y_test: `[M]` float64.
      about: JSON values for the report, as in `Dataset`.
    """

    name: str
    source: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            x = check_series(getattr(self, f"x_{split}"), f"{self.source}: x_{split}")
            y = np.asarray(getattr(self, f"y_{split}"))
            where = f"{self.source}: y_{split}"
            if y.shape != x.shape[:1]:
                raise InputError(f"{where}: found shape {y.shape}, want ({len(x)},), one number for each series")
            if y.dtype.kind not in "iuf":
                raise InputError(f"{where}: found {y.dtype} values, want numbers")
            if not (finite := np.isfinite(y)).all():
                bad = np.flatnonzero(~finite)
                raise InputError(
                    f"{where}: found NaN or infinity in {len(bad)} of {len(y)}, the first {bad[0]}; want finite numbers"
                )
            object.__setattr__(self, f"x_{split}", x)
            object.__setattr__(self, f"y_{split}", y.astype(np.float64))
        if self.x_train.shape[2] != self.x_test.shape[2]:
            found, wanted = self.x_test.shape[2], self.x_train.shape[2]
            raise InputError(f"{self.source}: x_test: found {found} channels, want {wanted} as in x_train")

    def fingerprint(self) -> str:
        """SHA-256 over the arrays."""
        return fingerprint({name: getattr(self, name) for name in ("x_train", "y_train", "x_test", "y_test")})


def load_regression(
    name_or_path: str | Path, data_dir: str | Path | None = None, table: Table | None = None
) -> RegressionSet:
    """A regression set by name or from a file.

    Args:
      name_or_path: the path of an .npz file with `x_train [N, T, C]`, `y_train [N]`, `x_test`, `y_test`; of the .ts
        file NAME_TRAIN.ts beside NAME_TEST.ts, with one number a series; of a table with columns for the number
        (`label`) and the split. Or a name, looked up as NAME.* in the data folder and then among the regression sets
        inside the installed aeon package.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.
      table: how a table's columns are read.

    Raises:
      InputError: nothing has that name, or the data is wrong.
    """
    name = str(name_or_path)
    path = locate(name, data_dir, SUFFIXES)
    if path is None:
        packaged = packaged_targets()
        if name not in packaged:
            wanted = f"want a regression set or the path of a file ({', '.join(SUFFIXES)})"
            raise InputError(f"dataset: found {name!r}, {wanted}; {nearest(name, packaged)}")
        return RegressionSet(name, packaged_source(), *_read_ts(packaged[name]))
    name, suffix = stem_of(path, SUFFIXES), suffix_of(path.name, SUFFIXES)
    if suffix in TABLE_SUFFIXES:
        return _read_table(path, table or Table())
    if suffix == ".ts":
        return RegressionSet(name, f"ts file {path.name}", *_read_ts(path))
    source, wanted_keys = npz_source(path), ("x_train", "y_train", "x_test", "y_test")
    if missing := [key for key in wanted_keys if key not in stored_keys(path)]:
        raise InputError(f"{source}: found no {', '.join(missing)}, want {', '.join(wanted_keys)}")
    with readable(source, "a damaged array"), np.load(path, allow_pickle=False) as stored:
        return RegressionSet(name, source, *(stored[key] for key in wanted_keys))


def _read_ts(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from aeon.datasets import load_from_ts_file

    if ts_header(path).get("@targetlabel") != ["true"] or not test_file(path).is_file():
        raise InputError(f"{path.name}: found no @targetLabel true or no {test_file(path).name} beside it, want both")
    with readable(path.name, "a damaged file or another format"):
        (train, y_train), (test, y_test) = (load_from_ts_file(str(file)) for file in (path, test_file(path)))
        longest = max(series.shape[1] for split in (train, test) for series in split)
        return stack(train, longest), y_train.astype(float), stack(test, longest), y_test.astype(float)


def _read_table(path: Path, settings: Table) -> RegressionSet:
    from tsrl.data.tables.read import read_table
    from tsrl.data.tables.split import split

    series = read_table(path, settings)
    if series.labels is None or series.split is None:
        lacking = "label" if series.labels is None else "split"
        raise InputError(f"{series.source}: found no column for {lacking}, want table.label and table.split to regress")
    # The column was read as text where the file has no types.
    with readable(f"{series.source}: column {settings.label!r} (label)", "cells that are no numbers"):
        series = replace(series, labels=series.labels.astype(np.float64))
    train, test = split(series, "column")
    about = {"columns": list(series.columns), "validation": series.report.as_dict()}
    return RegressionSet(series.name, series.source, train.x, train.labels, test.x, test.labels, about)  # type: ignore[arg-type]
