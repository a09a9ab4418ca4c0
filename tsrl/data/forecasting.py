"""Long series to be forecast, with their published split and their calendar covariates."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tsrl.data.builders.specs import SPECS
from tsrl.data.downloads import built_forecast, built_source
from tsrl.data.forecast_files import SUFFIXES, chosen, read_forecast_file
from tsrl.data.hashing import fingerprint
from tsrl.data.locate import data_folder, locate, named_files, stem_of, suffix_of
from tsrl.data.tables.settings import Table, check_unused
from tsrl.errors import InputError, nearest

# The archive's file of each set whose file has another name.
FILES = {"Exchange": "exchange_rate", "Weather": "weather"}
_COVARIATES = ("minute", "hour", "day of week", "day", "day of year", "month", "week of year")
_DAY = 86_400

Fractions = Literal["60/20/20", "70/10/20"]


class Borders(NamedTuple):
    """Where the parts of a series end: train is `[0, train)`, validation `[train, valid)`, test `[valid, test)`."""

    train: int
    valid: int
    test: int


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class ForecastSet:
    """A long series.

    Attributes:
      name: as the field writes it.
      source: in words; the same on every machine.
      values: `[T, C]` float32, complete.
      time: `[T]` datetime64[s], never decreasing.
      columns: C names.
      notes: what was found in a table of the user's own and done with it, in lines.
    """

    name: str
    source: str
    values: np.ndarray
    time: np.ndarray
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        steps, columns = len(self.time), len(self.columns)
        if self.values.shape != (steps, columns) or not columns or steps < 3:
            raise InputError(f"{self.source}: found shape {self.values.shape}, want [T, C] with at least 3 steps")
        # A gap in the series would be a gap in the targets, and a forecast that nobody can score.
        for column, values in zip(self.columns, self.values.T, strict=True):
            wrong = np.flatnonzero(~np.isfinite(values))
            if len(wrong):
                raise InputError(
                    f"{self.source}: column {column!r}: found {len(wrong)} missing or infinite values, the first in "
                    f"row {wrong[0]}, want a complete series; fill the gaps first"
                )
        backwards = np.flatnonzero(np.diff(self.time) < np.timedelta64(0, "s"))
        if len(backwards):
            raise InputError(
                f"{self.source}: date: row {backwards[0] + 1} is before the row above it, want rising dates"
            )

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons at which the field reports the set."""
        return (24, 48, 96, 288, 672) if self.name.startswith("ETTm") else (24, 48, 168, 336, 720)

    @property
    def period(self) -> int:
        """Steps of the shortest of day, week and year that is longer than a step: the season of a naive forecast."""
        step = float(np.median(np.diff(self.time) / np.timedelta64(1, "s")))
        season = _DAY if step < _DAY else 7 * _DAY if step < 7 * _DAY else 365.25 * _DAY
        return max(1, round(season / step)) if step else 1

    def univariate(self) -> "ForecastSet":
        """The target alone: the column OT where there is one, otherwise the last (TS2Vec's released code)."""
        column = self.columns.index("OT") if "OT" in self.columns else len(self.columns) - 1
        return replace(self, values=self.values[:, [column]], columns=(self.columns[column],))

    def borders(self, fractions: Fractions = "60/20/20") -> Borders:
        """The published split: 12, 4 and 4 months of 30 days for ETT, where later rows are not used; else fractions."""
        if re.fullmatch(r"ETT[hm]\d", self.name):
            month = 30 * 24 * (4 if self.name.startswith("ETTm") else 1)
            borders = Borders(12 * month, 16 * month, 20 * month)
            if len(self.values) < borders.test:
                raise InputError(
                    f"{self.source}: found {len(self.values)} rows, want at least {borders.test}, 20 months"
                )
            return borders
        steps = len(self.values)
        # 60/20/20 rounds as TS2Vec's released code does, 70/10/20 as Informer's and TimeDRL's.
        if fractions == "60/20/20":
            return Borders(int(0.6 * steps), int(0.8 * steps), steps)
        return Borders(int(0.7 * steps), steps - int(0.2 * steps), steps)

    def fingerprint(self) -> str:
        """SHA-256 over values and dates: two sets of one name are told apart by it."""
        return fingerprint({"values": self.values, "time": self.time.astype(np.int64)})


def calendar_covariates(time: np.ndarray) -> np.ndarray:
    """Minute, hour, day of the week (Monday = 0), day, day of the year, month and ISO week of each time stamp.

    Args:
      time: `[T]` datetime64.

    Returns:
      `[T, 7]` float32, in these units: TS2Vec's covariates before they are standardised.

    References:
      The released code of Yue et al. (2022), TS2Vec, arXiv 2106.10466, `datautils.py`.
    """
    day, month, year = (time.astype(f"datetime64[{unit}]") for unit in "DMY")
    minutes = (time.astype("datetime64[m]") - day).astype(np.int64)
    weekday = (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    thursday = day + (3 - weekday).astype("timedelta64[D]")
    week = (thursday - thursday.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) // 7 + 1
    parts = (
        minutes % 60,
        minutes // 60,
        weekday,
        (day - month.astype("datetime64[D]")).astype(np.int64) + 1,
        (day - year.astype("datetime64[D]")).astype(np.int64) + 1,
        month.astype(np.int64) % 12 + 1,
        week,
    )
    return np.stack(parts, -1).astype(np.float32)


def built_names() -> list[str]:
    """The forecasting sets of `tsrl.data.builders`."""
    return [name for name, spec in SPECS.items() if spec.task == "forecast"]


def load_forecast(
    name_or_path: str | Path, data_dir: str | Path | None = None, table: Table | None = None
) -> ForecastSet:
    """A forecasting set by name or from a file.

    Args:
      name_or_path: the path of a file: .csv, .csv.gz or .parquet with a column of dates; .npz with `values [T, C]` and
        `time [T]`; .tsf, whose series of one length and start become the columns. Or a name, looked up as NAME.* in the
        data folder and its sub-folders (Exchange as exchange_rate.csv, Weather as weather.csv), then among the builders
        of `tsrl.data.builders`, which may download it.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.
      table: what a table's columns mean, as for `read_table`; the time stamps are by default the column date. A table
        is one series with dates: no label, group, split or wide layout. Of all other sets `values` alone applies.

    Returns:
      The checked series. A table that is named as a published set, read without settings but `values`, keeps what the
      published numbers were computed with: Weather's cells of -9999, its time stamp that occurs twice, and its gap.

    Raises:
      InputError: nothing or more than one file has that name, the file is wrong (see `read_table`), a setting does not
        apply, or a download failed.
    """
    name, table = str(name_or_path), table or Table()
    path = locate(name, data_dir, SUFFIXES, FILES)
    if path is not None:
        stem = stem_of(path, SUFFIXES)
        found = read_forecast_file(path, table, stem in built_names() or stem in FILES.values())
        return ForecastSet(stem if suffix_of(name, SUFFIXES) else name, *found)
    if name in built_names():
        check_unused(table, f"the published set {name}", ("values",))
        built = built_forecast(name, data_folder(data_dir))
        picked = chosen(name, built.values, built.columns, table.values)
        return ForecastSet(name, built_source(name), time=built.time, **picked)
    stems = {stem: name for name, stem in FILES.items()}
    known = {*built_names(), *(stems.get(stem, stem) for stem in named_files(data_folder(data_dir), SUFFIXES))}
    raise InputError(
        f"dataset: found {name!r}, want the name of a series to forecast or the path of a file "
        f"({', '.join(SUFFIXES)}); {nearest(name, known)}"
    )
