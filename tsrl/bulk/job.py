"""A bulk job: its settings, what is checked before anything is written, and the function that makes its parts."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from tsrl.bulk.encode import BatchEncoder, Block, Group, Level, model_hash
from tsrl.bulk.folder import KIND
from tsrl.bulk.parts import Done, Form, Writer
from tsrl.bulk.source import Part, Source, open_source
from tsrl.data.store.ahead import Ahead
from tsrl.embedder import load
from tsrl.errors import InputError, check_whole

# Blocks that are decoded and not yet encoded, and blocks that are encoded and not yet written.
_READ_AHEAD, _UNWRITTEN = 2, 2


@dataclass(frozen=True, kw_only=True)
class Embed:
    """Embeds the series of files of any size; the same command resumes. See `tsrl embed --help` for what it writes.

    Attributes:
      input: a file or a folder of files of one format: Parquet with a series a row, as `tsrl.write_store` writes them;
        .npz with an array [N, T, C]; .array_record, whose records are .npy files [T, C].
      out: the folder of the result, new or of the same job.
      model: a folder that `Embedder.save` or a training run wrote.
      columns: where the series are, a column of lists (or a key of .npz), or one such column for each channel; default:
        x.
      id: the column of ids, carried over; default: id, where there is one.
      level: an embedding for each series, or for each of its steps.
      scores: the anomaly score of each series' last step: the L1 distance of its representations, seen and hidden.
      sizes: lengths that shorter series are padded to; default: the input's usual length, the model's own, a ladder.
      batch_size: series that are encoded at a time; default: by memory.
      seed: which of the model's seeds; default: the first.
      step: the model after this many updates; default: the newest.
      engine: this process, or Ray Data on a cluster that reads and writes the same folders (extra `ray`).
      workers: of Ray: processes with a model each.
      quiet: no progress bar.
      json: print what was done as JSON.
    """

    input: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="IN")]]
    out: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="OUT")]]
    model: Path
    columns: tuple[str, ...] = ()
    id: str = ""
    level: Level = "series"
    scores: bool = False
    sizes: tuple[int, ...] = ()
    batch_size: int | None = None
    seed: int | None = None
    step: int | None = None
    engine: Literal["local", "ray"] = "local"
    workers: int = 1
    quiet: bool = False
    json: bool = False


class Job:
    """A job that has been checked; every process of it makes its own, of the same settings.

    Raises:
      InputError: a model or input that cannot be used, settings out of range.
    """

    def __init__(self, settings: Embed):
        if settings.batch_size is not None:
            check_whole("batch_size", settings.batch_size, 1)
        check_whole("workers", settings.workers, 1)
        for size in settings.sizes:
            check_whole("sizes", size, 1)
        model = load(settings.model, settings.seed, settings.step)
        self.settings = settings
        self.source: Source = open_source(settings.input, model.channels, settings.columns, settings.id)
        self.encoder = BatchEncoder(
            model, settings.sizes, self.source.lengths, settings.level, settings.scores, settings.batch_size
        )
        self.encoder.plan(self.source)
        source = self.source
        taken = {"part", "row", "embedding", "score", "reason"}
        if source.id_name in taken:
            raise InputError(f"id: found the column {source.id_name!r}, want a name that is no column of the output")
        rows: list[list[int]] = [[] for _ in source.files]
        for part in source.parts:
            rows[part.file].append(part.rows)
        self.manifest: dict[str, Any] = {
            "kind": KIND,
            "model": model_hash(model),
            "settings": {
                "columns": list(settings.columns),
                "id": source.id_name,
                "level": settings.level,
                "scores": settings.scores,
                "sizes": list(settings.sizes),
                "lengths": list(source.lengths),
                "batch_size": settings.batch_size,
            },
            "versions": {name: version(name) for name in ("tsrl", "jax")},
            "files": [
                {"name": file.name, "fingerprint": digest, "parts": parts}
                for file, digest, parts in zip(source.files, source.fingerprints, rows, strict=True)
            ],
            "rows": sum(part.rows for part in source.parts),
        }
        columns = self.encoder.width, settings.level, settings.scores, source.id_name, source.id_type
        self.form = Form(self.manifest, *columns)
        self.manifest |= {"columns": {field.name: str(field.type) for field in self.form.rows}}

    def make(self, parts: Sequence[Part]) -> Generator[Done]:
        """Reads, embeds and writes parts; each is yielded when it is in its place.

        While a block is encoded, the next are read and the one before is written.

        Raises:
          InputError: a damaged part. Nothing is left of it; those before it are in their places.
        """
        unwritten: deque[Future[Done | None]] = deque()
        writer = Writer(self.settings.out, self.form)
        with Ahead(self._blocks(parts), _READ_AHEAD) as blocks, ThreadPoolExecutor(1, "tsrl write") as pool:
            try:
                for block in blocks:
                    found = [self._encoded(group) for group in block.groups]
                    unwritten.append(pool.submit(writer.add, block, found))
                    while len(unwritten) > _UNWRITTEN:
                        if done := unwritten.popleft().result():
                            yield done
                while unwritten:
                    if done := unwritten.popleft().result():
                        yield done
            except InputError:
                # What was read before the damage is whole.
                while unwritten:
                    unwritten.popleft().result()
                raise
            finally:
                for future in unwritten:
                    future.cancel()
                pool.submit(writer.abort).result()

    def _blocks(self, parts: Iterable[Part]) -> Iterator[Block]:
        for part in parts:
            for rows in self.source.read(part, self.encoder.block_rows(part)):
                yield self.encoder.prepare(rows)

    def _encoded(self, group: Group) -> tuple[np.ndarray, np.ndarray | None]:
        """Embeddings and scores of a group. A batch is computed while the one before is fetched, no more at once."""
        running: deque[tuple[slice, Any, Any]] = deque()
        z, scores = [], []

        def fetch() -> None:
            rows, found, score = running.popleft()
            count = rows.stop - rows.start
            z.append(np.asarray(found)[:count])
            if score is not None:
                scores.append(np.asarray(score)[:count])

        for batch in self.encoder.batches(group):
            running.append(batch)
            if len(running) > 1:
                fetch()
        while running:
            fetch()
        return np.concatenate(z), np.concatenate(scores) if scores else None
