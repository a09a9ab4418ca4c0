"""T-Loss: where stretches lie, unequal lengths, padding, settings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.encoders import CausalConv, Informer
from tsrl.errors import InputError
from tsrl.losses.triplet import logistic_triplet
from tsrl.methods.tloss import draw_stretches, span, tloss, within
from tsrl.types import as_batch

ENCODER = CausalConv(width=4, features=6, depth=2)
METHOD = tloss(ENCODER, negatives=3, output=5)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(7, 30, 2)).astype(np.float32)


def ragged():
    """The same rows, each between two margins of its own."""
    x = X.copy()
    for row in range(7):
        x[row, : row % 3] = np.nan
        x[row, 30 - 2 * row :] = np.nan
    return x


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.integers(0, 12))
def test_stretches_lie_where_they_should(seed, complete, compared):
    data = as_batch(X if complete else ragged())
    batch = METHOD.draw(jax.random.key(seed), data, jnp.arange(7))
    others = batch.extra["negatives"]
    assert bool(others["complete"]) == complete
    drawn = draw_stretches(jax.random.key(seed + 1), batch, compared)
    (a_start, a_len), (p_start, p_len), (n_start, n_len) = jax.tree.map(np.asarray, drawn)
    first, total = map(np.asarray, span(data.mask))
    most = np.minimum(total, compared or 30)
    assert ((p_len >= 1) & (p_len <= a_len) & (a_len <= most)).all()
    assert ((a_start >= first) & (a_start + a_len <= first + total)).all()
    assert ((p_start >= a_start) & (p_start + p_len <= a_start + a_len)).all()
    first, total = map(np.asarray, span(others["mask"]))
    assert ((n_start >= first) & (n_start + n_len <= first + total) & (n_len >= 1)).all()
    assert (n_len <= (compared or 30)).all()
    if complete:
        # One length for the batch, and negatives as long as positives.
        assert len(set(a_len)) == len(set(p_len)) == 1
        assert (n_len == p_len[0]).all()


def test_lengths_and_starts_are_uniform():
    batch = METHOD.draw(jax.random.key(0), as_batch(X[:, :4]), jnp.arange(7))
    draws = jax.jit(jax.vmap(lambda key: draw_stretches(key, batch, 0)))(jax.random.split(jax.random.key(1), 4000))
    lengths = np.asarray(draws.positive[1][:, 0])
    np.testing.assert_allclose(np.bincount(lengths, minlength=5)[1:] / 4000, 0.25, atol=0.03)
    anchors = np.asarray(draws.anchor[1][:, 0])[lengths == 2]
    np.testing.assert_allclose(np.bincount(anchors, minlength=5)[2:] / len(anchors), 1 / 3, atol=0.06)
    ones = np.asarray(draws.negative[0])[lengths == 1].ravel()
    np.testing.assert_allclose(np.bincount(ones, minlength=4) / len(ones), 0.25, atol=0.03)


def test_negatives_come_from_every_row():
    rows = [METHOD.draw(jax.random.key(k), as_batch(X), jnp.arange(7)).extra["negatives"] for k in range(40)]
    found = {np.asarray(one["fields"]["x"])[b, k].tobytes() for one in rows for b in range(7) for k in range(3)}
    assert found == {row.tobytes() for row in X}


def test_the_loss_is_that_of_the_stretches_by_themselves():
    params, aux = METHOD.init(jax.random.key(0), as_batch(X))
    for x in (X, ragged()):
        batch = METHOD.draw(jax.random.key(1), as_batch(x), jnp.arange(4, 6))
        drawn = draw_stretches(jax.random.split(jax.random.key(2))[0], batch, 0)
        value, _ = METHOD.loss(params, aux, batch, jax.random.key(2))
        others = batch.extra["negatives"]["fields"]["x"]

        def of(series, stretch, place):
            start, length = (int(part[place]) for part in stretch)
            return METHOD.embed(params, aux, as_batch(np.asarray(series)[None, start : start + length]))[0]

        losses = []
        for row in range(2):
            anchor, positive = of(batch.x[row], drawn.anchor, row), of(batch.x[row], drawn.positive, row)
            far = [of(others[row, k], drawn.negative, (row, k)) for k in range(3)]
            losses.append(logistic_triplet(anchor[None], positive[None], jnp.stack(far)[None])[0])
        assert value == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_row_equals_itself_cut_to_its_steps():
    x = ragged()
    params, aux = METHOD.init(jax.random.key(0), as_batch(X))
    whole = METHOD.embed(params, aux, as_batch(x))
    for row in range(7):
        own = as_batch(x[row : row + 1, row % 3 : 30 - 2 * row])
        np.testing.assert_allclose(whole[row], METHOD.embed(params, aux, own)[0], atol=1e-6)
        # The last observed step of `encode` has seen the whole series.
        encoded = METHOD.encode(params, aux, as_batch(x[row : row + 1]))
        np.testing.assert_allclose(encoded.z[0, 29 - 2 * row], whole[row], atol=1e-6)


def test_each_step_is_that_of_the_steps_up_to_it():
    params, aux = METHOD.init(jax.random.key(0), as_batch(X))
    z = METHOD.encode(params, aux, as_batch(X)).z
    for step in (0, 11, 29):
        np.testing.assert_allclose(z[:, step], METHOD.embed(params, aux, as_batch(X[:, : step + 1])), atol=1e-6)


def test_spans():
    mask = jnp.array([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(within(mask), [[0, 1, 1, 1, 0], [0] * 5, [1] * 5])
    np.testing.assert_array_equal(span(mask)[0], [1, 0, 0])
    np.testing.assert_array_equal(span(mask)[1], [3, 1, 5])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"negatives": 0}, "negatives: found 0"),
        ({"compared_length": -1}, "compared_length: found -1"),
        ({"output": 1.5}, "output: found 1.5"),
        ({"negative_penalty": -1.0}, "negative_penalty: found -1.0"),
    ],
)
def test_wrong_settings_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        tloss(ENCODER, **changed)


def test_an_encoder_that_shortens_is_refused():
    with pytest.raises(InputError, match="which shortens the series, for tloss"):
        tloss(Informer(width=8, heads=2, feed_forward=8))
