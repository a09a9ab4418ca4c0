"""Crops and masks: ranges, the shared steps, independence of padding and of the batch's order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl import views
from tsrl.errors import InputError
from tsrl.types import as_batch, rows

INDEX = jnp.arange(5)


def keys(seed=0, index=INDEX):
    return views.example_keys(jax.random.key(seed), index)


draw = jax.jit(views.overlapping_crops, static_argnums=(2, 3))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(4, 0), (5, 1), (30, 0), (30, 2)]))
def test_crops_lie_in_the_series_and_share_the_overlap(seed, sizes):
    steps, temporal_unit = sizes
    start1, length1, start2, length2, overlap = jax.tree.map(
        np.asarray, draw(jax.random.key(seed), INDEX, steps, temporal_unit)
    )
    assert 2 ** (temporal_unit + 1) <= overlap <= min(length1, length2)
    assert (start1 >= 0).all()
    assert (start2 + length2 <= steps).all()
    # The last steps of view 1 are the first of view 2.
    np.testing.assert_array_equal(start1 + length1 - overlap, start2)
    assert (start1 + length1 <= steps).all()


def test_crops_reach_every_length_and_differ_by_row():
    drawn = [draw(jax.random.key(seed), INDEX, 6, 0) for seed in range(200)]
    assert {int(c.overlap) for c in drawn} == set(range(2, 7))
    assert {int(c.length1) for c in drawn} == set(range(2, 7))
    assert any(len(set(np.asarray(c.start1).tolist())) > 1 for c in drawn)


def test_a_rows_draws_do_not_depend_on_its_place_in_the_batch():
    whole = draw(jax.random.key(3), INDEX, 30, 0)
    part = draw(jax.random.key(3), INDEX[jnp.asarray([4, 1])], 30, 0)
    np.testing.assert_array_equal(part.start1, whole.start1[jnp.asarray([4, 1])])
    mask = views.time_step_mask("binomial", keys(), 20)
    np.testing.assert_array_equal(views.time_step_mask("binomial", keys(index=INDEX[2:3]), 20)[0], mask[2])


@pytest.mark.parametrize("mode", ["binomial", "continuous", "all_true", "all_false", "mask_last"])
def test_masks_do_not_depend_on_padding(mode):
    exact = views.time_step_mask(mode, keys(), 20)
    padded = jax.jit(lambda length: views.time_step_mask(mode, keys(), 33, length))(20)
    np.testing.assert_array_equal(padded[:, :20], exact)


def test_mask_modes():
    np.testing.assert_array_equal(views.time_step_mask("all_true", keys(), 4), np.ones((5, 4), bool))
    np.testing.assert_array_equal(views.time_step_mask("all_false", keys(), 4), np.zeros((5, 4), bool))
    np.testing.assert_array_equal(views.time_step_mask("mask_last", keys(), 4), [[True, True, True, False]] * 5)
    many = views.time_step_mask("binomial", keys(index=jnp.arange(400)), 50, keep=0.3)
    assert abs(float(many.mean()) - 0.3) < 0.01
    with pytest.raises(InputError, match="mask: found 'half', want one of binomial"):
        views.time_step_mask("half", keys(), 4)


def test_continuous_mask_hides_runs():
    mask = np.asarray(views.time_step_mask("continuous", keys(index=jnp.arange(200)), 100, runs=3, run_share=0.1))
    hidden = (~mask).sum(1)
    assert hidden.max() == 30
    assert hidden.min() >= 10
    edges = np.diff(mask.astype(int), axis=1, prepend=1, append=1)
    assert ((edges == -1).sum(1) <= 3).all()
    # Runs are at most half the length: two steps leave room for one run of one step.
    assert ((~views.time_step_mask("continuous", keys(), 2)).sum(1) == 1).all()


def test_take_crop_equals_slices():
    x = np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32)
    taken = views.take_crop(jnp.asarray(x), jnp.asarray([0, 2, 5]), 4)
    for row, start in enumerate((0, 2, 5)):
        expected = np.concatenate([x[row, start : start + 4], np.zeros((4, 2))])[:4]
        np.testing.assert_array_equal(taken[row], expected)
    np.testing.assert_array_equal(views.take_crop(jnp.asarray(x), jnp.asarray(3), 2), x[:, 3:5])


def test_dropout_rate_scale_and_padding():
    z = jnp.ones((4, 50, 40))
    dropped = views.dropout(keys(index=jnp.arange(4)), z, 0.25)
    assert abs(float((dropped == 0).mean()) - 0.25) < 0.02
    np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.75, rtol=1e-6)
    longer = views.dropout(keys(index=jnp.arange(4)), jnp.ones((4, 64, 40)), 0.25)
    np.testing.assert_array_equal(longer[:, :50], dropped)
    assert views.dropout(keys(), z, 0) is z


def test_random_window_is_the_same_for_all_rows_and_leaves_short_series():
    data = as_batch(np.arange(60, dtype=np.float32).reshape(3, 20, 1))
    starts = set()
    for seed in range(40):
        batch = views.random_window(rows, 5)(jax.random.key(seed), data, jnp.arange(3))
        assert batch.x.shape == (3, 5, 1)
        first = np.asarray(batch.x[:, 0, 0]) - [0, 20, 40]
        assert len(set(first.tolist())) == 1
        starts.add(int(first[0]))
    assert starts <= set(range(16))
    assert len(starts) > 8
    assert views.random_window(rows, 20)(jax.random.key(0), data, jnp.arange(3)).x.shape == (3, 20, 1)


def test_an_overlap_longer_than_the_series_is_refused():
    with pytest.raises(InputError, match="temporal_unit: found 3 for series of 8 steps, want at most 2"):
        views.overlapping_crops(jax.random.key(0), INDEX, 8, 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_perturbations_belong_to_a_row(seed):
    x = jnp.asarray(np.random.default_rng(seed).normal(size=(5, 9, 2)).astype(np.float32))
    for sigma, probability in [(0.5, 0.0), (0.0, 1.0)]:
        np.testing.assert_array_equal(views.perturbed(keys(seed), x, sigma, probability), x)
    made = views.perturbed(keys(seed), x, 0.5, 1.0)
    assert (abs(made - x).max((1, 2)) > 0).all()
    # The draws depend on a row's id, not on its place.
    np.testing.assert_array_equal(views.perturbed(keys(seed, INDEX[::-1]), x[::-1], 0.5, 1.0)[::-1], made)


def test_perturbations_have_their_probability_and_strength():
    x = jnp.ones((4000, 3, 2)) * jnp.asarray([1.0, 0.0])
    made = np.asarray(views.perturbed(keys(index=jnp.arange(4000)), x, 0.3, 0.5))
    one, zero = made[..., 0], made[..., 1]
    jittered = np.ptp(zero, 1) > 0
    shifted = ~jittered & (zero[:, 0] != 0)
    unmoved = ~jittered & (zero[:, 0] == 0)
    scaled = unmoved & (one[:, 0] != 1)
    for share, expected in [(jittered.mean(), 0.5), (shifted.mean(), 0.25), (scaled.mean(), 0.125)]:
        assert abs(share - expected) < 0.03
    assert abs(zero[shifted, 0].std() - 0.3) < 0.02
    assert abs(one[scaled, 0].std() - 0.3) < 0.03
    assert abs(one[scaled, 0].mean() - 1) < 0.03
    assert abs((zero[jittered, 0] - zero[jittered, 1]).std() / np.sqrt(2) - 0.3) < 0.02
    # Drawn for each channel.
    both = shifted & (one[:, 0] != 1)
    assert abs(np.corrcoef(zero[both, 0], one[both, 0])[0, 1]) < 0.15
