"""The main job from the command line: what it writes, how it resumes, what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tsrl
from tsrl.cli import experiment_scripts
from tsrl.cli import main as tsrl_command
from tsrl.config import Config, Train, config_json, model_from_json, options
from tsrl.data import load
from tsrl.encoders import DilatedConv, PooledConv
from tsrl.errors import InputError
from tsrl.evaluate.classify import evaluate_svc
from tsrl.experiment import experiment
from tsrl.report.schema import ROLES, check_report
from tsrl.script import main
from tsrl.workdir import default_workdir

ROOT = Path(__file__).parents[1]
SMALL = ["--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1", "--quiet", "--no-controls"]
CONFIG = Config(
    method=options("ts2vec"),
    encoder=DilatedConv(width=4, features=6, depth=1),
    train=Train(steps=6, batch_size=4, checkpoint_every=2),
    controls=False,
    quiet=True,
)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []


@pytest.fixture(scope="module")
def finished(waves, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "two"
    config = replace(CONFIG, dataset=str(waves), workdir=workdir, seeds=2, seed=3)
    return config, experiment(config, "the command")


def test_a_run_leaves_a_whole_report(finished):
    config, report = finished
    workdir = config.workdir
    assert files(workdir) == sorted(
        ["README.txt", "checkpoints", "config.json", "embeddings.npz", "metrics.jsonl", "report.html", "report.json"]
    )
    saved = json.loads((workdir / "report.json").read_text())
    assert saved == {name: value for name, value in report.items() if name != "workdir"}
    assert saved["seeds"] == [3, 4]
    check_report(saved)
    rows = [(row["model"], row["protocol"], row["seed"]) for row in saved["results"]]
    assert sorted(rows) == [
        ("ts2vec", name, seed) for name in ("logistic", "nearest", "rich", "svc") for seed in (3, 4)
    ]
    assert all(0 <= row["scores"]["accuracy"] <= 1 for row in saved["results"])
    assert [row["seed"] for row in saved["health"]] == [3, 4]
    assert saved["command"] == "the command"
    assert saved["versions"]["jax"]
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(len(row["loss"]) == 2 for row in rows)
    assert ["health" in row for row in rows] == [False, True] * 3
    assert all(1 <= rank <= 6 for rank in rows[-1]["health"]["effective_rank"])
    page = (workdir / "report.html").read_text()
    assert "waves" in page
    assert "http://" not in page.split("<script")[0]


def test_embeddings_come_from_the_restored_checkpoint(finished, waves):
    config, _ = finished
    with np.load(waves) as data, np.load(config.workdir / "embeddings.npz") as embedded:
        assert embedded["z_train"].shape == (2, 14, 6)
        assert embedded["z_test"].shape == (2, 11, 6)
        for row, seed in enumerate((3, 4)):
            again = tsrl.load(config.workdir, seed=seed).embed(data["x_test"])
            np.testing.assert_allclose(embedded["z_test"][row], again, atol=1e-6)
        assert abs(embedded["z_test"][0] - embedded["z_test"][1]).max() > 1e-3
    with pytest.raises(InputError, match=r"seed: found 9, want one of \[3, 4\]"):
        tsrl.load(config.workdir, seed=9)


def test_a_finished_run_is_only_evaluated_again(finished):
    config, before = finished
    again = experiment(config, "again")
    assert again["results"] == before["results"]
    assert again["wall_s"]["train"] == pytest.approx(before["wall_s"]["train"], rel=0.5)


def test_another_config_is_refused_or_overwrites(finished, waves, tmp_path):
    config, _ = finished
    other = replace(config, train=replace(config.train, learning_rate=0.5))
    before = {name: (config.workdir / name).stat().st_mtime_ns for name in ("config.json", "metrics.jsonl")}
    with pytest.raises(InputError, match=r"it differs in train\.learning_rate.*--overwrite"):
        experiment(other)
    assert before == {name: (config.workdir / name).stat().st_mtime_ns for name in before}
    mine = replace(CONFIG, dataset=str(waves), workdir=tmp_path / "run", train=replace(CONFIG.train, steps=2))
    experiment(mine)
    (tmp_path / "run" / "notes.txt").write_text("the user's own")
    experiment(replace(mine, seed=8, overwrite=True))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == 8
    assert "notes.txt" in files(tmp_path / "run")


def test_a_damaged_checkpoint_gives_way_to_the_one_before(waves, tmp_path, caplog):
    config = replace(CONFIG, dataset=str(waves), workdir=tmp_path / "run")
    whole = experiment(config)
    final = params_of(tmp_path / "run")
    newest = max((tmp_path / "run" / "checkpoints").iterdir(), key=lambda path: int(path.name))
    for path in newest.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)
    again = experiment(config)
    assert re.search(r"checkpoint could not be read, going back to step 4 \(step 6: ", caplog.text)
    assert again["results"] == whole["results"]
    np.testing.assert_array_equal(params_of(tmp_path / "run"), final)


def test_controls_stand_beside_the_method(waves, tmp_path):
    """The untrained encoder has the initial weights of the run, and every protocol the method has."""
    config = replace(CONFIG, dataset=str(waves), workdir=tmp_path / "run", controls=True)
    report = experiment(config)
    protocols = {role: {row["protocol"] for row in report["results"] if row["role"] == role} for role in ROLES}
    assert protocols["untrained"] == protocols["method"] == {"svc", "logistic", "nearest", "rich"}
    controls = {row["model"] for row in report["results"] if row["role"] == "control"}
    assert controls == {"MiniRocket", "MultiRocket", "1-NN DTW", "1-NN Euclidean", "raw SVC", "raw logistic"}
    assert set(report["protocol"]) == {*protocols["method"], "control"}


def test_an_encoder_that_shortens_series_is_judged_by_every_protocol(waves, tmp_path):
    encoder = PooledConv(width=4, features=6)
    config = replace(CONFIG, method=options("simclr"), encoder=encoder, dataset=str(waves), workdir=tmp_path / "run")
    report = experiment(config)
    assert [row["protocol"] for row in report["results"]] == ["svc", "logistic", "nearest", "rich"]
    assert all(0 <= row["scores"]["accuracy"] <= 1 for row in report["results"])


def test_a_finished_report_is_reused_only_for_the_same_evaluation(finished):
    config, before = finished
    text = (config.workdir / "report.json").read_text()
    assert experiment(config, "reused", reuse=True)["command"] != "reused"
    assert (config.workdir / "report.json").read_text() == text
    other = replace(config, classify=replace(config.classify, protocols=("nearest", "rich")))
    again = experiment(other, "another evaluation", reuse=True)
    assert again["command"] == "another evaluation"
    assert [row["protocol"] for row in again["results"]] == ["nearest", "rich"] * 2
    assert experiment(config, before["command"])["results"] == before["results"]


def test_selection_of_the_paper_takes_the_best_test_checkpoint_and_says_so(waves, tmp_path):
    config = replace(CONFIG, dataset=str(waves), workdir=tmp_path / "run", selection="paper")
    report = experiment(config)
    assert report["selection"] == "paper"
    assert all(row["chosen"]["optimistic"] for row in report["results"])
    tried = {row["protocol"]: [] for row in report["results"]}
    data = load(str(waves))
    for step in (2, 4, 6):
        model = tsrl.load(tmp_path / "run", step=step)
        tried["svc"].append(
            evaluate_svc(model.embed(data.x_train), data.y_train, model.embed(data.x_test), data.y_test)
        )
    best = next(row for row in report["results"] if row["protocol"] == "svc")
    assert best["scores"]["accuracy"] == max(scores["accuracy"] for scores in tried["svc"])
    assert "optimistic" in (tmp_path / "run" / "report.html").read_text()


def test_several_data_sets_are_compared(waves, tmp_path, capsys):
    with np.load(waves) as stored:
        arrays = dict(stored)
    for name in ("one", "two"):
        arrays["x_train"] = arrays["x_train"] + 0.1
        np.savez(tmp_path / f"{name}.npz", **arrays)
    flags = ["--datasets", "one,two", "--data-dir", str(tmp_path), "--workdir", str(tmp_path / "suite")]
    main(CONFIG, flags)
    found = json.loads((tmp_path / "suite" / "comparison.json").read_text())
    assert found["datasets"] == ["one", "two"]
    assert {line["protocol"] for line in found["lines"]} == {"svc", "rich"}
    assert found["wall_s"] > 0
    assert (tmp_path / "suite" / "comparison.svg").read_text().startswith("<svg")
    assert {"one", "two", "comparison.html"} <= set(files(tmp_path / "suite"))
    assert "one" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(CONFIG, ["--datasets", "one,tow", "--data-dir", str(tmp_path), "--workdir", str(tmp_path / "none")])
    assert stop.value.code == 2
    assert not (tmp_path / "none").exists()


def test_embeddings_from_elsewhere_are_judged_alike(finished, waves, tmp_path, capsys):
    config, _ = finished
    alone = experiment(config)
    file = config.workdir / "embeddings.npz"
    tsrl_command(["evaluate", "--embeddings", str(file), "--seed", "3", "--out", str(tmp_path / "out")])
    judged = json.loads((tmp_path / "out" / "report.json").read_text())
    check_report(judged)
    own = {(row["protocol"], row["seed"]): row["scores"] for row in alone["results"] if row["protocol"] != "rich"}
    assert {(row["protocol"], row["seed"]): row["scores"] for row in judged["results"]} == own
    assert "embeddings" in capsys.readouterr().out
    for flags, message in [
        (["--task", "finetune"], "needs the model itself"),
        (["--task", "forecast"], "want also z ([T, D] representation"),
        (["--embeddings", "absent.npz"], "found no file"),
    ]:
        with pytest.raises(SystemExit) as stop:
            tsrl_command(["evaluate", "--embeddings", str(file), *flags])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


def test_unlabelled_series_are_embedded_without_scores(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 12, 1)).astype(np.float32)
    np.savez(tmp_path / "plain.npz", x=x)
    config = replace(CONFIG, dataset=str(tmp_path / "plain.npz"), workdir=tmp_path / "run")
    report = experiment(replace(config, train=replace(CONFIG.train, steps=2)))
    assert report["results"] == []
    assert files(tmp_path / "run").count("report.html") == 1
    with np.load(tmp_path / "run" / "embeddings.npz") as embedded:
        assert embedded.files == ["z_train"]


def test_a_run_without_scores_says_so(tmp_path, capsys):
    np.save(tmp_path / "plain.npy", np.random.default_rng(0).normal(size=(6, 12, 1)))
    main(CONFIG, ["--dataset", str(tmp_path / "plain.npy"), "--workdir", str(tmp_path / "run"), *SMALL], prog="test")
    assert "no scores: the data set has no labels or no test part" in " ".join(capsys.readouterr().out.split())


def test_settings_of_a_data_set_give_way_to_flags(waves, tmp_path):
    def settings(config):
        chosen = replace(config.train, steps=2 if config.dataset == "one" else 3, batch_size=4)
        return replace(config, train=chosen)

    (tmp_path / "one.npz").write_bytes(waves.read_bytes())
    (tmp_path / "two.npz").write_bytes(waves.read_bytes())
    flags = ["--datasets", "one,two", "--data-dir", str(tmp_path), "--workdir", str(tmp_path / "runs"), *SMALL]
    main(CONFIG, [*flags, "--train.batch-size", "2"], settings=settings)
    found = [json.loads((tmp_path / "runs" / name / "config.json").read_text())["train"] for name in ("one", "two")]
    assert [(train["steps"], train["batch_size"]) for train in found] == [(2, 2), (3, 2)]


def test_an_encoder_is_chosen_by_name_and_its_sizes_by_flags(waves, tmp_path, capsys):
    flags = ["--dataset", str(waves), "--workdir", str(tmp_path / "run"), "--train.steps", "1", "--no-controls"]
    main(CONFIG, [*flags, "--encoder", "DilatedConv", "--encoder.depth", "1", "--encoder.features=5"])
    model = json.loads((tmp_path / "run" / "config.json").read_text())["encoder"]
    assert (model["name"], model["depth"], model["features"], model["width"]) == ("DilatedConv", 1, 5, 64)
    with pytest.raises(SystemExit) as stop:
        main(CONFIG, ["--encoder", "DilatedConf"])
    assert stop.value.code == 2
    assert "encoder: found 'DilatedConf'; did you mean DilatedConv, PooledConv?" in capsys.readouterr().err


BAD = {
    "no such set": (["--dataset", "BasicMotion"], "BasicMotions"),
    "no such file": (["--dataset", "absent.npz"], "absent.npz"),
    "too few steps": (["--train.steps", "0"], "train.steps: found 0, want a whole number from 1 up"),
    "no seed": (["--seeds", "0"], "seeds: found 0, want a whole number from 1 up"),
    "negative seed": (["--seed", "-1"], "seed: found -1, want a whole number from 0 up"),
    "overlap too long": (
        ["--method.temporal-unit", "9"],
        "temporal_unit: found 9 for series of 20 steps, want at most 3",
    ),
    "no width": (["--encoder.width", "0"], "width: found 0, want a whole number from 1 up"),
    "even kernel": (["--encoder.kernel-size", "2"], "kernel_size: found 2, want an odd number"),
    "all dropped": (["--method.dropout", "1"], "dropout: found 1.0, want 0 up to, but not, 1"),
    "weight above 1": (["--method.alpha", "7"], "alpha: found 7.0, want 0 to 1"),
    "negative unit": (["--method.temporal-unit", "-1"], "temporal_unit: found -1, want 0 or more"),
    "rate": (["--train.learning-rate", "nan"], "train.learning_rate: found nan, want a finite number from 0 up"),
    "huge seed": (["--seed", "5000000000"], "want all seeds below 4294967296"),
    "no folder": (["--data-dir", "/absent", "--dataset", "x"], "/absent"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_flags_say_what_is_wrong_and_write_nothing(name, waves, tmp_path, capsys):
    flags, message = BAD[name]
    workdir = tmp_path / "run"
    flags = [*SMALL, *([] if "--dataset" in flags else ["--dataset", str(waves)]), *flags, "--workdir", str(workdir)]
    with pytest.raises(SystemExit) as stop:
        main(CONFIG, flags)
    shown = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in shown
    assert "Traceback" not in shown
    assert not workdir.exists()


X3, ONE = np.random.default_rng(0).normal(size=(3, 4, 1)).astype(np.float32), np.zeros(3, int)
BAD_ARRAYS = {
    "rank": ({"x": np.zeros((3, 4), np.float32)}, "want [N, T, C]; add the channel axis"),
    "no samples": ({"x": np.zeros((0, 4, 1), np.float32)}, "found 0 series in shape (0, 4, 1)"),
    "one step": ({"x": np.zeros((3, 1, 1), np.float32)}, "found 1 time steps in shape (3, 1, 1)"),
    "all missing": ({"x": np.full((3, 4, 1), np.nan, np.float32)}, "NaN"),
    "infinite": ({"x": np.full((3, 4, 1), np.inf, np.float32)}, "inf"),
    "channels": ({"x_train": np.ones((3, 4, 1), np.float32), "x_test": np.ones((3, 4, 2), np.float32)}, "channels"),
    "one class": ({"x_train": X3, "y_train": ONE, "x_test": X3, "y_test": ONE}, "y_train: found one class in bad"),
    "pickled": ({"x": np.asarray([{"a": 1}, None], object)}, "pickle"),
}


BAD_WORKDIRS = {
    "a file": ("file", "found a file at"),
    "below a file": ("file/run", "cannot use"),
    "not a run": ("", "found files but no config.json"),
    "a pattern": ("lr=[1e-3]", "want a path without * ? [ ]"),
}


@pytest.mark.parametrize("name", BAD_WORKDIRS)
def test_a_workdir_that_cannot_be_used_is_refused(name, waves, tmp_path):
    where, message = BAD_WORKDIRS[name]
    (tmp_path / "file").write_text("the user's own")
    with pytest.raises(InputError, match=re.escape(message)):
        experiment(replace(CONFIG, dataset=str(waves), workdir=tmp_path / where))
    assert files(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "the user's own"


def test_two_processes_in_one_workdir_are_refused(finished):
    from filelock import FileLock

    config, _ = finished
    with FileLock(config.workdir / ".lock"), pytest.raises(InputError, match="another process is running in"):
        experiment(config)


def test_other_data_of_the_same_name_is_another_run(finished, waves, tmp_path):
    config, _ = finished
    with np.load(waves) as stored:
        arrays = dict(stored)
    arrays["x_train"][3, 2] += 1
    np.savez(tmp_path / "waves.npz", **arrays)
    with pytest.raises(InputError, match=r"it differs in data\)"):
        experiment(replace(config, dataset=str(tmp_path / "waves.npz")))


def test_without_plotly_everything_but_the_page_is_written(waves, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    config = replace(CONFIG, dataset=str(waves), workdir=tmp_path / "run", train=replace(CONFIG.train, steps=2))
    assert experiment(config)["results"]
    assert "report.json" in files(tmp_path / "run")
    assert "report.html" not in files(tmp_path / "run")
    assert "pip install 'tsrl[report]'" in caplog.text


def test_reading_a_running_model_leaves_its_unfinished_checkpoint_alone(finished):
    config, _ = finished
    unfinished = config.workdir / "checkpoints" / "8.orbax-checkpoint-tmp"
    unfinished.mkdir()
    tsrl.load(config.workdir)
    assert unfinished.is_dir()
    unfinished.rmdir()


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_data_says_what_is_wrong_and_writes_nothing(name, tmp_path, capsys):
    arrays, message = BAD_ARRAYS[name]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(SystemExit) as stop:
        main(CONFIG, ["--dataset", str(tmp_path / "bad.npz"), "--workdir", str(tmp_path / "run")])
    shown = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in shown
    assert files(tmp_path) == ["bad.npz"]


def test_the_command_has_the_scripts_settings_of_a_data_set(monkeypatch):
    called = {}
    monkeypatch.setattr(
        "tsrl.script.main", lambda config, *_, settings: called.update(config=config, settings=settings)
    )
    tsrl_command(["train", "tstcc", "--dataset", "HAR"])
    assert called["settings"](replace(called["config"], dataset="HAR")).method.future == 6
    tsrl_command(["train", "ts2vec"])
    assert called["settings"] is None


def test_an_unknown_method_names_the_nearest(capsys):
    with pytest.raises(SystemExit) as stop:
        tsrl_command(["train", "ts2vek"])
    assert stop.value.code == 2
    assert "did you mean ts2vec?" in capsys.readouterr().err
    with pytest.raises(InputError, match="did you mean ts2vec"):
        options("TS2VEK")
    with pytest.raises(InputError, match="alphaa: not a setting of ts2vec; did you mean alpha"):
        options("ts2vec", alphaa=1)


def test_a_diverging_run_stops_with_the_step_and_keeps_the_last_good_checkpoint(waves, tmp_path, capsys):
    flags = ["--dataset", str(waves), "--workdir", str(tmp_path / "run"), "--train.steps", "12"]
    with pytest.raises(SystemExit) as stop:
        main(CONFIG, [*flags, "--train.learning-rate", "1e8", "--train.checkpoint-every", "1"])
    shown = capsys.readouterr().err
    assert stop.value.code == 1
    found = re.search(r"stopped: step (\d+): found loss .*; the last good checkpoint is step (\d+)", shown)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, int(found[1]) + 1))
    assert None in rows[-1].values()
    assert found, shown
    assert int(found[2]) == int(found[1]) - 1
    assert np.isfinite(params_of(tmp_path / "run")).all()


def params_of(workdir):
    """All weights of a run's checkpoint as one vector."""
    import jax

    model = tsrl.load(workdir)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves((model.params, model.aux))])


def start(waves, workdir, *flags):
    environment = os.environ | {"XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "experiments" / "ts2vec.py"), *SMALL, "--dataset", str(waves)]
    command += ["--workdir", str(workdir), "--train.checkpoint-every", "40", "--train.steps", "2000", *flags]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_step(process, workdir, step):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        metrics = workdir / "metrics.jsonl"
        lines = metrics.read_text().count("\n") if metrics.exists() else 0
        if lines >= step:
            return lines
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f"step {step} was not reached")


def test_killed_and_started_again_equals_an_uninterrupted_run(waves, tmp_path):
    """SIGKILL twice, at whatever moment; the final parameters are bit-equal."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    process = start(waves, whole)
    process.communicate(timeout=200)
    assert process.returncode == 0
    for step in (60, 500):
        process = start(waves, cut)
        wait_for_step(process, cut, step)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    final = start(waves, cut)
    final.communicate(timeout=200)
    assert final.returncode == 0
    np.testing.assert_array_equal(params_of(cut), params_of(whole))
    without_time = [json.loads((run / "report.json").read_text())["results"] for run in (whole, cut)]
    assert without_time[0] == without_time[1]
    lines = (cut / "metrics.jsonl").read_text()
    assert lines == (whole / "metrics.jsonl").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_saves_and_stops(number, code, waves, tmp_path):
    process = start(waves, tmp_path / "run", "--train.steps", "200000")
    wait_for_step(process, tmp_path / "run", 30)
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == code, shown
    step = int(re.search(r"stopped at step (\d+), saved; the same command resumes", shown)[1])
    assert max(int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir()) == step
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") == step
    assert "Traceback" not in shown


def test_help_lists_every_field_and_its_meaning(capsys):
    with pytest.raises(SystemExit) as stop:
        main(CONFIG, ["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for flag in ("--train.steps", "--method.alpha", "--encoder.depth", "--dataset", "--seeds", "--overwrite"):
        assert flag in shown
    assert "weight of the instance contrast" in shown


def test_the_script_and_the_command_share_one_config():
    scripts = experiment_scripts()
    assert {path.stem for path in (ROOT / "experiments").glob("*.py")} == set(scripts)
    import runpy

    config = runpy.run_path(str(scripts["ts2vec"]))["CONFIG"]
    assert config.controls
    assert config.dataset == "BasicMotions"
    method, encoder = model_from_json(json.loads(json.dumps(config_json(config))))
    assert (method, encoder) == (config.method, config.encoder)
    assert default_workdir(replace(config, seeds=3)) == Path("runs/ts2vec-BasicMotions-seed0-2")
    forecast = replace(config, task="forecast", dataset="ETTh1")
    assert default_workdir(forecast) == Path("runs/ts2vec-forecast-ETTh1-seed0")


def test_a_model_of_another_version_is_refused():
    record = config_json(CONFIG)
    with pytest.raises(InputError, match="did you mean DilatedConv"):
        model_from_json(record | {"encoder": {"name": "DilatedConvs"}})
    with pytest.raises(InputError, match=r"config\.json: not a model of this version"):
        model_from_json({"method": {}})
