"""Sets of series by name: the user's own files, the sets inside the aeon package, then what can be downloaded."""

from collections.abc import Mapping
from pathlib import Path

from tsrl.data.archives import archive_names
from tsrl.data.builders.specs import SPECS
from tsrl.data.dataset import Dataset
from tsrl.data.downloads import archive_set, built_series
from tsrl.data.locate import (
    DATA_DIR_VARIABLE,
    PAIRED_SUFFIXES,
    TABLE_SUFFIXES,
    data_folder,
    locate,
    named_files,
    stem_of,
    suffix_of,
)
from tsrl.data.npz import npz_source, read_npz, stored_keys
from tsrl.data.packaged import packaged_sets, packaged_source, read_packaged
from tsrl.data.series_files import read_series_file
from tsrl.data.tables.settings import Table, check_unused
from tsrl.errors import InputError, nearest

ARRAY_SUFFIXES = (".npz", ".npy", ".tsf", *PAIRED_SUFFIXES)
SUFFIXES = (*ARRAY_SUFFIXES, *TABLE_SUFFIXES)


def load(name_or_path: str | Path, data_dir: str | Path | None = None, table: Table | None = None) -> Dataset:
    """A data set by name or from a file.

    Args:
      name_or_path: the path of a file (.npz, .npy, .ts, .arff, .tsf, .tsv, .txt; .csv, .csv.gz or .parquet as `table`
        says); or a name, looked up in this order: NAME.* in the data folder and its sub-folders; the sets inside the
        installed aeon package; the twelve sets of `tsrl.data.builders` and the UCR and UEA archives, which are
        downloaded at first use.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.
      table: how a table's columns are read; default: a long table of one series.

    Returns:
      The checked data set.

    Raises:
      InputError: nothing or more than one file has that name (the message says what comes near), the data is wrong, or
        a download failed.
    """
    name = str(name_or_path)
    path, table = locate(name, data_dir, SUFFIXES), table or Table()
    if path is not None:
        return _read(path, table)
    check_unused(table, name)
    packaged = packaged_sets()
    if name in packaged:
        return Dataset(name, packaged_source(), *read_packaged(packaged[name]))
    folder = data_folder(data_dir)
    built = [known for known, spec in SPECS.items() if spec.task == "classify"]
    if name in built:
        return built_series(name, folder)
    if name in archive_names():
        return archive_set(name, folder)
    known = {*named_files(folder, ARRAY_SUFFIXES), *packaged, *built, *archive_names()}
    raise InputError(_unknown(name, folder, packaged, known))


def available(data_dir: str | Path | None = None) -> dict[str, str]:
    """The names that `load` finds without further settings and without a download.

    Args:
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Returns:
      Name -> source, in alphabetical order. Left out: tables, .npz files without series, and names that several files
      share. `tsrl.data.catalogue` lists everything.

    Raises:
      InputError: no such folder.
    """
    files = named_files(data_folder(data_dir), SUFFIXES)
    found = {name: packaged_source() for name in packaged_sets() if name not in files}
    for name, paths in files.items():
        if len(paths) == 1 and suffix_of(paths[0].name, ARRAY_SUFFIXES) and _has_series(paths[0]):
            found[name] = file_source(paths[0])
    return dict(sorted(found.items()))


def _read(path: Path, table: Table) -> Dataset:
    suffix = suffix_of(path.name, SUFFIXES)
    if suffix in TABLE_SUFFIXES:
        # pyarrow takes a while to import, and is needed for tables alone.
        from tsrl.data.tables.dataset import table_dataset

        return table_dataset(path, table)
    check_unused(table, f"a {suffix} file")
    read = read_npz if suffix == ".npz" else read_series_file
    return Dataset(stem_of(path, SUFFIXES), file_source(path), *read(path))


def file_source(path: Path) -> str:
    """What reports and messages call a file: its format, and its name without the folder."""
    suffix = suffix_of(path.name, ARRAY_SUFFIXES)
    return npz_source(path) if suffix == ".npz" else f"{suffix[1:]} file {path.name}"


def _has_series(path: Path) -> bool:
    if suffix_of(path.name, SUFFIXES) != ".npz":
        return True
    try:
        return bool({"x_train", "x"} & set(stored_keys(path)))
    except InputError:
        return False


def _unknown(name: str, folder: Path | None, packaged: Mapping[str, Path], known: set[str]) -> str:
    advice = [nearest(name, known)]
    if folder is None:
        advice.append(f"--data-dir or {DATA_DIR_VARIABLE} names a folder of your own files")
    if not packaged:
        advice.append("pip install 'tsrl[archives]' adds packaged sets and the readers of .ts, .arff and .tsf")
    wanted = f"want a known name (`tsrl datasets` lists them) or the path of a file ({', '.join(SUFFIXES)})"
    return "; ".join([f"dataset: found {name!r}, {wanted}", *advice])
