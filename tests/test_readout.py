"""The rich read-out against loops, and its slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.errors import InputError
from tsrl.readout import rich_readout


def slow_readout(layers, mask):
    rows = []
    for n, observed in enumerate(mask):
        row = []
        for z in layers:
            steps = np.asarray(z[n][observed], "f8")
            nothing = [np.zeros(z.shape[2])] * 4
            row += [steps.max(0), steps.mean(0), steps.std(0), (steps > 0).mean(0)] if len(steps) else nothing
        rows.append(np.concatenate(row))
    return np.array(rows)


def test_rich_readout_equals_loops():
    rng = np.random.default_rng(0)
    mask = rng.random((6, 9)) < 0.6
    mask[1], mask[2] = True, False
    layers = [rng.normal(-0.5, 1, size=(6, 9, width)).astype("f4") for width in (3, 1, 4)]
    for z in layers:
        z[~mask] = np.nan
    found = rich_readout(layers, mask)
    assert found.shape == (6, 4 * 8)
    np.testing.assert_allclose(found, slow_readout(layers, mask), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[2], 0)
    assert (np.asarray(found)[:, :3][[0, 1, 3, 4, 5]] < 0).any()


def test_rich_readout_counts_an_output_where_a_step_that_it_stands_for_is_observed():
    rng = np.random.default_rng(2)
    mask = np.array([[True, False, False, False, False, True, False], [False] * 7, [True] * 7])
    same, short, one = (rng.normal(size=(3, size, 2)).astype("f4") for size in (7, 3, 1))
    # Outputs of seven steps: from 0, from 2, from 4 on.
    stands_for = np.stack([mask[:, :2].any(1), mask[:, 2:4].any(1), mask[:, 4:].any(1)], 1)
    pairs = [(same, mask), (short, stands_for), (one, mask.any(1, keepdims=True))]
    found = np.asarray(rich_readout([z for z, _ in pairs], mask))
    wanted = np.hstack([slow_readout([z], seen) for z, seen in pairs])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_rich_readout_counts_a_block_that_lengthens():
    rng = np.random.default_rng(3)
    mask = np.array([[True, False, False], [False, False, False]])
    long = rng.normal(size=(2, 5, 2)).astype("f4")
    # The first two of five outputs stand for the first of three steps.
    seen = np.array([[True, True, False, False, False], [False] * 5])
    np.testing.assert_allclose(rich_readout([long], mask), slow_readout([long], seen), rtol=1e-5, atol=1e-6)


def test_the_readouts_slopes_are_finite_and_those_of_its_soft_form():
    rng = np.random.default_rng(4)
    mask = rng.random((3, 6)) < 0.7
    weight = rng.normal(size=8).astype("f4")
    z = rng.normal(size=(3, 6, 2)).astype("f4")
    z[0] = 0.5  # No deviation: the root's slope would not be finite.

    def soft(z):
        seen = mask[..., None]
        count = seen.sum(1)
        mean = jnp.where(seen, z, 0).sum(1) / count
        variance = jnp.where(seen, (z - mean[:, None]) ** 2, 0).sum(1) / count
        spread = jnp.sqrt(jnp.where(variance > 0, variance, 1))
        spread = jnp.where(variance > 0, spread, 0)
        share = jnp.where(seen, jax.nn.sigmoid(4 * z), 0).sum(1) / count
        return jnp.concatenate([jnp.where(seen, z, -jnp.inf).max(1), mean, spread, share], 1)

    found = jax.grad(lambda z: (rich_readout([z], mask) @ weight).sum())(z)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, jax.grad(lambda z: (soft(z) @ weight).sum())(z), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(found)[~mask], 0)


def test_rich_readout_of_chunks_in_compiled_code_is_that_of_all_rows():
    rng = np.random.default_rng(1)
    layers, mask = [rng.normal(size=(8, 5, 2)).astype("f4")], rng.random((8, 5)) < 0.7
    compiled = jax.jit(rich_readout)
    chunks = [compiled([z[i : i + 4] for z in layers], mask[i : i + 4]) for i in (0, 4)]
    np.testing.assert_allclose(np.concatenate(chunks), rich_readout(layers, mask), rtol=1e-6)


@pytest.mark.parametrize("layers", [[], [np.zeros((2, 3))], [np.zeros((2, 3, 4)), np.zeros((3, 3, 4))]])
def test_rich_readout_refuses_other_shapes(layers):
    with pytest.raises(InputError, match="layers: found shapes"):
        rich_readout(layers, np.ones((2, 3), bool))
