"""Forecasting with methods that need more than frozen steps: supervised models, channels by themselves, probes that
follow the training."""

from dataclasses import replace

import numpy as np
import pytest
from series_file import write_series

import tsrl
from tsrl.config import Config, Forecast, Train, options
from tsrl.encoders import TCN, DilatedConv, Transformer
from tsrl.errors import InputError
from tsrl.evaluate.continuing_probe import Probe
from tsrl.evaluate.forecast import end_to_end
from tsrl.experiment import experiment
from tsrl.report.schema import check_report
from tsrl.tasks import forecast
from tsrl.train.checkpoints import Checkpoints

WINDOWS = Train(epochs=3, batch_size=16, window=12, checkpoint_every=0, learning_rate=3e-3)
SUPERVISED = Config(
    task="forecast",
    method=options("tcn", horizon=3),
    encoder=TCN(width=4, levels=2, dropout=0.0),
    train=WINDOWS,
    forecast=Forecast(horizons=(3,), context=9),
    quiet=True,
)
PATCHED = replace(
    SUPERVISED,
    method=options("timedrl", patch_len=4, stride=4, dropout=0.0),
    encoder=Transformer(width=8, heads=2, dropout=0.0),
    forecast=Forecast(
        horizons=(1, 4),
        context=9,
        covariates=False,
        protocols=("window_linear", "trained_probe"),
        probe=Probe(learning_rate=0.01, epochs=2),
    ),
)


def rows(report, protocol, role="method"):
    return [row for row in report["results"] if (row["protocol"], row["role"]) == (protocol, role)]


@pytest.fixture(scope="module")
def supervised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("supervised")
    file = write_series(folder / "mine.csv", steps=300, level=100.0)
    config = replace(SUPERVISED, dataset=str(file), workdir=folder / "run")
    return config, experiment(config)


def test_a_supervised_model_is_scored_by_its_best_checkpoint_on_validation(supervised):
    config, report = supervised
    check_report(report)
    (own,), (before,) = rows(report, "end_to_end"), rows(report, "end_to_end", "untrained")
    assert own["scores"]["mse"] < before["scores"]["mse"]
    series = forecast.load(config)
    x, known = series.x, series.x[:, :7]
    steps = Checkpoints(config.workdir / "checkpoints", read_only=True).steps()
    # One after every epoch, 180 - 12 - 3 + 1 windows in batches of 16.
    assert steps == [10, 20, 30]
    losses, errors = {}, {}
    for step in steps:
        model = tsrl.load(config.workdir, 0, step)

        def predict(windows, coming, model=model):
            return (model.predict(windows, coming) - series.scaler.mean[7:]) / series.scaler.std[7:]

        (found,) = end_to_end({"m": predict}, x, series.targets(), series.splits(), (3,), 12, known=known)
        losses[step], errors[step] = found.chosen["validation_loss"], found.scores["mse"]
    best = min(losses, key=losses.get)
    assert own["chosen"]["checkpoint"] == best
    assert own["scores"]["mse"] == pytest.approx(errors[best], rel=1e-5)
    assert "optimistic" not in own["chosen"]
    # What is drawn of its forecasts is of that checkpoint too.
    with np.load(config.workdir / "embeddings.npz") as kept:
        origins, drawn = kept["forecast_origins_3"], kept["forecast_end_to_end_3"]
    windows = np.stack([x[t - 11 : t + 1] for t in origins])
    coming = np.stack([known[t + 1 : t + 4] for t in origins])
    np.testing.assert_allclose(drawn, tsrl.load(config.workdir, 0, best).predict(windows, coming), rtol=1e-5)


def test_the_papers_selection_of_what_follows_the_training_alone(tmp_path):
    """No row comes from the saved models themselves."""
    file = write_series(tmp_path / "mine.csv", steps=300, level=100.0)
    alone = replace(PATCHED.forecast, protocols=("trained_probe",))
    config = replace(PATCHED, dataset=str(file), workdir=tmp_path / "run", forecast=alone, selection="paper")
    report = experiment(replace(config, controls=False))
    assert len(rows(report, "trained_probe")) == len(report["results"]) == 2
    assert all(row["chosen"]["optimistic"] for row in report["results"])


def test_a_forecast_is_in_the_units_of_the_series(supervised):
    config, _ = supervised
    model, series = tsrl.load(config.workdir), forecast.load(config)
    window, coming = series.x[None, 50:62], series.x[None, 62:65, :7]
    made = model.predict(window, coming)
    values = series.x.shape[1] - 7
    assert made.shape == (1, 3, values)
    level = series.scaler.mean[7:]
    # In a model's own units, standardised, they would be near 0.
    assert (np.abs(made - level) < 20 * series.scaler.std[7:]).all()
    assert (np.abs(level) > 40 * series.scaler.std[7:]).all()


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (np.zeros((1, 2, 7)), r"known: found shape \(1, 2, 7\), want \[1, 3, K\]"),
        (np.zeros((1, 3, 99)), "known: found shape"),
        (np.full((1, 3, 7), np.nan), "x, known: found missing values"),
    ],
)
def test_wrong_forecasts_are_refused(supervised, known, message):
    config, _ = supervised
    model, series = tsrl.load(config.workdir), forecast.load(config)
    with pytest.raises(InputError, match=message):
        model.predict(series.x[None, :12], known)


def test_a_model_says_what_it_cannot_do():
    model = tsrl.pretrain(
        np.random.default_rng(0).normal(size=(8, 20, 1)), encoder=DilatedConv(width=4, features=4, depth=1), steps=1
    )
    with pytest.raises(InputError, match="found ts2vec, which does not forecast"):
        model.predict(np.zeros((1, 20, 1)))
    with pytest.raises(InputError, match="found ts2vec, which does not represent channels by themselves"):
        model.window_features(np.zeros((1, 20, 1)))


def test_a_probe_follows_the_training_beside_the_closed_form(tmp_path):
    file = write_series(tmp_path / "mine.csv", steps=300)
    config = replace(PATCHED, dataset=str(file), workdir=tmp_path / "run", seeds=2)
    report = experiment(config)
    check_report(report)
    probed = rows(report, "trained_probe")
    assert {(row["seed"], row["cell"]["horizon"]) for row in probed} == {(s, h) for s in (0, 1) for h in (1, 4)}
    for row in probed:
        assert 1 <= row["chosen"]["pretrain_epoch"] <= 3
        assert 1 <= row["chosen"]["probe_epoch"] <= 2
    assert {row["cell"]["anchored"] for row in rows(report, "window_linear")} == {False, True}
    assert rows(report, "window_linear", "untrained")
    # A run that is done is read again, not trained again.
    again = experiment(replace(config, controls=False))
    assert rows(again, "trained_probe") == probed
    # The heads are a part of the run: it is not read for others, and starting anew leaves none.
    changed = replace(config, forecast=replace(config.forecast, probe=replace(config.forecast.probe, epochs=1)))
    with pytest.raises(InputError, match=r"differs in trained_on\.trained_probe\.probe\.epochs"):
        experiment(changed)
    for protocols in (("window_linear",), ("trained_probe",)):
        shorter = replace(
            config,
            overwrite=True,
            controls=False,
            train=replace(config.train, epochs=1),
            forecast=replace(config.forecast, protocols=protocols),
        )
        found = rows(experiment(shorter), "trained_probe")
        assert {row["chosen"]["pretrain_epoch"] for row in found} == ({1} if protocols == ("trained_probe",) else set())
    # The look-back is the window that was trained on, for the controls too.
    assert report["dataset"]["look_back"] == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forecast": Forecast(horizons=(3, 5), context=9)}, "forecast.horizons: found 3, 5 for a model trained"),
        ({"forecast": Forecast(horizons=(5,), context=9)}, "forecast.horizons: found 5 for a model trained"),
        ({"forecast": Forecast(horizons=(3,), context=9, covariates=False)}, "method.covariates: found 7 for series"),
        ({"train": replace(WINDOWS, window=0)}, "train.window: found 0 for tcn"),
        (
            {"train": replace(WINDOWS, window=9), "forecast": Forecast(horizons=(3,), context=9, look_back=12)},
            "forecast.look_back: found 12 for a model trained on windows of 9",
        ),
        (
            {
                "method": options("ts2vec"),
                "encoder": DilatedConv(width=4, features=4, depth=1),
                "forecast": Forecast(horizons=(3,), context=9, protocols=("trained_probe",)),
            },
            "forecast.protocols: found trained_probe for a method that does not represent each channel",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(tmp_path, change, message):
    file = write_series(tmp_path / "mine.csv", steps=300)
    config = replace(SUPERVISED, dataset=str(file), workdir=tmp_path / "run", **change)
    with pytest.raises(InputError, match=message):
        experiment(config)
    assert not (tmp_path / "run").exists()
