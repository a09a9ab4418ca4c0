"""Where the file of a data set is: at a path, or by name in the data folder and its sub-folders."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tsrl.errors import InputError

DATA_DIR_VARIABLE = "TSRL_DATA_DIR"
TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet")
# Of these formats a set is a pair of files, NAME_TRAIN and NAME_TEST, or one file.
PAIRED_SUFFIXES = (".ts", ".arff", ".tsv", ".txt")
# Any other text in a folder has these endings too: only a pair is found by name.
_ONLY_PAIRED = (".tsv", ".txt")


def data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder that holds the user's data sets.

    Args:
      data_dir: the folder; None: the one that the environment variable TSRL_DATA_DIR names.

    Returns:
      The folder, or None where neither is set.

    Raises:
      InputError: no such folder.
    """
    setting = os.environ.get(DATA_DIR_VARIABLE) if data_dir is None else data_dir
    if not setting:
        return None
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        raise InputError(f"{DATA_DIR_VARIABLE if data_dir is None else 'data_dir'}: found no folder at {folder}")
    return folder


def locate(
    name_or_path: str | Path,
    data_dir: str | Path | None,
    suffixes: Sequence[str],
    called: Mapping[str, str] | None = None,
) -> Path | None:
    """The file that a name stands for.

    Args:
      name_or_path: the path of a file with one of `suffixes`; or a name, looked up as NAME.* in the data folder and its
        sub-folders, or as the pair NAME_TRAIN.*, NAME_TEST.*.
      data_dir: see `data_folder`.
      suffixes: what can be read, with the dot.
      called: name -> stem of its file, where the field's file has another name.

    Returns:
      The file, of a pair the first; None where the folder has none of that name.

    Raises:
      InputError: a path at which no file is, or a name that several files share.
    """
    name = str(name_or_path)
    if suffix_of(name, suffixes):
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(f"dataset: found no file at {path}")
        return path
    # A name has no folder in it. What is left without one may be a folder all the same, but then a set goes before it.
    if "/" in name or os.sep in name:
        kind = "a folder" if Path(name).expanduser().is_dir() else "no file"
        advice = " (--task pretrain reads a folder of .parquet files with a series a row)" if kind == "a folder" else ""
        wanted = f"want a name, or the path of a file ({', '.join(suffixes)})"
        raise InputError(f"dataset: found {kind} at {name}, {wanted}{advice}")
    folder = data_folder(data_dir)
    found = named_files(folder, suffixes).get((called or {}).get(name, name), [])
    if folder is not None and len(found) > 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in found)
        raise InputError(f"dataset: found {name} more than once in the data folder ({listed}), want the path of one")
    return found[0] if found else None


def named_files(folder: Path | None, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """Name -> the files of that name in a folder and its sub-folders; links to folders are not followed."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")) if folder is not None else []:
        suffix = suffix_of(path.name, suffixes)
        if not suffix or not path.is_file():
            continue
        stem = path.name[: -len(suffix)]
        if suffix in PAIRED_SUFFIXES and stem.endswith("_TEST"):
            continue
        if suffix in _ONLY_PAIRED and not stem.endswith("_TRAIN"):
            continue
        found.setdefault(stem.removesuffix("_TRAIN") if suffix in PAIRED_SUFFIXES else stem, []).append(path)
    return found


def suffix_of(name: str, suffixes: Sequence[str]) -> str:
    """The suffix, in lower case, that a file's name ends with, or nothing."""
    return max((suffix for suffix in suffixes if name.lower().endswith(suffix)), key=len, default="")


def stem_of(path: Path, suffixes: Sequence[str]) -> str:
    """The name of the set that a file holds: without suffix, and without _TRAIN where that is one of a pair."""
    suffix = suffix_of(path.name, suffixes)
    stem = path.name[: len(path.name) - len(suffix)]
    return stem.removesuffix("_TRAIN") if suffix in PAIRED_SUFFIXES else stem
