"""Contrasts by clusters against loops, and with pairs that do not count."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsrl.losses.clusters import binary_contrastive, margin_contrastive

RANDOM = np.random.default_rng(0)


def test_binary_contrast_is_optaxs_cross_entropy_over_what_counts():
    logits = RANDOM.normal(size=(4, 6)).astype(np.float32) * 3
    positive, counts = RANDOM.random((2, 4, 6)) < 0.5
    each = np.asarray(optax.sigmoid_binary_cross_entropy(logits, positive.astype(np.float32)))
    wanted = [each[row][counts[row]].mean() for row in range(4)]
    np.testing.assert_allclose(binary_contrastive(logits, positive, counts), wanted, rtol=1e-5)
    assert (binary_contrastive(logits, positive, np.zeros_like(counts)) == 0).all()
    assert np.isfinite(binary_contrastive(1e4 * logits, positive, counts)).all()


def test_margin_contrast_is_a_loop_over_pairs():
    anchors, candidates = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(5, 4))
    positive, counts = RANDOM.random((2, 3, 5)) < 0.6
    counts[2] = False
    wanted = []
    for a, own, used in zip(anchors, positive, counts, strict=True):
        near = [np.sum((a - c) ** 2) for c, p, u in zip(candidates, own, used, strict=True) if p and u]
        far = [
            max(2.5 - np.linalg.norm(a - c), 0) ** 2
            for c, p, u in zip(candidates, own, used, strict=True)
            if u and not p
        ]
        wanted.append(sum(np.mean(values) for values in (near, far) if values) / 2)
    np.testing.assert_allclose(margin_contrastive(anchors, candidates, positive, counts, 2.5), wanted, rtol=1e-5)


def test_equal_vectors_have_a_finite_gradient():
    ones = jnp.ones((2, 3))
    pairs = jnp.ones((2, 2), bool)
    gradient = jax.grad(lambda z: margin_contrastive(z, z, ~pairs, pairs, 1.0).sum())(ones)
    assert np.isfinite(gradient).all()
