"""The losses of CoST and SimTS against slow references; amplitude and phase; values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.losses.frequency import amplitude_phase
from tsrl.losses.latent_prediction import hierarchical_latent_prediction, latent_prediction
from tsrl.losses.queue import queue_contrastive

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def assert_gradients_close(ours, slow, *arrays):
    argnums = tuple(range(len(arrays)))
    found = jax.jit(jax.grad(lambda *a: ours(*a).sum(), argnums))(*arrays)
    expected = jax.jit(jax.grad(lambda *a: slow(*a).sum(), argnums))(*map(jnp.asarray, arrays))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_queue_contrast_is_a_cross_entropy():
    anchors, positives, queue = unit(normal(5, 4)), unit(normal(5, 4)), unit(normal(7, 4))

    def slow(anchors, positives):
        losses = []
        for anchor, positive in zip(anchors, positives, strict=True):
            logits = jnp.stack([anchor @ positive, *(anchor @ key for key in queue)]) / 0.2
            losses.append(-jnp.log(jnp.exp(logits[0]) / jnp.exp(logits).sum()))
        return jnp.stack(losses)

    ours = lambda anchors, positives: queue_contrastive(anchors, positives, queue, 0.2)  # noqa: E731
    np.testing.assert_allclose(ours(anchors, positives), slow(anchors, positives), rtol=1e-5)
    assert_gradients_close(ours, slow, anchors, positives)


def test_amplitude_and_phase():
    re, im = normal(4, 6, 3), normal(4, 6, 3)
    amplitude, phase = amplitude_phase(re, im)
    np.testing.assert_allclose(amplitude, np.abs(re + 1j * im), atol=1e-5)
    np.testing.assert_allclose(phase, np.angle(re + 1j * im), atol=1e-4)
    # Epsilon is in both parts of the amplitude, and in the real part of the phase.
    amplitude, phase = amplitude_phase(jnp.zeros(1), jnp.zeros(1), epsilon=0.5)
    np.testing.assert_allclose((amplitude, phase), [[np.sqrt(0.5)], [0]])
    np.testing.assert_allclose(amplitude_phase(jnp.zeros(1), jnp.full(1, 0.5), epsilon=0.5)[1], np.pi / 4)


def slow_cosine(predicted, encoded):
    norms = jnp.linalg.norm(predicted, axis=-1) * jnp.linalg.norm(encoded, axis=-1)
    return -((predicted * encoded).sum(-1) / norms).mean(1)


def test_latent_prediction_is_a_negative_cosine():
    predicted, encoded = normal(3, 5, 4), normal(3, 5, 4)
    np.testing.assert_allclose(latent_prediction(predicted, encoded), slow_cosine(predicted, encoded), rtol=1e-5)
    assert_gradients_close(latent_prediction, slow_cosine, predicted, encoded)
    np.testing.assert_allclose(latent_prediction(predicted, 3 * predicted), -1, rtol=1e-5)
    # Zeros have no direction, and a finite gradient.
    zeros = jnp.zeros((1, 2, 3))
    assert latent_prediction(zeros, zeros) == 0
    assert np.isfinite(jax.grad(lambda z: latent_prediction(z, zeros + 1).sum())(zeros)).all()


@pytest.mark.parametrize(("steps", "sizes"), [(2, [2]), (3, [3]), (9, [9, 4, 2]), (12, [12, 6, 3])])
def test_hierarchical_prediction_is_the_mean_over_scales(steps, sizes):
    predicted, encoded = normal(2, steps, 4), normal(2, steps, 4)

    def slow(predicted, encoded):
        total, seen = 0, []
        while predicted.shape[1] > 1:
            seen.append(predicted.shape[1])
            total += slow_cosine(predicted, encoded)
            pairs = range(0, predicted.shape[1] - 1, 2)
            predicted, encoded = (jnp.stack([z[:, t : t + 2].max(1) for t in pairs], 1) for z in (predicted, encoded))
        assert seen == sizes
        return total / len(seen)

    found = hierarchical_latent_prediction(predicted, encoded)
    np.testing.assert_allclose(found, slow(jnp.asarray(predicted), jnp.asarray(encoded)), rtol=1e-5)
    assert_gradients_close(hierarchical_latent_prediction, slow, predicted, encoded)
