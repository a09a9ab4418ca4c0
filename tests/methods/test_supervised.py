"""Informer and the TCN as supervised forecasters: loss, forecasts, what they read, what they refuse."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import TCN, DilatedConv, Informer, LinearFront
from tsrl.errors import InputError
from tsrl.methods import informer, tcn, ts2vec
from tsrl.types import as_batch

SMALL = Informer(width=8, heads=2, layers=2, feed_forward=8, factor=1)
CAUSAL = TCN(width=6, levels=2, kernel_size=2)
K, H, C = 2, 5, 3


def batch(steps=16, horizon=H, channels=K + C, rows=3):
    random = np.random.default_rng(0)
    draw = lambda length: random.normal(size=(rows, length, channels)).astype(np.float32)  # noqa: E731
    return as_batch(draw(steps), target=jnp.asarray(draw(horizon)))


MADE = {
    "informer": informer(SMALL, horizon=H, label_length=8, covariates=K),
    "informer, two layers, plain heads": informer(
        SMALL.clone(attention="full"), horizon=H, label_length=0, covariates=K, decoder_layers=2, mix=False
    ),
    "tcn": tcn(CAUSAL, horizon=H, covariates=K),
    "tcn over batch statistics": tcn(SMALL.clone(distil=False, attention="full"), horizon=H, covariates=K),
}


@pytest.fixture(params=MADE, scope="module")
def made(request):
    method = MADE[request.param]
    return method, *jax.jit(method.init)(jax.random.key(0), batch())


def test_forecasts_read_the_known_part_of_the_target_alone(made):
    method, params, aux = made
    data = batch()
    predict = jax.jit(method.predict)
    forecast = predict(params, aux, data)
    assert forecast.shape == (3, H, C)
    other = data.replace(target=data.target.at[..., K:].set(7.0))
    np.testing.assert_array_equal(predict(params, aux, other), forecast)
    unknown = data.replace(target=data.target.at[..., :K].set(0))
    np.testing.assert_allclose(
        method.predict(params, aux, data.replace(target=None)), predict(params, aux, unknown), atol=1e-5
    )
    if "decoder" in params:
        assert abs(predict(params, aux, unknown) - forecast).max() > 1e-4


def test_the_loss_without_randomness_is_the_error_of_the_forecast():
    data = batch()
    for method in (
        tcn(CAUSAL.clone(dropout=0.0), horizon=H, covariates=K),
        informer(SMALL.clone(dropout=0.0, layers=1, attention="full"), horizon=H, label_length=8, covariates=K),
    ):
        params, aux = method.init(jax.random.key(0), data)
        value, _ = method.loss(params, aux, data, jax.random.key(1))
        error = np.square(np.asarray(method.predict(params, aux, data)) - np.asarray(data.target[..., K:])).mean()
        assert value == pytest.approx(error, rel=1e-5)


def test_training_follows_the_gradient(made):
    method, params, aux = made
    data, key = batch(), jax.random.key(2)
    graded = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    (first, _), gradient = graded(params, aux, data, key)
    assert all(
        np.abs(leaf).max() > 0
        for leaf in jax.tree.leaves(
            gradient["encoder"]["norm"] if "norm" in gradient["encoder"] else gradient["encoder"]
        )
    )
    moved = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)
    assert graded(moved, aux, data, key)[0][0] < first


def test_encode_embed_and_weights_are_the_encoder_s(made):
    method, params, aux = made
    data = batch()
    encoded = method.encode(params, aux, data)
    np.testing.assert_array_equal(method.embed(params, aux, data), encoded.z.max(1))
    assert encoded.mask.shape == encoded.z.shape[:2] == (3, *encoded.last_step.shape)
    assert encoded.last_step[-1] == 15
    np.testing.assert_array_equal(method.layers(params, aux, data)[-1], encoded.z)
    weights, rebuild = method.weights(params, aux)
    assert set(weights) == {"front", "encoder"}
    doubled = rebuild(jax.tree.map(lambda leaf: 2 * leaf, weights))
    assert abs(method.embed(*doubled, data) - method.embed(params, aux, data)).max() > 1e-3
    for name in set(params) - set(weights):
        assert doubled[0][name] is params[name]


def test_batch_statistics_move_in_training_and_count_in_forecasts():
    method, data = MADE["informer"], batch()
    params, aux = jax.jit(method.init)(jax.random.key(0), data)
    _, (changed, _) = jax.jit(method.loss)(params, aux, data, jax.random.key(0))
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(*map(jax.tree.leaves, (aux, changed)), strict=True))
    assert abs(method.predict(params, changed, data) - method.predict(params, aux, data)).max() > 1e-5


def test_any_encoder_gives_the_decoder_its_memory():
    data = batch()
    for encoder in (CAUSAL, DilatedConv(width=4, features=6, depth=1)):
        method = informer(encoder, horizon=H, label_length=4, covariates=K)
        shapes = jax.eval_shape(lambda method=method: method.init(jax.random.key(0), data))
        assert shapes[0]["decoder"]["embedding"]["values"]["kernel"].shape == (3, C, 512)
        forecast = jax.eval_shape(method.predict, *shapes, data)
        assert forecast.shape == (3, H, C)


def test_a_front_of_the_user_s_own_is_used():
    method = tcn(CAUSAL, horizon=H, covariates=K, front=LinearFront(7))
    params, _ = method.init(jax.random.key(0), batch())
    assert params["front"]["input"]["dense"]["kernel"].shape == (K + C, 7)


def test_a_causal_encoder_s_shortcut_for_windows_is_kept():
    method = tcn(DilatedConv(width=4, features=6, depth=1), horizon=H, covariates=K)
    data = batch()
    params, aux = method.init(jax.random.key(0), data)
    short = method.last_of_windows(params, aux, data, 9, False)
    window = data.replace(fields={"x": data.x[:, 2:12]}, mask=data.mask[:, 2:12])
    np.testing.assert_allclose(short[:, 2], method.encode(params, aux, window).z[:, -1], atol=1e-5)
    assert tcn(CAUSAL).last_of_windows is None


def test_informer_trains_ts2vec_where_it_keeps_steps_and_attends_fully():
    data = as_batch(np.random.default_rng(0).normal(size=(4, 12, 2)).astype(np.float32))
    key = jax.random.key(0)
    for encoder in (SMALL.clone(distil=False, attention="full"), CAUSAL):
        method = ts2vec(encoder)
        params, aux = jax.jit(method.init)(key, data)
        assert np.isfinite(jax.jit(method.loss)(params, aux, data, key)[0])
    with pytest.raises(InputError, match="encoder: found Informer, which shortens the series"):
        ts2vec(SMALL)
    method = ts2vec(SMALL.clone(distil=False))
    params, aux = method.init(key, data)
    with pytest.raises(InputError, match="attention: found prob"):
        jax.eval_shape(method.loss, params, aux, data, key)


@pytest.mark.parametrize("make", [partial(informer, SMALL), partial(tcn, CAUSAL)], ids=["informer", "tcn"])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "horizon: found 0, want a whole number from 1 up"),
        ({"horizon": 2.5}, r"horizon: found 2\.5"),
        ({"covariates": -1}, "covariates: found -1, want a whole number from 0 up"),
    ],
)
def test_wrong_settings_are_refused(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: informer(SMALL, label_length=-1), "label_length: found -1, want a whole number from 0 up"),
        (lambda: informer(SMALL, decoder_layers=0), "decoder_layers: found 0, want a whole number from 1 up"),
        (
            lambda: informer(SMALL.clone(covariates=4)),
            "covariates: found 4 of the encoder and 7 of the method, want one number",
        ),
        (lambda: tcn(SMALL), "encoder: found Informer, which shortens the series, for tcn"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (batch(horizon=4), r"target: found shape \(3, 4, 5\), want \(3, 5"),
        (batch().replace(target=batch().target[..., :4]), r"target: found shape \(3, 5, 4\), want \(3, 5, 5\)"),
        (batch().replace(target=None), r"target: found none, want \(3, 5, 5\), the future of every channel"),
        (batch(channels=K), "covariates: found 2 of 2 channels, want values beside them"),
        (as_batch({"event": np.zeros((3, 8), int)}), "fields: found event, want the one series x for"),
    ],
)
@pytest.mark.parametrize("name", ["informer", "tcn"])
def test_wrong_batches_are_refused(name, data, message):
    method = MADE[name]
    params, aux = jax.eval_shape(method.init, jax.random.key(0), batch())
    with pytest.raises(InputError, match=message):
        jax.eval_shape(method.loss, params, aux, data, jax.random.key(0))


def test_a_series_shorter_than_the_label_is_refused():
    method = MADE["informer"]
    with pytest.raises(InputError, match="label_length: found 8, want at most the 7 steps of a window"):
        jax.eval_shape(method.init, jax.random.key(0), batch(steps=7))
