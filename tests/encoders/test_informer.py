"""Informer's encoder: embedding, distilling, padding, wanted steps, training; its parts against slow ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import Informer, RawFront, front_of
from tsrl.encoders.informer import CircularConv1d, Distil, Embedding, position_table
from tsrl.encoders.informer_decoder import InformerDecoder
from tsrl.errors import InputError

SMALL = {"width": 8, "heads": 2, "feed_forward": 12}
KEEPING = Informer(**SMALL, distil=False, attention="full")
PUBLISHED = Informer(**SMALL, layers=3, factor=1)


def series(steps=13, channels=3, rows=2):
    return jnp.asarray(np.random.default_rng(0).normal(size=(rows, steps, channels)), jnp.float32)


def initial(module, h):
    mask = jnp.ones(h.shape[:2], bool)
    variables = jax.jit(module.init)(jax.random.key(0), h, mask)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}, mask


def slow_circular(x, kernel, bias):
    steps = x.shape[1]
    return np.stack(
        [sum(x[:, (t + tap - 1) % steps] @ kernel[tap] for tap in range(3)) + bias for t in range(steps)], 1
    )


def test_circular_convolution_equals_a_loop_and_ends_where_the_series_ends():
    x = series(7)
    module = CircularConv1d(5)
    params = jax.jit(module.init)(jax.random.key(0), x)
    kernel, bias = (np.asarray(params["params"][name]) for name in ("kernel", "bias"))
    np.testing.assert_allclose(module.apply(params, x), slow_circular(np.asarray(x), kernel, bias), atol=1e-5)
    lengths = [4, 7]
    exists = jnp.arange(7) < jnp.asarray(lengths)[:, None]
    padded = module.apply(params, jnp.where(exists[..., None], x, 0), exists)
    for row, length in enumerate(lengths):
        slow = slow_circular(np.asarray(x[row : row + 1, :length]), kernel, bias)
        np.testing.assert_allclose(padded[row : row + 1, :length], slow, atol=1e-5)


@pytest.mark.parametrize(("steps", "length"), [(12, 6), (13, 7), (1, 1)])
def test_distilling_halves_and_takes_the_largest_of_three(steps, length):
    x = series(steps, 4)
    module = Distil()
    variables = jax.jit(module.init)(jax.random.key(0), x)
    made = module.apply(variables, x)
    assert made.shape == (2, length, 4)
    conv = variables["params"]["conv"]
    h = slow_circular(np.asarray(x), np.asarray(conv["kernel"]), np.asarray(conv["bias"])) / np.sqrt(1 + 1e-5)
    h = np.where(h > 0, h, np.expm1(h))
    slow = [h[:, max(2 * s - 1, 0) : 2 * s + 2].max(1) for s in range(length)]
    np.testing.assert_allclose(made, np.stack(slow, 1), atol=1e-5)


def test_positions_are_sines_and_cosines():
    table = position_table(5, 7)
    for step in range(5):
        for column in range(7):
            angle = step / 10000 ** (2 * (column // 2) / 7)
            assert table[step, column] == pytest.approx(np.cos(angle) if column % 2 else np.sin(angle), abs=1e-6)


def test_embedding_is_a_sum_of_values_covariates_and_positions():
    x = series(6, 5)
    module = Embedding(8, 2, 0.0)
    params = jax.jit(module.init)(jax.random.key(0), x)
    values = slow_circular(
        np.asarray(x[..., 2:]), *(np.asarray(params["params"]["values"][n]) for n in ("kernel", "bias"))
    )
    dense = params["params"]["covariates"]["dense"]
    slow = (
        values + np.asarray(x[..., :2]) @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"]) + position_table(6, 8)
    )
    np.testing.assert_allclose(module.apply(params, x), slow, atol=1e-5)
    with pytest.raises(InputError, match="covariates: found 5 of 5 channels"):
        Embedding(8, 5, 0.0).init(jax.random.key(0), x)


def test_values_start_as_the_released_code_starts_them():
    params = Embedding(400, 0, 0.0).init(jax.random.key(0), series(4, 6))["params"]["values"]
    assert np.std(params["kernel"]) == pytest.approx(np.sqrt(2 / 18), rel=0.03)


@pytest.mark.parametrize("lengths", [(13, 5), (1, 9)])
def test_padding_after_the_series_changes_nothing(lengths):
    h = series()
    variables, mask = initial(KEEPING, h)
    mask = mask.at[:, 3].set(False)
    exists = jnp.arange(13) < jnp.asarray(lengths)[:, None]
    padded = jax.jit(KEEPING.apply)(variables, jnp.where(exists[..., None], h, 1e6), mask, exists)
    for row, length in enumerate(lengths):
        cut = KEEPING.apply(variables, h[row : row + 1, :length], mask[row : row + 1, :length])
        np.testing.assert_allclose(padded[row : row + 1, :length], cut, atol=1e-5)
    assert abs(padded[1, : lengths[1]] - KEEPING.apply(variables, h, mask)[1, : lengths[1]]).max() > 1e-2


def test_hidden_steps_enter_as_zeros():
    h = series()
    variables, mask = initial(KEEPING, h)
    hidden = mask.at[:, 4].set(False)
    np.testing.assert_array_equal(
        KEEPING.apply(variables, h, hidden), KEEPING.apply(variables, h.at[:, 4].set(0), mask)
    )
    assert abs(KEEPING.apply(variables, h, hidden) - KEEPING.apply(variables, h, mask)).max() > 1e-2


@pytest.mark.parametrize("attention", ["full", "prob"])
def test_wanted_steps_are_those_of_all(attention):
    module = KEEPING.clone(attention=attention, factor=1)
    h = series()
    variables, mask = initial(module, h)
    wanted = lambda a: a[:, 3:5]  # noqa: E731
    np.testing.assert_allclose(
        module.apply(variables, h, mask, None, wanted), module.apply(variables, h, mask)[:, 3:5], atol=1e-5
    )


@pytest.mark.parametrize("given", [{"exists": jnp.ones(13, bool)}, {"wanted": lambda a: a[:, -1:]}])
def test_a_series_that_is_halved_is_not_padded_nor_read_by_step(given):
    h = series()
    variables, mask = initial(PUBLISHED, h)
    with pytest.raises(InputError, match=r"distil: found True .* want False"):
        PUBLISHED.apply(variables, h, mask, **given)


def test_every_layer_is_sown_where_steps_are_kept_and_the_output_alone_where_not():
    h = series()
    for module, count in ((KEEPING, 2), (PUBLISHED, 1)):
        variables, mask = initial(module, h)
        z, sown = module.apply(variables, h, mask, mutable=["intermediates"])
        blocks = sown["intermediates"]["block"]
        assert len(blocks) == count
        np.testing.assert_array_equal(blocks[-1], z)
        assert z.shape == (2, 13 if module.keeps_steps else 4, 8)


def test_training_moves_statistics_and_draws():
    h = series()
    variables, mask = initial(PUBLISHED, h)
    rngs = {"dropout": jax.random.key(0), "sample": jax.random.key(1)}
    made, changed = PUBLISHED.apply(variables, h, mask, rngs=rngs, mutable=["batch_stats"])
    assert abs(made - PUBLISHED.apply(variables, h, mask)).max() > 1e-2
    for name in ("distil_0", "distil_1"):
        assert abs(changed["batch_stats"][name]["norm"]["mean"]).max() > 1e-4


def test_covariates_have_a_map_of_their_own():
    h = series(channels=5)
    params = initial(KEEPING.clone(covariates=2), h)[0]["params"]["embedding"]
    assert params["values"]["kernel"].shape == (3, 3, 8)
    assert params["covariates"]["dense"]["kernel"].shape == (2, 8)
    assert isinstance(front_of(KEEPING), RawFront)


@pytest.mark.parametrize("mix", [False, True])
def test_the_decoder_makes_in_its_last_layer_what_is_read_of_all_steps(mix):
    decoder = InformerDecoder(
        **SMALL, layers=1, factor=1, attention="prob", dropout=0.0, activation="relu", covariates=2, horizon=4, mix=mix
    )
    x, memory = series(11, 5), series(6, 7)
    params = jax.jit(decoder.init)(jax.random.key(0), x, memory)
    made = jax.jit(decoder.apply)(params, x, memory)
    assert made.shape == (2, 4, 3)
    every = jax.jit(decoder.clone(horizon=11).apply)(params, x, memory)
    np.testing.assert_allclose(made, every[:, -4:], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width: found 0, want a whole number from 1 up"),
        ({"width": 10, "heads": 4}, "width: found 10, want a multiple of the 4 heads"),
        ({"heads": 0}, "heads: found 0"),
        ({"layers": 0}, "layers: found 0"),
        ({"feed_forward": 1.5}, "feed_forward: found 1.5"),
        ({"factor": 0}, "factor: found 0"),
        ({"covariates": -1}, "covariates: found -1, want a whole number from 0 up"),
        ({"attention": "log"}, "attention: found 'log', want prob or full"),
        ({"activation": "tanh"}, "activation: found 'tanh', want gelu or relu"),
        ({"dropout": 1.0}, "dropout: found 1.0, want 0 up to, but not, 1"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Informer(**settings)
