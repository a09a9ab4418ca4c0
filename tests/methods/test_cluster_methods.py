"""CCL and MHCCL: the hierarchy against its package and loops, what a plan holds, draws, losses, what is refused."""

import sys
import warnings
from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.config import Config, Train, options
from tsrl.encoders import PooledConv
from tsrl.errors import InputError
from tsrl.methods import ccl, clusters, mhccl
from tsrl.methods.clusters import features_of, hierarchy
from tsrl.methods.mhccl import draw_places, plan_of
from tsrl.pretraining import prepare, run
from tsrl.types import as_batch

with warnings.catch_warnings():
    # It says that it lacks an optional package.
    warnings.simplefilter("ignore")
    finch = pytest.importorskip("finch")

RANDOM = np.random.default_rng(0)
ENCODER = PooledConv(width=4, features=6, layers=2, kernel_size=3, later_kernel_size=2, dropout=0.0)


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def groups(count=6, each=8, noise=0.05, width=5):
    """Directions with some noise: `[count * each, width]`."""
    centres = RANDOM.normal(size=(count, 1, width))
    return unit((unit(centres) + noise * RANDOM.normal(size=(count, each, width))).reshape(-1, width)).astype(
        np.float32
    )


def same_partition(one, other):
    return (
        len(set(zip(one.tolist(), other.tolist(), strict=True))) == len(set(one.tolist())) == len(set(other.tolist()))
    )


def test_levels_are_finchs_partitions_and_each_lies_within_the_next():
    z = groups()
    partitions = finch.FINCH(z, distance="euclidean", verbose=False)[0]
    found = hierarchy(z, 3, 9.0)
    assert len(found) == min(3, partitions.shape[1])
    for level, column in zip(found, partitions.T, strict=False):
        assert same_partition(level.cluster, column)
        assert sorted(set(level.cluster)) == list(range(len(level.prototypes)))
    for fine, coarse in pairwise(found):
        np.testing.assert_array_equal(fine.parent[fine.cluster], coarse.cluster)
    # Above the last there may be one more partition, its parents; otherwise each cluster is its own.
    last = found[-1]
    if partitions.shape[1] > len(found):
        assert same_partition(last.parent[last.cluster], partitions[:, len(found)])
    else:
        np.testing.assert_array_equal(last.parent, np.arange(len(last.prototypes)))


def test_prototypes_leave_out_what_is_far():
    z = groups(noise=0.3)
    whole, near = hierarchy(z, 2, 9.0), hierarchy(z, 2, 0.4)
    for level, members in ((0, z), (1, None)):
        for masked, found in ((False, whole[level]), (True, near[level])):
            own = members if members is not None else (near if masked else whole)[0].prototypes
            of = found.cluster if level == 0 else (near if masked else whole)[0].parent
            for cluster in range(len(found.prototypes)):
                inside = own[of == cluster]
                mean = unit(inside.mean(0))
                kept = inside[np.linalg.norm(inside - mean, axis=-1) <= 0.4] if masked else inside
                wanted = unit((kept if len(kept) else inside).mean(0))
                np.testing.assert_allclose(found.prototypes[cluster], wanted, atol=1e-5)
    assert abs(whole[0].prototypes - near[0].prototypes).max() > 1e-3


def test_identical_series_make_one_cluster():
    (level, *_) = hierarchy(np.tile(unit(np.ones((1, 4))), (9, 1)), 3, 0.3)
    assert len(level.prototypes) >= 1
    assert np.isfinite(level.prototypes).all()


def test_a_plans_arrays_have_fixed_shapes_and_hold_the_hierarchy():
    z = groups()
    plan = plan_of(z, 3, 9.0)
    assert plan.columns["cluster"].shape == (48, 3)
    assert plan.tables["prototypes"].shape == (3, 24, 5)
    assert plan.tables["parent"].shape == (3, 24)
    found = hierarchy(z, 3, 9.0)
    assert plan.tables["count"].tolist() == [len(level.prototypes) for level in found] + [0] * (3 - len(found))
    for place, level in enumerate(found):
        count = len(level.prototypes)
        np.testing.assert_array_equal(plan.tables["prototypes"][place, :count], level.prototypes)
        np.testing.assert_array_equal(plan.tables["parent"][place, :count], level.parent)
        np.testing.assert_array_equal(plan.columns["cluster"][:, place], level.cluster)


@pytest.mark.parametrize("count", [3, 256, 300])
def test_features_of_all_rows_in_parts(count):
    data = as_batch(RANDOM.normal(size=(count, 4, 2)).astype(np.float32), on_host=True)
    sizes = []

    def represent(params, aux, batch):
        sizes.append(len(batch.mask))
        return params * batch.x.sum(1)

    found = features_of(represent, 2.0, {}, data)
    np.testing.assert_allclose(found, 2 * data.x.sum(1), rtol=1e-6)
    assert set(sizes) == {min(count, 256)}


def test_draws_are_allowed_differ_and_come_once():
    allowed = jnp.asarray(RANDOM.random((50, 7)) < 0.5).at[0].set(False)
    places, counts = draw_places(jax.random.split(jax.random.key(0), 50), allowed, 4)
    for row in range(50):
        chosen = places[row][counts[row]].tolist()
        assert len(set(chosen)) == len(chosen) == min(4, int(allowed[row].sum()))
        assert all(allowed[row, place] for place in chosen)
    full = jnp.ones((500, 7), bool)
    first = draw_places(jax.random.split(jax.random.key(1), 500), full, 1)[0][:, 0]
    assert np.bincount(first, minlength=7).min() > 40


X = np.concatenate([np.sin(np.arange(24) * speed + RANDOM.random((8, 1)) * 6) for speed in (0.3, 0.9, 2.0)])[..., None]
X = (X + 0.1 * RANDOM.normal(size=X.shape)).astype(np.float32)


def test_ccl_attracts_its_cluster_and_its_other_view():
    method = ccl(ENCODER, hidden=8, output=4, jitter=0.0, scale=0.0, segments=1, margin=0.5)
    data = as_batch(X)
    params, aux = method.init(jax.random.key(0), data)
    cluster = jnp.asarray(np.arange(24) // 8)
    value, (_, metrics) = jax.jit(method.loss)(params, aux, data.replace(extra={"cluster": cluster}), jax.random.key(1))
    assert metrics["alike"] == pytest.approx(7 / 23, rel=1e-5)
    assert value >= 0
    # Every series a cluster of its own: the other view is the only positive.
    alone = method.loss(params, aux, data.replace(extra={"cluster": jnp.arange(24)}), jax.random.key(1))[0]
    assert alone != value


@pytest.mark.parametrize("name", ["ccl", "mhccl"])
def test_training_finds_clusters_anew_and_lowers_the_loss(name, monkeypatch):
    planned = []
    honest = clusters._partitions
    monkeypatch.setattr(clusters, "_partitions", lambda z: planned.append(z) or honest(z))
    train = Train(steps=40, batch_size=12, learning_rate=3e-3)
    method = options(name, hidden=8, output=4, jitter=0.05, scale=0.05, segments=2)
    history = run(prepare(Config(method=method, encoder=ENCODER, train=train), X, None)).history
    losses = [row["loss"] for row in history]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    # Two steps are an epoch; the features moved.
    assert len(planned) == 20
    assert abs(planned[0] - planned[-1]).max() > 1e-3
    np.testing.assert_allclose(np.linalg.norm(planned[0], axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["ccl", "mhccl"])
def test_what_cannot_be_clustered_is_refused_before_training(name, monkeypatch):
    config = Config(method=options(name), encoder=ENCODER, train=Train(steps=1, batch_size=4))
    with pytest.raises(InputError, match="data: found 3 series to cluster, want at least 4"):
        prepare(config, X[:3], None)
    monkeypatch.setattr(clusters, "MOST", 10)
    with pytest.raises(InputError, match="data: found 24 series to cluster, want at most 10"):
        prepare(config, X, None)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "finch", None)
    with pytest.raises(InputError, match=r"pip install 'tsrl\[clusters\]'"):
        prepare(config, X, None)
    monkeypatch.undo()
    with pytest.raises(InputError, match="batch_size: found 1, want at least 2"):
        run(prepare(replace(config, train=Train(steps=1, batch_size=1)), X, None))


@pytest.mark.parametrize(
    ("method", "changed", "message"),
    [
        (ccl, {"level": 0}, "level: found 0"),
        (ccl, {"margin": 0}, "margin: found 0"),
        (ccl, {"pooling": "sum"}, "pooling: found 'sum'"),
        (mhccl, {"levels": 0}, "levels: found 0"),
        (mhccl, {"positives": 0.5}, "positives: found 0.5"),
        (mhccl, {"momentum": 1}, "momentum: found 1"),
        (mhccl, {"temperature": 0}, "temperature: found 0"),
        (mhccl, {"farthest": float("nan")}, "farthest: found nan"),
    ],
)
def test_wrong_settings_are_refused(method, changed, message):
    with pytest.raises(InputError, match=message):
        method(ENCODER, **changed)
