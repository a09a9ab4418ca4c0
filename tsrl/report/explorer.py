"""One HTML page about many runs: a table to choose from and sort, bars, ranks, curves, pictures; without a network."""

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsrl.report import markup
from tsrl.report.cells import Line, contest, method_text, protocol_text, words
from tsrl.report.collected import MEAN
from tsrl.report.embedding_map import map_plot
from tsrl.report.forecast_examples import forecast_plot
from tsrl.report.plots import COLOURS, anomaly_plot
from tsrl.report.schema import METRICS

# Numbers of all curves together; a run has at most _CURVE steps.
_CURVES, _CURVE = 60_000, 200
# Rows of a split that a map draws: there are several on a page.
_ROWS = 300
_FILES = ("explorer_statistics.js", "explorer_charts.js", "explorer.js")


class Extra(NamedTuple):
    """What the folder of a run has beside its report.

    Attributes:
      run: its name, as in the collection.
      seeds: of the run.
      classes: names of labels, or none.
      curve: rows of metrics.jsonl: `step`, `loss`, `health` with `effective_rank`; lists where there are several seeds.
      arrays: see `page.write_page`; may be empty.
    """

    run: str
    seeds: Sequence[int]
    classes: Sequence[str]
    curve: Sequence[Mapping[str, Any]]
    arrays: Mapping[str, np.ndarray]


def explorer_page(
    collection: Mapping[str, Any], extras: Sequence[Extra] = (), title: str = "Results", skipped: Sequence[str] = ()
) -> str:
    """Makes the page.

    Args:
      collection: see `tsrl.report.collected`.
      extras: curves and arrays of runs; maps draw at most 300 evenly spaced rows of a split, curves share 60,000
        numbers.
      title: of the page.
      skipped: sentences about what was not read.

    Returns:
      HTML; of it plotly's script takes 4.8 MB.

    Raises:
      ImportError: plotly is not installed.
      InputError: arrays of a wrong shape, embeddings that are not finite.
    """
    script = markup.plotly_script()
    made = packed(collection) | {"colours": COLOURS, "curves": _curves(extras), "pictures": _pictures(extras)}
    body = [
        _file("explorer.html"),
        markup.section("What to know", *(markup.paragraph(note) for note in [*collection["notes"], *skipped])),
        markup.data("results", made),
        *(f"<script>{_file(name)}</script>" for name in _FILES),
    ]
    page = markup.document(title, "\n".join(part for part in body if part), script, _file("explorer.css"))
    # Half a surrogate pair, which JSON allows, has no bytes.
    return page.encode("utf-8", "replace").decode("utf-8")


def packed(collection: Mapping[str, Any]) -> dict[str, Any]:
    """A collection made small for the page's script.

    Args:
      collection: see `tsrl.report.collected`.

    Returns:
      `metrics`: `[title, higher is better, decimals]` of each; `tasks`: name -> numbers of its metrics; `datasets`,
      `sources`: texts; `lines`: what the rows share; `scores`: `[line, dataset, horizon, seeds or -1 - source, metric,
      mean, std, metric, mean, std, ...]`, horizon -1 for none and 0 for the mean; `runs`.
    """
    present = [name for name in METRICS if any(row["metric"] == name for row in collection["rows"])]
    texts: dict[str, dict[str, int]] = {"datasets": {}, "sources": {}}
    lines: dict[str, tuple[int, dict[str, Any]]] = {}
    scores: dict[tuple[int, int, int, int], list[float | None]] = {}

    def number(kind: str, text: str) -> int:
        return texts[kind].setdefault(text, len(texts[kind]))

    published = [
        row | {"role": "published", "variant": "", "selection": "", "mean": row["value"], "std": None}
        for row in collection["published"]
    ]
    for row in [*collection["rows"], *published]:
        told = _line(row)
        line, _ = lines.setdefault(json.dumps(told), (len(lines), told))
        horizon = 0 if row["horizon"] == MEAN else -1 if row["horizon"] is None else row["horizon"]
        count = -1 - number("sources", row["source"]) if row["role"] == "published" else row["seeds"]
        place = (line, number("datasets", row["dataset"]), horizon, count)
        scores.setdefault(place, []).extend((present.index(row["metric"]), _short(row["mean"], 8), _short(row["std"])))
    tasks = dict.fromkeys(row["task"] for row in collection["rows"])
    return {
        "metrics": [[METRICS[name].title, METRICS[name].higher_is_better, METRICS[name].decimals] for name in present],
        "tasks": {
            task: sorted({present.index(row["metric"]) for row in collection["rows"] if row["task"] == task})
            for task in sorted(tasks)
        },
        "datasets": list(texts["datasets"]),
        "sources": list(texts["sources"]),
        "lines": [told for _, told in lines.values()],
        "scores": [[*place, *numbers] for place, numbers in scores.items()],
        "runs": [
            [run["name"], run["task"], _method(run["method"], run["selection"], run["variant"]), run["dataset"],
             ", ".join(map(str, run["seeds"])), run["steps"], run["seconds"]]
            for run in collection["runs"]
        ],
    }  # fmt: skip


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """What names a line, whether it may be compared with another, and the setting that it belongs to."""
    cell = tuple(sorted(row["cell"].items()))
    line = Line(row["model"], row["role"], row["protocol"], cell)
    forecast = row["task"] == "forecast"
    setting = ", ".join(f"{words(name)} {value}" for name, value in cell if name != "anchored" and not forecast)
    shown = [pair for pair in cell if forecast or pair[0] == "anchored"]
    model = f"{row['model']} ({row['role']})" if row["role"] in ("control", "published") else row["model"]
    return {
        "task": row["task"],
        "method": _method(model, row["selection"], row["variant"]),
        "role": row["role"],
        "protocol": words(row["protocol"]),
        "how": protocol_text(line._replace(cell=tuple(shown))),
        "setting": setting,
        "selection": row["selection"],
        # Optimistic scores are compared with one another only.
        "contest": json.dumps([contest(row["task"], line)[0], row["selection"] == "paper"]),
    }


def _method(model: str, selection: str, variant: str) -> str:
    return method_text(model, selection) + (f" [{variant}]" if variant else "")


def _short(value: float | None, digits: int = 4) -> float | None:
    """Ranks and tests are made of means: those keep digits enough to tell scores apart."""
    return None if value is None else float(f"{value:.{digits}g}")


def _curves(extras: Sequence[Extra]) -> list[dict[str, Any]]:
    """For each run the loss and the effective rank against the step, one list a seed."""
    found = [extra for extra in extras if any("loss" in row for row in extra.curve)]
    most = min(_CURVE, max(2, _CURVES // max(1, sum(2 * len(extra.seeds) + 2 for extra in found))))
    drawn = []
    for extra in found:
        curve: dict[str, Any] = {"run": extra.run, "seeds": list(extra.seeds)}
        for name in ("loss", "effective_rank"):
            points = [(row["step"], value) for row in extra.curve if (value := _measured(row, name)) is not None]
            kept = [points[i] for i in np.unique(np.linspace(0, len(points) - 1, min(most, len(points))).astype(int))]
            by_seed = [[_short(value) for value in values] for values in zip(*(values for _, values in kept))]  # noqa: B905
            curve[name] = [[step for step, _ in kept], by_seed]
        drawn.append(curve)
    return drawn


def _measured(row: Mapping[str, Any], name: str) -> list[float | None] | None:
    """A measure of one step, one number a seed."""
    health = row.get("health")
    value = row.get(name) if name == "loss" else health.get(name) if isinstance(health, Mapping) else None
    return value if isinstance(value, list) else None if value is None else [value]


def _pictures(extras: Sequence[Extra]) -> list[list[Any]]:
    """Maps of embeddings, forecasts, and series with their anomalies: title, a sentence, plotly's data and layout."""
    pictures = []
    for extra in extras:
        if {"z_train", "z_test"} & set(extra.arrays):
            z = {name: array for name, array in extra.arrays.items() if name[:2] in ("z_", "y_")}
            plot = map_plot(extra.classes, {name: array[_spread(len(array))] for name, array in z.items()})
            cut = any(len(array) > _ROWS for array in z.values())
            if plot is not None:
                note = f" A sample: {_ROWS} evenly spaced rows of a larger split." if cut else ""
                pictures.append(_picture(f"{extra.run}: map of the embeddings", plot[0], plot[1] + note))
        if (plot := forecast_plot(extra.arrays)) is not None:
            pictures.append(_picture(f"{extra.run}: forecasts and what came", *plot))
        if (plot := anomaly_plot(extra.arrays)) is not None:
            pictures.append(_picture(f"{extra.run}: a series and its anomalies", *plot))
    return pictures


def _picture(title: str, figure: Any, told: str) -> list[Any]:
    drawn = json.loads(figure.to_json())
    drawn["layout"].pop("template", None)
    return [title, told, drawn["data"], drawn["layout"]]


def _spread(count: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, _ROWS)).astype(int)


def _file(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")
