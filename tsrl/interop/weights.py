"""The weights of a released checkpoint, taken one by one under their published names into our layouts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from tsrl.config import options
from tsrl.errors import InputError, nearest
from tsrl.types import as_batch

Arrays = Mapping[str, np.ndarray]


class Converted(NamedTuple):
    """A released model in our terms.

    Attributes:
      params: the weights that the method encodes with, as its `init` would make them.
      encoder: with the sizes read off the weights.
      channels: C of its input.
      length: steps of its input, for models whose weights depend on it.
      settings: of the method, read off the weights.
      aux: parts of the method's `aux` that the checkpoint holds, for example `stats`.
    """

    params: dict[str, Any]
    encoder: nn.Module
    channels: int
    length: int = 2
    settings: Mapping[str, Any] = {}
    aux: Mapping[str, Any] = {}


class Weights:
    """Named arrays, each to be taken once.

    Args:
      arrays: name -> array, with PyTorch's names and layouts.
      model: what they are the weights of, for messages.
    """

    def __init__(self, arrays: Arrays, model: str):
        self.names, self._model, self._left = tuple(arrays), model, dict(arrays)

    def take(self, name: str, rank: int) -> np.ndarray:
        """The array of this name.

        Raises:
          InputError: there is none, or it is of another rank.
        """
        if name not in self._left:
            raise InputError(f"{name}: found no such weight, want one of {self._model}; {nearest(name, self.names)}")
        value = self._left.pop(name)
        if value.ndim != rank:
            raise InputError(f"{name}: found shape {value.shape}, want rank {rank}")
        return value

    def linear(self, name: str, bias: bool = True) -> dict[str, Any]:
        """A Linear layer as the parameters of `layers.Linear`."""
        found = {"kernel": self.take(f"{name}.weight", 2).T}
        return {"dense": found | ({"bias": self.take(f"{name}.bias", 1)} if bias else {})}

    def conv(self, name: str) -> dict[str, np.ndarray]:
        """A Conv1d layer as `kernel` `[K, C, features]` and `bias`; with weight normalisation also `scale`."""
        bias = self.take(f"{name}.bias", 1)
        if f"{name}.weight_v" in self._left:
            kernel, scale = self.take(f"{name}.weight_v", 3), self.take(f"{name}.weight_g", 3)
            return {"kernel": kernel.transpose(2, 1, 0), "scale": scale.reshape(-1), "bias": bias}
        return {"kernel": self.take(f"{name}.weight", 3).transpose(2, 1, 0), "bias": bias}

    def drop(self, *names: str) -> None:
        """Passes over weights that a released checkpoint holds and no forward pass uses."""
        for name in names:
            self._left.pop(name, None)

    def end(self) -> None:
        """Raises `InputError` if weights are left over."""
        if self._left:
            left = ", ".join(sorted(self._left))
            raise InputError(f"source: found weights that {self._model} does not have: {left}")


def check_shapes(method: str, found: Converted) -> None:
    """Compares the parameters with those that the method's `init` makes.

    What is only trained with, such as a head, may be missing.

    Raises:
      InputError: names the first that differs.
    """
    made = options(method, **found.settings).build(found.encoder)
    example = as_batch(np.zeros((1, found.length, found.channels), np.float32))
    params, aux = jax.eval_shape(lambda: made.init(jax.random.key(0), example))
    needed = made.weights(params, aux)[0].keys()
    for part in needed | found.params.keys():
        if part not in found.params or part not in params:
            raise InputError(f"{part}: {'missing' if part in params else 'left over'} in our layout of {method}")
        ours, want = (
            {f"{part}.{_name(path)}": leaf.shape for path, leaf in jax.tree.leaves_with_path(tree[part])}
            for tree in (found.params, params)
        )
        for name in ours.keys() ^ want.keys():
            raise InputError(f"{name}: {'left over' if name in ours else 'missing'} in our layout of {method}")
        for name, shape in ours.items():
            if shape != want[name]:
                raise InputError(f"{name}: found shape {shape} in our layout, want {want[name]}")


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
