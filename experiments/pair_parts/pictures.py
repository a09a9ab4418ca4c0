"""The tables and drawings: what each rule pairs, and what is lost under it."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from rich.table import Table

from pair_parts.probes import CONDITIONS, TRUTH, Synthetic
from tsrl.pairs import Strength, rule_of
from tsrl.report.cells import Grid, Score, marks, mean_and_std, score_cell
from tsrl.report.charts import Group, Line, Panel, dot_chart, small_plots
from tsrl.report.plots import COLOURS
from tsrl.report.schema import METRICS
from tsrl.report.table import rich_tables
from tsrl.types import as_batch

ACCURACY = METRICS["accuracy"]
# Seed -> accuracy.
_Seeds = Mapping[int | None, float]


class Accuracies:
    """The accuracies of a report by model, probe, and what the model was trained and judged on."""

    def __init__(self, report: Mapping[str, Any]):
        self.rules: list[str] = report["rules"]
        self.models = [*self.rules, "untrained", "raw"]
        self.sets = [name for name in report["datasets"] if name not in CONDITIONS]
        self.synthetic = "clean" in report["datasets"]
        self._held: dict[tuple[str, ...], dict[int | None, float]] = {}
        for row in report["results"]:
            place = (row["model"], row["protocol"], row["cell"]["trained_on"], row["cell"]["on"])
            self._held.setdefault(place, {})[row["seed"]] = row["scores"]["accuracy"]

    def of(self, model: str, probe: str, trained_on: str, on: str) -> _Seeds:
        """By seed. What is not trained has been judged once, whatever it would have been trained on."""
        held_on = trained_on if model in self.rules or trained_on not in CONDITIONS else "clean"
        return self._held[model, probe, held_on, on]

    def score(self, *place: str) -> Score:
        """Over seeds."""
        return mean_and_std(list(self.of(*place).values()))

    def lost(self, model: str, probe: str, first: tuple[str, str], then: tuple[str, str]) -> Score:
        """The difference within each seed of two places (trained on, judged on), over seeds."""
        one, other = self.of(model, probe, *first), self.of(model, probe, *then)
        return mean_and_std([one[seed] - other[seed] for seed in other])


def tables(report: Mapping[str, Any], width: int) -> list[Table]:
    """The tables of a report, for a terminal of so many columns."""
    found = Accuracies(report)
    grids = [_disturbed(found, on) for on in TRUTH] if found.synthetic else []
    if found.sets:
        columns = {name: [found.score(model, "class", name, name) for model in found.models] for name in found.sets}
        grids.append(_grid("Class of a real series", columns, found))
    notes = ["* best rule; ≈ no different from it: one mean lies within the other's mean ± deviation."]
    if len(report["seeds"]) > 1:
        notes.append("± is the sample standard deviation over seeds; losses are taken within each seed.")
    if found.synthetic:
        notes.append(
            "Lost: what clean series, pre-trained and judged on, have more than disturbed ones. Lost in training: what "
            "an encoder that was pre-trained on clean series reads better from the same disturbed ones."
        )
    return rich_tables("Accuracy by the rule of the pairs", grids, " ".join(notes), width)


def _disturbed(found: Accuracies, on: str) -> Grid:
    """The class of series with one disturbance beside that of clean ones, and the truth about their steps."""
    probe, models = TRUTH[on], found.models
    columns: dict[str, list[Score | None]] = {
        "class: clean": [found.score(model, "class", "clean", "clean") for model in models],
        f"class: {on}": [found.score(model, "class", on, on) for model in models],
        "class: lost": [found.lost(model, "class", ("clean", "clean"), (on, on)) for model in models],
        "class: lost in training": _in_training(found, "class", on),
        f"{probe}: trained on clean": [found.score(model, probe, "clean", on) for model in models],
        f"{probe}: trained on {on}": [found.score(m, probe, on, on) if m in found.rules else None for m in models],
        f"{probe}: lost in training": _in_training(found, probe, on),
    }
    return _grid(f"{on.capitalize()} series", columns, found)


def _in_training(found: Accuracies, probe: str, on: str) -> list[Score | None]:
    return [
        found.lost(model, probe, ("clean", on), (on, on)) if model in found.rules else None for model in found.models
    ]


def _grid(title: str, columns: Mapping[str, Sequence[Score | None]], found: Accuracies) -> Grid:
    """Marked are the rules that are best, not the controls; losses have no best: to lose nothing of nothing is easy."""
    cells = []
    for head, scores in columns.items():
        count = len(found.rules)
        own = [""] * count if "lost" in head else marks(scores[:count], ACCURACY)
        marked = [*own, *[""] * (len(scores) - count)]
        cells.append([score_cell(score, ACCURACY, mark) for score, mark in zip(scores, marked, strict=True)])
    lines = [((model,), row) for model, row in zip(found.models, zip(*cells, strict=True), strict=True)]
    return Grid(title, ("Pairs",), tuple(columns), tuple(lines))


def draw_scores(report: Mapping[str, Any]) -> str:
    """Accuracies of all rules side by side, as SVG."""
    found, panels = Accuracies(report), []
    if found.synthetic:
        series: dict[str, dict[str, Score | None]] = {
            f"{on} series, pre-trained on them": {model: found.score(model, "class", on, on) for model in found.models}
            for on in CONDITIONS
        }
        panels.append(Panel("Class of a series", "accuracy, chance 0.25", series))
        for on, probe in TRUTH.items():
            title = "Level of a step" if probe == "level" else "Whether a step is in an anomaly"
            series = {
                f"pre-trained on {trained_on} series": {
                    model: found.score(model, probe, trained_on, on)
                    for model in (found.models if trained_on == "clean" else found.rules)
                }
                for trained_on in ("clean", on)
            }
            panels.append(Panel(title, f"accuracy on {on} series, chance 0.5", series))
    if found.sets:
        series = {
            name: {model: found.score(model, "class", name, name) for model in found.models} for name in found.sets
        }
        panels.append(Panel("Class of a real series", "accuracy", series))
    told = "Accuracy of linear probes by the rule of the pairs"
    note = (
        f"Means over {len(report['seeds'])} seeds; bars: sample standard deviation. Each panel has an axis of its own."
    )
    return dot_chart(found.models, panels, told, note)


def draw_pairs(strength: Strength, rules: Sequence[str], data: Synthetic, seed: int) -> str:
    """What each rule shows of three series, as SVG: an anchor, its positive, and two of its negatives."""
    parts = [getattr(data.train, on)[:3] for on in CONDITIONS]
    nothing, marked = np.zeros(data.train.anomaly[:3].shape, bool), data.train.anomaly[:3]
    shades = [nothing, data.train.level[:3] > 0, marked]
    whole = np.ones(nothing.shape, bool)
    # The series themselves: the anchor's twice, for its positive is another view of it.
    rows = {
        "the series": [
            [Line(x[i, :, 0], whole[i], shade[i]) for i in (0, 0, 1, 2)] for x, shade in zip(parts, shades, strict=True)
        ]
    }
    for name in rules:
        rule, rows[name] = rule_of(name, strength), []
        for x in parts:
            one, other = rule(jax.random.key(seed), as_batch(x))
            views = [(one, 0), (other, 0), (other, 1), (other, 2)]
            rows[name].append(
                [Line(np.asarray(view.x[i, :, 0]), np.asarray(view.mask[i]), nothing[i]) for view, i in views]
            )
    colours = (COLOURS[0], COLOURS[4], COLOURS[9], COLOURS[9])
    titles = {
        "clean": "clean",
        "shifted": "with shifts of level (shaded: high)",
        "anomalous": "with anomalies (shaded)",
    }
    groups = [Group(titles[on], ("anchor", "positive", "negative", "negative"), colours) for on in CONDITIONS]
    note = (
        "The second view of each other series is a negative. What a view does not show is left out; stretches move to "
        "the front. Each row of a group has one range of values."
    )
    return small_plots(rows, groups, "Views of three series under each rule of the pairs", note)
