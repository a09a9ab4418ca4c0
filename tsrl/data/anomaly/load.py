"""Labelled anomalies by name: NAB, SMAP, MSL, the UCR anomaly archive, KPI, Yahoo S5, or the user's own file."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tsrl.data.anomaly.files import file_trees
from tsrl.data.anomaly.readers import (
    MARKS,
    NAB_WINDOWS,
    SERIES,
    read_kpi,
    read_nab,
    read_own,
    read_spacecraft,
    read_ucr,
    read_yahoo,
)
from tsrl.data.anomaly.series import AnomalySeries, AnomalySet, ranges
from tsrl.data.locate import (
    DATA_DIR_VARIABLE,
    TABLE_SUFFIXES,
    data_folder,
    locate,
    named_files,
    stem_of,
    suffix_of,
)
from tsrl.data.tables.settings import Table, check_unused
from tsrl.errors import InputError, nearest

__all__ = ["ARCHIVES", "AnomalySeries", "AnomalySet", "found_archives", "load_anomaly", "ranges"]

SUFFIXES = (".npz", *TABLE_SUFFIXES)
ARCHIVES = ("NAB", "SMAP", "MSL", "UCRAnomaly", "KPI", "Yahoo")


def load_anomaly(
    name_or_path: str | Path,
    data_dir: str | Path | None = None,
    train_fraction: float = 0.5,
    table: Table | None = None,
) -> AnomalySet:
    """A set of series with labelled anomalies.

    Args:
      name_or_path: NAB, SMAP, MSL, UCRAnomaly, KPI or Yahoo, whose files are looked for in the data folder, its
        sub-folders and the zip files there; NAB/realKnownCause and Yahoo/A1 are parts, NAB/realKnownCause/nyc_taxi,
        SMAP/P-1 and Yahoo/A1/real_1 single series. Or NAME.npz in the data folder, by name or by path: one series,
        `values` `[T]` or `[T, C]` (NaN = missing), `labels` `[T]` integers (0 = normal; ranges that touch have
        different numbers), and perhaps `timestamps` `[T]` integers and `train_stop`, one integer. Or NAME.csv, .csv.gz
        or .parquet, likewise: a table with a label in each row.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR.
      train_fraction: share of each series to train on where the set does not say (NAB, KPI, Yahoo, and files without
        `train_stop`). Half of it is TS2Vec's protocol; NAB's own probationary period is the first 15 %, at most 750
        steps. The other sets have a published training part.
      table: how a table's columns are read.

    Returns:
      The checked set.

    Raises:
      InputError: nothing or more than one file has that name, a file is damaged or in another format (the message
        names file and key), or the fraction is out of range.

    References:
      Lavin and Ahmad 2015, Evaluating Real-time Anomaly Detection Algorithms, arXiv 1510.03336 (NAB). Hundman et al.
      2018, Detecting Spacecraft Anomalies Using LSTMs, arXiv 1802.04431 (SMAP, MSL). Wu and Keogh 2021, Current Time
      Series Anomaly Detection Benchmarks are Flawed, arXiv 2009.13807 (the UCR archive; it says what is wrong with
      the others). KPI: the AIOps challenge of 2018. Yahoo: Laptev et al. 2015, S5 - A Labeled Anomaly Detection
      Dataset, version 1.0.
    """
    if not 0 < train_fraction < 1:
        raise InputError(f"train_fraction: found {train_fraction}, want between 0 and 1")
    name, table = str(name_or_path), table or Table()
    archive, _, part = name.partition("/")
    if archive not in ARCHIVES:
        path = locate(name, data_dir, SUFFIXES)
        if path is None:
            known = {*ARCHIVES, *named_files(data_folder(data_dir), SUFFIXES)}
            raise InputError(f"dataset: found {name!r} nowhere; {nearest(name, known)}")
        if suffix_of(path.name, SUFFIXES) == ".npz":
            check_unused(table, "a .npz file")
            return _set(path.stem, *read_own(path, train_fraction))
        # pyarrow takes a while to import, and is needed for tables alone.
        from tsrl.data.anomaly.table import read_anomaly_table

        return _set(stem_of(path, SUFFIXES), *read_anomaly_table(path, table, train_fraction))
    check_unused(table, name)
    folder = data_folder(data_dir)
    if folder is None:
        raise InputError(f"dataset: found {name!r} without a data folder, want --data-dir or {DATA_DIR_VARIABLE}")
    halved = {"NAB": read_nab, "KPI": read_kpi, "Yahoo": read_yahoo}
    if archive in halved:
        return _set(name, *halved[archive](file_trees(folder), part, train_fraction))
    if archive in ("SMAP", "MSL"):
        return _set(name, *read_spacecraft(file_trees(folder), part, archive))
    return _set(name, *read_ucr(file_trees(folder), part))


class Found(NamedTuple):
    """An archive in the data folder.

    Attributes:
      source: where, in words.
      series: how many, by the names of its files; None where these do not tell, 0 where it is damaged or incomplete.
    """

    source: str
    series: int | None


def found_archives(folder: Path | None) -> dict[str, Found]:
    """The archives whose files are in the data folder, by a file that each has; none of their values is read."""
    trees = [] if folder is None else file_trees(folder)
    found = {}
    for archive in ARCHIVES:
        marks = ((files, name) for files in trees for name in files.names if MARKS[archive].fullmatch(name))
        here, mark = next(marks, (None, ""))
        closed = [files for files in trees[1:] if not files.names and files.source.endswith(f" {archive}.zip")]
        if here is not None:
            names = [name for files in trees for name in files.names]
            if archive == "NAB":
                root = mark.removesuffix(NAB_WINDOWS)
                names = [name.removeprefix(root) for name in here.names if name.startswith(root)]
            found[archive] = Found(here.source, _count(archive, names))
        elif closed:
            found[archive] = Found(closed[0].source, 0)
    return found


def _count(archive: str, names: list[str]) -> int | None:
    if archive not in SERIES:
        return None
    series = {match.groups() for name in names if (match := SERIES[archive].fullmatch(name))}
    # The table that the two spacecraft share stands beside files that do not say whose they are.
    return None if not series and archive in ("SMAP", "MSL") else len(series)


def _set(
    name: str, source: str, series: list[AnomalySeries], about: Mapping[str, Any] = MappingProxyType({})
) -> AnomalySet:
    return AnomalySet(name, source, tuple(series), about)
