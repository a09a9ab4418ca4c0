"""What takes minutes: `python -m pytest -m long -n 0`. tests/LONG.md keeps the date and result of the last run."""

import os
import runpy
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from tsrl.data import load
from tsrl.data.scaling import fit_archive_scaler
from tsrl.experiment import experiment
from tsrl.pretraining import prepare, run

pytestmark = pytest.mark.long

CONFIG = runpy.run_path(str(Path(__file__).parents[1] / "experiments" / "ts2vec.py"))["CONFIG"]
SETS = ("GunPoint", "ECG200", "ItalyPowerDemand", "ArrowHead", "JapaneseVowels", "NATOPS")


def accuracy(report):
    """Mean over seeds, under the paper's protocol."""
    return np.mean([row["scores"]["accuracy"] for row in report["results"] if row["protocol"] == "svc"])


def test_basic_motions_over_five_seeds(tmp_path):
    report = experiment(replace(CONFIG, seeds=5, workdir=tmp_path / "run", quiet=True, controls=False))
    assert accuracy(report) >= 0.95


@pytest.mark.skipif("TSRL_DATA_DIR" not in os.environ, reason="TSRL_DATA_DIR names no data folder")
def test_mean_accuracy_over_six_archive_sets(tmp_path):
    """Published TS2Vec: 0.932 on average."""
    config = replace(CONFIG, seeds=3, quiet=True, controls=False)
    reports = [experiment(replace(config, dataset=name, workdir=tmp_path / name)) for name in SETS]
    means = {name: accuracy(report) for name, report in zip(SETS, reports, strict=True)}
    assert np.mean(list(means.values())) >= 0.917, means


def test_seeds_trained_together_equal_their_solo_runs_over_the_default_run():
    dataset = load("BasicMotions")
    scaler = fit_archive_scaler(dataset.x_train, dataset.name)
    together = run(prepare(replace(CONFIG, seeds=3), dataset.x_train, scaler)).state
    for row in range(3):
        solo = run(prepare(replace(CONFIG, seed=row), dataset.x_train, scaler)).state
        mine = jax.tree.map(lambda leaf, row=row: leaf[row], together)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[0], rtol=0, atol=1e-5), mine, solo)
