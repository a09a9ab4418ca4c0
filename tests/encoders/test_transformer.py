"""The Transformer against attention written out; padding, causality, positions, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from tsrl.encoders import Transformer
from tsrl.encoders.transformer import sines
from tsrl.errors import InputError

ENCODER = Transformer(width=8, heads=2, layers=2, dropout=0.3)
H = jax.random.normal(jax.random.key(1), (3, 7, 8))
MASK = jnp.ones((3, 7), bool)


def slow(params, h, heads, layers, causal):
    """One query of one head at a time, in double precision."""

    def linear(name, x):
        return x @ np.asarray(params[name]["dense"]["kernel"], float) + np.asarray(params[name]["dense"]["bias"])

    def norm(name, x):
        centred = x - x.mean(-1, keepdims=True)
        made = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return made * np.asarray(params[name]["scale"]) + np.asarray(params[name]["bias"])

    steps, width = h.shape[1:]
    size = width // heads
    for block in range(layers):
        name = f"block_{block}"
        q, k, v = np.split(linear(f"{name}_query_key_value", h), 3, -1)
        made = np.zeros_like(h)
        for row, head, t in np.ndindex(len(h), heads, steps):
            own = slice(head * size, (head + 1) * size)
            seen = slice(0, t + 1 if causal else steps)
            weights = np.exp(k[row, seen, own] @ q[row, t, own] / np.sqrt(size))
            made[row, t, own] = weights @ v[row, seen, own] / weights.sum()
        h = norm(f"{name}_norm_0", h + linear(f"{name}_out", made))
        wide = linear(f"{name}_expand", h)
        wide = wide * (1 + erf(wide / np.sqrt(2))) / 2
        h = norm(f"{name}_norm_1", h + linear(f"{name}_contract", wide))
    return norm("norm", h)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_written_out(causal):
    encoder = ENCODER.clone(position="none", causal=causal)
    variables = encoder.init(jax.random.key(0), H, MASK)
    ours = jax.jit(encoder.apply)(variables, H, MASK)
    np.testing.assert_allclose(ours, slow(variables["params"], np.asarray(H, float), 2, 2, causal), atol=2e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_are_those_of_attention_written_out(causal):
    """Along a random direction of all parameters and the input, by differences in double precision."""
    encoder = ENCODER.clone(position="none", causal=causal)
    params = jax.jit(encoder.init)(jax.random.key(0), H, MASK)["params"]
    random = np.random.default_rng(0)
    weight = random.normal(size=H.shape)
    along = jax.tree.map(lambda leaf: random.normal(size=leaf.shape), (params, H))
    score = lambda params, h: (encoder.apply({"params": params}, h, MASK) * weight).sum()  # noqa: E731
    gradient = jax.jit(jax.grad(score, argnums=(0, 1)))(params, H)
    products = jax.tree.map(lambda leaf, way: (np.asarray(leaf, float) * way).sum(), gradient, along)

    def at(step):
        moved, h = jax.tree.map(lambda leaf, way: np.asarray(leaf, float) + step * way, (params, H), along)
        return (slow(moved, h, 2, 2, causal) * weight).sum()

    wanted = (at(1e-6) - at(-1e-6)) / 2e-6
    assert abs(wanted) > 0.1
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), wanted, rtol=1e-3)


def test_positions_are_added_and_missing_steps_enter_as_zeros():
    encoder = ENCODER.clone(position="none")
    variables = encoder.init(jax.random.key(0), H, MASK)
    mask = MASK.at[1, 2].set(False)
    table = sines(7, 8)
    by_hand = encoder.apply(variables, jnp.where(mask[..., None], H, 0) + table, MASK)
    np.testing.assert_allclose(ENCODER.apply(variables, H, mask), by_hand, atol=1e-6)
    for t, i in np.ndindex(7, 4):
        angle = t / 10000 ** (2 * i / 8)
        np.testing.assert_allclose(table[t, 2 * i : 2 * i + 2], [np.sin(angle), np.cos(angle)], atol=1e-5)


@pytest.mark.parametrize("position", ["none", "fixed", "learnable"])
def test_padding_changes_nothing(position):
    encoder = ENCODER.clone(position=position, max_length=9)
    variables = encoder.init(jax.random.key(0), H, MASK)
    exists = jnp.arange(7) < 5
    padded = encoder.apply(variables, H.at[:, 5:].set(99.0), MASK, exists)
    np.testing.assert_allclose(padded[:, :5], encoder.apply(variables, H[:, :5], MASK[:, :5]), atol=1e-5)
    own = jnp.arange(7) < jnp.array([5, 7, 3])[:, None]
    by_row = encoder.apply(variables, H, MASK, own)
    np.testing.assert_allclose(by_row[2, :3], encoder.apply(variables, H[2:, :3], MASK[2:, :3])[0], atol=1e-5)
    # Nor does it get a gradient, whatever is asked of the steps that exist.
    score = lambda h: jnp.sin(encoder.apply(variables, h, MASK, own))[jnp.broadcast_to(own, MASK.shape)].sum()  # noqa: E731
    gradient = jax.jit(jax.grad(score))(H)
    assert not gradient[2, 3:].any()
    assert jnp.abs(gradient[2, :3]).max() > 1e-3


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_last_block_is_made_at_the_wanted_steps_only(layers, causal):
    encoder = ENCODER.clone(layers=layers, causal=causal)
    variables = jax.jit(encoder.init)(jax.random.key(0), H, MASK)
    exists = jnp.arange(7) < jnp.array([7, 5, 6])[:, None]
    starts = jnp.array([0, 2, 3])
    some = lambda array: jax.vmap(lambda row, start: jax.lax.dynamic_slice_in_dim(row, start, 3))(array, starts)  # noqa: E731

    def apply(variables, wanted=None):
        return encoder.apply(variables, H, MASK.at[0, 3].set(False), exists, wanted, mutable=["intermediates"])

    z, sown = apply(variables)
    part, of_part = apply(variables, some)
    np.testing.assert_allclose(part, some(z), atol=1e-5)
    blocks, of_blocks = (found["intermediates"]["block"] for found in (sown, of_part))
    assert [block.shape for block in blocks] == [(3, 7, 8)] * layers
    assert [block.shape for block in of_blocks] == [(3, 7, 8)] * (layers - 1) + [(3, 3, 8)]
    np.testing.assert_allclose(of_blocks[-1], some(blocks[-1]), atol=1e-5)
    one, other = (
        jax.jit(jax.grad(lambda v, f=f: jnp.sin(f(v)).sum()))(variables)
        for f in (lambda v: some(apply(v)[0]), lambda v: apply(v, some)[0])
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), one, other)


def test_dropout_is_drawn_with_a_key_only():
    variables = ENCODER.init(jax.random.key(0), H, MASK)
    plain = ENCODER.apply(variables, H, MASK)
    one, other = (ENCODER.apply(variables, H, MASK, rngs={"dropout": jax.random.key(k)}) for k in (1, 2))
    assert np.abs(one - other).max() > 0.1 < np.abs(one - plain).max()
    again = ENCODER.apply(variables, H, MASK, rngs={"dropout": jax.random.key(1)})
    np.testing.assert_array_equal(one, again)
    still = ENCODER.clone(dropout=0.0).apply(variables, H, MASK, rngs={"dropout": jax.random.key(1)})
    np.testing.assert_array_equal(still, plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width: found 0"),
        ({"heads": 3}, "heads: found 3 for a width of 128, want a divisor"),
        ({"layers": 1.5}, "layers: found 1.5"),
        ({"position": "sines"}, "position: found 'sines', want one of none, fixed, learnable"),
        ({"activation": "tanh"}, "activation: found 'tanh', want one of gelu, relu"),
        ({"dropout": 1.0}, "dropout: found 1.0"),
        ({"width": 3, "heads": 1}, "width: found 3 with position fixed, want an even number"),
    ],
)
def test_wrong_sizes_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Transformer(**settings)


def test_a_series_longer_than_the_learnt_table_is_refused():
    with pytest.raises(InputError, match="max_length: found 6 for 7 steps"):
        ENCODER.clone(position="learnable", max_length=6).init(jax.random.key(0), H, MASK)
