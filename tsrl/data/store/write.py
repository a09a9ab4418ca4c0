"""Writes a data set that need not fit in memory as a folder of Parquet files."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.series import check_series
from tsrl.data.store.files import MANIFEST, METADATA
from tsrl.errors import InputError


def write_store(
    folder: Path | str,
    batches: Iterable[Any],
    *,
    rows_per_group: int | None = None,
    groups_per_file: int = 16,
) -> Path:
    """Writes series as they come; the folder appears when all of them are written.

    Args:
      folder: to be made; `open_store` reads it. It holds `part-00000.parquet`, ... and `manifest.json`.
      batches: arrays `[b, T, C]` of numbers, NaN = missing; b and T may differ. One at a time is in memory, and the
        rows of a row group.
      rows_per_group: series in a row group, of which the last may have fewer; default: about 4 MB of them, by the
        length of the first batch. Rows are shuffled by blocks of row groups, so smaller ones mix better and large ones
        read faster.
      groups_per_file: row groups in a file.

    Returns:
      The folder.

    Raises:
      InputError: the folder exists or cannot be made, no batch, wrong series, or batches that differ in channels.
        Nothing is left then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    for name, number in [("rows_per_group", rows_per_group), ("groups_per_file", groups_per_file)]:
        if number is not None and number < 1:
            raise InputError(f"{name}: found {number}, want at least 1")
    if folder.exists():
        raise InputError(f"folder: found {folder}, want one that is not there yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # It is closed to others, which the store inside it is not.
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(f"folder: found no way to make {folder} ({error.strerror})") from error
    fresh = temporary / folder.name
    rows: dict[str, int] = {}
    length, writer = 0, None
    try:
        fresh.mkdir()
        for number, group in enumerate(_groups(batches, rows_per_group)):
            length = max(length, *(series.shape[0] for series in group))
            if writer is None:
                name = f"part-{len(rows):05d}.parquet"
                rows[name] = 0
                record = {METADATA: json.dumps({"channels": group[0].shape[1]})}
                schema = pa.schema([pa.field("x", pa.list_(pa.float32()), nullable=False)], metadata=record)
                # Dictionaries of floats hardly ever repeat; a checksum tells a damaged page from odd values.
                options = {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True}
                writer = pq.ParquetWriter(fresh / name, schema, **options)
            offsets = np.cumsum([0, *(series.size for series in group)])
            values = np.concatenate([series.reshape(-1) for series in group])
            lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
            writer.write_table(pa.Table.from_arrays([lists], schema=schema), row_group_size=len(group))
            rows[name] += len(group)
            if (number + 1) % groups_per_file == 0:
                writer.close()
                writer = None
        if not rows:
            raise InputError("batches: found none, want at least one")
        if writer is not None:
            writer.close()
        (fresh / MANIFEST).write_text(json.dumps({"rows": rows, "length": length}, indent=1) + "\n", encoding="utf-8")
        try:
            os.rename(fresh, folder)
        except OSError as error:
            raise InputError(f"folder: found {folder}, want one that is not there yet") from error
    except BaseException:
        if writer is not None:
            writer.close()
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _groups(batches: Iterable[Any], rows_per_group: int | None) -> Iterator[list[np.ndarray]]:
    """Lists of the series of a row group, `[T, C]` each."""
    pending: list[np.ndarray] = []
    channels = None
    for number, batch in enumerate(batches):
        x = check_series(batch, f"batch {number}")
        observed = ~np.isnan(x).any(-1).all(-1)
        if not observed.all():
            row = int((~observed).argmax())
            raise InputError(f"batch {number}: found no step with all channels observed in series {row}, want one")
        channels = channels or x.shape[2]
        if x.shape[2] != channels:
            raise InputError(f"batch {number}: found {x.shape[2]} channels, want {channels} as in batch 0")
        rows_per_group = rows_per_group or max(1, 2**22 // x[0].nbytes)
        # A copy: the caller may fill the same array again.
        pending.extend(np.array(x))
        while len(pending) >= rows_per_group:
            yield pending[:rows_per_group]
            pending = pending[rows_per_group:]
    if pending:
        yield pending
