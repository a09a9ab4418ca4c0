"""Contextual batches and the filter of false negatives."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv, PooledConv
from tsrl.errors import InputError
from tsrl.methods.contextual import batches_of, not_negatives
from tsrl.parallel import AXIS
from tsrl.pretraining import prepare, run
from tsrl.types import as_batch

RANDOM = np.random.default_rng(0)
ENCODER = PooledConv(width=4, features=6, layers=2, kernel_size=3, later_kernel_size=2, dropout=0.0)
SETTINGS = {"hidden": 8, "output": 4, "jitter": 0.05, "scale": 0.05, "segments": 2}
X = np.concatenate([np.sin(np.arange(24) * speed + RANDOM.random((10, 1)) * 6) for speed in (0.3, 0.9, 2.0)])[..., None]
X = (X + 0.1 * RANDOM.normal(size=X.shape)).astype(np.float32)
TRAIN = Train(steps=6, batch_size=10, batches="contextual")


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


Z = unit(np.repeat(unit(RANDOM.normal(size=(5, 8))), 12, 0) + 0.2 * RANDOM.normal(size=(60, 8)))


def off_diagonal(z, order):
    return np.mean([(z[rows] @ z[rows].T)[~np.eye(len(rows), dtype=bool)].mean() for rows in order])


def test_batches_hold_what_is_alike_and_every_row_at_most_once():
    order = batches_of(Z, 12, np.random.default_rng(1))
    assert order.shape == (5, 12)
    assert len(set(order.ravel().tolist())) == 60
    shuffled = np.random.default_rng(2).permutation(60).reshape(5, 12)
    assert off_diagonal(Z, order) > off_diagonal(Z, shuffled) + 0.3
    # An incomplete last batch is left out.
    assert batches_of(Z, 25, np.random.default_rng(1)).shape == (2, 25)


def test_one_cluster_gives_random_batches():
    orders = [batches_of(Z, 40, np.random.default_rng(seed)) for seed in range(200)]
    assert orders[0].shape == (1, 40)
    counts = np.bincount(np.concatenate(orders).ravel(), minlength=60)
    # Each row is in two thirds of the batches, within six standard errors.
    assert abs(counts / 200 - 2 / 3).max() < 6 * np.sqrt(2 / 9 / 200)
    np.testing.assert_array_equal(orders[3], batches_of(Z, 40, np.random.default_rng(3)))


def test_duplicates_are_no_negatives_and_devices_see_all():
    z = jnp.asarray(np.concatenate([Z[:3], Z[:1]]), jnp.float32)
    batch = as_batch(X[:4]).replace(extra={"surrogate": z, "same_above": jnp.float32(0.999)})
    wanted = np.zeros((4, 4), bool)
    wanted[0, 3] = wanted[3, 0] = True
    np.testing.assert_array_equal(not_negatives(batch, None), wanted)
    assert not_negatives(as_batch(X[:4]), None) is None
    shares = batch.replace(extra={**batch.extra, "same_above": jnp.full(2, 0.999)})
    shares = jax.tree.map(lambda array: array.reshape(2, -1, *array.shape[1:]), shares)
    shares = shares.replace(extra={**shares.extra, "same_above": jnp.full(2, 0.999)})
    found = jax.vmap(lambda share: not_negatives(share, AXIS), axis_name=AXIS)(shares)
    np.testing.assert_array_equal(found.reshape(4, 4), wanted)


@pytest.mark.parametrize("name", ["simclr", "tstcc", "byol", "ts2vec"])
def test_every_method_trains_on_contextual_batches(name):
    own = {"tstcc": {"future": 2, "context": 8}, "ts2vec": {}}.get(name, SETTINGS)
    encoder = DilatedConv(width=4, features=4, depth=1) if name == "ts2vec" else ENCODER
    config = Config(method=options(name, **own), encoder=encoder, train=TRAIN)
    fitted = run(prepare(config, X, None))
    assert all(np.isfinite(row["loss"]) for row in fitted.history)


def test_the_filter_changes_what_is_learnt_and_a_resume_is_equal(tmp_path):
    config = Config(method=options("simclr", **SETTINGS), encoder=ENCODER, train=replace(TRAIN, checkpoint_every=2))
    plain = run(prepare(config, X, None)).state.params
    config = replace(config, train=replace(config.train, same_above=0.5))
    whole = run(prepare(config, X, None)).state.params
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(whole), strict=True))
    # From the checkpoint in the middle of an epoch, with the plan it was begun with.
    (tmp_path / "run").mkdir()
    run(prepare(config, X, None), tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "6").rename(tmp_path / "gone")
    resumed = run(prepare(config, X, None), tmp_path / "run").state.params
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"batches": "sorted"}, "train.batches: found 'sorted', want shuffled or contextual"),
        ({"same_above": 2.0}, r"train.same_above: found 2\.0 with contextual batches, want a cosine"),
        ({"batches": "shuffled", "same_above": 0.5}, r"train.same_above: found 0\.5 with shuffled batches"),
    ],
)
def test_wrong_settings_are_refused(train, message):
    config = Config(method=options("simclr", **SETTINGS), encoder=ENCODER, train=replace(TRAIN, **train))
    with pytest.raises(InputError, match=message):
        prepare(config, X, None)


def test_several_seeds_are_refused_as_for_all_methods_that_plan():
    config = Config(method=options("simclr", **SETTINGS), encoder=ENCODER, train=TRAIN, seeds=2)
    with pytest.raises(InputError, match="want 1: this method plans its epochs"):
        prepare(config, X, None)
