"""SimTS: its loss by slow steps, the step that predicts, windows, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from golden_files import cases

import tsrl
from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv, MultiScaleConv
from tsrl.errors import InputError
from tsrl.interop import embedder_from_torch, from_torch
from tsrl.methods.simts import simts
from tsrl.pretraining import prepare
from tsrl.train.optimizer import optimizer
from tsrl.types import Batch, as_batch

ENCODER = MultiScaleConv(width=4, features=6, kernels=(1, 4, 8), dropout=0)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 15, 2)).astype(np.float32)
X[1, 3:5] = np.nan
BATCH, KEY = as_batch(X), jax.random.key(7)
METHOD = simts(ENCODER, history=10, future=5, history_step="last", dropout=0)


@pytest.fixture(scope="module")
def model():
    return jax.jit(METHOD.init)(jax.random.key(0), BATCH)


def slow_loss(params, aux, batch, history, step):
    """Both parts encoded in full by themselves, one future step at a time."""
    past, later = (
        as_batch(batch.x[:, part], mask=batch.mask[:, part]) for part in (slice(history), slice(history, None))
    )
    z = METHOD.encode(params, aux, past).z[:, step]
    target = jax.lax.stop_gradient(METHOD.encode(params, aux, later).z)
    steps, features = (params["predictor"][name]["dense"] for name in ("steps", "features"))
    total = 0
    for t in range(target.shape[1]):
        one = jnp.maximum(z * steps["kernel"][0, t] + steps["bias"][t], 0) @ features["kernel"] + features["bias"]
        total -= optax.losses.cosine_similarity(one, target[:, t], epsilon=1e-8).mean()
    return total / target.shape[1]


def test_loss_and_gradient_are_those_of_slow_steps(model):
    params, aux = model
    (value, (after, _)), gradient = jax.jit(jax.value_and_grad(METHOD.loss, has_aux=True))(params, aux, BATCH, KEY)
    assert after == aux
    slow = jax.jit(jax.value_and_grad(slow_loss), static_argnums=(3, 4))
    expected, slow_gradient = slow(params, aux, BATCH, 10, 9)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), gradient, slow_gradient)


def test_a_late_step_of_the_history_predicts():
    x = as_batch(RANDOM.normal(size=(2, 132, 2)).astype(np.float32))
    method = simts(ENCODER, history=130, future=2, dropout=0)
    params, aux = jax.jit(method.init)(jax.random.key(0), x)
    drawn = jax.jit(jax.vmap(lambda seed: method.loss(params, aux, x, jax.random.key(seed))[0]))(jnp.arange(30))
    slow = jax.jit(lambda step: slow_loss(params, aux, x, 130, step))
    losses = np.asarray([slow(step) for step in (127, 128, 129)])
    assert np.diff(np.sort(losses)).min() > 1e-5
    which = abs(np.asarray(drawn)[:, None] - losses)
    assert which.min(1).max() < 1e-6
    assert set(which.argmin(1)) == {0, 1, 2}


def test_dropout_is_on_the_history_and_in_the_encoder(model):
    plain = METHOD.loss(*model, BATCH, KEY)[0]
    sizes = {"history": 10, "future": 5, "history_step": "last"}
    dropping = MultiScaleConv(width=4, features=6, kernels=(1, 4, 8), dropout=0.5)
    for method in (simts(ENCODER, **sizes, dropout=0.5), simts(dropping, **sizes, dropout=0)):
        assert abs(method.loss(*model, BATCH, KEY)[0] - plain) > 1e-4
        np.testing.assert_array_equal(method.embed(*model, BATCH), METHOD.embed(*model, BATCH))


def test_missing_steps_do_not_matter(model):
    values = np.where(np.isnan(X), 50, X).astype(np.float32)
    filled = Batch({"x": jnp.asarray(values)}, BATCH.mask, BATCH.index)
    np.testing.assert_allclose(METHOD.loss(*model, filled, KEY)[0], METHOD.loss(*model, BATCH, KEY)[0], rtol=1e-5)


def test_the_predictor_hardly_moves(model):
    params, _ = model
    made = optimizer("sgd", 0.5, 0.0, 0.0, "constant", 10, 1, METHOD.rates)
    gradient = jax.tree.map(jnp.ones_like, params)
    updates, _ = made.update(gradient, made.init(params), params)
    for name, rate in [("front", 0.5), ("encoder", 0.5), ("predictor", 0.5e-4)]:
        for leaf in jax.tree.leaves(updates[name]):
            np.testing.assert_allclose(leaf, -rate, rtol=1e-5)


def test_a_series_is_represented_by_its_last_step(model):
    z = METHOD.encode(*model, BATCH).z
    assert z.shape == (3, 15, 6)
    np.testing.assert_allclose(METHOD.embed(*model, BATCH), z[:, -1], atol=1e-6)
    (block,) = METHOD.layers(*model, BATCH)
    np.testing.assert_array_equal(block, z)
    found = METHOD.last_of_windows(*model, BATCH, 4, False)
    for row in range(11):
        window = as_batch(X[:, row : row + 5])
        np.testing.assert_allclose(found[:, row], METHOD.embed(*model, window), atol=1e-6)


def test_other_encoders_work():
    method = simts(DilatedConv(width=4, features=6, depth=1), history=10, future=5, hierarchical=True)
    params, aux = method.init(jax.random.key(0), BATCH)
    value, gradient = jax.jit(jax.value_and_grad(lambda p: method.loss(p, aux, BATCH, KEY)[0]))(params)
    assert -1 <= value <= 1
    assert all(abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"history": 0}, "history: found 0, want a whole number from 1 up"),
        ({"future": 0}, "future: found 0, want a whole"),
        ({"future": 1, "hierarchical": True}, "future: found 1, want a whole number from 2 up"),
        ({"history": 10.5}, r"history: found 10\.5"),
        ({"history_step": "first"}, "history_step: found 'first', want random or last"),
        ({"dropout": 1}, "dropout: found 1, want 0 up to, but not, 1"),
        ({"predictor_rate": -1}, "predictor_rate: found -1, want 0 or more"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        simts(ENCODER, **wrong)


@pytest.mark.parametrize("window", [0, 12])
def test_windows_that_do_not_fit_are_refused_before_training(window):
    x = RANDOM.normal(size=(3, 30, 2)).astype(np.float32)
    train = Train(batch_size=2, steps=2, window=window)
    config = Config(method=options("simts", history=10, future=5), encoder=ENCODER, train=train)
    found = f"train.window: found examples of {window or 30} steps, want 15: 10 of history and 5 of future"
    with pytest.raises(InputError, match=found):
        prepare(config, x, None)


def test_released_weights(tmp_path):
    case = next(iter(cases("simts")), None)
    if case is None:
        pytest.skip("the golden folder has no simts.npz")
    weights = case.starting("w", "net.")
    weights = {name: value for name, value in weights.items() if not name.endswith("folded")}
    model = embedder_from_torch("simts", weights)
    assert model.encoder.kernels == (1, 2, 4, 8)
    # It is kept, and fits series of any length.
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(tsrl.load(tmp_path / "m").embed(X), model.embed(X))
    with pytest.raises(InputError, match=r"multi_cnn\.0"):
        from_torch("simts", {name: value for name, value in weights.items() if not name.startswith("multi_cnn")})
    with pytest.raises(InputError, match=r"SimTS's CausalCNNEncoder does not have: multi_cnn\.2"):
        from_torch("simts", {name: value for name, value in weights.items() if not name.startswith("multi_cnn.1")})
    square = weights | {"input_fc.conv1.weight_v": weights["input_fc.conv2.weight_v"]}
    # As many channels as the projection has: the shortcut has no weights.
    square = {name: value for name, value in square.items() if "upordownsample" not in name}
    assert embedder_from_torch("simts", square).channels == 8
