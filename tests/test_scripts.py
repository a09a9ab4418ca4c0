"""Every experiment script's settings fit the data they are for: traced at full size, nothing trained."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tsrl.config import Forecast
from tsrl.methods import METHODS
from tsrl.pretraining import prepare

FOLDER = Path(__file__).parents[1] / "experiments"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
# They train several models and have flags and tests of their own (`test_pair_construction.py`,
# `test_scoreboard.py`, `test_tpu_check.py`).
COMPARISONS = {"behaviour", "pair_construction", "scoreboard", "tpu_check"}
# The shapes of training sets: a long series with a calendar, many short ones, a corpus.
SHAPES = {"forecast": (1, 1500, 14), "classify": (40, 100, 6), "pretrain": (128, 512, 1)}


def script(name):
    spec = importlib.util.spec_from_file_location(f"script_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settled(module, config):
    return module.settings(config) if hasattr(module, "settings") else config


def test_every_method_has_a_script():
    assert set(SCRIPTS) == set(METHODS) | COMPARISONS
    assert not COMPARISONS & set(METHODS)


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - {"timedrl"} - COMPARISONS))
def test_a_scripts_settings_fit_its_data(name):
    module = script(name)
    config = settled(module, module.CONFIG)
    assert config.method.name == name
    # What a script says it does stands in its help.
    assert f"python experiments/{name}.py" in module.__doc__
    assert "arXiv" in module.__doc__
    count, steps, channels = SHAPES[config.task]
    x = np.random.default_rng(0).normal(size=(count, steps, channels)).cumsum(1)
    job = prepare(config, x.astype(np.float32), None)
    assert job.steps >= 1
    assert job.batch_size == config.train.batch_size


@pytest.mark.parametrize("univariate", [False, True])
def test_informers_lengths_fit_each_other(univariate):
    module = script("informer")
    for name, lines in (module.UNIVARIATE if univariate else module.MULTIVARIATE).items():
        for horizon, sizes in lines.items():
            forecast = Forecast(horizons=(horizon,), univariate=univariate)
            config = settled(module, replace(module.CONFIG, dataset=name, forecast=forecast))
            assert (config.method.horizon, config.train.window) == (horizon, sizes.window)
            assert config.method.label_length <= config.train.window
    assert module.MULTIVARIATE["ETTh1"][24].window == 48
