"""Row groups of Parquet files as parts; wrong rows are told apart, not refused with their neighbours."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.bulk.source import Part, Rows, checked_parts, likely_lengths, own_id
from tsrl.data.store.files import read_footer, read_manifest
from tsrl.errors import InputError

# Bytes that are read from a file at once: a row group may be larger than memory.
_BUFFER = 2**20


@dataclass
class ParquetSource:
    """See `tsrl.bulk.source.Source`; a part is a row group."""

    files: tuple[Path, ...]
    fingerprints: tuple[str, ...]
    parts: tuple[Part, ...]
    lengths: tuple[int, ...]
    id_name: str
    id_type: Any
    columns: tuple[str, ...]
    channels: int
    _footer: tuple[int, Any] | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_footer": None}

    def read(self, part: Part, rows: int) -> Iterator[Rows]:
        """See `Source.read`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path, done = self.files[part.file], 0
        place = f"{path.name}: row group {part.first}"
        wanted = [*self.columns, *([self.id_name] if self.id_name else [])]
        try:
            if self._footer is None or self._footer[0] != part.file:
                self._footer = part.file, pq.read_metadata(path)
            options = {"pre_buffer": False, "buffer_size": _BUFFER, "page_checksum_verification": True}
            with pq.ParquetFile(path, metadata=self._footer[1], **options) as file:
                for batch in file.iter_batches(rows, row_groups=[part.first], columns=wanted, use_threads=False):
                    yield self._decoded(batch, part, done)
                    done += len(batch)
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            words = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise InputError(f"{place}: found damaged data ({words})") from error
        if done != part.rows:
            raise InputError(f"{place}: found {done} rows, want {part.rows} as its footer says")

    def _decoded(self, batch: Any, part: Part, first: int) -> Rows:
        ids = batch.column(self.id_name) if self.id_name else None
        if len(self.columns) == 1:
            return Rows(part, first, *_series(batch.column(self.columns[0]), self.channels), ids)
        found = [_series(batch.column(name), 1) for name in self.columns]
        reasons: dict[int, str] = {}
        for name, (_, own) in zip(self.columns, found, strict=True):
            for row, reason in own.items():
                reasons.setdefault(row, f"column {name!r}: {reason}")
        series = []
        for row, parts in enumerate(zip(*(own for own, _ in found), strict=True)):
            steps = [len(one) for one in parts]
            if len(set(steps)) > 1:
                reasons.setdefault(row, f"found {' and '.join(map(str, steps))} steps in its columns, want one number")
            series.append(np.concatenate([one[: min(steps)] for one in parts], 1))
        return Rows(part, first, series, reasons, ids)


def _series(lists: Any, channels: int) -> tuple[list[np.ndarray], dict[int, str]]:
    """The series of a column of flat or nested lists, and why some of its rows are none."""
    sizes, nulls = _sizes(lists)
    inner = lists.flatten()
    reasons = {int(row): "found null, want a list of numbers" for row in np.flatnonzero(nulls)}
    edges = np.concatenate([[0], np.cumsum(sizes)])
    if hasattr(inner, "flatten") and hasattr(inner.type, "value_type"):
        widths, missing = _sizes(inner)
        odd = np.flatnonzero((widths != channels) | missing)
        for row, step in zip(np.searchsorted(edges[1:], odd, side="right").tolist(), odd.tolist(), strict=True):
            found = "null" if missing[step] else f"{widths[step]} channels"
            reasons.setdefault(row, f"found {found} in a step, want {channels} channels")
        # From steps to numbers.
        edges = np.concatenate([[0], np.cumsum(widths)])[edges]
        inner = inner.flatten()
    else:
        for row in np.flatnonzero(sizes % channels).tolist():
            reasons.setdefault(row, f"found {sizes[row]} numbers, want a multiple of {channels} channels")
    # A float64 beyond float32 becomes infinite here, which is told of the row later.
    with np.errstate(over="ignore"):
        values = np.asarray(inner.to_numpy(zero_copy_only=False)).astype(np.float32, copy=False)
    empty = np.zeros((0, channels), np.float32)
    series = [
        empty if row in reasons else values[start:end].reshape(-1, channels)
        for row, (start, end) in enumerate(itertools.pairwise(edges.tolist()))
    ]
    return series, reasons


def _sizes(lists: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values of each list, 0 for null, and which are null."""
    import pyarrow.compute as pc

    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return np.asarray(sizes, np.int64), pc.is_null(lists).to_numpy(zero_copy_only=False)


def open_parquet(
    path: Path, files: tuple[Path, ...], channels: int, columns: tuple[str, ...], id_name: str
) -> ParquetSource:
    """See `tsrl.bulk.source.open_source`; a folder of `write_store` must hold the files that its manifest names.

    Raises:
      InputError: files whose columns differ in type, or that lack one.
    """
    if len(columns) not in (1, channels):
        raise InputError(f"columns: found {len(columns)}, want one, or {channels} as the model has channels")
    if len(set(columns)) < len(columns):
        raise InputError(f"columns: found {' '.join(columns)}, want each once")
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest and (odd := sorted({file.name for file in files} ^ set(manifest["rows"]))):
        raise InputError(f"input {path}: found another set of files than its manifest.json names: {', '.join(odd[:3])}")
    parts: list[Part] = []
    kinds: dict[str, Any] = {}
    fingerprints, lengths = [], [manifest["length"] if manifest else 0]
    for place, file in enumerate(files):
        own = channels if len(columns) == 1 else 1
        found = [read_footer(file, own, column) for column in columns]
        groups, footer = found[0]
        fingerprints.append(hashlib.sha256(footer).hexdigest())
        schema = _schema(file)
        id_name = own_id(id_name, schema.names, place, file.name, files[0].name)
        for name in [*columns, *([id_name] if id_name else [])]:
            if schema.names.count(name) != 1:
                raise InputError(f"{file.name}: found the columns {', '.join(schema.names[:10])}, want {name} once")
            kind = schema.field(name).type
            if kinds.setdefault(name, kind) != kind:
                raise InputError(
                    f"{file.name}: column {name!r}: found the type {kind}, want {kinds[name]} as in {files[0].name}"
                )
        for group in groups:
            chunks = [group.footer.row_group(group.number).column(i) for i in range(group.footer.num_columns)]
            values = sum(chunk.num_values for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)
            parts.append(Part(len(parts), place, group.number, group.rows, -(-values // group.rows)))
            if values % (group.rows * channels) == 0:
                lengths.append(values // (group.rows * channels))
        lengths += [group.form.length or 0 for group in groups[:1]]
    if id_name in columns or (id_name and not _plain(kinds[id_name])):
        raise InputError(
            f"id: found the column {id_name!r} of type {kinds[id_name]}, want one with a plain value a row"
        )
    return ParquetSource(
        files,
        tuple(fingerprints),
        checked_parts(parts, path.name),
        likely_lengths(lengths),
        id_name,
        kinds.get(id_name),
        columns,
        channels,
    )


def _plain(kind: Any) -> bool:
    """Whether values of an Arrow type are single ones, of which some can be taken."""
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return False
    try:
        pa.nulls(0, kind).take(pa.array([], pa.int64()))
    except pa.ArrowNotImplementedError:
        return False
    return True


def _schema(file: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_schema(file)
