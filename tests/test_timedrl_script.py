"""The released configurations of experiments/timedrl.py: every one builds and has a training step; small ones train."""

import runpy
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from tsrl.pretraining import prepare, run
from tsrl.types import as_batch

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "experiments" / "timedrl.py"))
CHANNELS = {"ETTh1": 7, "ETTh2": 7, "ETTm1": 7, "ETTm2": 7, "Exchange": 8, "Weather": 21}
# Steps and channels.
SERIES = {
    "EpilepsyEEG": (178, 1),
    "FingerMovements": (50, 28),
    "HAR": (128, 9),
    "PenDigits": (8, 2),
    "WISDM": (256, 3),
}
FORECASTS = [(name, univariate) for univariate in (False, True) for name in CHANNELS]


def forecast(name, univariate):
    config = SCRIPT["CONFIG"]
    chosen = replace(config, dataset=name, forecast=replace(config.forecast, univariate=univariate))
    return SCRIPT["settings"](chosen)


def traced(config, steps, channels):
    """Shapes of the parameters, the representations and the gradient, without computing any."""
    method = config.method.build(config.encoder)
    batch = as_batch(np.zeros((2, steps, channels), np.float32))

    def step(key):
        params, aux = method.init(key, batch)
        gradient, _ = jax.grad(method.loss, has_aux=True)(params, aux, batch, key)
        return gradient, method.encode(params, aux, batch).z, method.embed(params, aux, batch)

    return jax.eval_shape(step, jax.random.key(0))


@pytest.mark.parametrize(("name", "univariate"), FORECASTS)
def test_forecasting_configurations(name, univariate):
    config = forecast(name, univariate)
    assert (config.train.epochs, config.train.batch_size, config.train.optimizer) == (10, 32, "adamw")
    assert config.forecast.split == ("70/10/20" if name in ("Exchange", "Weather") else "60/20/20")
    assert not config.forecast.covariates
    assert config.forecast.probe.learning_rate == pytest.approx(10 * config.train.learning_rate)
    assert (config.forecast.probe.epochs, config.forecast.probe.patience) == (30, 5)
    channels = 1 if univariate else CHANNELS[name]
    _, z, i = traced(config, config.train.window, channels)
    method, width = config.method, config.encoder.width
    assert z.shape == (2, (config.train.window - method.patch_len) // method.stride + 2, channels * width)
    assert i.shape == (2, channels * width)


@pytest.mark.parametrize("name", SERIES)
def test_classification_configurations(name):
    config = SCRIPT["settings"](replace(SCRIPT["CONFIG"], task="classify", dataset=name))
    assert (config.train.epochs, config.train.window) == (30, 0)
    assert not config.method.channel_independent
    gradient, _, i = traced(config, *SERIES[name])
    assert i.shape == (2, config.encoder.width)
    assert len([block for block in gradient["encoder"] if block.endswith("_out")]) == config.encoder.layers


@pytest.mark.parametrize(("name", "univariate"), [("ETTh2", False), ("Exchange", True)])
def test_small_configurations_train(name, univariate):
    config = forecast(name, univariate)
    config = replace(config, train=replace(config.train, epochs=None, steps=2, batch_size=2))
    channels = 1 if univariate else CHANNELS[name]
    x = np.random.default_rng(0).normal(size=(1, config.train.window + 9, channels)).astype(np.float32)
    result = run(prepare(config, x, None))
    assert len(result.history) == 2
    assert all(np.isfinite(row["loss"]) for row in result.history)
