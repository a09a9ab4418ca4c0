"""TimeDRL: what its representations are of, missing steps, collapse without the stop-gradient, settings."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsrl.encoders import TCN, DilatedConv, Informer, MultiScaleConv, Transformer
from tsrl.errors import InputError
from tsrl.methods.timedrl import timedrl, tokenise
from tsrl.parallel import AXIS
from tsrl.types import as_batch

ENCODER = Transformer(width=8, heads=2, dropout=0.1)
X = np.random.default_rng(0).normal(size=(6, 22, 3)).astype(np.float32).cumsum(1)
BATCH = as_batch(X)


def make(**settings):
    method = timedrl(ENCODER, **{"patch_len": 4, "stride": 3, **settings})
    compiled = {name: jax.jit(getattr(method, name)) for name in ("init", "loss", "encode", "embed", "layers")}
    method = method._replace(**compiled)
    return method, *method.init(jax.random.key(0), BATCH)


def test_shapes_and_last_steps():
    method, params, aux = make()
    encoded = method.encode(params, aux, BATCH)
    assert encoded.z.shape == (6, 8, 24)
    np.testing.assert_array_equal(encoded.last_step, [3, 6, 9, 12, 15, 18, 21, 21])
    assert method.embed(params, aux, BATCH).shape == (6, 24)
    assert [layer.shape for layer in method.layers(params, aux, BATCH)] == [(6, 8, 24)]
    mixed, params, aux = make(channel_independent=False, instance="all")
    assert mixed.encode(params, aux, BATCH).z.shape == (6, 8, 8)
    assert mixed.embed(params, aux, BATCH).shape == (6, 64)
    assert mixed.of_windows is None


def test_channels_are_independent():
    method, params, aux = make()
    changed = as_batch(np.concatenate([X[..., :2], -X[..., 2:] * 7 + 1], -1))
    one, other = (method.encode(params, aux, batch).z.reshape(6, 8, 3, 8) for batch in (BATCH, changed))
    np.testing.assert_allclose(one[:, :, :2], other[:, :, :2], atol=1e-6)
    assert np.abs(one[:, :, 2] - other[:, :, 2]).max() > 1e-2


def test_level_and_scale_of_a_channel_are_taken_out():
    method, params, aux = make()
    other = as_batch(X * np.array([1.0, 3.0, 0.5], np.float32) + 5)
    one, two = (method.of_windows(params, aux, batch) for batch in (BATCH, other))
    np.testing.assert_allclose(one.features, two.features, atol=2e-3)
    np.testing.assert_allclose(two.mean, X.mean(1) * [1, 3, 0.5] + 5, rtol=1e-4)
    np.testing.assert_allclose(two.scale, X.std(1) * [1, 3, 0.5], rtol=1e-3)
    # The features of a channel are its patches side by side.
    z = np.asarray(method.encode(params, aux, BATCH).z).reshape(6, 8, 3, 8)
    np.testing.assert_allclose(one.features, z.swapaxes(1, 2).reshape(6, 3, 64), atol=1e-6)


def test_missing_steps_count_nowhere():
    x = X.copy()
    x[:, 15:] = np.nan
    x[0, 4] = np.nan
    batch = as_batch(x)
    made = tokenise(batch, 4, 3, True)
    np.testing.assert_allclose(made.mean, np.nanmean(x, 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made.scale, np.sqrt(np.nanvar(x, 1) + 1e-5), rtol=1e-5)
    # Patch 5 begins at step 15: from there on there is nothing.
    np.testing.assert_array_equal(made.mask.reshape(6, 3, 9)[:, 0, 1:], [[True] * 5 + [False] * 3] * 6)
    method = timedrl(ENCODER.clone(dropout=0.0), patch_len=4, stride=3, dropout=0.0, contrastive_weight=0.0)
    params, aux = method.init(jax.random.key(0), BATCH)
    value, (_, parts) = method.loss(params, aux, batch, jax.random.key(1))
    t = np.asarray(method.encode(params, aux, batch).z).reshape(6, 8, 3, 8).swapaxes(1, 2)
    head = params["head"]["linear"]["dense"]
    guess = t @ np.asarray(head["kernel"]) + np.asarray(head["bias"])
    longer = np.concatenate([x, np.repeat(x[:, -1:], 3, 1)], 1)
    errors = []
    for row, channel in np.ndindex(6, 3):
        wanted = np.stack([longer[row, 3 * n : 3 * n + 4, channel] for n in range(8)])
        errors.append(np.nanmean((guess[row, channel] - wanted) ** 2))
    assert value == pytest.approx(np.mean(errors), rel=1e-5)
    assert parts["predictive"] == value


def test_target_of_the_prediction():
    for target in ("raw", "normalised"):
        method = timedrl(ENCODER.clone(dropout=0.0), patch_len=4, stride=3, dropout=0.0, target=target)
        params, aux = method.init(jax.random.key(0), BATCH)
        moved = as_batch(X + 100)
        values = [method.loss(params, aux, batch, jax.random.key(1))[1][1]["predictive"] for batch in (BATCH, moved)]
        # Only the prediction of raw patches sees the level.
        assert (abs(values[0] - values[1]) < 1e-2) == (target == "normalised")


@pytest.mark.parametrize("stop_gradient", [True, False])
def test_the_other_pass_is_not_trained_with_a_stop_gradient(stop_gradient):
    method, params, aux = make(stop_gradient=stop_gradient, contrastive_weight=1.0, patch_len=22, stride=22)
    # With the predictor's output held fixed, only a path without stop-gradient reaches the encoder.
    params["predictor"]["linear_1"]["dense"]["kernel"] *= 0
    loss = lambda p: method.loss(p, aux, BATCH, jax.random.key(1))[1][1]["contrastive"]  # noqa: E731
    gradient = jax.jit(jax.grad(loss))(params)
    assert (optax.tree.norm(gradient["encoder"]) == 0) == stop_gradient


def test_training_lowers_both_losses():
    method, params, aux = make()
    optimizer = optax.adamw(3e-3)
    state = optimizer.init(params)

    @jax.jit
    def step(params, aux, state, key):
        (_, (aux, parts)), gradient = jax.value_and_grad(method.loss, has_aux=True)(params, aux, BATCH, key)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), aux, state, parts

    history = []
    for number in range(60):
        params, aux, state, parts = step(params, aux, state, jax.random.key(number))
        history.append({name: float(value) for name, value in parts.items()})
    for name in ("predictive", "contrastive"):
        assert np.mean([row[name] for row in history[-5:]]) < np.mean([row[name] for row in history[:5]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_len": 0}, "patch_len: found 0"),
        ({"stride": 1.5}, "stride: found 1.5"),
        ({"stride": 5}, "stride: found 5, want at most patch_len, 4: steps between patches are lost"),
        ({"instance": "mean"}, "instance: found 'mean', want one of cls, last, gap, all"),
        ({"target": "norm"}, "target: found 'norm', want one of raw, normalised"),
        ({"kernel_size": 4}, "kernel_size: found 4, want an odd number"),
        ({"contrastive_weight": -1.0}, "contrastive_weight: found -1.0"),
        ({"dropout": 1.0}, "dropout: found 1.0"),
        ({"patch_len": 23}, "patch_len: found 23 for series of 22 steps, want at most as many"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings)


@pytest.mark.parametrize(
    "encoder",
    [
        DilatedConv(width=4, features=6, depth=1),
        TCN(width=4, levels=1),
        Informer(width=4, heads=2, layers=1, feed_forward=8, attention="full", distil=False),
        MultiScaleConv(width=4, features=6, kernels=(1, 2)),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_any_encoder_of_tokens_will_do(encoder):
    method = timedrl(encoder, patch_len=4, stride=4)
    params, aux = jax.jit(method.init)(jax.random.key(0), BATCH)
    value, gradient = jax.jit(jax.value_and_grad(lambda p: method.loss(p, aux, BATCH, jax.random.key(1))[0]))(params)
    assert jnp.isfinite(value)
    assert np.isfinite(optax.tree.norm(gradient))
    assert optax.tree.norm(gradient["encoder"]) > 0 < optax.tree.norm(gradient["front"])
    width = method.encode(params, aux, BATCH).z.shape[-1]
    assert method.embed(params, aux, BATCH).shape == (6, width)


def test_an_encoder_that_shortens_the_series_is_refused():
    with pytest.raises(InputError, match="encoder: found Informer, which shortens the series, for timedrl"):
        timedrl(Informer(width=4, heads=2, layers=2, distil=True))


@pytest.mark.parametrize("instance", ["cls", "last", "gap", "all"])
def test_the_instance_is_read_off_the_tokens(instance):
    x = X.copy()
    x[:, 15:] = np.nan
    batch = as_batch(x)
    method, params, aux = make(instance=instance)
    # Five patches of eight hold an observed step.
    t = np.asarray(method.encode(params, aux, batch).z).reshape(6, 8, 3, 8).swapaxes(1, 2)
    found = np.asarray(method.embed(params, aux, batch)).reshape(6, 3, -1)
    if instance == "cls":
        assert found.shape == (6, 3, 8)
        assert min(np.abs(found - t[:, :, patch]).max() for patch in range(8)) > 1e-2
    else:
        wanted = {"last": t[:, :, -1], "gap": t[:, :, :5].mean(2), "all": t.reshape(6, 3, 64)}[instance]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_devices_draw_dropout_of_their_own():
    """Two devices with the same rows, and dropout before the prediction head alone."""
    encoder = ENCODER.clone(dropout=0.0)
    method = timedrl(encoder, patch_len=4, stride=3, dropout=0.5, axis_name=AXIS)
    params, aux = jax.jit(method.init)(jax.random.key(0), BATCH)
    twice = jax.tree.map(lambda array: jnp.stack([array, array]), BATCH)
    loss = jax.jit(
        jax.vmap(lambda batch: method.loss(params, aux, batch, jax.random.key(1)), axis_name=AXIS, in_axes=0)
    )
    _, (changed, parts) = loss(twice)
    assert abs(parts["predictive"][0] - parts["predictive"][1]) > 1e-4
    # What is carried over is the same on both all the same.
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[0], leaf[1]), changed)
