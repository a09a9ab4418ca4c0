"""Views of pairs: what each rule keeps, on which draws it depends, and what it does with missing steps."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl import augment, views
from tsrl.augment import pieces_in_order
from tsrl.errors import InputError
from tsrl.pairs import RULES, Strength, rule_of
from tsrl.types import Batch, as_batch

STEPS = 17
X = np.random.default_rng(0).normal(size=(5, STEPS, 3)).astype(np.float32).cumsum(1)
X[2, 4:6] = np.nan
BATCH = dataclasses.replace(as_batch(X), fields=as_batch(X).fields | {"kind": jnp.arange(5 * STEPS).reshape(5, STEPS)})
KEY = jax.random.key(3)
KEYS = views.example_keys(KEY, BATCH.index)


def made(name, batch=BATCH, key=KEY):
    return jax.jit(rule_of(name, Strength()))(key, batch)


@pytest.mark.parametrize("name", RULES)
def test_views_have_the_batchs_shape_and_zeros_where_nothing_is_seen(name):
    for view in made(name):
        assert isinstance(view, Batch)
        for field, value in BATCH.fields.items():
            assert view.fields[field].shape == value.shape
            assert view.fields[field].dtype == value.dtype
        assert view.mask.shape == BATCH.mask.shape
        assert np.isfinite(view.x).all()
        assert view.mask.any(1).all()
        if name != "time_step_mask":
            np.testing.assert_array_equal(np.where(view.mask[..., None], 0, view.x), 0)


@pytest.mark.parametrize("name", RULES)
def test_a_rows_views_follow_its_id_alone(name):
    rows = jnp.asarray([3, 2])
    alone, whole = made(name, BATCH.take(rows)), made(name)
    for one, every in zip(alone, whole, strict=True):
        np.testing.assert_allclose(one.x, every.x[rows], atol=1e-6)
        np.testing.assert_array_equal(one.mask, every.mask[rows])


@pytest.mark.parametrize("name", sorted(set(RULES) - {"smooth", "weak_strong_released"}))
def test_other_keys_give_other_views(name):
    one, other = made(name), made(name, key=jax.random.key(4))
    assert any(abs(a.x - b.x).max() > 1e-3 or (a.mask != b.mask).any() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", RULES)
def test_series_of_one_step(name):
    for view in made(name, as_batch(X[:2, :1])) if name != "overlapping_crops" else ():
        assert np.isfinite(view.x).all()
        assert view.x.shape == (2, 1, 3)
    if name == "overlapping_crops":
        with pytest.raises(InputError, match="temporal_unit"):
            made(name, as_batch(X[:2, :1]))


@pytest.mark.parametrize("name", RULES)
def test_constant_series_stay_finite(name):
    for view in made(name, as_batch(np.ones((2, 9, 2), np.float32))):
        assert np.isfinite(view.x).all()


def test_a_permutation_keeps_steps_whole_and_moves_the_mask_along():
    moved = augment.permuted(KEYS, BATCH, 8)
    for row in range(5):
        order = np.asarray(moved.fields["kind"][row]) - row * STEPS
        assert sorted(order) == list(range(STEPS))
        np.testing.assert_array_equal(moved.x[row], BATCH.x[row][order])
        np.testing.assert_array_equal(moved.mask[row], BATCH.mask[row][order])
        # Up to seven pieces.
        assert (np.diff(order) != 1).sum() <= 6
    np.testing.assert_array_equal(augment.permuted(KEYS, BATCH, 1).x, BATCH.x)
    np.testing.assert_array_equal(augment.permuted(KEYS, BATCH, 2).x, BATCH.x)


def test_released_views_are_drawn_once_and_copy_the_first_channel():
    """Two defects, kept behind a name for those who want the published numbers; `weak_strong` has neither."""
    calm = Strength(jitter=0.0, scale=0.0, segments=8)
    released, mended = (jax.jit(rule_of(name, calm)) for name in ("weak_strong_released", "weak_strong"))
    for one, other in zip(released(KEY, BATCH), released(jax.random.key(4), BATCH), strict=True):
        np.testing.assert_array_equal(one.x, other.x)
    weak, strong = released(KEY, BATCH)
    np.testing.assert_allclose(weak.x, 2 * np.asarray(BATCH.x), rtol=1e-6)
    copied = [np.ptp(np.asarray(strong.x[row]), -1).max() == 0 for row in range(5)]
    whole = [np.array_equal(strong.x[row], BATCH.x[row]) for row in range(5)]
    assert all(c != w for c, w in zip(copied, whole, strict=True))
    assert sum(copied) >= 3
    _, right = mended(KEY, BATCH)
    assert all(np.ptp(np.asarray(right.x[row]), -1).max() > 0 for row in range(5))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_pieces_change_places_as_wholes(data):
    cuts = data.draw(st.lists(st.integers(1, 11), unique=True, max_size=5))
    rank = data.draw(st.permutations(range(len(cuts) + 1)))
    pieces = np.split(np.arange(12), sorted(cuts))
    wanted = np.concatenate([pieces[i] for i in np.argsort(rank)])
    found = pieces_in_order(12, jnp.asarray(cuts, int), jnp.ones(len(cuts), bool), jnp.asarray(rank))
    np.testing.assert_array_equal(found, wanted)


def test_noise_and_factors_have_their_deviations():
    many = as_batch(np.ones((400, 50, 4), np.float32))
    keys = views.example_keys(KEY, many.index)
    assert np.std(augment.jittered(keys, many, 0.3).x) == pytest.approx(0.3, rel=0.02)
    factors = np.asarray(augment.scaled(keys, many, 0.3).x)
    assert np.ptp(factors, 1).max() < 1e-6
    assert factors[:, 0].std() == pytest.approx(0.3, rel=0.1)
    factors = np.asarray(augment.scaled_by_step(keys, many, 0.3).x)
    assert np.ptp(factors, 2).max() < 1e-6
    assert (factors.mean(), factors.std()) == (pytest.approx(2, rel=0.01), pytest.approx(0.3, rel=0.02))


def test_rotations_keep_lengths_and_differ_by_series():
    turned = augment.rotated(KEYS, BATCH).x
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), np.linalg.norm(BATCH.x, axis=-1), rtol=1e-4)
    one = as_batch(np.ones((60, 2, 1), np.float32))
    signs = np.asarray(augment.rotated(views.example_keys(KEY, one.index), one).x)[:, :, 0]
    assert set(np.unique(signs.round(5))) == {-1.0, 1.0}


def test_smoothing_is_the_mean_of_observed_neighbours():
    found = augment.smoothed(KEYS, BATCH, 3).x
    for row in range(5):
        for step in range(STEPS):
            near = [t for t in (step - 1, step, step + 1) if 0 <= t < STEPS and BATCH.mask[row, t]]
            wanted = np.mean(BATCH.x[row, near], 0) if BATCH.mask[row, step] else np.zeros(3)
            np.testing.assert_allclose(found[row, step], wanted, atol=1e-5)


def test_masked_frequencies_are_gone_and_the_mean_is_kept():
    whole = as_batch(np.nan_to_num(X))
    found = augment.frequency_masked(KEYS, whole, 0.5).x
    before, after = np.fft.rfft(whole.x, axis=1), np.fft.rfft(np.asarray(found), axis=1)
    kept = np.isclose(after, before, atol=1e-3).all(-1)
    gone = np.isclose(after, 0, atol=1e-3).all(-1)
    assert (kept | gone).all()
    assert kept[:, 0].all()
    assert kept[:, 1:].any()
    assert gone.any()


def test_a_warp_runs_from_the_first_step_to_the_last_in_order():
    ramp = as_batch(np.broadcast_to(np.arange(STEPS, dtype=np.float32)[:, None], (5, STEPS, 1)).copy())
    place = np.asarray(augment.time_warped(KEYS, ramp, 0.5).x)[..., 0]
    np.testing.assert_allclose(place[:, [0, -1]], [[0, STEPS - 1]] * 5, atol=1e-3)
    assert (np.diff(place, axis=1) > 0).all()
    assert abs(place - np.arange(STEPS)).max() > 0.5


def shown_steps(view, row):
    """Which steps of the series a view of `BATCH` shows, by the field that numbers them."""
    return np.asarray(view.fields["kind"][row])[np.asarray(view.mask[row])] - row * STEPS


def test_stretches_lie_where_the_rules_say():
    for seed in range(20):
        key = jax.random.key(seed)
        outer, inner = made("subseries", key=key)
        left, right = made("adjacent", key=key)
        one, other = made("overlapping_crops", key=key)
        for row in (0, 1, 3, 4):
            assert set(shown_steps(inner, row)) <= set(shown_steps(outer, row))
            assert len(shown_steps(left, row)) == len(shown_steps(right, row)) == STEPS // 3
            assert shown_steps(right, row)[0] == shown_steps(left, row)[-1] + 1
            assert set(shown_steps(one, row)) & set(shown_steps(other, row))
        for view in made("crop", key=key):
            assert len(shown_steps(view, 0)) >= STEPS / 2


def test_slices_lie_within_what_was_observed():
    """Of a quarter to all of the steps up to the last one that was observed, each length and place now and then."""
    x = np.array(X)
    x[1, 11:], x[3, 3:], x[4] = np.nan, np.nan, np.nan
    batch = dataclasses.replace(as_batch(x), fields=as_batch(x).fields | {"kind": BATCH.fields["kind"]})
    cut, found = jax.jit(rule_of("slices", Strength())), {0: set(), 1: set(), 3: set()}
    gaps, same = set(), []
    for seed in range(60):
        both = cut(jax.random.key(seed), batch)
        for view in both:
            for row, seen in ((0, STEPS), (1, 11), (3, 3)):
                steps = shown_steps(view, row)
                assert max(seen // 4, 1) <= len(steps) <= seen
                assert list(steps) == list(range(steps[0], steps[0] + len(steps)))
                assert steps[-1] < seen
                # From the left, as they were.
                np.testing.assert_array_equal(view.x[row, : len(steps)], batch.x[row][steps])
                found[row].add((len(steps), int(steps[0])))
            # A gap in between is one in the slice.
            shown = shown_steps(view, 2)
            assert not {4, 5} & set(shown)
            gaps |= {bool(len(shown)) and shown[0] < 4 and shown[-1] > 5}
            # Nothing was observed, nothing is shown.
            assert not view.mask[4].any()
        same.append(np.array_equal(*(shown_steps(view, 0) for view in both)))
    assert gaps == {True, False}
    # The two are drawn without regard to each other.
    assert sum(same) < 10
    assert {length for length, _ in found[0]} >= {4, STEPS}
    assert {length for length, _ in found[3]} == {1, 2, 3}
    assert {first for length, first in found[3] if length == 1} == {0, 1, 2}
    assert {first for length, first in found[1] if first + length == 11}


@pytest.mark.parametrize(
    ("name", "strength", "message"),
    [
        ("mirror", Strength(), "pairs: found 'mirror', want one of weak_strong"),
        ("jitter", Strength(jitter=-1), "jitter: found -1"),
        ("scale", Strength(scale=float("nan")), "scale: found nan"),
        ("permute", Strength(segments=0), "segments: found 0, want a whole number from 1 up"),
    ],
)
def test_wrong_settings_are_refused(name, strength, message):
    with pytest.raises(InputError, match=message):
        rule_of(name, strength)
