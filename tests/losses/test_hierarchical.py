"""The contrast against a slow, obvious version of the paper's equations; lengths, shares and masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.losses import hierarchical_contrastive, instance_contrastive, temporal_contrastive


def slow_temporal(z1, z2):
    """Equation 1, one anchor at a time, both directions."""
    steps = z1.shape[1]
    terms = []
    for a, b in zip(z1, z2, strict=True):
        for view, other in ((a, b), (b, a)):
            for t in range(steps):
                keys = [other[s] for s in range(steps)] + [view[s] for s in range(steps) if s != t]
                similarity = np.array([view[t] @ key for key in keys])
                terms.append(np.log(np.exp(similarity).sum()) - view[t] @ other[t])
    return np.mean(terms)


def slow_instance(z1, z2):
    """Equation 2: the temporal contrast with series and steps exchanged."""
    return slow_temporal(z1.swapaxes(0, 1), z2.swapaxes(0, 1)) if len(z1) > 1 else 0.0


def slow_hierarchical(z1, z2, alpha, temporal_unit):
    total, scales = 0.0, 0
    while z1.shape[1] > 1:
        total += alpha * slow_instance(z1, z2)
        total += (1 - alpha) * slow_temporal(z1, z2) if scales >= temporal_unit else 0
        scales += 1
        half = z1.shape[1] // 2
        z1, z2 = (np.maximum(z[:, : 2 * half : 2], z[:, 1 : 2 * half : 2]) for z in (z1, z2))
    return (total + alpha * slow_instance(z1, z2)) / (scales + 1)


def views_of(rows, steps, width=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(2, rows, steps, width))


hierarchical = jax.jit(hierarchical_contrastive, static_argnames=("alpha", "temporal_unit"))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 2), st.integers(0, 9))
def test_equals_the_equations(rows, steps, alpha, temporal_unit, seed):
    z1, z2 = views_of(rows, steps, seed=seed)
    ours = hierarchical(z1, z2, alpha=alpha, temporal_unit=temporal_unit).mean()
    np.testing.assert_allclose(ours, slow_hierarchical(z1, z2, alpha, temporal_unit), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [temporal_contrastive, instance_contrastive])
def test_parts_equal_the_equations(loss):
    z1, z2 = views_of(3, 5)
    slow = slow_temporal if loss is temporal_contrastive else slow_instance
    np.testing.assert_allclose(jax.jit(loss)(z1, z2).mean(), slow(z1, z2), rtol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 11])
def test_padding_changes_neither_value_nor_gradient(length):
    """One compiled program of 11 steps serves every true length."""
    z = jnp.asarray(views_of(3, 11), jnp.float32)
    # Padding that would dominate every maximum and every softmax if it were seen, and whose products overflow.
    padded = jnp.where(jnp.arange(11)[:, None] < length, z, 1e20)

    def loss(z, length):
        return hierarchical_contrastive(z[0], z[1], length=length).mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(padded, length)
    exact = jax.jit(jax.value_and_grad(lambda z: hierarchical_contrastive(z[0], z[1]).mean()))
    cut_value, cut_gradient = exact(z[:, :, :length])
    np.testing.assert_allclose(value, cut_value, rtol=1e-6)
    np.testing.assert_allclose(gradient[:, :, :length], cut_gradient, atol=1e-6)
    np.testing.assert_array_equal(gradient[:, :, length:], 0)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("length", [1, 3, 5])
def test_shares_of_a_batch_make_the_whole(length, alpha):
    """Three devices of two series: each has its rows' losses, and its rows' gradient of all losses."""
    z = jnp.asarray(views_of(6, 5), jnp.float32)

    def whole(z):
        return hierarchical_contrastive(z[0], z[1], alpha=alpha, length=length)

    def of_share(z):
        first = 2 * jax.lax.axis_index("devices")
        gather = lambda array: jax.lax.all_gather(array, "devices", tiled=True)  # noqa: E731
        losses = hierarchical_contrastive(z[0], z[1], alpha=alpha, length=length, gather=gather, first_row=first)
        return losses.sum(), losses

    shares = z.reshape(2, 3, 2, *z.shape[2:]).swapaxes(0, 1)
    each = jax.jit(jax.vmap(jax.grad(of_share, has_aux=True), axis_name="devices"))
    gradient, losses = each(shares)
    np.testing.assert_allclose(losses.ravel(), jax.jit(whole)(z), rtol=1e-6, atol=1e-6)
    wanted = jax.jit(jax.grad(lambda z: whole(z).sum()))(z)
    np.testing.assert_allclose(gradient.swapaxes(0, 1).reshape(z.shape), wanted, rtol=1e-5, atol=1e-6)


def test_works_under_vmap_over_seeds():
    z = jnp.asarray(np.stack([views_of(3, 4, seed=s) for s in range(3)]), jnp.float32)
    together = jax.jit(jax.vmap(lambda z: hierarchical_contrastive(z[0], z[1])))(z)
    for row in range(3):
        np.testing.assert_allclose(together[row], hierarchical(*z[row]), rtol=1e-6)


def test_large_similarities_stay_finite():
    z1, z2 = jnp.asarray(views_of(2, 6), jnp.float32) * 1e4
    value, gradient = jax.jit(jax.value_and_grad(lambda a: hierarchical_contrastive(a, z2).sum()))(z1)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"z1, z2: found shapes \(2, 3, 4\) and \(2, 3, 5\)"):
        hierarchical_contrastive(jnp.zeros((2, 3, 4)), jnp.zeros((2, 3, 5)))
    with pytest.raises(ValueError, match="twice the same"):
        temporal_contrastive(jnp.zeros((2, 3)), jnp.zeros((2, 3)))
