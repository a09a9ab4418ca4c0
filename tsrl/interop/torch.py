"""Published PyTorch weights in: names and layouts of the released code to our parameters."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tsrl.config import options
from tsrl.embedder import Embedder
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError, nearest
from tsrl.types import as_batch

Arrays = Mapping[str, np.ndarray]


def from_torch(method: str, source: Arrays | Path | str) -> dict[str, Any]:
    """Maps a released checkpoint's weights to our parameters.

    Args:
      method: "ts2vec".
      source: name -> array, or a file: .npz, .safetensors, or a torch file (.pt, .pth, .pkl; needs torch >= 2.6, is
        read with `weights_only=True`). A leading "module." of every name, as torch's AveragedModel adds, is ignored.

    Returns:
      The method's parameters as its `init` would make them, with numpy leaves.

    Raises:
      InputError: unknown method, unreadable file, a weight that is missing, left over or of the wrong shape.
    """
    if method not in _CONVERTERS:
        raise InputError(f"method: found {method!r}; {nearest(method, _CONVERTERS)}")
    arrays = source if isinstance(source, Mapping) else _read(Path(source))
    arrays = {name.removeprefix("module."): np.asarray(value) for name, value in arrays.items() if name != "n_averaged"}
    return _CONVERTERS[method](arrays)


def embedder_from_torch(method: str, source: Arrays | Path | str) -> Embedder:
    """An `Embedder` that holds a released checkpoint; sizes are read off the weights. Arguments as `from_torch`."""
    params = from_torch(method, source)
    encoder, channels = _encoder_of(params)
    return Embedder(options(method), encoder, params, {"average": params}, channels)


def _ts2vec(arrays: Arrays) -> dict[str, Any]:
    left = dict(arrays)

    def take(name: str, rank: int) -> np.ndarray:
        if name not in left:
            raise InputError(f"{name}: found no such weight, want one of TS2Vec's TSEncoder; {nearest(name, arrays)}")
        value = left.pop(name)
        if value.ndim != rank:
            raise InputError(f"{name}: found shape {value.shape}, want rank {rank}")
        return value

    def conv(name: str) -> dict[str, np.ndarray]:
        return {"kernel": take(f"{name}.weight", 3).transpose(2, 1, 0), "bias": take(f"{name}.bias", 1)}

    front = {"input": {"dense": {"kernel": take("input_fc.weight", 2).T, "bias": take("input_fc.bias", 1)}}}
    found = (re.match(r"feature_extractor\.net\.(\d+)\.", name) for name in arrays)
    blocks = sorted({int(match[1]) for match in found if match})
    if not blocks or blocks != list(range(len(blocks))):
        raise InputError(f"source: found blocks {blocks} of feature_extractor.net, want 0, 1, 2, ... without a gap")
    encoder = {}
    for block in blocks:
        for ours, theirs in (("conv_0", "conv1.conv"), ("conv_1", "conv2.conv")):
            encoder[f"block_{block}_{ours}"] = conv(f"feature_extractor.net.{block}.{theirs}")
        if block == blocks[-1]:
            encoder[f"block_{block}_projection"] = conv(f"feature_extractor.net.{block}.projector")
    if left:
        raise InputError(f"source: found weights that TS2Vec's encoder does not have: {', '.join(sorted(left))}")
    params = {"front": front, "encoder": encoder}
    module, channels = _encoder_of(params)
    init = options("ts2vec").build(module).init
    example = as_batch(np.zeros((1, 2, channels), np.float32))
    wanted, _ = jax.eval_shape(lambda: init(jax.random.key(0), example))
    for (path, ours), want in zip(jax.tree.leaves_with_path(params), jax.tree.leaves(wanted), strict=True):
        if ours.shape != want.shape:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise InputError(f"{name}: found shape {ours.shape} in our layout, want {want.shape}")
    return params


def _encoder_of(params: dict[str, Any]) -> tuple[DilatedConv, int]:
    """The encoder that has these parameters, and the channels of its input."""
    channels, width = params["front"]["input"]["dense"]["kernel"].shape
    depth = sum(name.endswith("conv_0") for name in params["encoder"]) - 1
    kernel_size, _, features = params["encoder"][f"block_{depth}_conv_0"]["kernel"].shape
    return DilatedConv(width=width, features=features, depth=depth, kernel_size=kernel_size), channels


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


_CONVERTERS: dict[str, Callable[[Arrays], dict[str, Any]]] = {"ts2vec": _ts2vec}
