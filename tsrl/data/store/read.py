"""Data sets larger than memory: Parquet files whose rows are series, read a row group at a time."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.store.files import MANIFEST, Group, read_footer, read_group, read_manifest, read_sizes
from tsrl.data.store.order import block_order
from tsrl.errors import InputError

_LARGEST_INDEX = 2**31 - 1


class Store:
    """Series in Parquet files, of which a bounded number is in memory. Made by `open_store`.

    Decoded row groups are kept up to a limit, least recently used first out. All methods may be called from several
    threads; the files are read by one at a time.

    Args:
      path: what was opened.
      groups: row groups with at least one row.
      length: T.
      channels: C.
      cache_bytes: see Attributes.
      digest: of the files.

    Attributes:
      length: T, steps of every series; shorter ones end in NaN.
      channels: C.
      starts: `[G + 1]` int64, the first row of each row group, and the number of rows.
      window: row groups that are shuffled together, as many as the cache holds.
      row_bytes: of one series in memory.
      cache_bytes: most memory for decoded row groups.
      fingerprint: SHA-256 of the files' sizes and footers, T, C and the window: what decides the batches of a run. A
        value that was changed in place without a trace in the footer (its statistics hold the least and the largest
        value of each row group) is not seen.
    """

    def __init__(
        self, path: Path, groups: Sequence[Group], length: int, channels: int, cache_bytes: int, digest: bytes
    ):
        self.path, self.length, self.channels = path, length, channels
        self.row_bytes = 4 * length * channels
        self.starts = np.cumsum([0, *(group.rows for group in groups)])
        self._groups, self.cache_bytes = groups, cache_bytes
        for group in groups:
            if group.rows * self.row_bytes > cache_bytes:
                raise InputError(
                    f"{group.place}: found {group.rows} series of {length} steps and {channels} channels, "
                    f"{group.rows * self.row_bytes:,} bytes in memory, want at most cache_bytes = {cache_bytes:,}: "
                    "write it anew with smaller row groups (write_store), or allow more memory"
                )
        self.window = int(cache_bytes // (self.row_bytes * np.diff(self.starts).max()))
        self.window = min(self.window, len(groups))
        shape = f"{length} {channels} {self.window}".encode()
        self.fingerprint = hashlib.sha256(digest + shape).hexdigest()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self)} series, length {self.length}, channels {self.channels})"

    def take(self, rows: Any) -> np.ndarray:
        """Series by their numbers.

        Args:
          rows: `[B]` ints, 0 to N - 1, in any order, repeated or not.

        Returns:
          `[B, T, C]` float32 in the order asked for, NaN = missing.

        Raises:
          InputError: a row that is not there; a damaged row group, or one with infinite values or a series without any
            observed step, naming file, row group and row.
        """
        rows = np.asarray(rows)
        whole = rows.ndim == 1 and (rows.dtype.kind in "iu" or not len(rows))
        if not whole or (len(rows) and not 0 <= rows.min() <= rows.max() < len(self)):
            raise InputError(f"rows: found {rows}, want a list of numbers from 0 to {len(self) - 1}")
        # Kept as int64: a uint64 row minus an int64 start would be a float.
        rows = rows.astype(np.int64)
        found = np.empty((len(rows), self.length, self.channels), np.float32)
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        # In the order of first need: where a batch lies on the border of two blocks, the old one's groups become the
        # less recently used ones.
        needed, first = np.unique(numbers, return_index=True)
        for number in needed[np.argsort(first)]:
            here = numbers == number
            found[here] = self._group(int(number))[rows[here] - self.starts[number]]
        return found

    def order(self, seed: int, epoch: int, batch_size: int) -> np.ndarray:
        """The batches of an epoch, `[steps, B]` int32; read in turn they need each row group once, see `block_order`.

        A store that fits its cache has the order of the same series in an array.
        """
        return block_order(seed, epoch, self.starts, self.window, batch_size)

    def _group(self, number: int) -> np.ndarray:
        """The series of a row group, `[rows, T, C]`; not to be written to."""
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
            group = self._groups[number]
            held = sum(kept.nbytes for kept in self._cache.values())
            while held + group.rows * self.row_bytes > self.cache_bytes:
                held -= self._cache.popitem(last=False)[1].nbytes
            found = read_group(group, self.channels, self.length)
            self._cache[number] = found
            return found


def open_store(path: Path | str, channels: int | None = None, *, cache_bytes: int = 64 * 2**20) -> Store:
    """Opens a data set without reading its series.

    A row is a series, in the column `x`: a list of T * C numbers (all channels of the first step, then of the second,
    ...), of variable or fixed size, or a list of T lists of C numbers. Other columns are not read. Null numbers are
    missing, as NaN is. Series may differ in T.

    Args:
      path: a Parquet file, or a folder whose files end in .parquet; a folder of `write_store` holds `manifest.json`,
        and must hold the files that it names and no others.
      channels: C of flat lists whose files do not record it, as those of `write_store` do.
      cache_bytes: most memory for decoded row groups. It bounds how many are shuffled together (`Store.window`), so
        another limit makes other batches. Reading one takes about three times its own size for a moment.

    Returns:
      The store. Where neither manifest nor column type says how long the longest series is, all files are read once.

    Raises:
      InputError: nothing there, no Parquet, files that disagree, no series, or a row group beyond `cache_bytes`; the
        message names the file.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if path.is_dir():
        files = sorted(path.glob("*.parquet"))
        if not files:
            raise InputError(f"store {path}: found no file that ends in .parquet")
    elif path.is_file():
        files = [path]
    else:
        raise InputError(f"store: found no file or folder at {path}")
    if manifest:
        differing = sorted({file.name for file in files} ^ set(manifest["rows"]))
        if differing:
            found = "no file" if differing[0] in manifest["rows"] else "the further file"
            raise InputError(f"store {path}: found {found} {differing[0]}, want the files of {MANIFEST}")
    groups: list[Group] = []
    digest = hashlib.sha256()
    for file in files:
        own, footer = read_footer(file, channels)
        rows = sum(group.rows for group in own)
        if manifest and rows != manifest["rows"][file.name]:
            raise InputError(f"{file.name}: found {rows} series, want {manifest['rows'][file.name]} as in {MANIFEST}")
        digest.update(f"{file.name} {channels} ".encode() + footer)
        groups += own
    total = sum(group.rows for group in groups)
    if not 0 < total <= _LARGEST_INDEX:
        raise InputError(f"store {path}: found {total} series, want 1 to {_LARGEST_INDEX:,}")
    nested, known = groups[0].form.nested, groups[0].form.channels or read_sizes(groups[0])[1]
    for group in groups:
        if group.form.nested != nested:
            kinds = ("nested lists", "flat ones") if group.form.nested else ("flat lists", "nested ones")
            raise InputError(f"{group.file.name}: found {kinds[0]}, want {kinds[1]} as in {groups[0].file.name}")
        if group.form.channels not in (None, known):
            raise InputError(
                f"{group.file.name}: found {group.form.channels} channels, want {known} as in {groups[0].file.name}"
            )
    length = manifest["length"] if manifest else max(group.form.length or read_sizes(group)[0] for group in groups)
    if length < 2:
        raise InputError(f"store {path}: found {length} time steps in the longest series, want at least 2")
    return Store(path, groups, length, known, cache_bytes, digest.digest())


def is_store(path: Path | str) -> bool:
    """Whether `open_store` is meant for a path: a folder with .parquet files, or one such file with lists in `x`."""
    path = Path(path)
    if path.is_dir():
        return any(path.glob("*.parquet"))
    if not (path.suffix == ".parquet" and path.is_file()):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return False
    kind = schema.field("x").type if "x" in schema.names else pa.null()
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
