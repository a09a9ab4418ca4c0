"""Every task from its data set to the report, and from embeddings to the same rows."""

from dataclasses import replace

import numpy as np
import pytest
from series_file import write_series

import tsrl
from tsrl.cli import main as tsrl_command
from tsrl.config import Config, Forecast, Train, options
from tsrl.data.tables.settings import Table
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.evaluate.forecast import last_step_ridge
from tsrl.experiment import experiment
from tsrl.judge import Embeddings, judge_embeddings
from tsrl.report.schema import check_report, read_report
from tsrl.tasks import TASKS, forecast

CONFIG = Config(
    method=options("ts2vec"),
    encoder=DilatedConv(width=4, features=6, depth=1),
    train=Train(steps=2, batch_size=4),
    forecast=Forecast(horizons=(1, 5), context=9, look_back=12),
    quiet=True,
)


@pytest.mark.parametrize("task", ["cluster", "finetune"])
def test_tasks_on_labelled_series_run_from_file_to_report(task, waves, tmp_path):
    """Their protocols are tested by themselves; this is the way through."""
    report = experiment(replace(CONFIG, task=task, dataset=str(waves), workdir=tmp_path / "run", controls=True))
    check_report(report)
    wanted = {
        "cluster": {("method", "kmeans"), ("untrained", "kmeans"), ("control", "control")},
        "finetune": {("method", mode) for mode in ("probe", "partial", "full")}
        | {("untrained", mode) for mode in ("probe", "supervised")},
    }
    assert {(row["role"], row["protocol"]) for row in report["results"]} == wanted[task]


def test_regression_runs_from_the_packaged_set_to_the_report(tmp_path):
    config = replace(CONFIG, task="regress", dataset="Covid3Month", workdir=tmp_path / "run")
    report = experiment(config)
    check_report(report)
    lines = {(row["model"], row["protocol"]) for row in report["results"]}
    assert lines == {
        *(("ts2vec", name) for name in ("ridge", "rich")),
        *(("untrained", name) for name in ("ridge", "rich")),
        ("mean of train", "control"),
        ("raw series, ridge", "control"),
    }
    mean = next(row for row in report["results"] if row["model"] == "mean of train")
    y_train, y_test = (np.load(tmp_path / "run" / "embeddings.npz")[name] for name in ("y_train", "y_test"))
    assert mean["scores"]["rmse"] == pytest.approx(np.sqrt(np.mean((y_test - y_train.mean()) ** 2)), rel=1e-6)


@pytest.fixture(scope="module")
def forecasting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    file = write_series(folder / "mine.csv", steps=300)
    config = replace(CONFIG, task="forecast", dataset=str(file), workdir=folder / "run", seeds=2)
    return config, experiment(config)


def test_forecasting_runs_from_a_csv_to_the_report(forecasting):
    config, report = forecasting
    check_report(report)
    cells = {
        (row["model"], row["protocol"], row["cell"]["horizon"], row["cell"]["anchored"]) for row in report["results"]
    }
    ridge = {
        (m, p, h, a)
        for m in ("ts2vec", "untrained")
        for p in ("last_step_ridge", "window_linear")
        for h in (1, 5)
        for a in (False, True)
    }
    assert ridge <= cells
    assert {name for name, protocol, *_ in cells if protocol == "control"} == {
        "last value", "seasonal naive, 24 steps", "normalised linear map", "raw window, ridge",
    }  # fmt: skip
    assert report["dataset"]["split"] == {"train": 180, "valid": 60, "test": 60}
    # The trained encoder's rows come from the checkpoint: the same numbers by hand.
    series = forecast.load(config)
    z = tsrl.load(config.workdir, 1).encode(series.x[None], sliding_length=1, sliding_padding=8, causal=True)[0]
    by_hand = last_step_ridge(z, series.targets(), series.splits(), (5,), skip=8)[0]
    own = next(
        row
        for row in report["results"]
        if row["model"] == "ts2vec"
        and row["seed"] == 1
        and row["protocol"] == "last_step_ridge"
        and row["cell"] == {"horizon": 5, "anchored": False}
    )
    assert own["scores"]["mse"] == pytest.approx(by_hand.scores["mse"], rel=1e-5)
    # Errors in original units are larger by the channels' standard deviations.
    ratio = own["scores"]["mse_original"] / own["scores"]["mse"]
    assert series.scale().min() ** 2 <= ratio <= series.scale().max() ** 2


@pytest.mark.parametrize(("steps", "season"), [(200, 52), (60, 47)])
def test_the_season_of_weeks_is_a_year_or_what_there_is(tmp_path, steps, season):
    weeks = np.datetime64("2020-01-06") + 7 * np.arange(steps)
    rows = [f"{week},{np.sin(number)}" for number, week in enumerate(weeks)]
    (tmp_path / "mine.csv").write_text("week,v\n" + "\n".join(rows) + "\n")
    table = Table(time="week")
    config = replace(CONFIG, task="forecast", dataset=str(tmp_path / "mine.csv"), table=table)
    found = {row["model"] for row in forecast.controls(config, forecast.load(config))}
    assert f"seasonal naive, {season} steps" in found


def test_settings_that_forecasting_does_not_use_are_refused(tmp_path):
    file = write_series(tmp_path / "mine.csv", steps=300)
    with pytest.raises(InputError, match="group: found 'v0', want none: no forecast uses it"):
        forecast.load(replace(CONFIG, task="forecast", dataset=str(file), table=Table(group="v0")))
    config = replace(CONFIG, task="forecast", dataset=str(file), table=Table(values=("v0",)))
    assert forecast.load(config).data.columns == ("v0",)


def test_representations_from_elsewhere_are_judged_as_the_run_judges_them(forecasting, tmp_path, capsys):
    config, report = forecasting
    file = config.workdir / "embeddings.npz"
    flags = ["--task", "forecast", "--forecast.horizons", "1", "5", "--forecast.context", "9"]
    tsrl_command(["evaluate", "--embeddings", str(file), *flags, "--out", str(tmp_path / "out")])
    judged = read_report(tmp_path / "out" / "report.json")
    own = [
        row["scores"]["mse"]
        for row in report["results"]
        if row["model"] == "ts2vec" and row["protocol"] == "last_step_ridge"
    ]
    assert [row["scores"]["mse"] for row in judged["results"]] == pytest.approx(own, rel=1e-6)
    assert "last step ridge" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forecast": Forecast(horizons=(1000,), context=9, look_back=12)}, "horizon"),
        ({"forecast": Forecast(horizons=(5,), context=0)}, r"forecast\.context: found 0"),
        ({"forecast": Forecast(horizons=(5,), context=9, look_back=180)}, r"look_back: found 180, want 1 to 179"),
        ({"forecast": Forecast(horizons=(5,), context=9, look_back=0)}, r"look_back: found 0, want 1 to 179"),
        ({"forecast": Forecast(horizons=(), context=9, look_back=12)}, r"horizons: found \(\), want whole numbers"),
        ({"dataset": "ETTh9"}, "dataset: found 'ETTh9'"),
    ],
)
def test_settings_that_do_not_fit_the_series_are_refused_before_training(forecasting, tmp_path, change, message):
    config, _ = forecasting
    with pytest.raises(InputError, match=message):
        experiment(replace(config, workdir=tmp_path / "run", **change))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("cluster", {"y_test": np.zeros(11, int)}, "y_test: found one class in other, want two or more"),
        (
            "regress",
            {"x_train": np.ones((1, 20, 2)), "y_train": np.ones(1)},
            "x_train: found 1 series in other, want at least two",
        ),
    ],
)
def test_sets_that_a_task_cannot_judge_are_refused_before_training(task, change, message, waves, tmp_path):
    with np.load(waves) as stored:
        np.savez(tmp_path / "other.npz", **{**stored, **change})
    with pytest.raises(InputError, match=message):
        experiment(replace(CONFIG, task=task, dataset=str(tmp_path / "other.npz"), workdir=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_health_of_representations_from_elsewhere_stands_in_the_report(forecasting, tmp_path):
    config, report = forecasting
    with np.load(config.workdir / "embeddings.npz") as stored:
        arrays = dict(stored)
    # What no origin uses may be missing.
    arrays["z"] = np.where(np.arange(300)[:, None] < 8, np.nan, arrays["z"])
    np.savez(tmp_path / "mine.npz", **arrays)
    judged = judge_embeddings(
        Embeddings(task="forecast", forecast=config.forecast, embeddings=tmp_path / "mine.npz", seed=4)
    )
    assert [(row["seed"], row["width"]) for row in judged["health"]] == [(4, 6), (5, 6)]
    for own, whole in zip(judged["health"], report["health"], strict=True):
        assert own["effective_rank"] == pytest.approx(whole["effective_rank"], rel=0.2)


@pytest.mark.parametrize(("steps", "context", "look_back"), [(60, 18, 18), (900, 201, 270), (2000, 201, 336)])
def test_short_series_have_short_windows(tmp_path, steps, context, look_back):
    config = replace(CONFIG, task="forecast", forecast=Forecast(horizons=(1, 5)))
    series = forecast.load(replace(config, dataset=str(write_series(tmp_path / "mine.csv", steps=steps))))
    told = forecast.describe(config, series)
    assert (told["context"], told["look_back"]) == (context, look_back)


def test_every_task_is_documented():
    for name, task in TASKS.items():
        # What is scored is explained, and has a metric by which sets are compared.
        assert bool(task.protocols) == bool(task.headline) == (name != "pretrain")
        assert set(task.compared) <= set(task.protocols), name
