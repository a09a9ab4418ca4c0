"""CoST: its loss by slow steps, the queue and the momentum encoder, windows, and what is refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import cases
from hypothesis import given, settings
from hypothesis import strategies as st

import tsrl
from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv, MultiScaleConv
from tsrl.encoders.layers import BatchNorm, Linear
from tsrl.errors import InputError
from tsrl.interop import embedder_from_torch, from_torch
from tsrl.losses import instance_contrastive
from tsrl.methods.cost import cost
from tsrl.methods.cost_contrast import draw_views
from tsrl.pretraining import prepare
from tsrl.types import Batch, Encoded, as_batch
from tsrl.views import dropout

ENCODER = DilatedConv(width=4, features=6, depth=1)
SIZES = {"length": 12, "longest_kernel": 4, "queue": 10}
METHOD = cost(ENCODER, **SIZES, dropout=0.2)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 12, 2)).astype(np.float32)
X[1, 3:5] = np.nan
BATCH, KEY = as_batch(X), jax.random.key(7)
loss = jax.jit(METHOD.loss)


@pytest.fixture(scope="module")
def model():
    return jax.jit(METHOD.init)(jax.random.key(0), BATCH)


def unit(z):
    return z / jnp.linalg.norm(z, axis=-1, keepdims=True)


def slow_loss(params, aux, batch, key):
    """The loss as its paper has it: every trend at every step, every view through every encoder by itself."""
    drawn = draw_views(key, batch, 0.5, True)

    def encoded(params, view):
        return METHOD.encode(params, {"stats": {}}, view).z

    def head(params, z):
        one, two = (params["head"][f"linear_{i}"]["dense"] for i in range(2))
        return unit(jnp.maximum(z @ one["kernel"] + one["bias"], 0) @ two["kernel"] + two["bias"])

    z1, z2 = encoded(params, drawn.query), encoded(params, drawn.key)
    moved = jax.tree.map(
        lambda old, new: 0.999 * old + 0.001 * new,
        aux["momentum"],
        {**params, "branches": {"trend": params["branches"]["trend"]}},
    )
    whole = {**moved, "branches": {**moved["branches"], "season": params["branches"]["season"]}}
    q = head(params, z1[:, drawn.step, :3])
    k = jax.lax.stop_gradient(head(whole, encoded(whole, drawn.key)[:, drawn.step, :3]))
    logits = jnp.concatenate([(q * k).sum(-1, keepdims=True), q @ aux["queue"].T], 1) / 0.07
    trend = -jax.nn.log_softmax(logits)[:, 0].mean()
    season = 0
    seasons = [unit(dropout(keys, z[..., 3:], 0.2)) for keys, z in zip(drawn.drop, (z1, z2), strict=True)]
    found = [jnp.fft.rfft(z, axis=1) for z in seasons]
    for part in (
        lambda c: jnp.sqrt((c.real + 1e-6) ** 2 + (c.imag + 1e-6) ** 2),
        lambda c: jnp.arctan2(c.imag, c.real + 1e-6),
    ):
        season += instance_contrastive(part(found[0]), part(found[1])).mean() / 2
    return trend + 5e-4 * season, (trend, season, k, moved)


def test_loss_and_gradient_are_those_of_slow_steps(model):
    params, aux = model
    # A momentum encoder of its own, and a queue about to go over its end.
    other = jax.tree.map(lambda leaf: leaf * 1.1 + 0.01, aux["momentum"])
    aux = {**aux, "momentum": other, "pointer": jnp.asarray(8, jnp.int32)}
    (value, (after, metrics)), gradient = jax.jit(jax.value_and_grad(METHOD.loss, has_aux=True))(
        params, aux, BATCH, KEY
    )
    slow = jax.jit(jax.value_and_grad(slow_loss, has_aux=True))
    (expected, (trend, season, keys, moved)), slow_gradient = slow(params, aux, BATCH, KEY)
    np.testing.assert_allclose([value, metrics["trend"], metrics["season"]], [expected, trend, season], rtol=1e-5)
    scale = max(abs(leaf).max() for leaf in jax.tree.leaves(slow_gradient))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * scale), gradient, slow_gradient)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after["momentum"], moved)
    queue = np.asarray(aux["queue"]).copy()
    queue[[8, 9, 0, 1]] = keys
    np.testing.assert_allclose(after["queue"], queue, atol=1e-6)
    assert after["pointer"] == 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_draws_differ_between_views_and_steps_lie_in_the_series(seed):
    drawn = draw_views(jax.random.key(seed), BATCH, 0.5, True)
    assert 0 <= drawn.step < 12
    assert len({str(key) for key in np.asarray(jax.random.key_data(drawn.drop)).reshape(8, -1)}) == 8
    for view in (drawn.query, drawn.key):
        np.testing.assert_array_equal(view.mask, BATCH.mask)
    other = draw_views(jax.random.key(seed), BATCH.take(jnp.asarray([2, 0])), 0.5, False)
    assert other.drop is None
    np.testing.assert_array_equal(other.key.x, drawn.key.x[jnp.asarray([2, 0])])


def test_missing_steps_do_not_matter(model):
    values = np.where(np.isnan(X), 50, X).astype(np.float32)
    filled = Batch({"x": jnp.asarray(values)}, BATCH.mask, BATCH.index)
    found, expected, seen = (loss(*model, batch, KEY)[1][1] for batch in (filled, BATCH, as_batch(values)))
    for name in ("trend", "season"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    assert abs(seen["season"] - expected["season"]) > 1e-2


def test_keys_and_seasons_depend_on_the_key(model):
    assert loss(*model, BATCH, KEY)[0] == loss(*model, BATCH, KEY)[0]
    first, second = (loss(*model, BATCH, jax.random.key(seed))[1][1] for seed in (1, 2))
    assert all(first[name] != second[name] for name in ("trend", "season"))
    plain = jax.jit(cost(ENCODER, **SIZES, dropout=0).loss)
    assert plain(*model, BATCH, KEY)[1][1]["season"] != loss(*model, BATCH, KEY)[1][1]["season"]
    assert plain(*model, BATCH, KEY)[1][1]["trend"] == loss(*model, BATCH, KEY)[1][1]["trend"]


@pytest.mark.parametrize("hide_last", [False, True])
@pytest.mark.parametrize("windows", [3, 40])
def test_last_of_windows_equals_windows_one_by_one(model, windows, hide_last):
    x = RANDOM.normal(size=(2, 11 + windows, 2)).astype(np.float32)
    x[0, 5] = np.nan
    batch = as_batch(x)
    found = jax.jit(METHOD.last_of_windows, static_argnums=(3, 4))(*model, batch, 11, hide_last)
    assert found.shape == (2, windows, 6)
    encode = jax.jit(METHOD.encode)
    for row in {0, 1, windows - 1}:
        seen = np.asarray(batch.mask[:, row : row + 12]).copy()
        seen[:, -1] &= not hide_last
        window = as_batch(np.nan_to_num(x[:, row : row + 12]), mask=seen)
        np.testing.assert_allclose(found[:, row], encode(*model, window).z[:, -1], atol=1e-5)


def test_a_series_is_represented_by_its_last_step(model):
    encoded = METHOD.encode(*model, BATCH)
    assert isinstance(encoded, Encoded)
    assert encoded.z.shape == (4, 12, 6)
    np.testing.assert_allclose(METHOD.embed(*model, BATCH), encoded.z[:, -1], atol=1e-6)
    longer = as_batch(np.concatenate([np.full((4, 5, 2), 9, np.float32), X], 1))
    np.testing.assert_allclose(METHOD.embed(*model, longer), encoded.z[:, -1], atol=1e-6)
    late = X.copy()
    late[:, :4] = np.nan
    short = METHOD.embed(*model, as_batch(X[:, 4:]))
    np.testing.assert_allclose(short, METHOD.encode(*model, as_batch(late)).z[:, -1], atol=1e-6)
    *blocks, last = METHOD.layers(*model, BATCH)
    assert [z.shape for z in blocks] == [(4, 12, 4), (4, 12, 6)]
    np.testing.assert_array_equal(last, encoded.z)


class Normed(nn.Module):
    """An encoder with batch statistics."""

    width: int = 4
    axis_name: str | None = None

    @nn.compact
    def __call__(self, h, mask, exists=None, wanted=None):
        h = Linear(6)(BatchNorm(axis_name=self.axis_name)(h))
        return h if wanted is None else wanted(h)


def test_batch_statistics_are_kept():
    method = cost(Normed(), **SIZES)
    params, aux = method.init(jax.random.key(0), BATCH)
    _, (after, _) = jax.jit(method.loss)(params, aux, BATCH, KEY)
    assert jax.tree.structure(after) == jax.tree.structure(aux)
    mean = after["stats"]["encoder"]["BatchNorm_0"]["mean"]
    assert abs(mean - aux["stats"]["encoder"]["BatchNorm_0"]["mean"]).max() > 1e-3
    assert abs(method.embed(params, after, BATCH) - method.embed(params, aux, BATCH)).max() > 1e-4


def test_other_encoders_work():
    method = cost(MultiScaleConv(width=4, features=6, kernels=(1, 4)), **SIZES)
    params, aux = method.init(jax.random.key(0), BATCH)
    value, gradient = jax.jit(jax.value_and_grad(lambda p: method.loss(p, aux, BATCH, KEY)[0]))(params)
    assert np.isfinite(value)
    assert all(abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    with pytest.raises(InputError, match=r"encoder\.features: found 5, want an even number"):
        cost(MultiScaleConv(width=4, features=5, kernels=(1,)), **SIZES).init(jax.random.key(0), BATCH)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": 1}, "length: found 1, want a whole number from 2 up"),
        ({"longest_kernel": 0}, "longest_kernel: found 0, want a whole"),
        ({"queue": 0}, "queue: found 0, want a whole number from 1 up"),
        ({"queue": 10.5}, r"queue: found 10\.5, want a whole"),
        ({"sigma": float("nan")}, "sigma: found nan"),
        ({"dropout": 1}, "dropout: found 1, want 0 up to, but not, 1"),
        ({"momentum": 1.5}, "momentum: found 1.5"),
        ({"alpha": -1}, "alpha: found -1, want a finite number from 0 up"),
        ({"sigma": -1}, "sigma: found -1"),
        ({"temperature": 0}, "temperature: found 0, want a finite number above 0"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        cost(ENCODER, **wrong)


def test_series_of_other_lengths_are_refused(model):
    shorter, longer = as_batch(X[:, :9]), as_batch(np.concatenate([X, X], 1))
    with pytest.raises(InputError, match=r"length: found 9 steps, want the 12 .*: series of that length"):
        METHOD.encode(*model, shorter)
    with pytest.raises(InputError, match=r"length: found 24 steps, want the 12 .*: sliding windows of that length"):
        METHOD.encode(*model, longer)
    with pytest.raises(InputError, match="length: found 5 steps"):
        METHOD.last_of_windows(*model, longer, 4, False)


@pytest.mark.parametrize(
    ("train", "method", "message"),
    [
        ({}, {}, "length: found 201 for training examples of 30 steps; want the same: --method.length 30"),
        ({}, {"length": 12}, "want the same: --train.max-train-length 12, or --method.length 30"),
        ({"max_train_length": 12}, {"length": 12, "queue": 4}, "queue: found 4 for batches of 6 rows, want at least"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_training(train, method, message):
    x = RANDOM.normal(size=(3, 30, 2)).astype(np.float32)
    config = Config(method=options("cost", **method), encoder=ENCODER, train=Train(batch_size=6, steps=2, **train))
    with pytest.raises(InputError, match=message):
        prepare(config, x, None)


def test_trained_model_is_kept(tmp_path):
    x = RANDOM.normal(size=(1, 130, 2)).astype(np.float32)
    model = tsrl.pretrain(x, "cost", encoder=ENCODER, steps=3, max_train_length=12, **SIZES)
    model.save(tmp_path / "m")
    asked = {"sliding_length": 1, "sliding_padding": 11, "causal": True}
    expected = model.encode(x, **asked)
    assert expected.shape == (1, 130, 6)
    np.testing.assert_array_equal(tsrl.load(tmp_path / "m").encode(x, **asked), expected)


def test_released_weights():
    case = next(iter(cases("cost_encode")), None)
    if case is None:
        pytest.skip("the golden folder has no cost_encode.npz")
    weights = case.w
    together = {name: value for name, value in weights.items() if not name.endswith((".re", ".im"))}
    for name in ("sfd.0.weight", "sfd.0.bias"):
        together[name] = weights[f"{name}.re"] + 1j * weights[f"{name}.im"]
    jax.tree.map(np.testing.assert_array_equal, from_torch("cost", together), from_torch("cost", weights))
    model = embedder_from_torch("cost", together)
    assert (model.options.length, model.options.longest_kernel, model.channels) == (21, 4, 2)
    missing = {name: value for name, value in weights.items() if not name.startswith("tfd.1")}
    with pytest.raises(InputError, match=r"weights that CoST's CoSTEncoder does not have: tfd\.2"):
        from_torch("cost", missing)
    missing = {name: value for name, value in weights.items() if not name.startswith("tfd.0")}
    with pytest.raises(InputError, match=r"found kernels \[\] of tfd, want 1, 2, 4"):
        from_torch("cost", missing)
    with pytest.raises(InputError, match=r"sfd\.0\.bias\.re: found no such weight"):
        from_torch("cost", {name: value for name, value in weights.items() if name != "sfd.0.bias.re"})
