"""The task from a file to rows, with an encoder made by hand; what each number may depend on."""

import importlib.util
import math
import os
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from tsrl.config import Anomaly, Config, Train, options
from tsrl.data.anomaly import AnomalySeries, AnomalySet, load_anomaly
from tsrl.embedder import Embedder
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.evaluate import anomaly
from tsrl.experiment import experiment
from tsrl.judge import Embeddings, judge_embeddings
from tsrl.report.schema import METRICS, check_report
from tsrl.tasks.anomaly import ARRAYS, TASK, judge
from tsrl.tasks.base import Source
from tsrl.types import as_batch

pytest.importorskip("aeon")

DATA = os.environ.get("TSRL_DATA_DIR", "")
SCORES = [
    *("delay_f1", "delay_precision", "delay_recall", "range_f1", "range_precision", "range_recall"),
    *("average_precision", "vus_pr", "nab"),
]
TRAINED = Source("ts2vec", "method", 3)


class LastValue:
    """Represents a step by its value and the mean of its window: what hiding it changes is the value's size."""

    def encode(self, x, *, mask, sliding_length, sliding_padding, causal):
        assert (sliding_length, causal) == (1, True)
        shown = np.nan_to_num(x[0]) * (mask == "all_true")
        padded = np.pad(np.nan_to_num(x[0]), ((sliding_padding, 0), (0, 0)))
        past = np.lib.stride_tricks.sliding_window_view(padded, sliding_padding + 1, axis=0)[..., :-1].mean(-1)
        return np.concatenate([0.1 + np.abs(shown), past], -1)[None].astype(np.float32)


def recorded(seed=0, steps=400, channels=1, at=(60, 250, 330)):
    """A noisy series with a spike at each of `at`, which are labelled with the five steps behind them."""
    x = np.random.default_rng(seed).normal(size=(steps, channels))
    labels = np.zeros(steps, int)
    for number, step in enumerate(at, start=1):
        x[step] += 25
        labels[step : step + 6] = number
    return x, labels


def configured(dataset, data_dir=None, controls=True, **settings):
    settings = Anomaly(**{"window": 20, "delay": 3} | settings)
    method, encoder = options("ts2vec"), DilatedConv(width=4, features=4, depth=1)
    return Config(
        method=method,
        encoder=encoder,
        dataset=str(dataset),
        data_dir=data_dir,
        anomaly=settings,
        seeds=2,
        controls=controls,
    )


@pytest.fixture(scope="module")
def pump(tmp_path_factory):
    x, labels = recorded()
    path = tmp_path_factory.mktemp("data") / "pump.npz"
    np.savez(path, values=x, labels=labels)
    return path


def rows_of_random(config, data):
    return [row for seed in config.seed_list() for row in TASK.baseline(config, TASK.labels(config, data), seed)]


def rows_by_protocol(rows):
    return {row["protocol"]: row for row in rows}


def test_spikes_are_found_and_controls_stand_beside(pump):
    config = configured(pump)
    data = TASK.load(config)
    scored = TASK.score(config, data, LastValue(), TRAINED)
    rows = rows_by_protocol(scored.rows)
    assert set(rows) == set(TASK.protocols) == {"normal", "cold_start"}
    for row in rows.values():
        assert list(row["scores"]) == SCORES
        assert set(SCORES) <= set(METRICS)
        assert (row["model"], row["role"], row["seed"], row["cell"], row["chosen"]) == ("ts2vec", "method", 3, {}, {})
    # Both ranges of the second half are found at their first step, and nothing else.
    assert rows["normal"]["scores"]["delay_f1"] == 1.0
    assert rows["normal"]["scores"]["nab"] == pytest.approx(100)
    assert rows["normal"]["scores"]["range_precision"] == 1.0
    assert rows["normal"]["scores"]["range_recall"] == pytest.approx(1 / 6)
    assert rows["cold_start"]["scores"]["delay_recall"] > 0.6
    controls, random = TASK.controls(config, data), rows_of_random(config, data)
    named = [(row["model"], row["role"], row["protocol"], row["seed"]) for row in controls + random]
    assert named == [
        *(("deviation", "control", protocol, None) for protocol in ("normal", "cold_start")),
        *(("random", "control", protocol, seed) for seed in (0, 1) for protocol in ("normal", "cold_start")),
    ]
    assert controls[0]["scores"]["delay_f1"] == 1.0
    assert random[0]["scores"] != random[2]["scores"]
    assert all(row["scores"]["average_precision"] < 0.2 for row in random)


def test_random_scores_stand_in_every_report(pump, tmp_path):
    config = replace(
        configured(pump, controls=False), task="anomaly", train=Train(steps=1), workdir=tmp_path / "run", quiet=True
    )
    report = experiment(config)
    check_report(report)
    own = [(row["model"], row["seed"]) for row in report["results"] if row["protocol"] == "normal"]
    assert own == [("ts2vec", 0), ("ts2vec", 1), ("random", 0), ("random", 1)]
    file = config.workdir / "embeddings.npz"
    judged = judge_embeddings(Embeddings(task="anomaly", anomaly=config.anomaly, embeddings=file, name="ts2vec"))
    check_report(judged)
    assert judged["results"] == report["results"]


def test_range_measures_see_every_flag_and_the_others_alarms_only(tmp_path):
    x, labels = recorded()
    x[251] = 80
    np.savez(tmp_path / "pair.npz", values=x, labels=labels)
    config = configured("pair", tmp_path)
    scores = TASK.score(config, TASK.load(config), LastValue(), TRAINED).rows[0]["scores"]
    assert scores["range_recall"] == pytest.approx((2 / 6 + 1 / 6) / 2)
    # A false alarm right before a range suppresses the one that would find it.
    labels[250:256] = [0, 2, 2, 0, 0, 0]
    np.savez(tmp_path / "late.npz", values=x, labels=labels)
    config = configured("late", tmp_path)
    scores = TASK.score(config, TASK.load(config), LastValue(), TRAINED).rows[0]["scores"]
    assert scores["range_recall"] == pytest.approx((1 / 2 + 1 / 6) / 2)
    assert scores["delay_recall"] == pytest.approx(6 / 8)
    assert scores["nab"] < 50


def test_description_of_the_set(pump):
    config = configured(pump)
    data = TASK.load(config)
    described = TASK.dataset(config, data)
    assert described["ranges"] == 3
    assert described["ranges_test"] == 2
    assert described["share_test"] == 12 / 200
    assert (described["n_train"], described["n_test"], described["steps"]) == (200, 200, 400)


def test_judging_saved_scores_gives_the_same_rows(pump):
    config = configured(pump)
    data = TASK.load(config)
    scored = TASK.score(config, data, LastValue(), TRAINED)
    arrays = scored.embeddings | TASK.labels(config, data)
    assert set(arrays) == set(ARRAYS)
    assert judge(config, arrays, TRAINED) == scored.rows
    constant = judge(config, arrays | {"score": np.ones(400)}, TRAINED)
    assert [row["scores"]["delay_f1"] for row in constant] == [0.0, 0.0]


def several(channels=2):
    series = []
    for i, steps in enumerate((300, 260, 240)):
        x, _ = recorded(i, steps, channels, at=(200,) if i < 2 else ())
        stop = (150, 140, 100)[i]
        windows = ((200, 205),) if i < 2 else ()
        series.append(AnomalySeries(f"s{i}", x * 3 + 5, np.arange(steps), windows, stop))
    return AnomalySet("several", "test", tuple(series))


def test_training_parts_are_standardised_one_by_one_and_padded():
    config, data = configured("several"), several()
    made = TASK.training(config, data)
    assert made.scaler is None
    assert made.x.shape == (3, 150, 2)
    assert made.x.dtype == np.float32
    for x, one in zip(made.x, data.series, strict=True):
        np.testing.assert_allclose(x[: one.train_stop].mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(x[: one.train_stop].std(0), 1, atol=1e-5)
        assert np.isnan(x[one.train_stop :]).all()


def test_pooled_scores_and_means_over_series():
    config, data = configured("several"), several()
    own = [
        rows_by_protocol(TASK.score(config, AnomalySet("one", "test", (one,)), LastValue(), TRAINED).rows)["normal"]
        for one in data.series
    ]
    together = rows_by_protocol(TASK.score(config, data, LastValue(), TRAINED).rows)["normal"]["scores"]
    assert all(math.isnan(value) for value in own[2]["scores"].values())
    for name in ("average_precision", "vus_pr"):
        assert together[name] == pytest.approx(np.mean([row["scores"][name] for row in own[:2]]))
    # The quiet series has no row of its own, but its false alarms cost in the pool.
    for name in ("delay_f1", "nab"):
        assert together[name] <= np.mean([row["scores"][name] for row in own[:2]]) + 1e-9


def changed(data, what):
    """The set with other test values or other test labels."""
    made = []
    for one in data.series:
        values, windows = one.values.copy(), one.windows
        if what == "values":
            values[one.train_stop :] = values[one.train_stop :][::-1] * 7
        else:
            windows = ((one.train_stop + 3, one.train_stop + 9),)
        made.append(replace(one, values=values, windows=windows))
    return AnomalySet(data.name, data.source, tuple(made))


def test_differenced_series_are_trained_on_scored_and_described(tmp_path):
    pytest.importorskip("statsmodels")
    x, labels = recorded(steps=440)
    np.savez(tmp_path / "walk.npz", values=x.cumsum(0), labels=labels)
    config = configured("walk", tmp_path, difference=True)
    data = TASK.load(config)
    described = TASK.dataset(config, data)
    assert described["differences"] == {"walk": 1}
    assert described["differenced"] == "order 1: 1 series"
    assert (described["steps"], described["n_train"]) == (439, 219)
    # The differences of the summed-up series are the series.
    plain = configured("noise", tmp_path)
    np.savez(tmp_path / "noise.npz", values=x[1:], labels=labels[1:], train_stop=219)
    same = TASK.load(plain)
    np.testing.assert_allclose(TASK.training(config, data).x, TASK.training(plain, same).x, atol=1e-4)
    for own, other in zip(
        TASK.score(config, data, LastValue(), TRAINED).rows, TASK.score(plain, same, LastValue(), TRAINED).rows,
        strict=True,
    ):  # fmt: skip
        assert own["scores"] == pytest.approx(other["scores"], abs=1e-3)
    assert "differences" not in TASK.dataset(plain, same)


@pytest.mark.parametrize("what", ["values", "labels"])
def test_test_part_leaves_training_scores_and_thresholds_alone(what, monkeypatch):
    config, data = configured("several"), several()
    thresholds = []

    def spy(scores, train_stop, delay):
        found = anomaly.detect_normal(scores, train_stop, delay)
        thresholds.append(found.thresholds[0])
        return found

    monkeypatch.setattr("tsrl.tasks.anomaly.detect_normal", spy)
    one, other = (TASK.score(config, each, LastValue(), TRAINED) for each in (data, changed(data, what)))
    assert len(thresholds) == 6
    assert thresholds[:3] == thresholds[3:]
    x, y = (TASK.training(config, each).x for each in (data, changed(data, what)))
    np.testing.assert_array_equal(x, y)
    cuts = np.cumsum([len(series.values) for series in data.series])[:-1]
    scores = [np.split(scored.embeddings["score"], cuts) for scored in (one, other)]
    for series, mine, theirs in zip(data.series, *scores, strict=True):
        np.testing.assert_array_equal(mine[: series.train_stop], theirs[: series.train_stop])
        assert np.array_equal(mine, theirs) == (what == "labels")
    assert one.rows != other.rows


def test_missing_steps_and_constant_series_give_numbers():
    x, _ = recorded(at=(250,))
    x[90:130] = np.nan
    flat = np.full((400, 1), 7.0)
    series = [AnomalySeries(n, v, np.arange(400), ((250, 255),), 200) for n, v in (("gap", x), ("flat", flat))]
    config, data = configured("holes"), AnomalySet("holes", "test", tuple(series))
    rows = [*TASK.score(config, data, LastValue(), TRAINED).rows, *TASK.controls(config, data)]
    rows += rows_of_random(config, data)
    assert all(math.isfinite(value) for row in rows for value in row["scores"].values())


def test_wrong_settings_and_sets(tmp_path, pump, monkeypatch):
    for settings, message in [({"delay": -1}, "anomaly.delay: found -1"), ({"window": 1}, "anomaly.window: found 1")]:
        with pytest.raises(InputError, match=message):
            TASK.load(configured(pump, **settings))
    for steps, stop, message in [(209, 100, "found 100 steps to train on of 209"), (300, 22, "found 22 steps")]:
        np.savez(tmp_path / "short.npz", values=np.arange(float(steps)), labels=np.zeros(steps, int), train_stop=stop)
        with pytest.raises(InputError, match=message):
            TASK.load(configured("short", tmp_path))
    with pytest.raises(InputError, match="found 5 steps to train on"):
        TASK.load(configured(pump, train_fraction=0.0125))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"found no aeon.*tsrl\[archives\]"):
        TASK.load(configured(pump))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.ones(399)}, r"found score \(399,\), want \(400,\) as labels"),
        ({"timestamps": np.arange(399)}, r"found labels \(400,\), timestamps \(399,\), want \(400,\)"),
        ({"score": np.full(400, np.nan)}, "scores: found negative or not finite"),
        ({"labels": np.zeros(400)}, "labels of dtype float64"),
        ({"lengths": np.array([400.0])}, "lengths of dtype float64"),
        ({"train_stops": np.array([100, 200])}, r"train_stops \(2,\), want \(1,\)"),
        ({"train_stops": np.array([400])}, "series 0: found 400 steps to train on of 400"),
        ({"lengths": np.array([200, 200]), "train_stops": np.array([100, 100])}, "series 0: found 100 .* of 200"),
    ],
)
def test_wrong_arrays(pump, change, message):
    config = configured(pump)
    arrays = {"score": np.ones(400)} | TASK.labels(config, TASK.load(config))
    with pytest.raises(InputError, match=message):
        judge(config, arrays | change, TRAINED)
    with pytest.raises(InputError, match=r"want also score \(.*\); timestamps \("):
        judge(config, {k: v for k, v in arrays.items() if k not in ("score", "timestamps")}, TRAINED)


@pytest.mark.skipif(not list(Path(DATA).rglob("NAB.zip")) if DATA else True, reason="TSRL_DATA_DIR has no NAB.zip")
def test_piece_of_a_real_series_through_a_real_encoder():
    taxi = load_anomaly("NAB/realKnownCause/nyc_taxi").series[0]
    begin, steps = 5700, 400
    piece = slice(begin, begin + steps)
    windows = tuple((first - begin, last - begin) for first, last in taxi.windows[:1])
    one = AnomalySeries("taxi", taxi.values[piece], taxi.timestamps[piece], windows, 120)
    config, data = configured("taxi"), AnomalySet("taxi", "test", (one,))
    method = config.method.build(config.encoder)

    params, aux = method.init(jax.random.key(0), as_batch(np.zeros((1, 30, 1), np.float32)))
    embedder = Embedder(config.method, config.encoder, params, aux, channels=1)
    rows = [*TASK.score(config, data, embedder, TRAINED).rows, *TASK.controls(config, data)]
    assert len(rows) == 2 + 2
    assert all(math.isfinite(value) for row in rows for value in row["scores"].values())
