"""The folder of an export: written whole, read back with its hashes checked."""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np

from tsrl.config import model_json
from tsrl.embedder import Embedder, load
from tsrl.errors import InputError, check_whole, nearest
from tsrl.export.card import card
from tsrl.export.programs import Function, Platform, exported
from tsrl.export.weights import FILE, model_of, settings_of, weights_bytes
from tsrl.files import whole_folder
from tsrl.model_files import read_config
from tsrl.report.schema import read_report

SCHEMA = 1
_VERSIONS = ("tsrl", "jax", "jaxlib", "flax", "numpy", "safetensors", "flatbuffers")


def export_model(
    model: Embedder | Path | str,
    out: Path | str,
    *,
    functions: Sequence[Function] = ("embed", "encode"),
    length: int | None = None,
    platforms: Sequence[Platform] = ("cpu", "cuda", "tpu"),
    licence: str = "not stated",
    seed: int | None = None,
    step: int | None = None,
) -> dict[str, Any]:
    """Writes a model as files that others can run and read: programs, weights, a card.

    Args:
      model: an `Embedder`, or a folder that `Embedder.save` or a training run wrote; of a run the card tells more.
      out: the folder, new or empty; written whole or not at all.
      functions: which programs, `NAME.stablehlo`; none: weights and card alone.
      length: T of the series that the programs take; default: any, where the model allows that, otherwise the length
        that it was trained on.
      platforms: that the programs are for: cpu, cuda, rocm, tpu.
      licence: of the weights, for the card.
      seed: which of the folder's seeds; default: the first.
      step: the model after this many updates; default: the newest.

    Returns:
      The content of export.json.

    Raises:
      InputError: a folder in use, no model or one of events, settings out of range, a length that is needed and not
        known, or flatbuffers that is not installed.
    """
    out = Path(out)
    _check_folder(out)
    _check_names("functions", functions, get_args(Function))
    _check_names("platforms", platforms, get_args(Platform))
    if not platforms:
        raise InputError(f"platforms: found none, want some of {', '.join(get_args(Platform))}")
    if length is not None:
        check_whole("length", length, 1)
    run: dict[str, Any] = {}
    report = None
    if isinstance(model, Embedder):
        if seed is not None or step is not None:
            raise InputError("seed, step: found with an Embedder, want them with a folder only")
    else:
        folder = Path(model)
        run = _run(folder)
        report = None if step is not None else _report(folder, run)
        seed = run.get("seed") if seed is None else seed
        model = load(folder, seed, step)
    content: dict[str, bytes] = {FILE: weights_bytes(model), "config.json": _json(settings_of(model))}
    programs = {}
    _check_flatbuffers(functions)
    for name in functions:
        program = exported(model, name, length, tuple(platforms))
        told = program._asdict()
        content[f"{name}.stablehlo"] = told.pop("content")
        programs[name] = {"file": f"{name}.stablehlo", "input": ["batch", program.length or "length", model.channels]}
        programs[name] |= {key: value for key, value in told.items() if key != "name"}
    about: dict[str, Any] = {
        "schema": SCHEMA,
        **json.loads(json.dumps(model_json(model.options, model.encoder))),
        "channels": model.channels,
        "parameters": sum(int(np.size(leaf)) for leaf in jax.tree.leaves(model.params)),
        "scaled": model.scaler is not None,
        "seed": seed,
        "step": step,
        "run": {name: value for name, value in run.items() if name not in ("method", "encoder")},
        "licence": licence,
        "platforms": list(platforms),
        "functions": programs,
        "versions": _versions(),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())},
    }
    content["README.md"] = card(about, report).encode()
    about["files"]["README.md"] = hashlib.sha256(content["README.md"]).hexdigest()
    with whole_folder(out) as fresh:
        for file, data in content.items():
            (fresh / file).write_bytes(data)
        (fresh / "export.json").write_bytes(_json(about))
    return about


def load_exported(folder: Path | str) -> Embedder:
    """The model of an export, from its weights.

    Args:
      folder: that `export_model` wrote.

    Raises:
      InputError: no export there, a file that is missing or altered, or weights of another version.
    """
    folder = Path(folder)
    about = _read_about(folder)
    for name, wanted in about["files"].items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise InputError(f"folder: found no file {name} in {folder}, want it as export.json says")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != wanted:
            raise InputError(f"{name}: found SHA-256 {found[:16]}..., want {wanted[:16]}...: it was altered")
    return model_of(json.loads((folder / "config.json").read_text(encoding="utf-8")), (folder / FILE).read_bytes())


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / "export.json"
    if not path.is_file():
        raise InputError(f"folder: found no export.json in {folder}, want one that `tsrl export` wrote")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(about, dict) or about.get("schema") != SCHEMA or not isinstance(about.get("files"), dict):
        raise InputError(f"{path}: found another form, want an export of schema {SCHEMA}")
    if lacking := [name for name in (FILE, "config.json") if name not in about["files"]]:
        raise InputError(f"{path}: found no hash of {' and '.join(lacking)}, want all of an export's files")
    return about


def _run(folder: Path) -> dict[str, Any]:
    """What config.json says of a run; nothing of a model that was saved by itself."""
    record = read_config(folder)
    if "events" in record:
        raise InputError(f"model: found a model of events in {folder}, want one of series: only these can be exported")
    return record if "train" in record and "dataset" in record else {}


def _report(folder: Path, run: dict[str, Any]) -> dict[str, Any] | None:
    """The run's report, whose scores are those of the last checkpoint; None where there is none of this run."""
    if not run or not (folder / "report.json").is_file():
        return None
    report = read_report(folder / "report.json")
    return report if report.get("config") == run else None


def _check_folder(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"out: found {'files in ' if out.is_dir() else 'a file at '}{out}, want a new or empty folder")


def _check_names(argument: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{argument}: found {name!r}; {nearest(name, known)}")


def _check_flatbuffers(functions: Sequence[str]) -> None:
    if not functions:
        return
    try:
        import flatbuffers  # noqa: F401
    except ImportError as error:
        raise InputError(
            "export: found no flatbuffers, want it for programs: pip install 'tsrl[export]'; or no functions"
        ) from error


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
