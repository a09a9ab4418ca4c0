"""NT-Xent and InfoNCE against optax, loops, and themselves on shares of a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsrl.losses.nt_xent import info_nce, nt_xent, unit

RANDOM = np.random.default_rng(0)
Z1, Z2 = RANDOM.normal(size=(2, 6, 5)).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 3.0])
def test_nt_xent_equals_optax(temperature):
    # optax wants a label for each row: rows of one label are each other's positives.
    def theirs(z1, z2):
        labels = jnp.tile(jnp.arange(6), 2)
        return optax.losses.ntxent(jnp.concatenate([z1, z2]), labels, temperature)

    ours = lambda z1, z2: nt_xent(z1, z2, temperature).mean()  # noqa: E731
    values, gradients = zip(*(jax.value_and_grad(f, (0, 1))(Z1, Z2) for f in (ours, theirs)), strict=True)
    np.testing.assert_allclose(*values, rtol=1e-5)
    for own, their in zip(*gradients, strict=True):
        np.testing.assert_allclose(own, their, atol=1e-5)


@pytest.mark.parametrize("cosine", [True, False])
def test_nt_xent_equals_a_loop(cosine):
    views = [np.asarray(unit(z)) if cosine else z for z in (Z1, Z2)]
    every = np.concatenate(views)
    wanted = np.zeros(6)
    for row in range(6):
        for view in range(2):
            anchor = views[view][row]
            scores = np.delete(every @ anchor / 0.5, row + 6 * view)
            wanted[row] += (np.log(np.exp(scores).sum()) - anchor @ views[1 - view][row] / 0.5) / 2
    np.testing.assert_allclose(nt_xent(Z1, Z2, 0.5, cosine=cosine), wanted, rtol=1e-5)


def test_shares_of_a_batch_make_the_whole():
    whole = nt_xent(Z1, Z2, 0.2)
    shares = [nt_xent(Z1[i : i + 2], Z2[i : i + 2], 0.2, candidates=(Z1, Z2), first_row=i) for i in (0, 2, 4)]
    np.testing.assert_allclose(jnp.concatenate(shares), whole, rtol=1e-6)
    whole = info_nce(Z1, Z2)
    shares = [info_nce(Z1[i : i + 3], Z2[i : i + 3], candidates=Z2) for i in (0, 3)]
    np.testing.assert_allclose(jnp.concatenate(shares), whole, rtol=1e-6)


def test_info_nce_is_the_cross_entropy_of_each_step():
    anchors, counterparts = RANDOM.normal(size=(2, 4, 3, 5)).astype(np.float32)
    for step in range(3):
        logits = anchors[:, step] @ counterparts[:, step].T
        wanted = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.arange(4))
        np.testing.assert_allclose(info_nce(anchors, counterparts)[:, step], wanted, rtol=1e-5)


def test_one_series_has_no_negatives_and_zeros_a_finite_gradient():
    assert nt_xent(Z1[:1], Z2[:1], 0.2) == 0
    assert info_nce(Z1[:1], Z2[:1]) == pytest.approx(0, abs=1e-6)
    zeros = jnp.zeros((3, 4))
    assert np.isfinite(jax.grad(lambda z: nt_xent(z, z, 0.2).sum())(zeros)).all()


def test_ignored_series_are_no_negatives():
    ignored = np.zeros((6, 6), bool)
    ignored[0, 3] = ignored[3, 0] = True
    without = nt_xent(np.delete(Z1, 3, 0), np.delete(Z2, 3, 0), 0.2)
    np.testing.assert_allclose(nt_xent(Z1, Z2, 0.2, ignored=ignored)[0], without[0], rtol=1e-5)
    assert nt_xent(Z1, Z2, 0.2, ignored=ignored)[1] == nt_xent(Z1, Z2, 0.2)[1]
    without = info_nce(np.delete(Z1, 3, 0), np.delete(Z2, 3, 0))
    np.testing.assert_allclose(info_nce(Z1, Z2, ignored=ignored)[0], without[0], rtol=1e-5)
    steps = info_nce(np.stack([Z1, Z1], 1), np.stack([Z2, Z2], 1), ignored=ignored)
    np.testing.assert_allclose(steps[0], [without[0]] * 2, rtol=1e-5)
