"""Methods by name: each factory takes an encoder and keyword settings and returns a `tsrl.types.Method`."""

from collections.abc import Callable

from tsrl.methods.ts2vec import ts2vec
from tsrl.types import Method

METHODS: dict[str, Callable[..., Method]] = {"ts2vec": ts2vec}

__all__ = ["METHODS", "ts2vec"]
