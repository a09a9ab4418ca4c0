"""tsrl: representations of sequences without labels, in JAX."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Loaded at first use: `import tsrl` itself costs nothing.
_LAZY = {
    "pretrain": "tsrl.pretraining",
    "load": "tsrl.embedder",
    "Embedder": "tsrl.embedder",
    "StreamingEncoder": "tsrl.streaming",
    "read_table": "tsrl.data.tables.read",
    "open_store": "tsrl.data.store",
    "write_store": "tsrl.data.store",
    "EmbeddingTransformer": "tsrl.interop.sklearn",
    "InputError": "tsrl.errors",
}

_ROOMS = ("data", "encoders", "evaluate", "interop", "losses", "methods", "train", "views")

__all__ = [*_LAZY]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tsrl.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'tsrl' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
