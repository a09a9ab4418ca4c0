"""Episodes: what they promise, that their classes can be told, that nothing hides in them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.data.synthetic import synthetic
from tsrl.episodes import draw_episode

MATERIAL = synthetic(40, 96, seed=1).x[..., 0]
DRAW = jax.jit(partial(draw_episode, rows=30, length=64, classes=4))
KEYS = jax.random.split(jax.random.key(0), 40)
MANY = jax.jit(jax.vmap(lambda key: draw_episode(key, MATERIAL, rows=30, length=64, classes=4)))(KEYS)


def test_shapes_and_classes_of_equal_size():
    x, labels = MANY
    assert x.shape == (40, 30, 64)
    assert np.isfinite(x).all()
    counts = [np.bincount(row) for row in np.asarray(labels)]
    assert {len(row) for row in counts} == {2, 3, 4}
    assert all(row.max() - row.min() <= 1 for row in counts)


def test_equal_keys_make_equal_episodes_and_vmap_changes_nothing():
    one = DRAW(KEYS[3], MATERIAL)
    np.testing.assert_allclose(one.x, MANY.x[3], atol=1e-4)
    np.testing.assert_array_equal(one.labels, MANY.labels[3])
    assert np.abs(one.x - DRAW(KEYS[4], MATERIAL).x).max() > 0.1


def test_neighbours_and_averages_tell_classes_better_than_chance():
    """Chance is 0.36 on average over two to four classes."""
    hits = []
    for x, labels in zip(np.asarray(MANY.x), np.asarray(MANY.labels), strict=True):
        spectrum = np.log(np.abs(np.fft.rfft(x)) + 0.1)
        both = np.hstack([x / x.std(), spectrum / spectrum.std()])
        distance = ((both[:, None] - both) ** 2).sum(-1)
        np.fill_diagonal(distance, np.inf)
        hits.append((labels[distance.argmin(1)] == labels).mean())
    assert np.mean(hits) > 0.5
    # Some are hard, some easy.
    assert min(hits) < 0.5
    assert max(hits) > 0.9


def test_the_order_of_rows_says_nothing_about_labels():
    """A model that sees one row at a time could not use it; a leak would show in the draws."""
    labels = np.asarray(MANY.labels)
    first = labels[:, :15]
    assert abs((first == labels[:, 15:]).mean() - 0.36) < 0.1


@pytest.mark.parametrize("material", [np.zeros((3, 32), np.float32), np.ones((1, 2), np.float32)])
def test_constant_or_single_series_make_finite_episodes(material):
    found = draw_episode(jax.random.key(1), jnp.asarray(material), rows=8, length=16, classes=3)
    assert np.isfinite(found.x).all()
