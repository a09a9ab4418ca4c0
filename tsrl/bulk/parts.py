"""Parts of a bulk job's result: files that are whole or absent, and tell which job they are of."""

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.bulk.encode import Block
from tsrl.bulk.folder import TEMPORARY, manifest_text
from tsrl.bulk.source import Part
from tsrl.data.store.files import METADATA

# A checksum tells a damaged page from odd values; embeddings hardly compress.
_WRITTEN = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}


class Done(NamedTuple):
    """A part that is in its place.

    Attributes:
      part: its number.
      rows: all of them.
      errors: how many could not be embedded.
    """

    part: int
    rows: int
    errors: int


class Form:
    """The columns of the output, and how its parts are known to be this job's.

    Args:
      manifest: of the job.
      width: D.
      level: series or steps.
      scores: whether there is a column of scores.
      id_name: the column of ids, or "".
      id_type: its Arrow type, or None.
    """

    def __init__(self, manifest: dict[str, Any], width: int, level: str, scores: bool, id_name: str, id_type: Any):
        import pyarrow as pa

        self.digest = hashlib.sha256(manifest_text(manifest).encode()).hexdigest()
        self.width, self.level, self.scores, self.id_name = width, level, scores, id_name
        vector = pa.list_(pa.float32(), width)
        place = [*([(id_name, id_type)] if id_name else []), ("part", pa.int32()), ("row", pa.int64())]
        made = [("embedding", vector if level == "series" else pa.list_(vector))]
        self.rows = pa.schema(place + made + ([("score", pa.float32())] if scores else []))
        self.errors = pa.schema([*place, ("reason", pa.string())])

    def file(self, part: Part, what: str = "part") -> str:
        """The file of a part."""
        return f"{what}-{part.number:05d}.parquet"

    def mark(self, part: Part) -> dict[bytes, bytes]:
        """What the file of a part holds in its metadata."""
        return {METADATA: json.dumps({"job": self.digest, "part": part.number, "rows": part.rows}).encode()}


class PartFile:
    """The file of one part, and the one of its errors where it has some: there after `commit`, absent before.

    The errors are moved to their place first: where there is the part, there is all of it.

    Args:
      folder: of the job.
      form: see `Form`.
      part: which.
    """

    def __init__(self, folder: Path, form: Form, part: Part):
        self._folder, self._form, self._part = folder, form, part
        self._open: dict[str, tuple[Path, Any]] = {}
        self.rows = self.errors = 0
        self._writer("part")

    def write(self, ids: Any, places: np.ndarray, embeddings: Any, scores: np.ndarray | None) -> None:
        """Adds rows.

        Args:
          ids: Arrow array `[n]`, or None.
          places: `[n]` in the part, ascending.
          embeddings: Arrow array `[n]` of vectors or of lists of vectors.
          scores: `[n]` float32, or None.
        """
        import pyarrow as pa

        self.rows += len(places)
        further = [] if scores is None else [pa.array(scores, pa.float32())]
        self._add("part", self._form.rows, [*self._place(ids, places), embeddings, *further])

    def write_errors(self, ids: Any, places: np.ndarray, reasons: list[str]) -> None:
        """Adds rows that could not be embedded, as `write`."""
        import pyarrow as pa

        self.errors += len(places)
        self._add("errors", self._form.errors, [*self._place(ids, places), pa.array(reasons, pa.string())])

    def commit(self) -> None:
        """Moves the files to their places.

        Raises:
          RuntimeError: they have not as many rows as the part.
        """
        if self.rows + self.errors != self._part.rows:
            raise RuntimeError(f"part {self._part.number}: found {self.rows + self.errors} rows of {self._part.rows}")
        for what in ("errors", "part"):
            if what in self._open:
                path, writer = self._open.pop(what)
                writer.close()
                with path.open("rb+") as stream:
                    os.fsync(stream.fileno())
                os.replace(path, self._folder / self._form.file(self._part, what))

    def abort(self) -> None:
        """Removes what was written; after `commit` nothing."""
        import pyarrow as pa

        for path, writer in self._open.values():
            # On a full disk its footer finds no room either.
            with suppress(pa.ArrowException, OSError):
                writer.close()
            path.unlink(missing_ok=True)
        self._open = {}

    def _place(self, ids: Any, places: np.ndarray) -> list[Any]:
        import pyarrow as pa

        number = np.full(len(places), self._part.number, np.int32)
        return [*([] if ids is None else [ids]), pa.array(number), pa.array(places, pa.int64())]

    def _add(self, what: str, schema: Any, columns: list[Any]) -> None:
        import pyarrow as pa

        if len(columns[-1]):
            self._writer(what).write_table(pa.Table.from_arrays(columns, schema=schema), len(columns[-1]))

    def _writer(self, what: str) -> Any:
        import pyarrow.parquet as pq

        if what not in self._open:
            schema = (self._form.rows if what == "part" else self._form.errors).with_metadata(
                self._form.mark(self._part)
            )
            # A name of its own: of a part that is made twice, as after a lost worker, each has its own file.
            path = self._folder / f"{TEMPORARY}{what}-{self._part.number}-{secrets.token_hex(8)}"
            self._open[what] = path, pq.ParquetWriter(path, schema, **_WRITTEN)
        return self._open[what][1]


def finished(folder: Path, form: Form, part: Part) -> int | None:
    """How many rows of a part are errors, where its files are there and this job's, the part whole; otherwise None."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / form.file(part)
    if not path.is_file():
        return None
    try:
        footer = pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError):
        return None
    errors = part.rows - footer.num_rows
    whole = (footer.metadata or {}).get(METADATA) == form.mark(part)[METADATA]
    return errors if whole and (not errors or (folder / form.file(part, "errors")).is_file()) else None


class Writer:
    """Puts blocks into the files of their parts, which come one after another.

    Args:
      folder: of the job.
      form: see `Form`.
    """

    def __init__(self, folder: Path, form: Form):
        self._folder, self._form = folder, form
        self._file: PartFile | None = None
        self._failed = False

    def add(self, block: Block, found: list[tuple[np.ndarray, np.ndarray | None]]) -> Done | None:
        """Writes a block.

        Args:
          block: the next one.
          found: for each of its groups `[n, D]` embeddings, or `[n, size, D]` of steps, and `[n]` scores or None.

        Returns:
          What has been done, where it is the last block of its part.
        """
        if self._failed:
            # The blocks of a thread that has not heard of the failure yet would complete a part without some rows.
            return None
        try:
            return self._add(block, found)
        except BaseException:
            self._failed = True
            raise

    def _add(self, block: Block, found: list[tuple[np.ndarray, np.ndarray | None]]) -> Done | None:
        if self._file is None:
            self._file = PartFile(self._folder, self._form, block.part)
        reasons, embedded = dict(block.reasons), np.zeros(block.rows, bool)
        for group, (z, _) in zip(block.groups, found, strict=True):
            finite = np.isfinite(z).all(tuple(range(1, z.ndim)))
            embedded[group.places] = finite
            reasons |= {int(place): "found an embedding that is not finite" for place in group.places[~finite]}
        places = np.flatnonzero(embedded)
        if len(places):
            scores = None
            if self._form.scores:
                scores = np.zeros(block.rows, np.float32)
                for group, (_, own) in zip(block.groups, found, strict=True):
                    scores[group.places] = own
                scores = scores[places]
            self._file.write(
                _taken(block.ids, places), block.first + places, self._vectors(block, found, places), scores
            )
        if len(wrong := np.flatnonzero(~embedded)):
            words = [reasons[int(place)] for place in wrong]
            self._file.write_errors(_taken(block.ids, wrong), block.first + wrong, words)
        if block.first + block.rows < block.part.rows:
            return None
        self._file.commit()
        done = Done(block.part.number, block.part.rows, self._file.errors)
        self._file = None
        return done

    def _vectors(self, block: Block, found: list[tuple[np.ndarray, np.ndarray | None]], places: np.ndarray) -> Any:
        """The embeddings of some places as an Arrow array."""
        import pyarrow as pa

        width = self._form.width
        if self._form.level == "series":
            z = np.empty((block.rows, width), np.float32)
            for group, (own, _) in zip(block.groups, found, strict=True):
                z[group.places] = own
            return pa.FixedSizeListArray.from_arrays(pa.array(z[places].reshape(-1)), width)
        steps: dict[int, np.ndarray] = {}
        for group, (own, _) in zip(block.groups, found, strict=True):
            steps |= {
                int(place): one[:length] for place, one, length in zip(group.places, own, group.steps, strict=True)
            }
        rows = [steps[int(place)] for place in places]
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(rows).reshape(-1)), width)
        return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *map(len, rows)]), pa.int32()), vectors)

    def abort(self) -> None:
        """Removes the file of a part that is not whole."""
        if self._file is not None:
            self._file.abort()


def _taken(ids: Any, places: np.ndarray) -> Any:
    return None if ids is None else ids.take(places)
