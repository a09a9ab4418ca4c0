"""What every method does in its first steps: finite gradients, the same compiled or not, learning without collapse."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_methods import METHODS
from toy_methods import TOYS

from tsrl.evaluate.health import effective_rank
from tsrl.train.state import init_state, make_step, step_key
from tsrl.types import Plan

OWN = sorted(set(METHODS) - set(TOYS))
STEPS, ROWS = 20, 8


@pytest.mark.parametrize("name", OWN)
def test_twenty_steps(name):
    make, data = METHODS[name]
    method, optimizer, seed = make(), optax.adam(5e-3), jnp.uint32(0)
    before = init_state(method, optimizer, data, seed)
    plan = Plan()
    if method.before_epoch is not None:
        plan = jax.tree.map(jnp.asarray, method.before_epoch(before.params, before.aux, data, jax.random.key(1)))
    step = make_step(method, optimizer, STEPS, None)
    # Each series comes about as often as any other.
    order = jnp.arange(STEPS * ROWS).reshape(STEPS, ROWS) % data.mask.shape[0]

    @jax.jit
    def trained(state):
        state, metrics = jax.lax.scan(lambda state, index: step(state, data, plan, index, seed), state, order)
        return state, metrics, method.embed(state.params, state.aux, data)

    after, metrics, z = trained(before)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, before)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.params, after.aux, metrics, z)))
    assert metrics["grad_norm"].min() > 1e-6
    # CoST's first batch meets a queue of random negatives, which are easy.
    assert metrics["loss"][-5:].mean() < metrics["loss"][1:6].mean()
    assert effective_rank(z) > 1.5

    # The first step's loss, operation by operation.
    draw_key, loss_key = jax.random.split(step_key(seed, before.step))
    batch = method.draw(draw_key, data, order[0])
    columns = {column: rows[order[0]] for column, rows in plan.columns.items()}
    batch = dataclasses.replace(batch, extra={**batch.extra, **columns, **plan.tables})
    eager, _ = method.loss(before.params, before.aux, batch, loss_key)
    assert float(eager) == pytest.approx(float(metrics["loss"][0]), rel=1e-4)
