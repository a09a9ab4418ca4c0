"""The model card of an export: what the model is, what it was trained on, what each file holds, how to run it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tsrl.report.schema import METRICS

_MOST_ROWS = 200


def card(about: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    """README.md of an export.

    Args:
      about: the content of export.json, with the hashes of the files that are there so far.
      report: of the run, or None.
    """
    method, run = about["method"], about["run"]
    on = f" on {run['dataset']}" if run.get("dataset") else ""
    parts = [
        f"# {method['name']}{on}",
        f"Represents series of {about['channels']} channels without labels: {method['name']} with the encoder "
        f"{about['encoder']['name']}, {about['parameters']:,} parameters, made by tsrl.",
        f"Licence: {about['licence']}",
        "## Training data",
        _data(run, report),
        "## Settings",
        _table(("part", "setting", "value"), _settings(about)),
        "## Scores",
        _scores(report, about["seed"]) if report else "None are recorded with this model.",
        "## Programs",
        *_programs(about),
        "## Weights",
        "`weights.safetensors` holds the arrays by path: `params/...`, `aux/...` and, where series are standardised "
        "first, `scaler/mean` and `scaler/std`. With `config.json` it is the model again: "
        "`tsrl.export.load_exported(FOLDER)`, which refuses files that were altered.",
        "## Files",
        _table(("file", "SHA-256"), [(f"`{name}`", f"`{digest}`") for name, digest in about["files"].items()]),
        "`export.json` says all of this for programs, with the hash of this page too.",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in about["versions"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _data(run: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    if not run:
        return "Not recorded: the model was saved by itself, not by a run."
    lines = [f"- data set: {run['dataset']}", f"- task: {run['task']}"]
    for name, value in (report or {}).get("dataset", {}).items():
        if name != "name" and isinstance(value, str | int | float):
            lines.append(f"- {name}: {value}")
    return "\n".join([*lines, f"- fingerprint of its arrays: {run.get('data', 'not recorded')}"])


def _settings(about: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    parts = {"method": about["method"], "encoder": about["encoder"], "training": about["run"].get("train", {})}
    rows = [(part, name, value) for part, values in parts.items() for name, value in values.items() if name != "name"]
    return [*rows, *[("run", name, about[name]) for name in ("seed", "step") if about[name] is not None]]


def _scores(report: Mapping[str, Any], seed: int | None) -> str:
    """Rows of the exported seed, and of controls, which have none."""
    rows = [row for row in report["results"] if row["role"] == "control" or row["seed"] in (seed, None)]
    if not rows:
        return "The run made none."
    metrics = [name for name in METRICS if any(name in row["scores"] for row in rows)]
    lines = []
    for row in rows[:_MOST_ROWS]:
        cell = ", ".join(f"{name} {value}" for name, value in row["cell"].items())
        scores = [_score(name, row["scores"].get(name)) for name in metrics]
        lines.append((row["model"], row["role"], row["protocol"], cell, *scores))
    shown = _table(("model", "role", "protocol", "of", *(METRICS[name].title for name in metrics)), lines)
    protocols = "\n".join(f"- {name}: {words}" for name, words in report["protocol"].items())
    more = f"\n\n{len(rows) - _MOST_ROWS} more rows are in the run's report." if len(rows) > _MOST_ROWS else ""
    paper = "\n\nOptimistic: selected on test data, as the paper does." if report["selection"] == "paper" else ""
    if any(row["role"] == "method" and "checkpoint" in row["chosen"] for row in rows):
        paper += "\n\nScores may be of earlier checkpoints than the one that is exported, which is the last."
    return f"{shown}{more}{paper}\n\n{protocols}"


def _score(name: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{METRICS[name].decimals}f}"


def _programs(about: Mapping[str, Any]) -> list[str]:
    functions = about["functions"]
    if not functions:
        return ["None were asked for."]
    rows = []
    for name, told in functions.items():
        free = f"free, from {told['shortest']} on" if told["length"] is None else f"{told['length']}"
        rows.append(
            (f"`{name}`", f"`{told['file']}`", "free", free, f"`{told['output']}`", f"{told['difference']:.1e}")
        )
    heads = ("function", "file", "batch", "length", "result", "largest difference")
    fixed = [
        f"`{name}` takes series of {told['length']} steps only: {told['reason']}."
        for name, told in functions.items()
        if told["length"] is not None
    ]
    name, told = next(iter(functions.items()))
    length = told["length"] or max(told["shortest"], 100)
    return [
        "StableHLO in the container of `jax.export`, for " + ", ".join(about["platforms"]) + ". Input: raw series "
        f"`[batch, length, {about['channels']}]` float32; a step with NaN in any channel is missing; scaling and "
        "missing steps are seen to inside. Infinite values and series without one observed step, which tsrl refuses, "
        "are not noticed. `embed` gives a representation of each series, `encode` of each of its steps or patches.",
        _table(heads, rows),
        *fixed,
        "Differences from the model itself, as a share of its largest value, on random series, on the machine that "
        "made this.",
        "Without tsrl, with `pip install jax flatbuffers`, in this folder:",
        "\n".join(
            [
                "```python",
                "from pathlib import Path",
                "",
                "import numpy as np",
                "from jax import export",
                "",
                f'{name} = export.deserialize(bytearray(Path("{told["file"]}").read_bytes()))',
                f"x = np.random.default_rng(0).normal(size=(4, {length}, {about['channels']})).astype(np.float32)",
                f"z = np.asarray({name}.call(x))",
                "print(z.shape)",
                "```",
            ]
        ),
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
