"""experiments/pair_construction.py, end to end at a tiny size."""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from tsrl.cli import main as tsrl_command
from tsrl.report.schema import SCHEMA

FOLDER = Path(__file__).parents[1] / "experiments"
SMALL = [
    *("--train.steps", "2", "--train.batch-size", "4", "--series.train", "16", "--series.test", "16"),
    *("--series.length", "64", "--series.probed", "8", "--encoder.width", "4", "--encoder.features", "6"),
    *("--encoder.depth", "1"),
]
RULES = "subseries,time_step_mask"


@pytest.fixture(autouse=True)
def _own_path(monkeypatch):
    """The command adds the script's folder to the path, as Python does for a script."""
    monkeypatch.setattr(sys, "path", [*sys.path])


def call(*flags):
    tsrl_command(["train", "pair_construction", *SMALL, *flags])


def test_it_runs_end_to_end_and_a_second_run_reuses_its_cells(tmp_path, waves, capsys):
    folder = tmp_path / "run"
    flags = ["--rules", "subseries", "--datasets", str(waves), "--seeds", "2", "--workdir", str(folder)]
    call(*flags)
    shown = capsys.readouterr()
    # Three conditions and the real set, of the rule; untrained, and raw, which is one for the real set.
    assert shown.err.count(" s)") == 2 * (3 + 1) + 2 * 2 + 2 + 1
    for words in ("Shifted series", "Anomalous series", "Class of a real series", "subseries", "untrained", "raw"):
        assert words in " ".join(shown.out.split())
    report = json.loads((folder / "results.json").read_text())
    assert (report["schema"], report["kind"], report["seeds"]) == (SCHEMA, "pairs", [0, 1])
    assert report["command"].startswith("tsrl train pair_construction --train.steps 2")
    assert report["versions"]["jax"]
    assert report["hardware"]["cores"]
    assert report["wall_s"]["cells"] > 0
    assert report["datasets"] == ["clean", "shifted", "anomalous", "waves"]
    places = [(row["model"], row["protocol"], *row["cell"].values(), row["seed"]) for row in report["results"]]
    assert len(set(places)) == len(places)
    # A rule: on clean series 5 probes, on the others 2 each, and the real set; untrained and raw: 5 and the real set.
    assert len(places) == 2 * (9 + 1) + 2 * (5 + 1) + 2 * 5 + 1
    accuracies = np.array([row["scores"]["accuracy"] for row in report["results"]])
    assert ((accuracies >= 0) & (accuracies <= 1)).all()
    for name in ("pairs", "losses"):
        texts = [
            text.text for text in ElementTree.parse(folder / f"{name}.svg").iter("{http://www.w3.org/2000/svg}text")
        ]
        assert "subseries" in texts
    cells = {path.name: path.read_bytes() for path in (folder / "cells").iterdir()}
    assert len(cells) == 15

    # Another rule, without the real set; of the held cells one is damaged, and made again as it was.
    (folder / "cells" / "shifted-subseries-seed1.json").write_text("{")
    call(*flags, "--rules", RULES, "--datasets", "")
    shown = capsys.readouterr().err.splitlines()
    assert sum("time_step_mask" in line for line in shown) == 6
    assert [line for line in shown if " s)" in line and "time_step_mask" not in line] == [
        line for line in shown if line.startswith("subseries trained on shifted, seed 1:")
    ]
    for name, held in cells.items():
        made = json.loads((folder / "cells" / name).read_text())
        assert made["rows"] == json.loads(held)["rows"]
    again = json.loads((folder / "results.json").read_text())
    assert again["rules"] == RULES.split(",")
    synthetic = [row for row in report["results"] if row["cell"]["on"] != "waves"]
    assert [row for row in again["results"] if row["model"] != "time_step_mask"] == synthetic

    # Other settings would mix two runs.
    with pytest.raises(SystemExit) as stop:
        call(*flags, "--train.learning-rate", "0.1")
    assert stop.value.code == 2
    assert "it differs in train.learning_rate" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rules", "subserie"], "rules: found 'subserie'; did you mean subseries?"),
        (["--rules", "crop,crop"], "rules: found 'crop,crop', want different names"),
        (["--rules", ""], "rules: found ''"),
        (["--seeds", "0"], "seeds: found 0, want a whole number from 1 up"),
        (["--series.probed", "0"], "series.probed: found 0"),
        (["--series.length", "40"], "length: found 40, want a whole number from 64 up"),
        (["--no-synthetic", "--datasets", ""], "datasets: found none and no synthetic series"),
        (["--datasets", "BasicMotion"], "did you mean BasicMotions"),
        (["--method.temperature", "0"], "temperature: found 0.0"),
        (["--method.pairs", "crop"], "method.pairs: found crop, want the rules by --rules"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        call("--workdir", str(tmp_path / "run"), *flags)
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_the_help_says_what_it_tests_and_how_it_is_run(capsys):
    with pytest.raises(SystemExit) as stop:
        tsrl_command(["train", "pair_construction", "--help"])
    assert stop.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("2106.10466", "python experiments/pair_construction.py", "--rules", "--series.train", "--workdir"):
        assert words in shown


def test_all_rules_but_the_defective_one_are_the_default(monkeypatch):
    from tsrl.pairs import RULES

    monkeypatch.syspath_prepend(str(FOLDER))
    from pair_parts.settings import Comparison

    chosen = Comparison().rules.split(",")
    assert set(RULES) - set(chosen) <= {"weak_strong_released"}
    assert {"weak_strong", "subseries", "adjacent", "overlapping_crops", "time_step_mask"} <= set(chosen)


def test_losses_are_differences_within_a_seed(monkeypatch):
    """By hand: clean 0.9 and 0.7, shifted 0.6 and 0.6, so 0.3 and 0.1 are lost, 0.2 on average."""
    monkeypatch.syspath_prepend(str(FOLDER))
    from pair_parts.pictures import Accuracies

    def row(seed, trained_on, on, accuracy, model="crop"):
        cell = {"trained_on": trained_on, "on": on}
        return {"model": model, "protocol": "class", "cell": cell, "seed": seed, "scores": {"accuracy": accuracy}}

    rows = [row(0, "clean", "clean", 0.9), row(1, "clean", "clean", 0.7)]
    rows += [row(0, "shifted", "shifted", 0.6), row(1, "shifted", "shifted", 0.6)]
    rows += [row(0, "clean", "shifted", 0.5, "untrained")]
    found = Accuracies({"rules": ["crop"], "datasets": ["clean", "shifted"], "results": rows})
    mean, std = found.lost("crop", "class", ("clean", "clean"), ("shifted", "shifted"))
    assert mean == pytest.approx(0.2)
    assert std == pytest.approx(0.2 / np.sqrt(2))
    # What is not trained was judged once, whatever it would have been trained on.
    assert found.score("untrained", "class", "shifted", "shifted").mean == 0.5
