"""The pooled convolutions against a loop; sizes; missing steps; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import PooledConv
from tsrl.errors import InputError

X = np.random.default_rng(0).normal(size=(2, 21, 3)).astype(np.float32)
MASK = jnp.ones((2, 21), bool)
SMALL = PooledConv(width=4, features=6, layers=2, kernel_size=5, later_kernel_size=4, dropout=0.0)


def slow(x, params, stride):
    for block in range(2):
        kernel = np.asarray(params[f"block_{block}_kernel"])
        half, taps = len(kernel) // 2, len(kernel)
        padded = np.pad(x, ((0, 0), (half, half), (0, 0)))
        starts = range(0, padded.shape[1] - taps + 1, stride if block == 0 else 1)
        made = np.stack([np.einsum("bkc,kcf->bf", padded[:, s : s + taps], kernel) for s in starts], 1)
        made = np.maximum(made / np.sqrt(1 + 1e-5), 0)
        ends = np.pad(made, ((0, 0), (1, 1), (0, 0)), constant_values=-np.inf)
        x = np.stack([ends[:, s : s + 2].max(1) for s in range(0, ends.shape[1] - 1, 2)], 1)
    return x


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 21])
def test_it_is_convolutions_and_maxima(steps, stride):
    module = SMALL.clone(stride=stride)
    x, mask = X[:, :steps], MASK[:, :steps]
    variables = jax.jit(module.init)(jax.random.key(0), x, mask)
    found = jax.jit(module.apply)(variables, x, mask)
    np.testing.assert_allclose(found, slow(x, variables["params"], stride), atol=1e-5)


@pytest.mark.parametrize(("steps", "count"), [(128, 18), (178, 24)])
def test_the_published_lengths(steps, count):
    shape = jax.eval_shape(
        lambda: PooledConv().init_with_output(jax.random.key(0), jnp.zeros((1, steps, 9)), jnp.ones((1, steps), bool))
    )[0]
    assert shape.shape == (1, count, 128)


def test_missing_steps_enter_as_zeros_and_blocks_are_sown():
    variables = SMALL.init(jax.random.key(0), X, MASK)
    hidden = MASK.at[:, 4].set(False)
    z, sown = SMALL.apply(variables, X, hidden, mutable=["intermediates"])
    zeroed = X.copy()
    zeroed[:, 4] = 0
    np.testing.assert_array_equal(z, SMALL.apply(variables, zeroed, MASK))
    assert [block.shape for block in sown["intermediates"]["block"]] == [(2, 11, 4), (2, 7, 6)]


def test_dropout_and_statistics_act_in_training():
    module = SMALL.clone(dropout=0.5)
    variables = module.init(jax.random.key(0), X, MASK)
    z, changed = module.apply(variables, X, MASK, rngs={"dropout": jax.random.key(1)}, mutable=["batch_stats"])
    assert abs(z - module.apply(variables, X, MASK)).max() > 1e-2
    assert abs(changed["batch_stats"]["block_0_norm"]["mean"]).max() > 0


@pytest.mark.parametrize("given", [{"exists": MASK}, {"wanted": lambda a: a[:, -1:]}])
def test_single_steps_are_refused(given):
    variables = SMALL.init(jax.random.key(0), X, MASK)
    with pytest.raises(InputError, match="which shortens the series"):
        SMALL.apply(variables, X, MASK, **given)


@pytest.mark.parametrize("changed", [{"width": 0}, {"layers": 1.5}, {"dropout": 1}, {"stride": 0}])
def test_wrong_settings_are_refused(changed):
    (name,) = changed
    with pytest.raises(InputError, match=f"{name}: found"):
        PooledConv(**changed)
