"""Optimisers against PyTorch's rules written out, schedules against the published code's, rates of parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.train.optimizer import optimizer, schedule

STEPS, PER_EPOCH = 40, 4


def published(name, epoch):
    """The factor in epoch 1, 2, ...: what was set after the epoch before it."""
    done = epoch - 1
    if done == 0:
        return 1.0
    return {
        "halving": 0.5 ** (done - 1),
        "decay": 1.0 if done < 3 else 0.9 ** (done - 3),
        "warmup": (done + 1) / 5 if done < 5 else 0.9 ** (done - 5),
    }[name]


@pytest.mark.parametrize("name", ["halving", "decay", "warmup"])
def test_schedules_by_epoch(name):
    at = jax.jit(schedule(name, 0.3, STEPS, PER_EPOCH))
    found = [float(at(jnp.int32(step))) for step in range(STEPS)]
    wanted = [0.3 * published(name, step // PER_EPOCH + 1) for step in range(STEPS)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_cosine_ends_at_zero_after_all_steps():
    at = schedule("cosine", 0.3, STEPS, PER_EPOCH)
    found = [float(at(jnp.int32(step))) for step in range(STEPS + 1)]
    np.testing.assert_allclose(found, 0.15 * (1 + np.cos(np.pi * np.arange(STEPS + 1) / STEPS)), atol=1e-7)


def by_hand(name, params, gradients, rate, decay, momentum):
    """PyTorch's AdamW, Adam and SGD."""
    m = v = buffer = 0.0
    for count, gradient in enumerate(gradients, 1):
        if name == "adamw":
            params = params - rate * decay * params
        else:
            gradient = gradient + decay * params
        if name == "sgd":
            buffer = momentum * buffer + gradient
            params = params - rate * buffer
            continue
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        params = params - rate * (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
    return params


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_optimisers_follow_pytorch(name, decay):
    random = np.random.default_rng(0)
    gradients = random.normal(size=(6, 5)).astype(np.float32)
    params = jnp.asarray(random.normal(size=5), jnp.float32)
    made = optimizer(name, 0.05, decay, 0.9, "constant", STEPS, PER_EPOCH)
    state, moved = made.init(params), params
    for gradient in gradients:
        updates, state = made.update(jnp.asarray(gradient), state, moved)
        moved = moved + updates
    wanted = by_hand(name, np.asarray(params, float), gradients.astype(float), 0.05, decay, 0.9)
    np.testing.assert_allclose(moved, wanted, rtol=2e-5, atol=1e-6)


def rates(params):
    return {"encoder": 1.0, "head": 0.25}


def test_parts_have_their_own_rates():
    params = {"encoder": {"a": jnp.ones(3), "b": jnp.ones(2)}, "head": {"c": jnp.ones(2)}}
    plain, parts = (optimizer("adamw", 0.1, 0.01, 0.0, "constant", 1, 1, of) for of in (None, rates))
    (one, _), (other, _) = (made.update(params, made.init(params), params) for made in (plain, parts))
    np.testing.assert_allclose(other["encoder"]["a"], one["encoder"]["a"])
    np.testing.assert_allclose(other["head"]["c"], 0.25 * one["head"]["c"])
    assert optimizer("adamw", 0.1, 0.01, 0.0, "constant", 1, 1, rates) is parts


@pytest.mark.parametrize(("name", "same"), [("constant", True), ("halving", False)])
def test_what_decides_nothing_does_not_make_another_optimiser(name, same):
    one, other = (optimizer("adamw", 0.1, 0.0, 0.0, name, steps, steps, None) for steps in (4, 8))
    assert (one is other) == same
