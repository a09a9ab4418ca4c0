"""The report of a run, schema 2: one JSON shape for every task.

A report is an object with

- `schema`: 2. `task`: classify, regress, cluster, forecast, anomaly, finetune. `method`: the trained method's name, or
  "embeddings" for embeddings that came from elsewhere.
- `dataset`: `name`, `source`, and what describes it (counts, length, channels, classes, splits).
- `protocol`: name -> words, how each protocol scores. `selection`: "validation", or "paper" for the published protocols
  that select on test data; every output calls that optimistic.
- `seeds`: of the method and of the untrained encoders.
- `results`: rows, see `row`: one a model, protocol, cell and seed.
- `published`: `{protocol, metric, cell, value, source}`, numbers that somebody published for the method.
- `health`: rows of `evaluate.health` with their `seed`, of the test embeddings.
- `wall_s`: part -> seconds. `steps`, `batch_size`, `versions`, `hardware`, `command`, `config`: how it was run.

A score that is not defined is null, never NaN.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

from tsrl.errors import InputError

SCHEMA = 2
TASKS = ("classify", "regress", "cluster", "forecast", "anomaly", "finetune", "pretrain")
SELECTIONS = ("validation", "paper")

# A trained method; the same encoder with its initial weights; what needs no encoder at all.
Role = Literal["method", "untrained", "control"]
ROLES: tuple[Role, ...] = ("method", "untrained", "control")


class Metric(NamedTuple):
    """How a score is shown.

    Attributes:
      title: the table's heading.
      higher_is_better: whether it is.
      decimals: shown.
    """

    title: str
    higher_is_better: bool
    decimals: int = 3


METRICS = {
    "accuracy": Metric("Accuracy", True),
    "macro_f1": Metric("Macro-F1", True),
    "kappa": Metric("Kappa", True),
    "auprc": Metric("AUPRC", True),
    "rmse": Metric("RMSE", False),
    "r2": Metric("R²", True),
    "mse": Metric("MSE", False),
    "mae": Metric("MAE", False),
    "mse_original": Metric("MSE, original units", False),
    "mae_original": Metric("MAE, original units", False),
    "nmi": Metric("NMI", True),
    "ari": Metric("ARI", True),
    "silhouette": Metric("Silhouette", True),
    "delay_f1": Metric("F1, delay-adjusted", True),
    "delay_precision": Metric("Precision, delay-adjusted", True),
    "delay_recall": Metric("Recall, delay-adjusted", True),
    "range_precision": Metric("Range precision", True),
    "range_recall": Metric("Range recall", True),
    "range_f1": Metric("Range F1", True),
    "average_precision": Metric("Average precision", True),
    "vus_pr": Metric("VUS-PR", True),
    "nab": Metric("NAB score", True, 1),
}


class Row(TypedDict):
    """One line of `results`; `row` makes it and says what each entry is."""

    model: str
    role: Role
    protocol: str
    cell: dict[str, Any]
    seed: int | None
    scores: dict[str, float | None]
    chosen: dict[str, Any]


def row(
    model: str,
    role: Role,
    protocol: str,
    scores: dict[str, float],
    *,
    cell: dict[str, Any] | None = None,
    seed: int | None = None,
    chosen: dict[str, Any] | None = None,
) -> Row:
    """One result.

    Args:
      model: what was scored: the method's name, "untrained", or the control's name.
      role: see `ROLES`.
      protocol: how, for example "svc" or "last_step_ridge"; a key of the report's `protocol`.
      scores: metric -> number; names of `METRICS`.
      cell: what else tells this row from others: `{"horizon": 24, "anchored": False}`, `{"labels": "10 %"}`.
      seed: of the model, or None for what has no randomness.
      chosen: settings that were selected, never on test data.
    """
    return Row(
        model=model, role=role, protocol=protocol, cell=cell or {}, seed=seed, scores=dict(scores), chosen=chosen or {}
    )


def read_report(path: str | Path) -> dict[str, Any]:
    """A report from its file, checked.

    Raises:
      InputError: no such file, no JSON, or `check_report`'s reasons.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"report: found no readable file at {path}") from error
    except ValueError as error:
        raise InputError(f"report: found no JSON in {path} ({error})") from error
    check_report(report)
    return report


def check_report(report: Any) -> None:
    """Checks the parts of a report that its tables and pages are made of.

    Args:
      report: JSON values.

    Raises:
      InputError: a part that is missing or of another shape, or two rows of one model, protocol, cell and seed.
    """
    _want(isinstance(report, Mapping), "report", type(report).__name__, "an object")
    _want(report.get("schema") == SCHEMA, "schema", report.get("schema"), SCHEMA)
    kinds = {"method": str, "dataset": Mapping, "protocol": Mapping, "seeds": list, "results": list, "published": list}
    for name, kind in kinds.items():
        _want(isinstance(report.get(name), kind), name, report.get(name), f"a {kind.__name__}")
    for name, known in (("task", TASKS), ("selection", SELECTIONS)):
        _want(report.get(name) in known, name, report.get(name), f"one of {', '.join(known)}")
    for name in ("name", "source"):
        _want(isinstance(report["dataset"].get(name), str), f"dataset.{name}", report["dataset"].get(name), "a name")
    seen = set()
    for i, result in enumerate(report["results"]):
        where = f"results[{i}]"
        _check_row(where, result, report)
        place = json.dumps([result[name] for name in ("model", "role", "protocol", "cell", "seed")], sort_keys=True)
        _want(place not in seen, where, f"{place} again", "one row a model, protocol, cell and seed")
        seen.add(place)
    for i, quoted in enumerate(report["published"]):
        where = f"published[{i}]"
        _want(isinstance(quoted, Mapping) and set(quoted) >= _QUOTED, where, quoted, ", ".join(sorted(_QUOTED)))
        _want(quoted["metric"] in METRICS, f"{where}.metric", quoted["metric"], "a name of METRICS")
        _want(_is_number(quoted["value"]), f"{where}.value", quoted["value"], "a number")


_QUOTED = {"protocol", "metric", "cell", "value", "source"}


def _check_row(where: str, result: Any, report: Mapping[str, Any]) -> None:
    wanted = Row.__required_keys__
    _want(isinstance(result, Mapping) and set(result) == wanted, where, result, ", ".join(sorted(wanted)))
    _want(isinstance(result["model"], str), f"{where}.model", result["model"], "a name")
    _want(result["role"] in ROLES, f"{where}.role", result["role"], f"one of {', '.join(ROLES)}")
    known = report["protocol"]
    _want(result["protocol"] in known, f"{where}.protocol", result["protocol"], f"one of {', '.join(known)}")
    cell, seed = result["cell"], result["seed"]
    plain = isinstance(cell, Mapping) and all(isinstance(value, str | int | float) for value in cell.values())
    _want(plain, f"{where}.cell", cell, "an object of texts, numbers and booleans")
    _want(seed is None or type(seed) is int, f"{where}.seed", seed, "a whole number or null")
    if report["task"] == "forecast":
        _want(type(cell.get("horizon")) is int, f"{where}.cell.horizon", cell.get("horizon"), "a whole number")
    _want(isinstance(result["chosen"], Mapping), f"{where}.chosen", result["chosen"], "an object")
    scores = result["scores"]
    _want(isinstance(scores, Mapping) and set(scores) <= set(METRICS), f"{where}.scores", scores, "names of METRICS")
    for metric, value in scores.items():
        _want(value is None or _is_number(value), f"{where}.scores.{metric}", value, "a finite number or null")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _want(holds: bool, where: str, found: Any, want: Any) -> None:
    if not holds:
        raise InputError(f"{where}: found {str(found)[:100]}, want {want}")
