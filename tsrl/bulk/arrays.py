"""Arrays in .npz files, streamed out of the archive, and array_record files, whose records are .npy files."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from tsrl.bulk.source import Part, Rows, checked_parts, likely_lengths, own_id
from tsrl.data.npz import npz_source, readable, stored_keys
from tsrl.errors import InputError

# Numbers of a part of an array: 16 MB in float32.
_PART_VALUES = 2**22
# Records of a part: their sizes are not known before they are read.
_PART_RECORDS = 1024
_SAMPLE = 2**16


class _Member:
    """An array of an .npz file, read in turn; only what is asked for is in memory."""

    def __init__(self, path: Path, key: str):
        self._archive = zipfile.ZipFile(path)
        self._stream: IO[bytes] = self._archive.open(f"{key}.npy")
        version = np.lib.format.read_magic(self._stream)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{npz_source(path)}: {key}: found version {version} of .npy, want numbers or text")
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        self.shape, self.columns_first, self.dtype = headers[version](self._stream)
        self.row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        self._start, self._place = self._stream.tell(), 0
        self.stored_bytes = self._archive.getinfo(f"{key}.npy").file_size - self._start

    def take(self, first: int, count: int) -> np.ndarray:
        """Rows from `first` on. Forward is cheap; of a compressed member, backward reads it from its beginning."""
        if first != self._place:
            self._stream.seek(self._start + first * self.row_bytes)
        content = self._stream.read(count * self.row_bytes)
        self._place = first + count
        return np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def close(self) -> None:
        """Closes the archive."""
        self._stream.close()
        self._archive.close()


@dataclass
class NpzSource:
    """See `tsrl.bulk.source.Source`; a part is about 16 MB of an array `[N, T, C]`."""

    files: tuple[Path, ...]
    fingerprints: tuple[str, ...]
    parts: tuple[Part, ...]
    lengths: tuple[int, ...]
    id_name: str
    id_type: Any
    key: str
    _open: tuple[int, list[_Member]] | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": None}

    def read(self, part: Part, rows: int) -> Iterator[Rows]:
        """See `Source.read`."""
        import pyarrow as pa

        path = self.files[part.file]
        with readable(npz_source(path), "damaged data"):
            if self._open is None or self._open[0] != part.file:
                for member in self._open[1] if self._open else ():
                    member.close()
                self._open = part.file, [_Member(path, key) for key in (self.key, self.id_name) if key]
            for first in range(0, part.rows, rows):
                count = min(rows, part.rows - first)
                x, *ids = (member.take(part.first + first, count) for member in self._open[1])
                # A float64 beyond float32 becomes infinite here, which is told of the row later.
                with np.errstate(over="ignore"):
                    series = list(x.astype(np.float32))
                yield Rows(part, first, series, {}, pa.array(ids[0].tolist(), self.id_type) if ids else None)


class _Form(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype


def open_npz(files: tuple[Path, ...], channels: int, key: str, id_name: str) -> NpzSource:
    """See `tsrl.bulk.source.open_source`.

    Raises:
      InputError: no such key, arrays of another form than `[N, T, C]` of numbers, files that differ in it.
    """
    import pyarrow as pa

    parts: list[Part] = []
    lengths, fingerprints = [], []
    id_kind = ""
    for place, path in enumerate(files):
        source, keys = npz_source(path), stored_keys(path)
        id_name = own_id(id_name, keys, place, source, npz_source(files[0]))
        for wanted in (key, id_name):
            if wanted and wanted not in keys:
                raise InputError(f"{source}: found the keys {', '.join(keys[:10]) or 'none'}, want {wanted}")
        shape, dtype = _form(path, key)
        if dtype.kind not in "iuf":
            raise InputError(f"{source}: {key}: found dtype {dtype}, want numbers")
        if len(shape) != 3 or shape[2] != channels or shape[1] < 1:
            raise InputError(f"{source}: {key}: found shape {shape}, want [N, T, {channels}] as the model has channels")
        values = shape[1] * channels
        rows = max(1, _PART_VALUES // values)
        for first in range(0, shape[0], rows):
            parts.append(Part(len(parts), place, first, min(rows, shape[0] - first), values))
        lengths.append(shape[1])
        if id_name:
            id_shape, id_dtype = _form(path, id_name)
            kind = {"i": "int64", "u": "uint64", "U": "string", "S": "binary"}.get(id_dtype.kind, "")
            if id_shape != shape[:1] or not kind or (id_kind and kind != id_kind):
                want = f"[{shape[0]}] {id_kind or 'of whole numbers or text'}"
                raise InputError(f"{source}: {id_name}: found shape {id_shape} of {id_dtype}, want {want}")
            id_kind = kind
        with zipfile.ZipFile(path) as archive:
            # The archive keeps a checksum of every member.
            record = [(info.filename, info.file_size, info.CRC) for info in archive.infolist()]
        fingerprints.append(hashlib.sha256(repr(record).encode()).hexdigest())
    id_type = getattr(pa, id_kind)() if id_kind else None
    found = checked_parts(parts, files[0].name)
    return NpzSource(files, tuple(fingerprints), found, likely_lengths(lengths), id_name, id_type, key)


def _form(path: Path, key: str) -> _Form:
    source = f"{npz_source(path)}: {key}"
    with readable(source, "no readable array, want one written by numpy.savez"):
        member = _Member(path, key)
        member.close()
    if member.dtype.hasobject:
        raise InputError(f"{source}: found pickled objects, which are never loaded, want plain numbers or text")
    if member.columns_first and len(member.shape) > 1:
        raise InputError(f"{source}: found an array in Fortran's order, want it in C's (numpy.ascontiguousarray)")
    # Parts are counted by the header: it is believed only where the archive agrees.
    want = member.row_bytes * (member.shape[0] if member.shape else 1)
    if member.stored_bytes != want:
        raise InputError(f"{source}: found {member.stored_bytes} bytes of values, want {want} as its header says")
    return _Form(member.shape, member.dtype)


@dataclass
class RecordSource:
    """See `tsrl.bulk.source.Source`; a part is 1,024 records, each the bytes of a .npy file: `[T, C]`, or `[T]`."""

    files: tuple[Path, ...]
    fingerprints: tuple[str, ...]
    parts: tuple[Part, ...]
    lengths: tuple[int, ...]
    id_name: str
    id_type: Any
    channels: int

    def read(self, part: Part, rows: int) -> Iterator[Rows]:
        """See `Source.read`."""
        path = self.files[part.file]
        reader = _records(path)
        try:
            for first in range(0, part.rows, rows):
                start = part.first + first
                with readable(path.name, f"damaged data from record {start} on"):
                    records = reader.read(start, min(start + rows, part.first + part.rows))
                series, reasons = [], {}
                for place, record in enumerate(records):
                    one = _series(record, self.channels)
                    if isinstance(one, str):
                        reasons[place] = one
                    series.append(np.zeros((0, self.channels), np.float32) if isinstance(one, str) else one)
                yield Rows(part, first, series, reasons, None)
        finally:
            reader.close()


def _series(record: bytes, channels: int) -> np.ndarray | str:
    """The series `[T, C]` of a record, or why it has none."""
    try:
        found = np.lib.format.read_array(io.BytesIO(record), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        return f"found no bytes of a .npy file ({type(error).__name__}), want one of numbers"
    if found.dtype.kind not in "iuf":
        return f"found dtype {found.dtype}, want numbers"
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2 or found.shape[1] != channels:
        return f"found shape {found.shape}, want [T, {channels}]"
    with np.errstate(over="ignore"):
        return found.astype(np.float32)


def open_records(files: tuple[Path, ...], channels: int) -> RecordSource:
    """See `tsrl.bulk.source.open_source`; the fingerprint is of a file's size, its beginning and its end.

    Raises:
      InputError: the package array_record is missing, or a file is none of its.
    """
    parts: list[Part] = []
    fingerprints, lengths = [], []
    for place, path in enumerate(files):
        reader = _records(path)
        count = reader.num_records()
        with readable(path.name, "damaged data in record 0"):
            first_one = _series(reader.read(0, 1)[0], channels) if count else ""
        reader.close()
        lengths.append(0 if isinstance(first_one, str) else len(first_one))
        for first in range(0, count, _PART_RECORDS):
            parts.append(Part(len(parts), place, first, min(_PART_RECORDS, count - first), 0))
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            digest = hashlib.sha256(f"{size} ".encode())
            for start in (0, max(0, size - _SAMPLE)):
                stream.seek(start)
                digest.update(stream.read(_SAMPLE))
        fingerprints.append(digest.hexdigest())
    found = checked_parts(parts, files[0].name)
    return RecordSource(files, tuple(fingerprints), found, likely_lengths(lengths), "", None, channels)


def _records(path: Path) -> Any:
    try:
        from array_record.python.array_record_module import ArrayRecordReader
    except ImportError as error:
        raise InputError(f"{path.name}: found no package array_record to read it, want it installed") from error
    with readable(path.name, "no readable array_record file"):
        return ArrayRecordReader(str(path), options="readahead_buffer_size:0,max_parallelism:0")
