"""Reading out every layer of an encoder, against the layers one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import DilatedConv
from tsrl.evaluate import embed
from tsrl.evaluate.embed import encode_series, readout_series
from tsrl.methods import ts2vec
from tsrl.types import as_batch

X = np.random.default_rng(0).normal(size=(7, 9, 2)).astype(np.float32)
X[2, 6:] = np.nan
METHOD = ts2vec(DilatedConv(width=4, features=6, depth=2))
PARAMS, AUX = METHOD.init(jax.random.key(0), as_batch(X[:1]))


def means(layers, mask):
    return jnp.concatenate([jnp.where(mask[..., None], z, 0).sum(1) for z in layers], -1)


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7])
def test_reads_every_layer_of_observed_steps(batch_size):
    layers = [np.asarray(z) for z in METHOD.layers(PARAMS, AUX, as_batch(X))]
    slow = []
    for row in range(7):
        seen = ~np.isnan(X[row]).any(-1)
        slow.append(np.concatenate([z[row][seen].sum(0) for z in layers]))
    found = readout_series(METHOD, PARAMS, AUX, X, means, batch_size)
    assert found.shape == (7, 4 + 4 + 6)
    np.testing.assert_allclose(found, slow, atol=1e-5)


def test_chunks_share_one_program():
    traced = []

    def counting(layers, mask):
        traced.append(mask.shape)
        return means(layers, mask)

    readout_series(METHOD, PARAMS, AUX, X, counting, 3)
    assert traced == [(3, 9)]


def test_without_layers_the_representation_is_the_only_one():
    plain = METHOD._replace(layers=None)
    last = METHOD.encode(PARAMS, AUX, as_batch(X)).z
    found = readout_series(plain, PARAMS, AUX, X, lambda layers, mask: layers[0].mean(1))
    np.testing.assert_allclose(found, last.mean(1), atol=1e-5)


@pytest.mark.parametrize("mask", ["all_true", "mask_last"])
@pytest.mark.parametrize(("rows", "steps", "windows"), [(7, 9, 2048), (7, 9, 20), (7, 9, 4), (1, 9, 2), (2, 1, 4)])
def test_the_shortcut_of_causal_windows_in_any_chunks(monkeypatch, rows, steps, windows, mask):
    monkeypatch.setattr(embed, "_SHARED_WINDOWS", windows)
    x = X[:rows, :steps]
    call = dict(mask=mask, sliding_length=1, sliding_padding=4, causal=True)
    found = encode_series(METHOD, PARAMS, AUX, x, **call)
    slow = encode_series(METHOD._replace(last_of_windows=None), PARAMS, AUX, x, **call)
    assert found.shape == (rows, steps, 6)
    np.testing.assert_allclose(found, slow, atol=1e-5)


def test_no_shortcut_where_it_would_be_wrong():
    def never(*_):
        raise AssertionError("not the last step of causal windows")

    method = METHOD._replace(last_of_windows=never)
    call = dict(sliding_length=1, sliding_padding=4, causal=True)
    for other in (dict(sliding_length=2), dict(causal=False), dict(pooling="max"), dict(batch_size=3)):
        encode_series(method, PARAMS, AUX, X, **call | other)
    with pytest.raises(AssertionError, match="causal"):
        encode_series(method, PARAMS, AUX, X, **call)
