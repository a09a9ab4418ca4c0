"""The scoreboard: a line for each run, only what is missing is computed, a damaged line is named."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import tsrl
from tsrl.encoders import Pyramid

PATH = Path(__file__).parents[1] / "experiments" / "scoreboard.py"


@pytest.fixture(scope="module")
def scoreboard():
    spec = importlib.util.spec_from_file_location("scoreboard", PATH)
    module = sys.modules["scoreboard"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["scoreboard"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    x = np.random.default_rng(0).normal(size=(8, 32, 1)).cumsum(1)
    sizes = {"rows": 12, "classes": 3, "lengths": (16,)}
    tsrl.pretrain(x, "foundation", encoder=Pyramid(width=4, scales=3, depth=2), steps=1, **sizes).save(folder)
    return folder


def test_lines_are_kept_and_made_once(scoreboard, model, waves, tmp_path, capsys, monkeypatch):
    shutil.copy(waves, tmp_path / "other.npz")
    flags = ["--models", f"{model},MiniRocket", "--sets", f"{waves},{tmp_path / 'other.npz'}"]
    flags += ["--folder", str(tmp_path / "lines")]
    scoreboard.main([*flags, "--no-run"])
    assert "0 sets" in capsys.readouterr().out
    scoreboard.main(flags)
    shown = capsys.readouterr().out
    assert "2 sets" in shown
    assert "MiniRocket, control" in shown
    kept = [json.loads(line) for line in (tmp_path / "lines" / "small.jsonl").read_text().splitlines()]
    assert [(line["dataset"], line["seed"], line["model"]) for line in kept] == [
        ("waves", 0, "small"),
        ("other", 0, "small"),
    ]
    assert {row["protocol"] for row in kept[0]["rows"]} == {"svc", "nearest", "rich"}
    assert {"versions", "hardware", "command", "wall_s"} <= set(kept[0])
    # What is there is not made again: nothing could be.
    monkeypatch.setattr(scoreboard, "scores", None)
    scoreboard.main(flags)
    assert capsys.readouterr().out == shown


def test_a_method_is_trained_on_the_set(scoreboard, waves, monkeypatch):
    small = scoreboard.Config(
        method=scoreboard._script("ts2vec").method,
        encoder=tsrl.encoders.DilatedConv(width=4, features=4, depth=1),
        train=tsrl.pretraining.Train(steps=2, batch_size=4),
    )
    monkeypatch.setattr(scoreboard, "_script", lambda name: small)
    config = scoreboard.dataclasses.replace(small, dataset=str(waves))
    rows, trained = scoreboard.scores(config, scoreboard.TASKS["classify"].load(config), "ts2vec")
    assert trained == {"steps": 2, "batch_size": 4}
    assert all(row["role"] == "method" and 0 <= row["scores"]["accuracy"] <= 1 for row in rows)


def test_wrong_names_and_damaged_lines(scoreboard, waves, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        scoreboard.main(["--models", "ts3vec", "--sets", str(waves)])
    assert end.value.code == 2
    assert "models: found 'ts3vec', want a folder or one of byol" in capsys.readouterr().err
    (tmp_path / "untrained.jsonl").write_text('{"dataset": "waves", "se')
    with pytest.raises(SystemExit):
        scoreboard.main(["--models", "untrained", "--sets", str(waves), "--folder", str(tmp_path)])
    assert "untrained.jsonl: line 1 is no JSON" in capsys.readouterr().err
