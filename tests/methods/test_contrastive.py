"""SimCLR, BYOL and TS-TCC: what they compare, what is averaged, how a series is pooled, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv, PooledConv
from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import InputError
from tsrl.losses.nt_xent import nt_xent, unit
from tsrl.losses.triplet import semi_hard_triplet
from tsrl.methods import byol, simclr, tstcc
from tsrl.methods.backbone import pooled
from tsrl.pairs import Strength, rule_of
from tsrl.pretraining import prepare, pretrain, run
from tsrl.types import as_batch

X = np.random.default_rng(0).normal(size=(6, 24, 2)).astype(np.float32).cumsum(1)
BATCH = as_batch(X)
ENCODER = PooledConv(width=4, features=6, layers=2, kernel_size=3, later_kernel_size=2, dropout=0.0)
KEY = jax.random.key(5)


def made(method):
    return method.init(jax.random.key(0), BATCH)


def test_simclr_contrasts_the_heads_of_both_views():
    method = simclr(ENCODER, hidden=8, output=4, temperature=0.5)
    params, aux = made(method)
    value, (changed, _) = jax.jit(method.loss)(params, aux, BATCH, KEY)
    views = rule_of("weak_strong", Strength())(jax.random.split(KEY)[0], BATCH)
    x, mask = (jnp.concatenate([view.x for view in views]), jnp.concatenate([view.mask for view in views]))
    variables = {"params": params["encoder"], "batch_stats": aux["stats"]["encoder"]}
    z, moved = ENCODER.apply(variables, x, mask, mutable=["batch_stats"])
    one, other = jnp.split(ProjectionHead(8, 4).apply({"params": params["head"]}, z.reshape(12, -1)), 2)
    assert value == pytest.approx(float(nt_xent(one, other, 0.5).mean()), rel=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), changed["stats"]["encoder"], moved["batch_stats"]
    )


def test_simclrs_triplets_take_negatives_from_other_series():
    method = simclr(ENCODER, hidden=8, output=4, objective="semi_hard", margin=0.5)
    params, aux = made(method)
    value, _ = jax.jit(method.loss)(params, aux, BATCH, KEY)
    views = rule_of("weak_strong", Strength())(jax.random.split(KEY)[0], BATCH)
    x, mask = (jnp.concatenate([view.x for view in views]), jnp.concatenate([view.mask for view in views]))
    variables = {"params": params["encoder"], "batch_stats": aux["stats"]["encoder"]}
    z, _ = ENCODER.apply(variables, x, mask, mutable=["batch_stats"])
    heads = unit(ProjectionHead(8, 4).apply({"params": params["head"]}, z.reshape(12, -1)))
    negative = np.tile(~np.eye(6, dtype=bool), (2, 2))
    wanted = semi_hard_triplet(heads, jnp.roll(heads, 6, 0), heads, negative, 0.5)
    assert value == pytest.approx(float(wanted.mean()), rel=1e-5)


def test_byols_target_is_an_average_that_gets_no_gradient():
    method = byol(ENCODER, hidden=8, output=4, momentum=0.9)
    params, aux = made(method)
    assert set(aux["target"]) == {"front", "encoder", "projector"}
    jax.tree.map(np.testing.assert_array_equal, aux["target"], {name: params[name] for name in aux["target"]})
    gradient = jax.jit(jax.grad(lambda target: method.loss(params, {**aux, "target": target}, BATCH, KEY)[0]))(
        aux["target"]
    )
    assert max(abs(leaf).max() for leaf in jax.tree.leaves(gradient)) == 0
    changed = jax.tree.map(lambda leaf: leaf + 1, params)
    # The momentum is 0.9 at the first update and 1 at the end.
    for step, rate in ((0, 0.9), (5, 0.95), (10, 1.0)):
        after = method.after_step(changed, aux, jnp.asarray(step), 10)["target"]
        jax.tree.map(
            lambda new, old, rate=rate: np.testing.assert_allclose(new, old + 1 - rate, atol=1e-6), after, aux["target"]
        )


def test_byols_loss_lies_between_nothing_and_opposite():
    method = byol(ENCODER, hidden=8, output=4)
    value, _ = jax.jit(method.loss)(*made(method), BATCH, KEY)
    # Two directions of 2 - 2 cos.
    assert 0 <= value <= 8


def test_tstcc_reports_both_contrasts_and_weighs_them():
    settings = {"future": 2, "context": 8, "dropout": 0.0}
    params, aux = made(tstcc(ENCODER, **settings))
    values = []
    for weights in ((1.0, 0.0), (0.0, 1.0), (1.0, 0.7)):
        method = tstcc(ENCODER, **settings, temporal_weight=weights[0], contextual_weight=weights[1])
        value, (_, metrics) = jax.jit(method.loss)(params, aux, BATCH, KEY)
        values.append(float(value))
    assert values[:2] == pytest.approx([float(metrics["temporal"]), float(metrics["contextual"])], rel=1e-5)
    assert values[2] == pytest.approx(values[0] + 0.7 * values[1], rel=1e-5)


def test_a_series_is_its_steps_pooled():
    z, mask = np.random.default_rng(1).normal(size=(2, 4, 3)), np.ones((2, 4), bool)
    mask[0, 2:] = False
    np.testing.assert_array_equal(pooled(z, mask, "flatten"), z.reshape(2, 12))
    np.testing.assert_allclose(pooled(z, mask, "mean"), [z[0, :2].mean(0), z[1].mean(0)], rtol=1e-5)
    np.testing.assert_allclose(pooled(z, mask, "max"), [z[0, :2].max(0), z[1].max(0)], rtol=1e-5)
    # Representations of a shortened series count all, of a row without any observed step none.
    mask[0] = False
    shortened = pooled(z[:, :2], mask, "mean")
    np.testing.assert_allclose(shortened, [np.zeros(3), z[1, :2].mean(0)], rtol=1e-5)


@pytest.mark.parametrize("name", ["simclr", "byol", "tstcc"])
@pytest.mark.parametrize("encoder", [ENCODER, DilatedConv(width=4, features=4, depth=1)], ids=["pooled", "dilated"])
def test_training_lowers_the_loss(name, encoder):
    settings = {"future": 2, "context": 8, "dropout": 0.0} if name == "tstcc" else {"hidden": 8, "output": 4}
    train = Train(steps=40, batch_size=6, learning_rate=3e-3)
    method = options(name, **settings, jitter=0.05, scale=0.05, segments=2)
    history = run(prepare(Config(method=method, encoder=encoder, train=train), X, None)).history
    losses = [row["loss"] for row in history]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.parametrize("name", ["simclr", "tstcc"])
def test_a_batch_of_one_is_refused_before_training(name):
    with pytest.raises(InputError, match="batch_size: found 1, want at least 2"):
        pretrain(X, name, encoder=ENCODER, batch_size=1, steps=1)


def test_byol_learns_from_a_batch_of_two():
    assert np.isfinite(pretrain(X, "byol", encoder=ENCODER, batch_size=2, steps=2).embed(X)).all()


def test_more_future_than_representations_is_refused_before_training():
    with pytest.raises(InputError, match="future: found 8 for 8 representations of a series, want at most 7"):
        pretrain(X, "tstcc", encoder=ENCODER, future=8, context=8, steps=1)


@pytest.mark.parametrize(
    ("method", "changed", "message"),
    [
        (simclr, {"temperature": 0}, "temperature: found 0"),
        (simclr, {"hidden": 0}, "hidden: found 0"),
        (simclr, {"pooling": "sum"}, "pooling: found 'sum', want one of flatten, mean, max"),
        (simclr, {"objective": "hard"}, "objective: found 'hard', want nt_xent or semi_hard"),
        (simclr, {"margin": 0}, "margin: found 0"),
        (simclr, {"pairs": "mirror"}, "pairs: found 'mirror'"),
        (byol, {"momentum": 1.0}, "momentum: found 1.0"),
        (byol, {"output": 1.5}, "output: found 1.5"),
        (tstcc, {"context": 6}, "context: found 6, want a multiple of 4"),
        (tstcc, {"future": 0}, "future: found 0"),
        (tstcc, {"temporal_weight": -1}, "temporal_weight: found -1"),
        (tstcc, {"dropout": 1}, "dropout: found 1"),
    ],
)
def test_wrong_settings_are_refused(method, changed, message):
    with pytest.raises(InputError, match=message):
        method(ENCODER, **changed)
