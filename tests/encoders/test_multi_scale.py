"""SimTS's encoder and front: padding, masks, windows, dropout, settings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from tsrl.config import model_from_json, model_json, options
from tsrl.encoders import MultiScaleConv, ProjectionFront, front_of
from tsrl.errors import InputError

ENCODER = MultiScaleConv(width=4, features=6, kernels=(1, 3, 8))
H = np.random.default_rng(0).normal(size=(2, 14, 4)).astype(np.float32)
SEEN = np.random.default_rng(1).random((2, 14)) < 0.7


@pytest.fixture(scope="module")
def params():
    return ENCODER.init(jax.random.key(0), H, SEEN)


apply = jax.jit(ENCODER.apply)


def test_missing_steps_and_padding_are_zeros(params):
    found = apply(params, H, SEEN)
    everywhere = np.ones_like(SEEN)
    np.testing.assert_allclose(apply(params, np.where(SEEN[..., None], H, 0), everywhere), found, atol=1e-6)
    assert abs(apply(params, H, everywhere) - found).max() > 0.01
    # Whatever stands in the padding, the result is that of the series cut to its true length, before or after it.
    start, end = 3, 11
    exists = (np.arange(14) >= start) & (np.arange(14) < end)
    garbage = np.where(exists[:, None], H, 1e3).astype(np.float32)
    for given in (exists, np.tile(exists, (2, 1))):
        padded = apply(params, garbage, SEEN, given)
        np.testing.assert_allclose(padded[:, start:end], apply(params, H[:, start:end], SEEN[:, start:end]), atol=1e-6)


def test_no_later_step_is_seen(params):
    gradient = jax.grad(lambda h: apply(params, h, np.ones_like(SEEN))[:, 9].sum())(jnp.asarray(H))
    assert not gradient[:, 10:].any()
    # The longest kernel has eight taps.
    assert not gradient[:, :2].any()
    assert (abs(gradient[:, 2:10]).max(-1) > 0).all()


def test_output_is_sown_as_the_only_block(params):
    z, sown = ENCODER.apply(params, H, SEEN, mutable=["intermediates"])
    (block,) = sown["intermediates"]["block"]
    np.testing.assert_array_equal(block, z)


@pytest.mark.parametrize("hide_last", [False, True])
def test_last_of_windows_equals_windows_one_by_one(params, hide_last):
    found = ENCODER.apply(params, H, SEEN, 5, hide_last=hide_last, method="last_of_windows")
    for row in range(9):
        seen = SEEN[:, row : row + 6].copy()
        seen[:, -1] &= not hide_last
        np.testing.assert_allclose(found[:, row], apply(params, H[:, row : row + 6], seen)[:, -1], atol=1e-6)


@pytest.mark.parametrize("channels", [3, 4])
def test_front_is_two_layers_and_a_shortcut(channels):
    front = front_of(ENCODER)
    assert front == ProjectionFront(4, 0.1)
    x = np.random.default_rng(2).normal(size=(2, 5, channels)).astype(np.float32)
    params = front.init(jax.random.key(0), {"x": x})["params"]
    assert ("projection" in params) == (channels != 4)
    # Scales that differ from what they start as.
    params = jax.tree_util.tree_map_with_path(lambda path, leaf: leaf * (1.5 if "scale" in str(path) else 1), params)
    h = x
    for layer in range(2):
        conv = params[f"conv_{layer}"]
        kernel = conv["kernel"][0] * conv["scale"] / np.linalg.norm(conv["kernel"][0], axis=0)
        h = h @ kernel + conv["bias"]
        h = h * (1 + erf(h / np.sqrt(2))) / 2
    skip = params["projection"]["dense"] if channels != 4 else {"kernel": np.eye(4), "bias": 0}
    expected = h + x @ skip["kernel"] + skip["bias"]
    np.testing.assert_allclose(front.apply({"params": params}, {"x": x}), expected, atol=1e-5)


def test_front_drops_only_with_a_key():
    front = MultiScaleConv(width=64, dropout=0.5).front()
    x = {"x": np.ones((4, 20, 3), np.float32)}
    params = front.init(jax.random.key(0), x)
    plain = front.apply(params, x)
    np.testing.assert_array_equal(plain, front.apply(params, x))
    dropped = front.apply(params, x, rngs={"dropout": jax.random.key(1)})
    # Without dropout all steps are the same here.
    assert abs(dropped - dropped[:, :1]).max() > 0.01


def test_model_is_rebuilt_from_json():
    record = model_json(options("simts"), ENCODER)
    record["encoder"]["kernels"] = list(record["encoder"]["kernels"])
    method, encoder = model_from_json(record)
    assert encoder == ENCODER
    assert hash(encoder) == hash(ENCODER)
    assert method == options("simts")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 0}, "width: found 0, want a whole number from 1 up"),
        ({"features": 2.5}, "features: found 2.5"),
        ({"kernels": ()}, r"kernels: found \(\), want whole numbers from 1 up"),
        ({"kernels": (1, 0)}, r"kernels: found \(1, 0\)"),
        ({"dropout": 1.0}, "dropout: found 1.0, want 0 up to, but not, 1"),
    ],
)
def test_wrong_sizes_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        MultiScaleConv(**sizes)
