"""Ridge on episodes: channels by themselves, what the loss judges, that training lowers it, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tsrl
from tsrl.data.synthetic import synthetic
from tsrl.encoders import DilatedConv, PooledConv, Pyramid
from tsrl.encoders.pyramid import normalised
from tsrl.episodes import draw_episode
from tsrl.errors import InputError
from tsrl.losses.leave_one_out import leave_one_out_ridge
from tsrl.losses.soft_neighbours import soft_neighbours
from tsrl.methods import foundation
from tsrl.readout import rich_readout
from tsrl.types import as_batch

X = synthetic(6, 48, channels=2, seed=3).x
ENCODER = Pyramid(width=4, scales=3, depth=2, kernel_size=3)
SETTINGS = {"rows": 12, "classes": 3, "lengths": (16,)}
METHOD = foundation(ENCODER, **SETTINGS)
BATCH = as_batch(X)
PARAMS, AUX = METHOD.init(jax.random.key(0), BATCH)


def test_the_loss_is_that_of_ridge_on_the_read_out_of_two_episodes():
    key = jax.random.key(4)
    found, _ = jax.jit(METHOD.loss)(PARAMS, AUX, BATCH, key)
    rows = X.swapaxes(1, 2).reshape(12, 48, 1)
    material = normalised(jnp.asarray(rows), jnp.ones((12, 48), bool))[..., 0]
    own = jax.random.split(key)[1]
    losses = []
    for number in range(2):
        episode = draw_episode(jax.random.fold_in(own, number), material, 12, 16, 3)
        batch = as_batch(episode.x[..., None])
        _, sown = ENCODER.apply({"params": PARAMS["encoder"]}, batch.x, batch.mask, mutable=["intermediates"])
        read = rich_readout(sown["intermediates"]["block"], batch.mask)
        ridge, near = leave_one_out_ridge(read, episode.labels, 3), soft_neighbours(read, episode.labels)
        losses.append(ridge.mean() + 0.5 * near.mean())
    np.testing.assert_allclose(found, np.mean(losses), rtol=1e-4)


def test_embeddings_are_standardised_by_what_training_saw():
    aux = AUX
    seen = []
    for step in range(3):
        _, (aux, _) = METHOD.loss(PARAMS, aux, BATCH, jax.random.key(step))
        seen.append(aux)
    assert aux["steps"] == 3
    plain = rich_readout([METHOD.encode(PARAMS, AUX, as_batch(X[..., :1])).z], np.ones((6, 48), bool))
    variance = aux["square"] - aux["mean"] ** 2
    wanted = (plain - aux["mean"]) / np.sqrt(np.maximum(variance, 0) + 1e-5)
    np.testing.assert_allclose(METHOD.embed(PARAMS, aux, as_batch(X[..., :1])), wanted, rtol=1e-3, atol=1e-3)
    # Three steps count alike.
    first = METHOD.loss(PARAMS, AUX, BATCH, jax.random.key(2))[1][0]["mean"]
    np.testing.assert_allclose(3 * aux["mean"] - 2 * seen[1]["mean"], first, rtol=1e-3, atol=1e-4)


def test_channels_are_represented_by_themselves():
    z, one = METHOD.encode(PARAMS, AUX, BATCH).z, METHOD.embed(PARAMS, AUX, BATCH)
    width = ENCODER.features
    assert z.shape == (6, 48, 2 * width)
    assert one.shape == (6, 2 * 4 * width)
    for channel in range(2):
        alone = METHOD.encode(PARAMS, AUX, as_batch(X[..., channel : channel + 1])).z
        np.testing.assert_allclose(z[..., channel * width : (channel + 1) * width], alone, atol=1e-4)
    blocks = METHOD.layers(PARAMS, AUX, BATCH)
    assert [block.shape for block in blocks[:2]] == [(6, 48, 8)] * 2
    np.testing.assert_allclose(blocks[1][..., :4], z[..., :4], atol=1e-4)


def test_a_model_takes_any_number_of_channels_any_length_and_missing_steps(tmp_path):
    model = tsrl.pretrain(X, "foundation", encoder=ENCODER, steps=1, batch_size=6, **SETTINGS)
    series = np.concatenate([X, X[..., :1]], -1)[:, :19].copy()
    series[0, 3:5] = np.nan
    assert model.embed(series).shape == (6, 3 * 4 * ENCODER.features)
    assert np.isfinite(model.embed(series)).all()
    assert "any channels" in repr(model)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(tsrl.load(tmp_path / "model").embed(series), model.embed(series))
    wide = model.with_channels(3)
    np.testing.assert_array_equal(wide.embed(series), model.embed(series))


def test_training_lowers_the_loss_of_new_episodes():
    """On other material and with other keys than were trained on."""
    corpus = synthetic(64, 96, seed=5).x
    sizes = {"rows": 32, "classes": 4, "lengths": (48,)}
    method = foundation(ENCODER, neighbours=0.0, **sizes)
    held_out = as_batch(synthetic(64, 96, seed=6).x)
    keys = jax.random.split(jax.random.key(9), 20)
    judged = jax.jit(lambda params: jax.lax.map(lambda key: method.loss(params, AUX, held_out, key)[0], keys).mean())

    def after(steps):
        train = {"batch_size": 32, "learning_rate": 3e-3, "seed": 0, "neighbours": 0.0, **sizes}
        return float(judged(tsrl.pretrain(corpus, "foundation", encoder=ENCODER, steps=steps, **train).params))

    assert after(120) < 0.95 * after(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episodes": 0}, "episodes: found 0"),
        ({"rows": 5}, "rows: found 5, want a whole number from 20 up"),
        ({"lengths": (4,)}, r"lengths: found \(4,\)"),
        ({"penalties": (0.0,)}, "penalties, temperature: found"),
        ({"neighbours": -1.0}, "neighbours: found -1.0"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        foundation(ENCODER, **settings)


def test_encoders_and_series_that_are_refused():
    with pytest.raises(InputError, match="takes batch statistics, for foundation"):
        tsrl.pretrain(X, "foundation", encoder=PooledConv(width=2, features=4), steps=1)
    with pytest.raises(InputError, match="channels: found 3, want 2, for which ts2vec's parameters are made"):
        tsrl.pretrain(X, encoder=DilatedConv(width=4, features=4, depth=1), steps=1).with_channels(3)
