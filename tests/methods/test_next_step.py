"""The next step against loops in double precision: expectations, loss, gradient, masks, and what is hidden."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import CausalConv, DilatedConv, EventFront
from tsrl.errors import InputError
from tsrl.methods import next_step
from tsrl.methods.next_step import hidden, next_step_errors
from tsrl.types import as_batch

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
ENCODER = CausalConv(width=5, features=6, depth=1)
ROWS, STEPS, KINDS, CHANNELS = 4, 7, 5, 3
# Padding at the end, a step that is missing in between, one observed step, none at all.
MASK = np.ones((ROWS, STEPS), bool)
MASK[1, 5:], MASK[1, 2], MASK[2, 1:], MASK[3] = False, False, False, False
FIELDS = {
    "kind": np.where(MASK, RANDOM.integers(1, KINDS, (ROWS, STEPS)), 0).astype(np.int32),
    "numbers": np.where(MASK[..., None], RANDOM.normal(size=(ROWS, STEPS, CHANNELS)), 0).astype(np.float32),
}
EVENTS = as_batch(FIELDS, mask=MASK)
FRONT = EventFront(5, (("kind", KINDS),))
X = RANDOM.normal(size=(3, 6, 2)).astype(np.float32)
X[1, 4:] = np.nan
SERIES = as_batch(X)


def of_events(**settings):
    return next_step(ENCODER, front=FRONT, **settings)


EXPECTS = of_events(hide=0.0)
PARAMS, AUX = EXPECTS.init(KEY, EVENTS)


def slow_loss(expected, fields, mask, numbers=1.0):
    """The mean over rows of the mean over their observed targets, one number at a time."""
    expected = {name: np.asarray(values, np.float64) for name, values in expected.items()}
    total = 0.0
    for row in range(len(mask)):
        errors = []
        for step in range(1, mask.shape[1]):
            if not mask[row, step]:
                continue
            error = 0.0
            for name, values in fields.items():
                guess, came = expected[name][row, step - 1], np.asarray(values)[row, step]
                if came.ndim == 0:
                    top = max(guess)
                    error += top + np.log(sum(np.exp(one - top) for one in guess)) - guess[came]
                else:
                    error += numbers * sum((g - c) ** 2 for g, c in zip(guess, came, strict=True)) / len(came)
            errors.append(error)
        total += sum(errors) / len(errors) if errors else 0.0
    return total / len(mask)


def value(method, params, batch=EVENTS, key=KEY):
    return method.loss(params, AUX, batch, key)[0]


def test_expectations_are_linear_in_the_representation():
    z = np.asarray(EXPECTS.encode(PARAMS, AUX, EVENTS).z, np.float64)
    found = EXPECTS.expect(PARAMS, AUX, EVENTS)
    assert {name: values.shape for name, values in found.items()} == {
        "kind": (ROWS, STEPS, KINDS),
        "numbers": (ROWS, STEPS, CHANNELS),
    }
    for name, values in found.items():
        head = PARAMS["head"][f"to_{name}"]["dense"]
        np.testing.assert_allclose(values, z @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("numbers", [0.0, 1.0, 2.5])
def test_value_is_that_of_a_loop(numbers):
    found = value(of_events(hide=0.0, numbers=numbers), PARAMS)
    wanted = slow_loss(EXPECTS.expect(PARAMS, AUX, EVENTS), FIELDS, MASK, numbers)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_gradient_is_that_of_differences():
    """Of the loop, in some directions: of all parameters together, and of each part."""
    loss = jax.jit(lambda params: value(EXPECTS, params))
    gradient = jax.grad(loss)(PARAMS)
    expect = jax.jit(lambda params: EXPECTS.expect(params, AUX, EVENTS))
    for seed, part in enumerate([None, "front", "encoder", "head"]):
        random = np.random.default_rng(seed)
        direction = {
            name: jax.tree.map(
                lambda leaf, own=name in (part or PARAMS), random=random: random.normal(size=leaf.shape) * own, tree
            )
            for name, tree in PARAMS.items()
        }
        ends = [
            slow_loss(expect(jax.tree.map(lambda leaf, d, s=s: leaf + s * d, PARAMS, direction)), FIELDS, MASK)
            for s in (2e-3, -2e-3)
        ]
        along = sum(jax.tree.leaves(jax.tree.map(lambda g, d: float((g * d).sum()), gradient, direction)))
        assert abs(along) > 1e-2
        np.testing.assert_allclose(along, (ends[0] - ends[1]) / 4e-3, rtol=2e-2, atol=2e-3)


def test_missing_steps_are_no_targets_and_rows_without_any_are_zero():
    method = of_events(hide=0.0)
    whole = value(method, PARAMS)
    changed = {name: np.array(values) for name, values in FIELDS.items()}
    changed["kind"][~MASK], changed["numbers"][~MASK] = KINDS - 1, 1e3
    np.testing.assert_allclose(value(method, PARAMS, as_batch(changed, mask=MASK)), whole, rtol=1e-5)
    # Two of the four rows have one observed step or none: what the others have counts half.
    for rows in ([2], [3], [2, 3]):
        assert value(method, PARAMS, EVENTS.take(jnp.asarray(rows))) == 0
    some = value(method, PARAMS, EVENTS.take(jnp.asarray([0, 1])))
    np.testing.assert_allclose(whole, some / 2, rtol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.grad(lambda p: value(method, p))(PARAMS)))


def test_what_is_hidden_is_hidden_from_the_encoder_and_a_target_all_the_same():
    method, share = of_events(hide=0.5), 0.5
    seen = hidden(jax.random.split(KEY)[0], EVENTS, share)
    expected = EXPECTS.expect(PARAMS, AUX, as_batch(seen, mask=MASK))
    found = value(method, PARAMS)
    np.testing.assert_allclose(found, slow_loss(expected, FIELDS, MASK), rtol=1e-5)
    assert abs(found - value(EXPECTS, PARAMS)) > 1e-3
    assert abs(found - value(method, PARAMS, key=jax.random.key(1))) > 1e-3
    # Nothing is hidden when the model is asked.
    for name, values in method.expect(PARAMS, AUX, EVENTS).items():
        np.testing.assert_array_equal(values, EXPECTS.expect(PARAMS, AUX, EVENTS)[name])


def test_a_share_of_each_field_is_hidden_by_itself():
    fields = {"a": np.ones((60, 50), np.int32), "b": np.ones((60, 50, 2), np.float32)}
    batch = as_batch(fields, mask=np.ones((60, 50), bool))
    made = {name: np.asarray(values) for name, values in hidden(KEY, batch, 0.3).items()}
    np.testing.assert_array_equal(made["b"][..., 0], made["b"][..., 1])
    a, b = made["a"] == 0, made["b"][..., 0] == 0
    for gone in (a, b):
        assert gone.mean() == pytest.approx(0.3, abs=0.04)
    assert (a & b).mean() == pytest.approx(0.09, abs=0.03)
    assert len(np.unique(a, axis=0)) == 60
    for name, values in hidden(KEY, batch, 0.0).items():
        np.testing.assert_array_equal(values, fields[name])
    # The draw is the row's own.
    some = hidden(KEY, batch.take(jnp.asarray([7, 3])), 0.3)
    np.testing.assert_array_equal(some["a"], made["a"][[7, 3]])


def test_series_are_predicted_by_their_squared_error():
    method = next_step(ENCODER, hide=0.0, numbers=3.0)
    params, aux = method.init(KEY, SERIES)
    expected = method.expect(params, aux, SERIES)
    wanted = slow_loss(expected, {"x": np.asarray(SERIES.x)}, np.asarray(SERIES.mask), 3.0)
    np.testing.assert_allclose(method.loss(params, aux, SERIES, KEY)[0], wanted, rtol=1e-5)
    errors = next_step_errors({"x": expected["x"][:, :-1]}, SERIES.fields)["x"]
    assert errors.shape == (3, 5)


def test_no_expectation_sees_what_it_predicts():
    later = {name: np.array(values) for name, values in FIELDS.items()}
    later["kind"][0, 4:], later["numbers"][0, 4:] = 1, 9.0
    one, other = (EXPECTS.expect(PARAMS, AUX, as_batch(fields, mask=MASK)) for fields in (FIELDS, later))
    for name in one:
        np.testing.assert_allclose(one[name][0, :4], other[name][0, :4], atol=1e-6)
        assert abs(one[name][0, 4] - other[name][0, 4]).max() > 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hide": 1.0}, "hide: found 1.0, want 0 up to, but not, 1"),
        ({"hide": -0.1}, "hide: found -0.1"),
        ({"numbers": -1.0}, "numbers: found -1.0, want a finite number from 0 up"),
        ({"numbers": float("inf")}, "numbers: found inf"),
        ({"numbers": float("nan")}, "numbers: found nan"),
        ({"pooling": "sum"}, "pooling: found 'sum'"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        next_step(ENCODER, **settings)


def test_encoders_that_see_ahead_and_series_of_one_step_are_refused():
    with pytest.raises(InputError, match="want a causal encoder"):
        next_step(DilatedConv(width=4, features=4, depth=1))
    one = as_batch({name: values[:, :1] for name, values in FIELDS.items()}, mask=MASK[:, :1])
    with pytest.raises(InputError, match="x: found series of one step, want two or more"):
        value(EXPECTS, PARAMS, one)
