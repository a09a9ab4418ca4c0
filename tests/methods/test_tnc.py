"""TNC: where windows lie, what a series is, the plan of an epoch, settings."""

import importlib
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.config import Config, Train, options
from tsrl.encoders import Recurrent
from tsrl.errors import InputError
from tsrl.methods.tnc import tnc
from tsrl.methods.tnc_neighbourhood import (
    APART,
    SIGNIFICANT,
    draw_neighbourhoods,
    neighbours_of,
    others_range,
    reach,
    unit_root_p,
)
from tsrl.pretraining import prepare, pretrain
from tsrl.types import as_batch

pytest.importorskip("statsmodels")
# `tsrl.methods` has a factory of that name.
tnc_module = importlib.import_module("tsrl.methods.tnc")
ENCODER = Recurrent(width=4, features=3)
METHOD = tnc(ENCODER, window=6, samples=3, anchors=2, dropout=0.0)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 40, 2)).astype(np.float32).cumsum(1)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 60), st.integers(1, 3), st.data())
def test_windows_lie_in_the_series_and_others_far_away(window, more, wide, data):
    steps = 4 * window + 1 + more
    centre = data.draw(st.integers(2 * window, steps - 2 * window))
    near = neighbours_of(centre, np.array([-9.0, -0.4, 0.0, 0.7, 9.0]), wide, window, steps)
    half = window // 2
    assert ((near - half >= 0) & (near - half + window <= steps)).all()
    low, high = others_range(centre, APART * wide * window, window, steps)
    assert half <= low < high
    assert high - 1 - half + window <= steps
    if high - low > 1:
        # More than one choice: all of them are beyond the neighbourhood, on one side.
        far = np.arange(low, high)
        assert (np.abs(far - centre) >= APART * wide * window).all() or low == steps - window - 1
        assert (far < centre).all() or (far > centre).all()


def test_a_neighbourhood_reaches_as_far_as_the_series_is_stationary():
    noise = np.random.default_rng(1).normal(size=(400, 2))
    assert reach(noise, 200, 40) == 3
    assert reach(noise.cumsum(0), 200, 40) == 1
    assert unit_root_p(np.ones(50)) == SIGNIFICANT
    assert unit_root_p(np.arange(3.0)) == SIGNIFICANT


def test_the_plan_of_an_epoch_follows_the_key():
    params, aux = METHOD.init(jax.random.key(0), as_batch(X))
    x = X.copy()
    x[1, :5] = np.nan
    x[1, 36:] = np.nan
    data = as_batch(x)
    one, again, other = (METHOD.before_epoch(params, aux, data, jax.random.key(k)) for k in (1, 1, 2))
    assert {name: column.shape for name, column in one.columns.items()} == {
        "anchors": (4, 2), "neighbours": (4, 2, 3), "others": (4, 2, 3),
    }  # fmt: skip
    for name, starts in one.columns.items():
        np.testing.assert_array_equal(starts, again.columns[name])
        assert (starts >= 0).all()
        assert (starts + 6 <= 40).all()
        # A series with missing ends is its observed part.
        assert (starts[1] >= 5).all()
        assert (starts[1] + 6 <= 36).all()
    assert any((one.columns[name] != other.columns[name]).any() for name in one.columns)
    assert one.order is None


def test_draws_take_all_places():
    drawn = draw_neighbourhoods(X[0], 6, 300, 4, np.random.default_rng(0))
    assert (drawn.anchors.min(), drawn.anchors.max()) == (12, 27)
    assert drawn.neighbours.shape == drawn.others.shape == (300, 4)


def test_a_series_is_the_mean_of_its_windows():
    params, aux = METHOD.init(jax.random.key(0), as_batch(X))

    def of_window(part):
        return METHOD.encode(params, aux, as_batch(part)).z[:, -1]

    wanted = np.mean([of_window(X[:, start : start + 6]) for start in range(4, 40, 6)], 0)
    np.testing.assert_allclose(METHOD.embed(params, aux, as_batch(X)), wanted, atol=1e-6)
    np.testing.assert_allclose(METHOD.embed(params, aux, as_batch(X[:, :5])), of_window(X[:, :5]), atol=1e-6)
    x = X.copy()
    x[0, :22] = np.nan
    wanted = np.mean([of_window(X[:1, start : start + 6])[0] for start in range(22, 40, 6)], 0)
    np.testing.assert_allclose(METHOD.embed(params, aux, as_batch(x))[0], wanted, atol=1e-6)


def test_the_discriminator_learns_to_tell_neighbours():

    method = tnc(Recurrent(width=8, features=4), window=6, samples=4, anchors=4, dropout=0.0, weight=0.0)
    x = np.concatenate([np.zeros((8, 60, 1)), 3 * np.ones((8, 60, 1))], 1) + 0.3 * RANDOM.normal(size=(8, 120, 1))
    data = as_batch(x)
    params, aux = method.init(jax.random.key(0), data)
    optimizer = optax.adam(0.02)
    state = optimizer.init(params)
    plan = method.before_epoch(params, aux, data, jax.random.key(1))
    batch = data.replace(extra=plan.columns)
    graded = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    accuracy = []
    for step in range(40):
        (_, (_, metrics)), gradient = graded(params, aux, batch, jax.random.key(step))
        updates, state = optimizer.update(gradient, state)
        params = optax.apply_updates(params, updates)
        accuracy.append(float(metrics["accuracy"]))
    assert accuracy[0] < 0.7 < 0.8 < accuracy[-1]


def test_without_the_library_of_the_tests_nothing_is_begun(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    config = Config(method=options("tnc", window=6), encoder=ENCODER, train=Train(steps=1, batch_size=2))
    with pytest.raises(InputError, match=r"pip install 'tsrl\[stationarity\]'"):
        prepare(config, X, None)


def test_longer_series_are_not_cut_since_the_plan_has_their_steps(monkeypatch):
    seen = []
    honest = tnc_module.views.take_crop

    def spy(array, start, size):
        jax.debug.callback(lambda start: seen.append((array.shape[1], np.asarray(start))), start)
        return honest(array, start, size)

    monkeypatch.setattr(tnc_module.views, "take_crop", spy)
    x = RANDOM.normal(size=(3, 91, 1))
    pretrain(x, "tnc", encoder=ENCODER, window=6, samples=3, steps=4, batch_size=3, max_train_length=90)
    jax.effects_barrier()
    assert seen
    # 91 steps are too few for two sections: all of them are there, and no window begins beyond them.
    assert {steps for steps, _ in seen} == {91}
    assert max(starts.max() for _, starts in seen) <= 91 - 6


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window": 1}, "window: found 1"),
        ({"samples": 0}, "samples: found 0"),
        ({"anchors": 0.5}, "anchors: found 0.5"),
        ({"weight": 1.5}, "weight: found 1.5"),
        ({"dropout": 1.0}, "dropout: found 1.0"),
    ],
)
def test_wrong_settings_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        tnc(ENCODER, **changed)


def test_windows_too_long_are_refused_before_training():
    config = Config(method=options("tnc", window=10), encoder=ENCODER, train=Train(steps=1, batch_size=2))
    with pytest.raises(InputError, match="window: found 10 for a series of 40 observed steps, want at most 9"):
        prepare(config, X, None)
    x = X.copy()
    x[2, 20:] = np.nan
    x[3, 15:] = np.nan
    with pytest.raises(InputError, match="window: found 6 for a series of 15 observed steps, want at most 3"):
        prepare(replace(config, method=options("tnc", window=6)), x, None)
    params, aux = METHOD.init(jax.random.key(0), as_batch(X))
    assert jnp.isfinite(METHOD.embed(params, aux, as_batch(x))).all()
