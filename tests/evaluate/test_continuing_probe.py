"""The trained probe against a head trained alone by the rules written out; resume; selection."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsrl.errors import InputError
from tsrl.evaluate.continuing_probe import ContinuingProbe, Probe
from tsrl.evaluate.origins import Splits
from tsrl.train.state import State
from tsrl.types import Method, WindowFeatures, as_batch

STEPS, LOOK_BACK, HORIZONS = 160, 6, (2, 5)
SPLITS = Splits(slice(0, 90), slice(90, 120), slice(120, 160))
X = (np.random.default_rng(0).normal(size=(STEPS, 2)).cumsum(0) / 4).astype(np.float32)
PROBE = Probe(learning_rate=0.02, weight_decay=0.1, schedule="halving", epochs=6, patience=2, batch_size=16)


def of_windows(params, aux, batch):
    """Normalised values times a matrix of the encoder's."""
    x = batch.x.swapaxes(1, 2)
    mean, scale = x.mean(-1), x.std(-1) + 0.1
    return WindowFeatures(((x - mean[..., None]) / scale[..., None]) @ params["mix"], mean, scale)


METHOD = Method(None, None, None, None, of_windows=of_windows)


def state(epoch, seeds=1):
    mix = jax.random.normal(jax.random.key(epoch), (LOOK_BACK, 4)) / 2
    return State(jnp.zeros(seeds), {"mix": jnp.stack([mix] * seeds)}, (), {})


def make(folder=None, seeds=(0,), horizons=HORIZONS, probe=PROBE):
    return ContinuingProbe(METHOD, probe, X, X, SPLITS, horizons, LOOK_BACK, seeds, folder)


def alone(horizon, epochs, seed=0):
    """One head by the rules, without sharing anything: records `(pretrain epoch, probe epoch, valid MSE, test MSE)`."""
    optimizer = optax.inject_hyperparams(optax.adamw)(PROBE.learning_rate, weight_decay=PROBE.weight_decay)
    features = lambda params, t: of_windows(params, {}, _batch(t))  # noqa: E731
    best, waited, stopped, rate, records = np.inf, 0, False, PROBE.learning_rate, []
    for epoch in range(epochs):
        params = jax.tree.map(lambda leaf: leaf[0], state(epoch).params)
        if epoch == 0:
            kernel_key, bias_key = jax.random.split(
                jax.random.fold_in(jax.random.fold_in(jax.random.key(seed + 2**30), 0), horizon)
            )
            head = {
                "kernel": jax.random.uniform(kernel_key, (4, horizon), minval=-0.5, maxval=0.5),
                "bias": jax.random.uniform(bias_key, (horizon,), minval=-0.5, maxval=0.5),
            }
            opt = optimizer.init(head)

        def forecast(head, t, params=params):
            z, mean, scale = features(params, t)
            return mean[..., None] + scale[..., None] * (z @ head["kernel"] + head["bias"])

        def future(t):
            return np.stack([X[i + 1 : i + 1 + horizon].T for i in t])

        asked = np.arange(LOOK_BACK - 1, 90 - min(HORIZONS))
        for number in range(1, PROBE.epochs + 1):
            order = np.random.default_rng([seed, epoch, number]).permutation(asked)
            opt.hyperparams["learning_rate"] = jnp.asarray(rate)
            for batch in order[: len(order) // 16 * 16].reshape(-1, 16):
                own = batch[batch < 90 - horizon]
                gradient = jax.grad(lambda h, t=own: jnp.mean((forecast(h, t) - future(t)) ** 2))(head)
                updates, opt = optimizer.update(gradient, opt, head)
                head = optax.apply_updates(head, updates)
            found = []
            for part in (SPLITS.valid, SPLITS.test):
                t = np.arange(part.start, part.stop - horizon)
                found.append(float(np.mean((forecast(head, t) - future(t)) ** 2)))
            records.append((epoch + 1, number, *found))
            waited = 0 if found[0] <= best else waited + 1
            best, stopped = min(best, found[0]), stopped or waited >= PROBE.patience
            if stopped:
                break
            rate = PROBE.learning_rate * 0.5 ** (number - 1)
    return records


def _batch(t):
    return as_batch(np.stack([X[i - LOOK_BACK + 1 : i + 1] for i in t]))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_heads_trained_together_equal_heads_trained_alone(horizon):
    probe = make()
    for epoch in range(3):
        probe(epoch, state(epoch))
    records = [record for record in probe._load(0, None)["records"] if record["horizon"] == horizon]
    found = [(r["pretrain_epoch"], r["probe_epoch"], np.mean(r["valid"][0]), np.mean(r["test"][0])) for r in records]
    wanted = alone(horizon, 3)
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    # Patience ran out somewhere: later epochs of pre-training got one probe epoch.
    assert len(wanted) < 3 * PROBE.epochs
    np.testing.assert_allclose([row[2:] for row in found], [row[2:] for row in wanted], rtol=2e-4)


def test_selection_picks_the_pair_of_epochs():
    probe = make()
    for epoch in range(2):
        probe(epoch, state(epoch))
    records = probe._load(0, None)["records"]
    for selection, judged in (("validation", "valid"), ("paper", "test")):
        for found in probe.forecasts(0, selection, np.array([2.0, 2.0])):
            own = [r for r in records if r["horizon"] == found.horizon]
            loss = {
                "valid": lambda r: np.sqrt(np.mean(r["valid"][0])) + np.mean(r["valid"][1]),
                "test": lambda r: np.mean(r["test"][0]),
            }[judged]
            best = min(own, key=loss)
            assert found.scores["mse"] == pytest.approx(np.mean(best["test"][0]))
            assert found.scores["mse_original"] == pytest.approx(4 * found.scores["mse"])
            assert (found.chosen["pretrain_epoch"], found.chosen["probe_epoch"]) == (
                best["pretrain_epoch"],
                best["probe_epoch"],
            )
            assert found.chosen.get("optimistic", False) == (selection == "paper")


def test_resume_is_equal_and_an_epoch_may_come_twice(tmp_path):
    whole = make(seeds=(0, 3))
    for epoch in range(3):
        whole(epoch, state(epoch, 2))
    for epochs in ((0, 1), (1, 2)):
        part = make(tmp_path, seeds=(0, 3))
        for epoch in epochs:
            part(epoch, state(epoch, 2))
    for seed in (0, 3):
        assert part._load(seed, None)["records"] == whole._load(seed, None)["records"]
        assert make(tmp_path).forecasts(seed, "validation", None) == whole.forecasts(seed, "validation", None)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"probe-{seed}-{epoch}.npz" for seed in (0, 3) for epoch in (0, 1, 2)
    ]


def test_dropout_acts_in_the_first_epoch_only():
    plain, dropped = make(), make(probe=replace(PROBE, dropout=0.5, epochs=1))
    again = make(probe=replace(PROBE, epochs=1))
    for probe in (plain, dropped, again):
        probe(0, state(0))
    first = [probe._load(0, 0)["records"][0]["valid"] for probe in (plain, dropped, again)]
    assert first[0] == first[2] != first[1]


def test_wrong_input_is_refused(tmp_path):
    with pytest.raises(InputError, match="trained_probe for a method that does not represent each channel"):
        ContinuingProbe(Method(None, None, None, None), PROBE, X, X, SPLITS, HORIZONS, LOOK_BACK, (0,))
    with pytest.raises(InputError, match="found no heads of the probe after epoch 1"):
        make(tmp_path)(2, state(2))


def test_a_probe_that_is_asked_to_stop_keeps_nothing_of_the_epoch(tmp_path):
    asked = []

    def stopping():
        asked.append(len(asked))
        return len(asked) > 3

    probe = make(tmp_path)
    assert probe(0, state(0)) is True
    assert probe(1, state(1), stopping) is False
    assert sorted(file.name for file in tmp_path.iterdir()) == ["probe-0-0.npz"]
    again, whole = make(tmp_path), make()
    assert again(1, state(1))
    for epoch in range(2):
        whole(epoch, state(epoch))
    assert again._load(0, None)["records"] == whole._load(0, None)["records"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "forecast.probe.epochs: found 0, want a whole number from 1 up"),
        ({"patience": 0}, "forecast.probe.patience: found 0"),
        ({"batch_size": 0}, "forecast.probe.batch_size: found 0"),
        ({"dropout": 1.5}, "forecast.probe.dropout: found 1.5"),
        ({"learning_rate": -1.0}, "forecast.probe.learning_rate: found -1.0"),
        ({"weight_decay": float("nan")}, "forecast.probe.weight_decay: found nan"),
        ({"schedule": "cosine"}, "forecast.probe.schedule: found 'cosine', want one of constant, halving"),
    ],
)
def test_settings_of_the_probe_are_checked(setting, message):
    with pytest.raises(InputError, match=message):
        replace(PROBE, **setting)
