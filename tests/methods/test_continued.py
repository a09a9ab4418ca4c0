"""Training that goes on from a model: from its weights, with its settings, and what is refused."""

import jax
import numpy as np
import pytest

import tsrl
from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.pretraining import prepare, run, untrained

X = np.random.default_rng(0).normal(size=(6, 24, 2)).astype(np.float32).cumsum(1)
ENCODER = DilatedConv(width=4, features=4, depth=1)


@pytest.fixture(scope="module")
def model():
    return tsrl.pretrain(X, encoder=ENCODER, steps=2, alpha=0.25, scale=True)


def test_without_a_change_it_is_the_same_model(model):
    again = tsrl.pretrain(X, init=model, steps=1, learning_rate=0.0)
    assert again.options == model.options
    assert again.encoder == model.encoder
    # The scaler too is that of the model that it goes on from.
    other = tsrl.pretrain(3 * X + 1, init=model, steps=1, learning_rate=0.0)
    for found in (again, other):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found.params, model.params)
        np.testing.assert_array_equal(found.scaler.mean, model.scaler.mean)


def test_it_starts_where_the_model_ended(model, tmp_path):
    slow = {"encoder": ENCODER, "steps": 1, "alpha": 0.25, "learning_rate": 1e-5}
    random, going_on = (tsrl.pretrain(X, **slow, **more) for more in ({}, {"init": model}))
    assert 0 < distance(going_on, model) < 0.2 * distance(random, model)
    model.save(tmp_path / "model")
    from_folder = tsrl.pretrain(X, init=tmp_path / "model", steps=1)
    jax.tree.map(np.testing.assert_array_equal, from_folder.params, tsrl.pretrain(X, init=model, steps=1).params)
    assert tsrl.pretrain(X, init=model, steps=1, alpha=1.0).options.alpha == 1.0


def distance(one, other):
    return sum(
        float(np.abs(a - b).sum()) for a, b in zip(*map(jax.tree.leaves, (one.params, other.params)), strict=True)
    )


def test_a_run_by_its_configuration_and_its_control_with_random_weights(model, tmp_path):
    model.save(tmp_path / "model")
    config = Config(
        method=model.options,
        encoder=ENCODER,
        train=Train(steps=1, batch_size=2, learning_rate=1e-5),
        init=str(tmp_path / "model"),
    )
    job = prepare(config, X, None)
    state = jax.tree.map(lambda leaf: leaf[0], run(job).state)
    assert 0 < distance(state, model) < 0.2 * distance(untrained(job, 0), model)
    plain = prepare(
        Config(method=model.options, encoder=ENCODER, train=Train(steps=1, batch_size=2, learning_rate=1e-5)), X, None
    )
    jax.tree.map(np.testing.assert_array_equal, untrained(job, 0).params, untrained(plain, 0).params)


def test_other_models_are_refused(model):
    with pytest.raises(InputError, match="init: found a model of method ts2vec, want simclr"):
        tsrl.pretrain(X, "simclr", init=model, steps=1)
    with pytest.raises(InputError, match="init: found a model of encoder"):
        tsrl.pretrain(X, init=model, encoder=DilatedConv(width=4, features=4, depth=2), steps=1)
    with pytest.raises(InputError, match="init: found a model whose arrays are not those"):
        tsrl.pretrain(X[..., :1], init=tsrl.pretrain(X, encoder=ENCODER, steps=1), steps=1)
    with pytest.raises(InputError, match=r"folder: found no config\.json in nowhere"):
        tsrl.pretrain(X, init="nowhere", steps=1)
    config = Config(method=options("ts2vec"), encoder=ENCODER, init="nowhere")
    with pytest.raises(InputError, match=r"folder: found no config\.json"):
        prepare(config, X, None)
