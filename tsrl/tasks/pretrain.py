"""Pre-training alone: on series without labels, in memory or in a store larger than it; nothing is scored."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tsrl.config import Config
from tsrl.data.corpus import synthetic_corpus, training_slices
from tsrl.data.hashing import fingerprint
from tsrl.data.named import load as load_series
from tsrl.data.scaling import Scaler
from tsrl.data.store import Store, is_store, open_store, store_sample, store_scaler
from tsrl.data.tables.settings import check_unused
from tsrl.embedder import Embedder
from tsrl.errors import InputError, check_whole
from tsrl.report.schema import Row
from tsrl.tasks.base import Scored, Source, Task, Training

# The name of the set that is drawn, not read.
SYNTHETIC = "synthetic"


class Pool(NamedTuple):
    """What is trained on.

    Attributes:
      name: of the set.
      source: in words; the same on every machine.
      x: `[N, T, C]` float32, or a store of such series.
      fingerprint: hash of it.
      ids: `[N]` the user's own names of the series, or None.
      about: JSON values for the report.
    """

    name: str
    source: str
    x: np.ndarray | Store
    fingerprint: str
    ids: np.ndarray | None = None
    about: Mapping[str, Any] = MappingProxyType({})


def load(config: Config) -> Pool:
    """A store, the training part of a set of series, or a corpus that is drawn."""
    if config.dataset == SYNTHETIC:
        return _corpus(config)
    path = Path(config.dataset).expanduser()
    if is_store(path):
        check_unused(config.table, "a store")
        store = open_store(path, config.pretrain.channels or None, cache_bytes=config.pretrain.memory_mb * 2**20)
        return Pool(path.stem, f"Parquet store {path.name}", store, store.fingerprint)
    data = load_series(config.dataset, config.data_dir, config.table)
    return Pool(data.name, data.source, data.x_train, data.fingerprint(), data.rows.get("id_train"), data.about)


def _corpus(config: Config) -> Pool:
    """Synthetic series, and beside them those of the training parts of sets."""
    asked = config.pretrain
    for name, value, least in (
        ("series", asked.series, 0),
        ("length", asked.length, 32),
        ("per_set", asked.per_set, 1),
    ):
        check_whole(f"pretrain.{name}", value, least)
    names = [name.strip() for name in asked.sets.split(",")] if asked.sets else []
    if not asked.series and not names:
        raise InputError("pretrain.series, pretrain.sets: found 0 and none, want series to train on")
    check_unused(config.table, SYNTHETIC)
    parts = [synthetic_corpus(asked.series, asked.length, asked.corpus_seed)] if asked.series else []
    if names:
        parts.append(training_slices(names, asked.length, asked.per_set, asked.corpus_seed, config.data_dir))
    x = np.concatenate(parts)
    about = {"synthetic": asked.series, "sets": names, "per_set": asked.per_set, "corpus_seed": asked.corpus_seed}
    source = f"{asked.series} synthetic series" + (f", {asked.per_set} training series of each set" if names else "")
    return Pool(SYNTHETIC, source, x, fingerprint({"x": x}), about=about)


def training(config: Config, data: Pool) -> Training:
    """All of it, each channel standardised."""
    if not config.pretrain.scale:
        return Training(data.x, None)
    return Training(data.x, store_scaler(data.x) if isinstance(data.x, Store) else Scaler.of(data.x))


def describe(config: Config, data: Pool) -> dict[str, Any]:
    """The report's description of the set."""
    length, channels = (data.x.length, data.x.channels) if isinstance(data.x, Store) else data.x.shape[1:]
    return {
        "name": data.name,
        "source": data.source,
        "n_train": len(data.x),
        "length": length,
        "channels": channels,
        **data.about,
    }


def score(config: Config, data: Pool, embedder: Embedder, source: Source) -> Scored:
    """No scores; the embeddings of a sample of the series, whose health the report tells."""
    rows = store_sample(len(data.x))
    x = data.x.take(rows) if isinstance(data.x, Store) else data.x[rows]
    return Scored([], {"z": embedder.embed(x)})


def labels(config: Config, data: Pool) -> dict[str, np.ndarray]:
    """Which rows the embeddings are of, and their ids."""
    rows = store_sample(len(data.x))
    return {"rows": rows} | ({} if data.ids is None else {"ids": data.ids[rows]})


def controls(config: Config, data: Pool) -> list[Row]:
    """None: nothing is scored."""
    return []


TASK = Task(
    load=load,
    fingerprint=lambda data: data.fingerprint,
    training=training,
    dataset=describe,
    protocols={},
    headline="",
    compared=(),
    score=score,
    controls=controls,
    labels=labels,
)
