"""One HTML file a run: results, plots, settings. It opens without any network request."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.report import markup
from tsrl.report.cells import method_text, metrics_of, number, words
from tsrl.report.embedding_map import map_plot
from tsrl.report.forecast_examples import forecast_plot
from tsrl.report.plots import anomaly_plot, horizon_plot, loss_plot
from tsrl.report.schema import METRICS
from tsrl.report.table import results

_NOTHING = (
    "No table: this run has no scores, because its data set has no labelled test split.",
    "No table: this run only trained.",
)


def write_page(
    path: str | Path, report: Mapping[str, Any], curve: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes the page of one run.

    Args:
      path: the HTML file, replaced if it is there.
      report: a run's report, schema 2.
      curve: rows `{"step": 1, "loss": 5.1}`; `loss` is a list with one number a seed where there are several seeds.
      arrays: what there is of: the embeddings `z_train [N, D]`, `z_test [M, D]` and their labels `y_train [N]`,
        `y_test [M]`, numbers into the data set's `classes`, values to regress, or any labels; the series of
        `plots.anomaly_plot`; the forecasts of `forecast_examples.forecast_plot`.

    Raises:
      ImportError: plotly is not installed.
      InputError: arrays of a wrong shape, embeddings that are not finite.
    """
    script = markup.plotly_script()

    data, drawable = report["dataset"], "z_train" in arrays or "z_test" in arrays
    plots = [
        ("Error against the horizon", "horizon", horizon_plot(report)),
        ("Forecasts and what came", "forecasts", forecast_plot(arrays)),
        ("A series and its anomalies", "anomaly", anomaly_plot(arrays)),
        ("Training loss", "loss", loss_plot(report["seeds"], curve)),
        ("Map of the embeddings", "map", map_plot(data.get("classes") or [], arrays) if drawable else None),
    ]
    about = {name: report[name] for name in ("hardware", "steps", "batch_size") if name in report}
    about |= {f"seconds.{part}": f"{seconds:.1f}" for part, seconds in report.get("wall_s", {}).items()}
    body = [
        markup.paragraph(f"Task: {report['task']}. {_dataset(data)}."),
        markup.section("Results", *_results(report)),
        *(markup.section(title, markup.figure(name, *drawn)) for title, name, drawn in plots if drawn),
        markup.section("Health of the test embeddings", _health(report.get("health", []))),
        markup.section(
            "How it was run",
            markup.code(report.get("command", "")),
            markup.facts("Data set", data),
            markup.facts("Hardware, steps and wall time", about),
            markup.facts("Evaluation", report.get("evaluation", {})),
            markup.facts("Versions", report.get("versions", {})),
            markup.facts("Configuration", report.get("config", {})),
        ),
    ]
    title = f"{method_text(report['method'], report['selection'])} on {data['name']}"
    Path(path).write_text(markup.document(title, "\n".join(body), script), encoding="utf-8")


def _dataset(data: Mapping[str, Any]) -> str:
    """What describes the data set, in a sentence; lists by their lengths."""
    told = {name: len(value) if isinstance(value, list) else value for name, value in data.items()}
    told = {name: value for name, value in told.items() if name not in ("name", "source") and value not in (None, 0)}
    parts = [f"{words(name)} {value}" for name, value in told.items() if isinstance(value, int | str)]
    return "; ".join([str(data["source"]), *parts])


def _results(report: Mapping[str, Any]) -> Iterable[str]:
    """The tables, what they mean, and every row of them; a sentence where there are none."""
    if not report["results"]:
        yield markup.paragraph(_NOTHING[report["task"] == "pretrain"])
        return
    shown = results(report)
    yield from map(markup.grid_table, shown.grids)
    yield markup.paragraph(shown.legend)
    yield markup.definitions({words(name): told for name, told in report["protocol"].items()})
    yield from (markup.folded(grid.title, markup.grid_table(grid)) for grid in shown.folded)
    yield markup.folded("Every row: by seed, with what was chosen", _rows(report))


def _rows(report: Mapping[str, Any]) -> str:
    """The results as they are stored."""
    metrics = metrics_of(report["results"])
    header = ("Model", "Role", "Protocol", "Cell", "Seed", *(METRICS[metric].title for metric in metrics), "Chosen")
    return markup.table(
        "",
        header,
        (
            (
                row["model"],
                row["role"],
                words(row["protocol"]),
                _settings(row["cell"]),
                "-" if row["seed"] is None else row["seed"],
                *(number(row["scores"].get(metric), METRICS[metric].decimals) for metric in metrics),
                _settings(row["chosen"]),
            )
            for row in report["results"]
        ),
    )


def _settings(settings: Mapping[str, Any]) -> str:
    """Settings in one line; infinity is stored as the largest double, because JSON has none."""
    told = []
    for name, value in settings.items():
        text = str(value) if not isinstance(value, float) else f"{value:g}" if value < 1e300 else "∞"
        told.append(f"{words(name)} {text}")
    return ", ".join(told)


def _measure(value: float | None) -> str:
    return str(value) if isinstance(value, int) else number(value, 3)


def _health(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with one row a seed."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "seed"))
    cells = [(row["seed"], *(_measure(row.get(name)) for name in names)) for row in rows]
    return markup.table("", ("Seed", *map(words, names)), cells) if rows else ""
