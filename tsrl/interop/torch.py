"""Published PyTorch weights in: names and layouts of the released code to our parameters."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tsrl.config import options
from tsrl.embedder import Embedder
from tsrl.errors import InputError, nearest
from tsrl.interop import cost, informer, simts, tcn, timedrl, tloss, tnc, ts2vec, tstcc
from tsrl.interop.weights import Arrays, Converted, check_shapes
from tsrl.types import as_batch


def from_torch(method: str, source: Arrays | Path | str, **known: Any) -> dict[str, Any]:
    """Maps a released checkpoint's weights to our parameters.

    Args:
      method: one of cost, informer, simts, tcn, timedrl, tloss, tnc, ts2vec, tstcc.
      source: name -> array, or a file: .npz, .safetensors, or a torch file (.pt, .pth, .pkl; needs torch >= 2.6, is
        read with `weights_only=True`). A leading "module." of every name, as torch's AveragedModel adds, is ignored.
      **known: what the weights do not say, see the `convert` of `tsrl.interop.METHOD`.

    Returns:
      The parameters that the method encodes with, as its `init` would make them, with numpy leaves.

    Raises:
      InputError: unknown method or setting, unreadable file, a weight that is missing, left over or of the wrong shape.
    """
    return _converted(method, source, known).params


def embedder_from_torch(method: str, source: Arrays | Path | str, **known: Any) -> Embedder:
    """An `Embedder` that holds a released checkpoint; sizes are read off the weights. Arguments as `from_torch`."""
    found = _converted(method, source, known)
    chosen = options(method, **found.settings)
    made = chosen.build(found.encoder)
    example = as_batch(np.zeros((1, found.length, found.channels), np.float32))
    # What is no weight, such as a queue, stays as `init` makes it.
    params, aux = jax.jit(made.init)(jax.random.key(0), example)
    params, aux = made.weights(params, aux)[1](found.params)
    return Embedder(chosen, found.encoder, params, _merged(aux, found.aux), found.channels, length=found.length)


def _merged(made: Any, found: Mapping[str, Any]) -> Any:
    """A tree with the parts that a checkpoint holds in their places."""
    if not isinstance(made, Mapping):
        return found
    return {
        **made,
        **{name: _merged(made.get(name), own) if isinstance(own, Mapping) else own for name, own in found.items()},
    }


def _converted(method: str, source: Arrays | Path | str, known: dict[str, Any]) -> Converted:
    if method not in _CONVERTERS:
        raise InputError(f"method: found {method!r}; {nearest(method, _CONVERTERS)}")
    convert = _CONVERTERS[method]
    parameters = inspect.signature(convert).parameters.items()
    settings = {name: own for name, own in parameters if own.kind == own.KEYWORD_ONLY}
    for name in known:
        if name not in settings:
            raise InputError(f"{name}: not a setting of {method}'s weights; {nearest(name, settings)}")
    for name, own in settings.items():
        if own.default is own.empty and name not in known:
            raise InputError(f"{name}: not given; the weights of {method} do not say it")
    arrays = source if isinstance(source, Mapping) else _read(Path(source))
    arrays = {name.removeprefix("module."): np.asarray(value) for name, value in arrays.items() if name != "n_averaged"}
    found = convert(arrays, **known)
    check_shapes(method, found)
    return found


def _read(path: Path) -> Arrays:
    if not path.is_file():
        raise InputError(f"source: found no file {path}")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        if path.suffix in (".pt", ".pth", ".pkl"):
            return _read_torch(path)
    except InputError:
        raise
    # Each format's library has its own errors; all mean that this file is not what its name says.
    except Exception as error:
        raise InputError(f"{path.name}: cannot be read as {path.suffix} ({type(error).__name__})") from error
    raise InputError(f"{path.name}: found ending {path.suffix!r}, want .npz, .safetensors, .pt, .pth or .pkl")


def _read_torch(path: Path) -> Arrays:
    try:
        import torch
    except ImportError as error:
        raise InputError(f"{path.name}: a torch file needs torch >= 2.6; or save the weights as .npz") from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        raise InputError(
            f"{path.name}: found torch {torch.__version__}, want >= 2.6 (older ones can execute code here)"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


_CONVERTERS: dict[str, Callable[..., Converted]] = {
    "cost": cost.convert,
    "informer": informer.convert,
    "simts": simts.convert,
    "tcn": tcn.convert,
    "timedrl": timedrl.convert,
    "tloss": tloss.convert,
    "tnc": tnc.convert,
    "ts2vec": ts2vec.convert,
    "tstcc": tstcc.convert,
}
