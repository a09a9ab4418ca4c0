"""Every rule of pairs with every method that takes one: twenty steps, after which the same batch costs less."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsrl.config import options
from tsrl.encoders import PooledConv
from tsrl.errors import InputError
from tsrl.pairs import RULES
from tsrl.train.state import init_state, make_step
from tsrl.types import Plan, as_batch

ENCODER = PooledConv(width=4, features=8, layers=1, kernel_size=3, dropout=0.0)
# Sixteen series of four kinds, some steps of which are missing.
TIME = np.arange(24)[None, :, None] * np.array([0.3, 0.6, 1.2, 2.0]).repeat(4)[:, None, None]
X = (np.sin(TIME + np.arange(16)[:, None, None]) * [1, 2] + [0, 0.5]).astype(np.float32)
X[3, 4:7] = np.nan
DATA = as_batch(X)
MILD = {"jitter": 0.1, "scale": 0.1}
METHODS = {
    "simclr": {"hidden": 8, "output": 4},
    "byol": {"hidden": 8, "output": 4},
    "tstcc": {"future": 2, "context": 8, "context_layers": 1, "dropout": 0.0},
    "ccl": {"hidden": 8, "output": 4},
    "mhccl": {"hidden": 8, "output": 4},
}


@pytest.mark.parametrize("name", METHODS)
def test_every_rule_trains_a_method(name, monkeypatch):
    """One program for all rules: compiling one for each would take a minute of some methods."""
    if name in ("ccl", "mhccl"):
        pytest.importorskip("finch")
    rules = dict(RULES)
    method = options(name, **MILD, **METHODS[name]).build(ENCODER)
    optimizer = optax.adam(3e-3)
    before = init_state(method, optimizer, DATA, jnp.uint32(0))
    plan = Plan()
    if method.before_epoch is not None:
        plan = jax.tree.map(jnp.asarray, method.before_epoch(before.params, before.aux, DATA, jax.random.key(1)))
    step, index = make_step(method, optimizer, 20, None), jnp.arange(len(X))

    @jax.jit
    def trained(state, chosen):
        def one_of(key, batch, strength):
            branches = [partial(rule, strength=strength) for rule in rules.values()]
            return jax.lax.switch(chosen, branches, key, batch)

        monkeypatch.setitem(RULES, "weak_strong", one_of)
        return jax.lax.scan(lambda state, _: step(state, DATA, plan, index, jnp.uint32(0)), state, None, 20)

    losses = {}
    for place, rule in enumerate(rules):
        after, metrics = trained(before, place)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.params, after.aux, metrics))), rule
        losses[rule] = metrics["loss"]
        assert losses[rule][-5:].mean() < losses[rule][:5].mean(), rule
    # All are others, so that none was taken for another.
    firsts = [float(loss[0]) for loss in losses.values()]
    assert len(set(firsts)) == len(rules)


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_rule_is_refused(name):
    with pytest.raises(InputError, match="pairs: found 'weak-strong', want one of weak_strong"):
        options(name, pairs="weak-strong").build(ENCODER)


def test_crops_of_one_step_are_refused():
    method = options("simclr", pairs="overlapping_crops").build(ENCODER)
    short = as_batch(X[:4, :1])
    params, aux = method.init(jax.random.key(0), short)
    with pytest.raises(InputError, match="temporal_unit"):
        method.loss(params, aux, short, jax.random.key(1))
