"""Row groups of Parquet files as arrays of series; `tsrl.data.store.open_store` says what a file may look like."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError

METADATA = b"tsrl"
MANIFEST = "manifest.json"
_TAIL = struct.Struct("<I4s")
# Rows at a time where only their lengths are wanted.
_SCANNED = 256


class Form(NamedTuple):
    """What a file's schema says about its series.

    Attributes:
      nested: a list of steps that are lists of channels; otherwise one list of all numbers.
      channels: C, or None: only the values tell.
      length: T, or None: only the values tell.
    """

    nested: bool
    channels: int | None
    length: int | None


class Group(NamedTuple):
    """A row group.

    Attributes:
      file: which it is in.
      number: its number there.
      rows: series in it.
      form: of the file.
      footer: of the file, so that its end need not be parsed again.
    """

    file: Path
    number: int
    rows: int
    form: Form
    footer: Any

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"{self.file.name}: row group {self.number}"


def read_footer(file: Path, channels: int | None, column: str = "x") -> tuple[list[Group], bytes]:
    """The row groups of a file that have rows, and the bytes of its footer, which describe all of its pages.

    The series are in `column`; `read_sizes` and `read_group` read `x` only.

    Raises:
      InputError: no Parquet, damaged, or no column of series.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as stream:
            footer = pq.read_metadata(stream)
            schema = footer.schema.to_arrow_schema()
            size = stream.seek(0, 2)
            stream.seek(-_TAIL.size, 2)
            length, _ = _TAIL.unpack(stream.read())
            stream.seek(size - _TAIL.size - length)
            content = stream.read(length)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise InputError(f"{file.name}: found no readable Parquet file ({_first_line(error)})") from error
    form = _form(schema, channels, file.name, column)
    rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    groups = [Group(file, number, count, form, footer) for number, count in enumerate(rows) if count]
    return groups, f"{size} ".encode() + content


def _form(schema: Any, channels: int | None, source: str, column: str) -> Form:
    import pyarrow.types as kinds

    if column not in schema.names:
        raise InputError(f"{source}: found the columns {', '.join(schema.names[:10]) or 'none'}, want {column}")
    if schema.names.count(column) > 1:
        raise InputError(f"{source}: found {schema.names.count(column)} columns called {column!r}, want one")
    outer = schema.field(column).type
    is_list = lambda kind: kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)  # noqa: E731
    fixed = lambda kind: kind.list_size if kinds.is_fixed_size_list(kind) else None  # noqa: E731
    nested = is_list(outer) and is_list(outer.value_type)
    numbers = outer.value_type.value_type if nested else outer.value_type if is_list(outer) else None
    if numbers is None or not (kinds.is_floating(numbers) or kinds.is_integer(numbers)):
        raise InputError(
            f"{source}: column {column!r}: found the type {outer}, want lists of numbers or lists of such lists"
        )
    stored = _recorded_channels(schema, source)
    known = [count for count in (stored, fixed(outer.value_type) if nested else None, channels) if count is not None]
    if len(set(known)) > 1 or any(count < 1 for count in known):
        raise InputError(f"{source}: channels: found {' and '.join(map(str, known))}, want one number from 1 up")
    if nested:
        return Form(True, known[0] if known else None, fixed(outer))
    if not known:
        raise InputError(
            f"{source}: column {column!r}: found flat lists and no number of channels, want the argument channels "
            "(--pretrain.channels), which is 1 where a number is a step"
        )
    size = fixed(outer)
    if size is not None and size % known[0]:
        raise InputError(
            f"{source}: column {column!r}: found lists of {size} numbers, want a multiple of {known[0]} channels"
        )
    return Form(False, known[0], None if size is None else size // known[0])


def _recorded_channels(schema: Any, source: str) -> int | None:
    content = (schema.metadata or {}).get(METADATA)
    if content is None:
        return None
    try:
        count = json.loads(content)["channels"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{source}: found unreadable metadata {content[:80]!r}, want it as written by tsrl") from error
    if not isinstance(count, int):
        raise InputError(f"{source}: channels: found {count!r} in the metadata, want a whole number")
    return count


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What `write_store` recorded: `rows` of each file and the `length` T; None where there is no manifest.

    Raises:
      InputError: it is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        fits = isinstance(found["length"], int) and all(isinstance(rows, int) for rows in found["rows"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder.name}/{MANIFEST}: found no record of a store ({_first_line(error)})") from error
    if not fits:
        raise InputError(f"{folder.name}/{MANIFEST}: found {found}, want whole numbers")
    return dict(found)


def read_sizes(group: Group) -> tuple[int, int]:
    """Steps of the longest series of a row group, and its channels; reads its values, a few rows at a time.

    Raises:
      InputError: damaged, or series that differ in their channels.
    """
    longest, rows = 0, 0
    channels = group.form.channels
    with _opened(group) as file:
        # Not buffered: the row group may be larger than memory.
        for batch in file.iter_batches(_SCANNED, row_groups=[group.number], columns=["x"], use_threads=False):
            _, steps, channels = _split(batch.column(0), group, rows, channels)
            longest, rows = max(longest, int(steps.max())), rows + len(steps)
    _check_rows(rows, group)
    return longest, channels or 1


def read_group(group: Group, channels: int, length: int) -> np.ndarray:
    """The series of a row group.

    Args:
      group: from `read_footer`.
      channels: C that it must have.
      length: T.

    Returns:
      `[rows, T, C]` float32; shorter series end in NaN.

    Raises:
      InputError: damaged, other channels, longer series, infinite values, or a series without any observed step.
    """
    import pyarrow as pa

    with _opened(group, pre_buffer=True) as file:
        chunks = file.read_row_group(group.number, columns=["x"], use_threads=False).column("x").chunks
    _check_rows(sum(map(len, chunks)), group)
    values, steps, _ = _split(chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks), group, 0, channels)
    if steps.max() > length:
        raise InputError(f"{group.place}: found {steps.max()} steps in row {steps.argmax()}, want at most {length}")
    x = np.full((group.rows, length, channels), np.nan, np.float32)
    # A float64 beyond float32 becomes infinite here and is reported below.
    with np.errstate(over="ignore"):
        if steps.min() == length:
            x.reshape(-1)[:] = values
        else:
            x[np.arange(length) < steps[:, None]] = values.reshape(-1, channels)
    if not np.isfinite(x).all():
        infinite, observed = np.isinf(x).any((1, 2)), ~np.all(np.any(np.isnan(x), axis=2), axis=1)
        if infinite.any():
            row = infinite.argmax()
            raise InputError(
                f"{group.place}: found values infinite in float32 in row {row}, want finite, NaN = missing"
            )
        if not observed.all():
            row = observed.argmin()
            raise InputError(f"{group.place}: found no step with all channels observed in row {row}, want at least one")
    return x


@contextmanager
def _opened(group: Group, pre_buffer: bool = False) -> Iterator[Any]:
    """The file of a row group; whatever damage makes pyarrow raise becomes an InputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    options = {"metadata": group.footer, "pre_buffer": pre_buffer, "page_checksum_verification": True}
    try:
        with pq.ParquetFile(group.file, **options) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{group.place}: found damaged data ({_first_line(error)})") from error


def _check_rows(found: int, group: Group) -> None:
    if found != group.rows:
        raise InputError(f"{group.place}: found {found} series, want {group.rows} as its footer says")


def _split(lists: Any, group: Group, first: int, channels: int | None) -> tuple[np.ndarray, np.ndarray, int]:
    """All numbers of some rows of a row group, from its row `first` on, the steps of each series, and the channels."""
    sizes = _list_sizes(lists, group, "row", first)
    inner = lists.flatten()
    if not group.form.nested:
        width = group.form.channels or 1
        if (odd := sizes % width > 0).any():
            row = int(odd.argmax())
            raise InputError(
                f"{group.place}: found {sizes[row]} numbers in row {first + row}, want a multiple of {width}"
            )
        return _numbers(inner), sizes // width, width
    widths = _list_sizes(inner, group, "step", 0)
    width = channels or int(widths[0] if len(widths) else 0) or 1
    if (odd := widths != width).any():
        step = int(odd.argmax())
        row = first + int(np.searchsorted(np.cumsum(sizes), step, side="right"))
        raise InputError(f"{group.place}: found {widths[step]} channels in row {row}, want {width} in every step")
    return _numbers(inner.flatten()), sizes, width


def _list_sizes(lists: Any, group: Group, what: str, first: int) -> np.ndarray:
    import pyarrow.compute as pc

    if lists.null_count:
        number = first + int(pc.is_null(lists).to_numpy(zero_copy_only=False).argmax())
        raise InputError(f"{group.place}: found null in {what} {number}, want a list of numbers")
    return np.asarray(pc.list_value_length(lists).to_numpy(zero_copy_only=False), np.int64)


def _numbers(values: Any) -> np.ndarray:
    """Numbers of any type, null as NaN."""
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
