"""Series of a table with their ids: what `read_table` returns, and the way of embeddings back to the ids."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tsrl.data.hashing import fingerprint
from tsrl.data.tables.report import Validation
from tsrl.errors import InputError


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class SeriesTable:
    """Series of a table, padded at their ends.

    Attributes:
      name: of the file, without its ending, or "table".
      source: in words; the same on every machine.
      x: `[N, T, C]` float32, NaN = missing or beyond the series' end.
      ids: `[N]`, as in the table: whole numbers or text.
      columns: names of the C channels.
      lengths: `[N]` int64, steps of each series.
      report: what was found in the table and done with it.
      time: `[N, T]` datetime64[us]; float64 or int64 where the time stamps are numbers; NaT, NaN or the smallest int64
        beyond the end; None without time stamps.
      zone: "UTC" where `time` is in it.
      labels: `[N]`, as in the table: whole or broken numbers or text; or None.
      groups: `[N]` whole numbers or text, or None.
      split: `[N]` of the column that says train or test, or None.
      id_name: what the ids are called in a table.
      time_name: what the time is called in a table; "step" without time stamps.
    """

    name: str
    source: str
    x: np.ndarray
    ids: np.ndarray
    columns: tuple[str, ...]
    lengths: np.ndarray
    report: Validation
    time: np.ndarray | None = None
    zone: str | None = None
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    id_name: str = "id"
    time_name: str = "step"

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "SeriesTable":
        """Some of the series.

        Args:
          rows: `[M]` indices or `[N]` booleans, at least one series.

        Returns:
          These series, with T the longest of them; the report stays that of the whole table.
        """
        lengths = self.lengths[rows]
        steps = slice(0, int(lengths.max()))
        return replace(
            self,
            x=self.x[rows][:, steps],
            ids=self.ids[rows],
            lengths=lengths,
            time=None if self.time is None else self.time[rows][:, steps],
            labels=None if self.labels is None else self.labels[rows],
            groups=None if self.groups is None else self.groups[rows],
            split=None if self.split is None else self.split[rows],
        )

    def steps(self) -> np.ndarray:
        """Which steps are not beyond their series' end, `[N, T]` booleans."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]

    def per_series(self) -> pa.Table:
        """The report's figures for each series.

        Returns:
          The id, `steps`, `first` and `last` time stamp where there are any, `missing` (values inside the series) and
          `constant` (channels whose values are all the same); a row for each series.
        """
        inside = self.steps()[..., None]
        columns = {self.id_name: self.ids, "steps": self.lengths}
        if self.time is not None:
            columns |= {"first": self.time[:, 0], "last": self.time[np.arange(len(self)), self.lengths - 1]}
        columns["missing"] = (np.isnan(self.x) & inside).sum((1, 2))
        columns["constant"] = (np.fmin.reduce(self.x, 1) == np.fmax.reduce(self.x, 1)).sum(1)
        return pa.table(columns)

    def with_ids(self, z: Any, prefix: str = "z") -> pa.Table:
        """Embeddings as a table that starts with the ids, to be written with pyarrow or turned into a DataFrame.

        Args:
          z: `[N, D]`, one for each series, or `[N, T, D]`, one for each step; numbers.
          prefix: of the names of the D columns, which end in their number from 0.

        Returns:
          The id, for each step its time stamp (or its number from 0), then D columns; a row for each series, or for
          each step that is not beyond its series' end.

        Raises:
          InputError: another shape, or a name that occurs twice.
        """
        z = np.asarray(z)
        series, length = self.x.shape[:2]
        if z.shape[:-1] not in ((series,), (series, length)) or z.dtype.kind not in "biuf":
            raise InputError(
                f"z: found {z.dtype} in shape {z.shape}, want [{series}, D] or [{series}, {length}, D] of numbers"
            )
        columns = {self.id_name: pa.array(self.ids)}
        if z.ndim == 3:
            row, step = np.nonzero(self.steps())
            z = z[row, step]
            columns[self.id_name] = pa.array(self.ids[row])
            columns[self.time_name] = pa.array(step)
            if self.time is not None:
                stamps = self.time[row, step]
                calendar = stamps.dtype.kind == "M"
                columns[self.time_name] = pa.array(stamps, pa.timestamp("us", self.zone) if calendar else None)
        names = [f"{prefix}{number}" for number in range(z.shape[-1])]
        twice = sorted(set(names) & set(columns))
        if twice:
            raise InputError(f"prefix: found {prefix!r}, which makes a second column {twice[0]!r}, want another")
        return pa.table({**columns, **dict(zip(names, z.T, strict=True))})

    def fingerprint(self) -> str:
        """SHA-256 over values, ids, time stamps and labels: two tables of one name are told apart by it."""
        arrays = {"x": self.x, "ids": self.ids, "time": self.time, "labels": self.labels, "groups": self.groups}
        return fingerprint(arrays)
