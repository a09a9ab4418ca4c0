"""The arrays of a model by slash path names, in a file of safetensors, and back."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import numpy as safetensors

from tsrl.config import model_from_json, model_json
from tsrl.data.scaling import Scaler
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.types import as_batch

FILE = "weights.safetensors"


def settings_of(model: Embedder) -> dict[str, Any]:
    """All of a model but its arrays, as JSON values: the content of config.json."""
    return {**model_json(model.options, model.encoder), "channels": model.channels, "length": model.length}


def weights_bytes(model: Embedder) -> bytes:
    """The content of the file: `params/...`, `aux/...`, `scaler/mean` and `scaler/std`."""
    arrays = _named("params", model.params) | _named("aux", model.aux)
    if model.scaler is not None:
        arrays |= {"scaler/mean": np.asarray(model.scaler.mean), "scaler/std": np.asarray(model.scaler.std)}
    # It writes the memory as it lies, whatever the strides say.
    content: bytes = safetensors.save({name: np.array(value, order="C") for name, value in arrays.items()})
    return content


def model_of(settings: dict[str, Any], content: bytes) -> Embedder:
    """The model of `settings_of` and `weights_bytes`.

    Raises:
      InputError: settings of another version; an array that is missing, left over, of
        another shape or another type.
    """
    options, encoder = model_from_json(settings)
    channels, length = settings["channels"], settings["length"]
    example = as_batch(np.zeros((1, length, channels), np.float32))
    params, aux = jax.eval_shape(lambda: options.build(encoder).init(jax.random.key(0), example))
    left = dict(safetensors.load(content))
    params, aux = _filled("params", params, left), _filled("aux", aux, left)
    mean, std = left.pop("scaler/mean", None), left.pop("scaler/std", None)
    if left:
        raise InputError(f"{FILE}: found arrays that the model does not have: {', '.join(sorted(left))}")
    scaler = None if mean is None or std is None else Scaler(mean, std)
    return Embedder(options, encoder, params, aux, channels, scaler, length)


def _named(prefix: str, tree: Any) -> dict[str, np.ndarray]:
    return {_name(prefix, path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(tree)}


def _filled(prefix: str, structure: Any, left: dict[str, np.ndarray]) -> Any:
    """A tree with its arrays, which are taken out of `left`."""

    def array(path: Any, wanted: Any) -> jax.Array:
        name = _name(prefix, path)
        if name not in left:
            raise InputError(f"{FILE}: found no array {name}, want one of shape {wanted.shape}")
        found = left.pop(name)
        if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            raise InputError(
                f"{name}: found {found.dtype} of shape {found.shape} in {FILE}, want {wanted.dtype} of {wanted.shape}"
            )
        return jnp.asarray(found)

    return jax.tree_util.tree_map_with_path(array, structure)


def _name(prefix: str, path: Any) -> str:
    return f"{prefix}/{jax.tree_util.keystr(path, simple=True, separator='/')}".rstrip("/")
