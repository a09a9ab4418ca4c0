"""Nothing of validation, test or the future reaches a number that training is made of; every test row counts once.

README.md's table names these tests; each protocol's own file has further ones.
"""

from dataclasses import replace

import jax
import numpy as np
import pytest
from series_file import write_series

from tsrl.config import Anomaly, Classify, Config, Forecast, Train, options
from tsrl.data.tables import Table
from tsrl.encoders import DilatedConv
from tsrl.evaluate.anomaly import detect_normal
from tsrl.evaluate.origins import origins
from tsrl.pretraining import prepare, untrained
from tsrl.tasks import TASKS, classify, forecast
from tsrl.tasks.base import Source

CONFIG = Config(
    method=options("ts2vec"),
    encoder=DilatedConv(width=4, features=6, depth=1),
    train=Train(steps=1, batch_size=2),
    forecast=Forecast(horizons=(1, 5), context=9, look_back=12),
    anomaly=Anomaly(window=9),
)
SOURCE = Source("ts2vec", "method", 0)


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def model_of(config, task, data):
    training = task.training(config, data)
    return untrained(prepare(config, training.x, training.scaler), 0)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_forecast_training_sees_the_training_part_only(tmp_path, part):
    config = replace(CONFIG, task="forecast", dataset=str(write_series(tmp_path / "one.csv")))
    task = TASKS["forecast"]
    whole = task.load(config)
    changed = write_series(tmp_path / "other.csv", change=slice(*{"valid": (120, 160), "test": (160, 200)}[part]))
    other = task.load(replace(config, dataset=str(changed)))
    assert whole.borders == other.borders == (120, 160, 200)
    assert_same(whole.scaler.mean, other.scaler.mean)
    assert_same(whole.scaler.std, other.scaler.std)
    assert_same(task.training(config, whole).x, task.training(config, other).x)
    assert np.abs(whole.targets() - other.targets()).max() > 1
    # The representation of a step has seen no later one.
    model = model_of(config, task, whole)
    z, z_other = (task.score(config, series, model, SOURCE) for series in (whole, other))
    first = {"valid": 120, "test": 160}[part]
    assert_same(z.embeddings["z"][:first], z_other.embeddings["z"][:first])
    assert np.abs(z.embeddings["z"][first:] - z_other.embeddings["z"][first:]).max() > 1e-3
    if part == "test":
        chosen = [[(row["cell"], row["chosen"]) for row in scored.rows] for scored in (z, z_other)]
        assert chosen[0] == chosen[1]
        controls = [[row["chosen"] for row in task.controls(config, series)] for series in (whole, other)]
        assert controls[0] == controls[1]


def test_classification_is_fitted_to_the_training_split_only(waves, tmp_path):
    with np.load(waves) as stored:
        arrays = dict(stored)
    arrays["x_test"] = arrays["x_test"][::-1] * 3 + 1
    arrays["y_test"] = 1 - arrays["y_test"]
    np.savez(tmp_path / "other.npz", **arrays)
    config = replace(CONFIG, dataset=str(waves))
    task = TASKS["classify"]
    whole, other = task.load(config), task.load(replace(config, dataset=str(tmp_path / "other.npz")))
    fitted, fitted_other = task.training(config, whole), task.training(config, other)
    assert_same(
        (fitted.x, fitted.scaler.mean, fitted.scaler.std),
        (fitted_other.x, fitted_other.scaler.mean, fitted_other.scaler.std),
    )
    model = model_of(config, task, whole)
    scored, scored_other = (task.score(config, data, model, SOURCE) for data in (whole, other))
    assert_same(scored.embeddings["z_train"], scored_other.embeddings["z_train"])
    chosen = [[row["chosen"] for row in each.rows] for each in (scored, scored_other)]
    assert chosen[0] == chosen[1]
    assert [row["scores"] for row in scored.rows] != [row["scores"] for row in scored_other.rows]


@pytest.mark.parametrize("by", ["published", "grouped", "random", "time"])
def test_a_tables_test_series_reach_nothing_that_is_trained(tmp_path, by):
    """Values of the test series are changed in the file; split, training array and scaler stay as they were."""
    values = np.random.default_rng(0).normal(size=(20, 12)).round(3)
    settings = Table(id="id", time="at", label="kind", group="owner", split="part" if by == "published" else None)
    config = replace(CONFIG, table=settings, classify=Classify(split=by), seed=2)

    def loaded(name, values):
        rows = [
            f"s{i},{10 * i + step},{values[i, step]},{'ab'[i % 2]},o{i // 3},{'test' if i % 5 == 4 else 'train'}"
            for i in range(20)
            for step in range(12)
        ]
        (tmp_path / name).write_text("id,at,v,kind,owner,part\n" + "\n".join(rows) + "\n")
        return TASKS["classify"].load(replace(config, dataset=str(tmp_path / name)))

    first = loaded("one.csv", values)
    held = np.array([int(name[1:]) for name in first.rows["id_test"]])
    changed = values.copy()
    changed[held] += 50
    other = loaded("two.csv", changed)
    assert np.abs(first.x_test - other.x_test).min() > 49
    np.testing.assert_array_equal(first.rows["id_train"], other.rows["id_train"])
    assert not set(first.rows["id_train"]) & set(first.rows["id_test"])
    trained = [classify.training(config, data) for data in (first, other)]
    np.testing.assert_array_equal(trained[0].x, trained[1].x)
    assert_same(trained[0].scaler.mean, trained[1].scaler.mean)
    assert_same(trained[0].scaler.std, trained[1].scaler.std)
    if by == "grouped":
        assert not set(first.rows["group_train"]) & set(first.rows["group_test"])
    if by == "time":
        assert first.rows["start_train"].max() < first.rows["start_test"].min()


def test_no_test_row_is_dropped_and_none_depends_on_its_neighbours(waves):
    """Chunks of 4 leave three rows over of 11."""
    config = replace(CONFIG, dataset=str(waves))
    data = classify.load(config)
    model = model_of(config, TASKS["classify"], data)
    z = model.embed(data.x_test, batch_size=4)
    assert z.shape == (11, 6)
    assert_same(z[3:4], model.embed(data.x_test[3:4], batch_size=4))
    np.testing.assert_allclose(z, model.embed(data.x_test, batch_size=11), atol=1e-6)


def test_windows_of_forecasts_end_at_their_origin_and_are_scored_once(tmp_path):
    """Each test origin appears once, and its targets end inside the test part."""
    config = replace(CONFIG, task="forecast", dataset=str(write_series(tmp_path / "one.csv")))
    series = forecast.load(config)
    x = series.targets()
    rows = origins(series.splits().test, 5)
    assert rows.tolist() == list(range(160, 195))
    by_hand = np.mean([(x[t + 1 : t + 6] - x[t]) ** 2 for t in rows])
    control = next(
        row for row in forecast.controls(config, series) if row["model"] == "last value" and row["cell"]["horizon"] == 5
    )
    assert control["scores"]["mse"] == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("difference", [False, True])
def test_anomaly_thresholds_and_training_see_the_training_part_only(tmp_path, difference):
    if difference:
        pytest.importorskip("statsmodels")
    random = np.random.default_rng(0)
    values, labels = random.normal(size=(500, 1)).astype(np.float32).cumsum(0), np.zeros(500, int)
    labels[400:420] = 1
    config = replace(CONFIG, task="anomaly", dataset=str(tmp_path / "one.npz"))
    config = replace(config, anomaly=replace(config.anomaly, difference=difference))
    np.savez(tmp_path / "one.npz", values=values, labels=labels)
    later = values.copy()
    later[300:] += random.normal(size=(200, 1)) * 5
    np.savez(tmp_path / "other.npz", values=later, labels=np.roll(labels, 40))
    task = TASKS["anomaly"]
    whole, other = task.load(config), task.load(replace(config, dataset=str(tmp_path / "other.npz")))
    assert_same(task.training(config, whole).x, task.training(config, other).x)
    orders = {data.series[0].differences for data in (whole, other)}
    assert orders == ({1} if difference else {0})
    model = model_of(config, task, whole)
    score, score_other = (task.score(config, data, model, SOURCE).embeddings["score"] for data in (whole, other))
    # The score of a step has seen no later one, and the threshold only scores of the training part.
    changed = 300 - difference
    assert_same(score[:changed], score_other[:changed])
    assert np.abs(score[changed:] - score_other[changed:]).max() > 1e-3
    found, found_other = (detect_normal(each, 250 - difference, 7) for each in (score, score_other))
    assert_same(found.thresholds[0], found_other.thresholds[0])
