"""The folder of a saved model: config.json and a checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.errors import InputError
from tsrl.files import write_whole
from tsrl.train.checkpoints import Checkpoints, like
from tsrl.types import Aux, Batch, Method, Params


def save_model(folder: Path, params: Params, aux: Aux, meta: dict[str, Any], record: dict[str, Any]) -> None:
    """Writes a model to a new folder.

    Args:
      folder: new or empty.
      params: of one seed.
      aux: of one seed.
      meta: JSON values kept beside the arrays.
      record: the content of config.json.

    Raises:
      InputError: the folder exists and is not empty.
    """
    checkpoints = Checkpoints(folder / "checkpoints")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise InputError(f"folder: cannot use {folder} ({error.strerror}), want a new or empty folder") from error
    if occupied:
        raise InputError(f"folder: found files in {folder}, want a new or empty one")
    model = jax.tree.map(lambda leaf: np.asarray(leaf)[None], {"params": params, "aux": aux})
    checkpoints.save(0, {"model": model}, meta | {"seeds": [0]})
    checkpoints.close()
    write_whole(folder / "config.json", json.dumps(record, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
      InputError: no such file, or no JSON.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"folder: found no config.json in {folder}, want one that save() or a training run wrote")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    return record


def read_model(
    folder: Path,
    method: Method,
    example: Callable[[dict[str, Any]], Batch],
    seed: int | None = None,
    step: int | None = None,
) -> tuple[Params, Aux, dict[str, Any]]:
    """The arrays of a model, from a folder that `save_model` or a training run wrote.

    Args:
      folder: holds checkpoints/.
      method: whose arrays they are.
      example: from the JSON values beside the arrays to a batch as the method was trained on.
      seed: which of the seeds that were trained together; default the first.
      step: the checkpoint after this many updates; default the newest readable one.

    Returns:
      `params`, `aux`, and the JSON values beside them.

    Raises:
      InputError: no model there, a damaged one, or a seed it does not hold.
    """
    checkpoints = Checkpoints(folder / "checkpoints", read_only=True)

    def structure(meta: dict[str, Any]) -> dict[str, Any]:
        batch, seeds = example(meta), jnp.arange(len(meta["seeds"]))
        init = jax.vmap(lambda seed: method.init(jax.random.key(seed), batch))
        params, aux = jax.eval_shape(init, seeds)
        return {"model": like({"params": params, "aux": aux})}

    restored = checkpoints.restore(structure, step)
    checkpoints.close()
    seeds = restored.meta["seeds"]
    if seed is not None and seed not in seeds:
        raise InputError(f"seed: found {seed}, want one of {seeds}")
    row = 0 if seed is None else seeds.index(seed)
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf[row]), restored.items["model"])
    return model["params"], model["aux"], restored.meta
