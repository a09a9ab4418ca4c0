"""The reports of many runs as one table: what belongs together is one line, its seeds are averaged.

A collection is an object with

- `schema`: 2. `kind`: "collection".
- `runs`: `{name, task, method, dataset, selection, variant, seeds, steps, seconds}`, one a report.
- `rows`: `{task, dataset, model, role, variant, protocol, cell, selection, metric, horizon, mean, std, seeds}`: over
  seeds the mean and the sample standard deviation (null for one seed, and without randomness). `horizon` is null
  outside forecasting, and "mean" for the mean over all horizons of the data set.
- `published`: `{task, dataset, model, protocol, cell, metric, horizon, value, source}`.
- `notes`: sentences that a reader must know.

`variant` tells runs of one method on one data set apart whose settings differ, and is "" for the one with most scores.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tsrl.report.cells import horizons_of, mean_and_std, metrics_of
from tsrl.report.published import is_sourced, published_by_method
from tsrl.report.schema import METRICS, SCHEMA

MEAN = "mean"
# Settings that two runs of one line may differ in.
_FREE = ("seed", "seeds", "data", "dataset", "selection", "checkpoint_every", "controls", "protocols", "horizons")
# Scores that differ by less, relatively, are those of one model on two machines.
_EQUAL = 1e-3


class Run(NamedTuple):
    """A report and what it is called."""

    name: str
    report: Mapping[str, Any]


class _Key(NamedTuple):
    task: str
    model: str
    role: str
    variant: str
    protocol: str
    cell: tuple[tuple[str, Any], ...]
    selection: str


# Scores of a line on a data set: (metric, horizon) -> seed -> score.
_Scores = dict[tuple[str, int | None], dict[int | None, float | None]]


def collected(runs: Sequence[Run]) -> dict[str, Any]:
    """What the reports of several runs say, as one table; this file's docstring says what is in it.

    A control that several runs have computed is one line, unless its scores differ: then the others stand "beside"
    their method. Two runs with equal settings and seeds but different scores are noted; that with more scores counts.

    Args:
      runs: at least one, of any tasks, data sets and methods; reports as of `read_report`.
    """
    runs = sorted(runs, key=lambda run: -len(run.report["results"]))
    names = _dataset_names(runs)
    variants = _variants(runs, names)
    found: dict[_Key, dict[str, _Scores]] = defaultdict(dict)
    differing: Counter[str] = Counter()
    for run, name, variant in zip(runs, names, variants, strict=True):
        for key, scores in _lines(run.report, variant):
            held = found[key].get(name, {})
            if key.role == "control" and _conflicts(held, scores):
                beside = f"beside {run.report['method']}" + (f", {variant}" if variant else "")
                key = key._replace(variant=beside)
                held = found[key].get(name, {})
            differing[name] += _conflicts(held, scores)
            merged = {place: scores.get(place, {}) | held.get(place, {}) for place in {**held, **scores}}
            found[key][name] = merged
    notes = [
        f"{name}: {count} scores of runs with equal settings and seeds differ; the run with more scores is shown."
        for name, count in sorted(differing.items())
        if count
    ]
    if any(variants):
        notes.append(
            "Runs of a method on one data set with other settings are lines of their own; their names say what differs."
        )
    return {
        "schema": SCHEMA,
        "kind": "collection",
        "runs": [_about(*each) for each in zip(runs, names, variants, strict=True)],
        "rows": _averaged(found),
        "published": _published(runs, names),
        "notes": notes,
    }


def _dataset_names(runs: Sequence[Run]) -> list[str]:
    """For each run the name of its data set, with what makes its numbers incomparable to those of others."""
    names, cuts = [], []
    for _, report in runs:
        data = report["dataset"]
        variant, split = data.get("variant"), data.get("split")
        parts = [variant] if isinstance(variant, str) and variant not in ("", "multivariate") else []
        parts += [f"split {split}"] if isinstance(split, str) and split != "published" else []
        names.append(", ".join([str(data["name"]), *parts]))
        cuts.append("/".join(map(str, split.values())) if isinstance(split, Mapping) else "")
    places = [(report["task"], name) for (_, report), name in zip(runs, names, strict=True)]
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for place, cut in zip(places, cuts, strict=True):
        counts[place][cut] += 1
    usual = {place: found.most_common(1)[0][0] for place, found in counts.items()}
    return [
        name if cut in ("", usual[place]) else f"{name}, split {cut}"
        for name, cut, place in zip(names, cuts, places, strict=True)
    ]


def _about(run: Run, name: str, variant: str) -> dict[str, Any]:
    report = run.report
    return {
        "name": run.name,
        "task": report["task"],
        "method": report["method"],
        "dataset": name,
        "selection": report["selection"],
        "variant": variant,
        "seeds": report["seeds"],
        "steps": report.get("steps"),
        "seconds": round(sum(report.get("wall_s", {}).values()), 1),
    }


def _lines(report: Mapping[str, Any], variant: str) -> Iterable[tuple[_Key, _Scores]]:
    """The lines of one report."""
    lines: dict[_Key, _Scores] = {}
    for row in report["results"]:
        cell = tuple(sorted((name, value) for name, value in row["cell"].items() if name != "horizon"))
        of_method = row["role"] != "control"
        # Initial weights are those of the method's encoder.
        model = f"untrained {report['method']}" if row["role"] == "untrained" else row["model"]
        selection = report["selection"] if of_method else "validation"
        key = _Key(report["task"], model, row["role"], variant * of_method, row["protocol"], cell, selection)
        scores = lines.setdefault(key, {})
        for metric, value in row["scores"].items():
            scores.setdefault((metric, row["cell"].get("horizon")), {})[row["seed"]] = value
    return lines.items()


def _conflicts(held: _Scores, scores: _Scores) -> int:
    """How many scores of equal seeds differ."""
    count = 0
    for place, seeds in scores.items():
        for seed, value in seeds.items():
            old = held.get(place, {}).get(seed)
            if old is not None and value is not None:
                count += abs(old - value) > _EQUAL * max(abs(old), abs(value))
    return count


def _averaged(found: Mapping[_Key, Mapping[str, _Scores]]) -> list[dict[str, Any]]:
    """The rows, over seeds; in forecasting also the means over the horizons of a data set."""
    horizons: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key, datasets in found.items():
        for name, scores in datasets.items():
            horizons[key.task, name] |= {horizon for _, horizon in scores if horizon is not None}
    rows = []
    for key, datasets in found.items():
        shared = {**key._asdict(), "cell": dict(key.cell)}
        for name, scores in datasets.items():
            every = sorted(horizons[key.task, name])
            for metric in [metric for metric in METRICS if any(metric == other for other, _ in scores)]:
                places: list[int | None] = [*every] if every else [None]
                by_horizon = {place: scores.get((metric, place), {}) for place in places}
                told: dict[Any, dict[int | None, float | None]] = {k: v for k, v in by_horizon.items() if v}
                if len(every) > 1 and all(by_horizon.values()):
                    told[MEAN] = _over_horizons(list(by_horizon.values()))
                for horizon, seeds in told.items():
                    values = [value for value in seeds.values() if value is not None]
                    # A mean over the seeds that have a score would flatter.
                    score = mean_and_std(values) if values and len(values) == len(seeds) else None
                    rows.append(
                        shared
                        | {"dataset": name, "metric": metric, "horizon": horizon, "seeds": len(seeds)}
                        | {"mean": score and score.mean, "std": score and score.std}
                    )
    return rows


def _over_horizons(horizons: Sequence[Mapping[int | None, float | None]]) -> dict[int | None, float | None]:
    means: dict[int | None, float | None] = {}
    for seed in {seed for seeds in horizons for seed in seeds}:
        values = [seeds.get(seed) for seeds in horizons]
        known = [value for value in values if value is not None]
        means[seed] = sum(known) / len(known) if len(known) == len(values) else None
    return means


def _published(runs: Sequence[Run], names: Sequence[str]) -> list[dict[str, Any]]:
    """What is published for the data sets of the runs: the packaged table, then what reports alone quote."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    every: dict[tuple[str, str], set[int]] = defaultdict(set)
    for (_, report), name in zip(runs, names, strict=True):
        every[report["task"], name] |= set(horizons_of(report))
    for (_, report), name in zip(runs, names, strict=True):
        task = report["task"]
        quoted = [row for row in report["published"] if is_sourced(row)]
        known = metrics_of(report["results"])
        for row in [*published_by_method(report["dataset"], task), *quoted]:
            cell = dict(row["cell"])
            horizon = cell.pop("horizon", None)
            if row["metric"] not in known or (horizon is not None and horizon not in every[task, name]):
                continue
            told = {
                "task": task, "dataset": name, "model": row.get("method", report["method"]),
                "protocol": row["protocol"], "cell": cell, "metric": row["metric"], "horizon": horizon,
            }  # fmt: skip
            place = tuple(str(value) for value in told.values())
            found.setdefault(place, told | {"value": row["value"], "source": row["source"]})
    rows = list(found.values())
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(str(row[name]) for name in ("task", "dataset", "model", "protocol", "cell", "metric"))].append(row)
    for group in groups.values():
        first = group[0]
        horizons = every[first["task"], first["dataset"]]
        if len(horizons) > 1 and {row["horizon"] for row in group} == horizons:
            rows.append(first | {"horizon": MEAN, "value": sum(row["value"] for row in group) / len(group)})
    return rows


def _variants(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """For each run what its settings differ in from those of the same method and data set with the most scores."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, (_, report) in enumerate(runs):
        groups[report["task"], report["method"], names[i], report["selection"]].append(i)
    told = [""] * len(runs)
    for members in groups.values():
        kinds: list[list[int]] = []
        for i in members:
            for kind in kinds:
                if not _difference(runs[kind[0]].report, runs[i].report):
                    kind.append(i)
                    break
            else:
                kinds.append([i])
        base = max(kinds, key=lambda kind: sum(len(runs[i].report["results"]) for i in kind))
        for kind in kinds:
            if kind is not base:
                for i in kind:
                    told[i] = _difference(runs[base[0]].report, runs[i].report)
    return told


def _difference(base: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Settings of `other` that `base` has too, with another value; at most three of them are named."""
    old, new = _settings(base), _settings(other)
    changed = [name for name in new if name in old and new[name] != old[name]]
    named = [f"{name.rpartition('.')[2]} {new[name]}" for name in changed[:3]]
    return ", ".join(named) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")


def _settings(report: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: report.get(name) for name in ("config", "evaluation")}
    return dict(_flat({name: value for name, value in parts.items() if isinstance(value, Mapping)}))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif name not in _FREE:
            yield f"{prefix}{name}", value
