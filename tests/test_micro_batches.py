"""A batch encoded, or its gradients taken, part by part is the batch at once."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_methods import METHODS, SMALL
from toy_methods import SERIES

from tsrl.config import Config, Train, options
from tsrl.encoders import ENCODERS, DilatedConv, PooledConv
from tsrl.encoders.micro_batched import micro_batched
from tsrl.errors import InputError
from tsrl.methods import ENCODER_OF, simclr
from tsrl.methods.accumulated import accumulated
from tsrl.methods.backbone import Backbone
from tsrl.pretraining import prepare, run
from tsrl.types import Plan, as_batch
from tsrl.views import take_crop

# Methods whose encoder takes no batch statistics.
PLAIN = ("ts2vec", "cost", "simts", "timedrl", "tcn", "tloss", "tnc", "next_step", "next_step with agreement")
KEY = jax.random.key(3)
NORMS = ("loss", "grad_norm", "param_norm")


def graded(method, data, rows=6):
    """Loss, metrics and gradient of the first rows."""
    params, aux = method.init(KEY, method.draw(KEY, data, jnp.arange(1)))
    plan = Plan() if method.before_epoch is None else method.before_epoch(params, aux, data, KEY)

    def loss(params):
        batch = method.draw(KEY, data, jnp.arange(rows))
        columns = {name: jnp.asarray(column)[:rows] for name, column in plan.columns.items()}
        batch = dataclasses.replace(batch, extra={**batch.extra, **columns, **plan.tables})
        return method.loss(params, aux, batch, KEY)

    (value, (_, metrics)), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    return value, metrics, gradient


def same(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), one, other)


@pytest.fixture
def in_parts(monkeypatch):
    """Makes a method whose encoder takes two rows at a time."""

    def made(make):
        init = Backbone.__init__

        def patched(self, encoder, *more):
            init(self, micro_batched(encoder, 2), *more)

        with monkeypatch.context() as patch:
            patch.setattr(Backbone, "__init__", patched)
            return make.__wrapped__()

    return made


@pytest.mark.parametrize("name", PLAIN)
def test_a_loss_is_the_same_when_its_rows_are_encoded_in_parts(name, in_parts):
    make, data = METHODS[name]
    same(graded(in_parts(make), data), graded(make(), data))


def test_a_contrast_of_projections_too():
    data = as_batch(SERIES)
    same(*(graded(simclr(encoder, hidden=4, output=3), data) for encoder in (SMALL, micro_batched(SMALL, 3))))


@pytest.mark.parametrize("name", [name for name in PLAIN if not METHODS[name][0]().couples_batch])
def test_gradients_of_parts_add_up_to_those_of_the_batch(name):
    make, data = METHODS[name]
    same(graded(accumulated(make(), 3), data), graded(make(), data))


def test_a_table_of_a_plan_belongs_to_every_part():
    make, data = METHODS["tcn"]

    def tabled(method):
        def loss(params, aux, batch, key):
            value, more = method.loss(params, aux, batch, key)
            return value * batch.extra["table"].sum(), more

        plan = Plan(tables={"table": np.arange(9, dtype=np.float32)})
        return method._replace(loss=loss, before_epoch=lambda *_: plan)

    same(graded(accumulated(tabled(make()), 3), data), graded(tabled(make()), data))


def test_less_is_held():
    """Of a step's temporary memory, what XLA plans for it."""
    x = as_batch(np.random.default_rng(0).normal(size=(16, 400, 2)).astype(np.float32))
    encoder = DilatedConv(width=16, features=16, depth=6)

    def planned(encoder):
        method = simclr(encoder, hidden=4, output=3)
        params, aux = method.init(KEY, x.take(np.arange(1)))
        step = jax.jit(jax.grad(lambda params: method.loss(params, aux, x, KEY)[0]))
        return step.lower(params).compile().memory_analysis().temp_size_in_bytes

    whole, parts = planned(encoder), planned(micro_batched(encoder, 4))
    assert parts < 0.5 * whole


def test_padding_and_steps_asked_for_are_those_of_each_row():
    """With another share of every row outside, hidden and asked for."""
    random = np.random.default_rng(1)
    h, mask = random.normal(size=(6, 9, 8)).astype(np.float32), random.random((6, 9)) < 0.8
    lengths, start = np.array([9, 4, 7, 5, 8, 6]), jnp.array([0, 1, 2, 1, 3, 2])
    exists = np.arange(9) < lengths[:, None]
    wanted = lambda array: take_crop(array, start, 3)  # noqa: E731
    variables, rngs = SMALL.init(KEY, h, mask), {"dropout": KEY, "sample": KEY}
    for given in ((), (exists,), (exists[3],), (exists, wanted), (None, wanted)):
        whole = SMALL.apply(variables, h, mask, *given)
        for rows in (2, 5):
            parts = micro_batched(SMALL, rows).apply(variables, h, mask, *given, rngs=rngs)
            np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_it_is_the_encoder_in_all_else():
    for name, kind in ENCODERS.items():
        encoder, parts = kind(), micro_batched(kind(), 2)
        assert isinstance(parts, kind)
        assert type(parts).__name__ == name
        assert parts.clone(width=parts.width).rows_at_once == 2
        assert hash(parts) == hash(micro_batched(encoder, 2))
        assert parts == micro_batched(encoder, 2) != encoder


def test_batch_statistics_are_those_of_the_parts():
    encoder = PooledConv(width=4, features=8, layers=2, kernel_size=3, later_kernel_size=2, dropout=0.0)
    h, mask = np.random.default_rng(0).normal(size=(6, 12, 4)).astype(np.float32), np.ones((6, 12), bool)
    variables, how = encoder.init(KEY, h, mask), {"rngs": {"dropout": KEY}, "mutable": ["batch_stats"]}
    made, moved = micro_batched(encoder, 2).apply(variables, h, mask, **how)
    each = [encoder.apply(variables, h[i : i + 2], mask[i : i + 2], **how) for i in (0, 2, 4)]
    np.testing.assert_allclose(made, np.concatenate([z for z, _ in each]), rtol=1e-5, atol=1e-6)
    mean = jax.tree.map(lambda *parts: np.mean(parts, 0), *[stats for _, stats in each])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), moved, mean)


def test_dropout_differs_between_parts():
    class Dropping(nn.Module):
        width: int = 8

        @nn.compact
        def __call__(self, h, mask, exists=None, wanted=None):
            return nn.Dropout(0.5, deterministic=False)(h)

    encoder, rngs = micro_batched(Dropping(), 2), {"dropout": KEY}
    z = encoder.apply({}, np.ones((4, 5, 8), np.float32), np.ones((4, 5), bool), rngs=rngs)
    assert (z[:2] != z[2:]).any()


def config(name="ts2vec", **train):
    return Config(method=options(name), encoder=SMALL, train=Train(steps=2, batch_size=4, **train))


def test_by_the_settings_of_a_run():
    x = SERIES.astype(np.float32)
    whole, parts = (run(prepare(config("simclr", micro_batch=rows), x, None)) for rows in (0, 1))
    for one, other in zip(whole.history, parts.history, strict=True):
        np.testing.assert_allclose([one[k] for k in NORMS], [other[k] for k in NORMS], rtol=1e-5)


@pytest.mark.parametrize("name", sorted(set(ENCODER_OF) - {"tcn", "informer", "next_step", "simts", "tloss", "tnc"}))
def test_accumulation_is_refused_where_rows_are_compared(name):
    with pytest.raises(InputError, match=r"train\.accumulate: found 2 for a method that compares.*micro_batch"):
        prepare(config(name, accumulate=2), SERIES.astype(np.float32), None)


def test_bad_settings():
    for setting, value in (("micro_batch", -1), ("micro_batch", 1.5), ("accumulate", 0)):
        with pytest.raises(InputError, match=rf"train\.{setting}: found {value}"):
            prepare(config(**{setting: value}), SERIES.astype(np.float32), None)
    with pytest.raises(InputError, match="accumulate: found 4, want a divisor of the 6 rows"):
        graded(accumulated(METHODS["tcn"][0](), 4), METHODS["tcn"][1])
    with pytest.raises(InputError, match="for an encoder with batch statistics"):
        graded(accumulated(METHODS["informer"][0](), 3), METHODS["informer"][1])
