"""Every case of TNC's golden files: the recurrent encoder, the loss, the neighbourhoods."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.interop.torch import embedder_from_torch, from_torch
from tsrl.losses.neighbourhood import positive_unlabelled
from tsrl.methods.tnc import Discriminator
from tsrl.methods.tnc_neighbourhood import APART, neighbours_of, others_range, reach, unit_root_p


def windows(x):
    """Our `[..., T, C]` of the released code's `[..., C, T]`."""
    return jnp.asarray(np.ascontiguousarray(x.swapaxes(-1, -2)))


def represent(embedder, params, x):
    return embedder.encoder.apply({"params": params["encoder"]}, x, jnp.ones(x.shape[:2], bool))[:, -1]


@pytest.mark.parametrize("case", cases("tnc_encoder"), ids=label)
def test_golden_tnc_encoder(case):
    embedder = embedder_from_torch("tnc", case.w, window=2)
    x = windows(case.arrays["in"]["x"])
    # What stands for a series of one window, as for the window.
    whole = embedder_from_torch("tnc", case.w, window=x.shape[1]).embed(x)
    np.testing.assert_allclose(whole, represent(embedder, embedder.params, x), atol=1e-6)
    # The released encoder drops the axis of a batch of one.
    shape = case.out["z"].shape
    assert_close(represent(embedder, embedder.params, x).reshape(shape), case.out["z"], "z")
    loss = lambda p: (represent(embedder, p, x).reshape(shape) * case.arrays["in"]["cotangent"]).sum()  # noqa: E731
    gradient = jax.jit(jax.grad(loss))(embedder.params)
    published = from_torch("tnc", case.starting("grad", "w."), window=2)
    assert_trees_close(gradient["encoder"], published["encoder"], "gradient")


@pytest.mark.parametrize("case", cases("tnc_loss"), ids=label)
def test_golden_tnc_loss(case):
    embedder = embedder_from_torch("tnc", case.w, window=2)
    rows, count = case.arrays["in"]["x_p"].shape[:2]
    x_t, x_p, x_n = (windows(case.arrays["in"][name]) for name in ("x_t", "x_p", "x_n"))
    weight = case.setting("w")

    def losses(params):
        of = partial(represent, embedder, params)
        z_t = jnp.repeat(of(x_t)[:, None], count, 1)
        z_p, z_n = (of(x.reshape(-1, *x.shape[2:])).reshape(rows, count, -1) for x in (x_p, x_n))
        logits = [Discriminator(0.0).apply({"params": params["discriminator"]}, z_t, z) for z in (z_p, z_n)]
        return positive_unlabelled(*logits, weight).mean(), (z_t, z_p, z_n, *logits)

    (total, made), gradient = jax.jit(jax.value_and_grad(losses, has_aux=True))(embedder.params)
    assert_close(total, case.loss["total"], "total")
    for name, value in zip(("z_t", "z_p", "z_n", "d_p", "d_n"), made, strict=True):
        assert_close(value.reshape(case.out[name].shape), case.out[name], name)
    d_p, d_n = np.asarray(made[3], float), np.asarray(made[4], float)
    softplus = lambda x: np.log1p(np.exp(x)).mean()  # noqa: E731
    parts = {"p": softplus(-d_p), "n": softplus(d_n), "n_unlabelled": softplus(-d_n)}
    for name, value in parts.items():
        assert_close(value, case.loss[name], name)
    assert_close((np.mean(d_p > 0) + np.mean(d_n < 0)) / 2, case.out["accuracy"], "accuracy")
    repeated = jnp.repeat(x_t, count, 0)
    assert_close(repeated.swapaxes(1, 2), case.out["x_t_repeated"], "repeated")
    assert_trees_close(gradient, from_torch("tnc", case.starting("grad", "w."), window=2), "gradient")


@pytest.mark.parametrize("case", cases("tnc_neighbourhood"), ids=label)
def test_golden_tnc_neighbourhood(case):
    pytest.importorskip("statsmodels")
    x, t, window = case.arrays["in"]["x"].T, int(case.arrays["in"]["t"]), case.setting("window")
    means = [
        np.mean([unit_root_p(channel) for channel in x[max(t - w, 0) : t + w].T]) for w in window * np.arange(1, 4)
    ]
    assert_close(means, case.out["adf_p_mean"], "p-values")
    wide = reach(x, t, window)
    assert (wide, APART * wide * window) == (case.out["epsilon"], case.out["delta"])
    near = neighbours_of(t, case.rand["normal"], wide, window, len(x))
    np.testing.assert_array_equal(near, case.out["neighbour_centres"])
    bounds = others_range(t, APART * wide * window, window, len(x))
    assert bounds == (case.rand["non_neighbour_low"], case.rand["non_neighbour_high"])
    for centres, name in ((near, "x_p"), (case.rand["non_neighbour_centres"], "x_n")):
        cut = np.stack([x[c - window // 2 : c + window // 2].T for c in centres])
        np.testing.assert_array_equal(cut, case.out[name])
