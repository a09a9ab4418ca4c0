"""Teacher, queue, epoch plan and dict of fields go through the unchanged loop: exact resume, device parity."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_methods import METHODS, SMALL, small_ts2vec

from tsrl.errors import InputError
from tsrl.methods import ts2vec
from tsrl.parallel import AXIS
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.loop import fit
from tsrl.train.metrics import MetricsFile
from tsrl.train.state import init_state, make_step
from tsrl.types import Plan, as_batch

ADAM, SGD, SMALL_SGD = optax.adam(1e-2), optax.sgd(0.05), optax.sgd(0.002)
STEPS = 11
NORMALISED = ("foundation", "byol", "ccl", "mhccl", "tstcc")


class Killed(Exception):
    pass


def train(name, optimizer=None, devices=1, **settings):
    make, data = METHODS[name]
    optimizer = optimizer or ADAM
    axes = {"devices": jax.local_devices()[:devices], "axis_name": AXIS}
    return fit(make(axis_name=AXIS), data, optimizer, **{"steps": STEPS, "batch_size": 4, **axes, **settings})


def assert_equal(one, other):
    leaves, others = jax.tree.leaves_with_path(one), jax.tree.leaves_with_path(other)
    assert len(leaves) == len(others)
    for (path, a), (_, b) in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=jax.tree_util.keystr(path))


# The epochs are 5 steps of 22 rows (the clusters' differ): 3 is in an epoch's middle, 5 at its end.
@pytest.mark.parametrize("saved_at", [3, 5])
@pytest.mark.parametrize("name", METHODS)
def test_resume_is_bit_equal(name, saved_at, tmp_path):
    whole = train(name)

    def kill(step, row, speed):
        if row is not None and step > saved_at + 1:
            raise Killed

    checkpoints, file = Checkpoints(tmp_path / "run"), MetricsFile(tmp_path / "metrics.jsonl")
    settings = {"checkpoints": checkpoints, "metrics_file": file}
    with pytest.raises(Killed):
        train(name, **settings, checkpoint_every=saved_at, report=kill, report_every=1)
    checkpoints.close()
    settings["checkpoints"] = checkpoints = Checkpoints(tmp_path / "run")
    resumed = train(name, **settings)
    checkpoints.close()
    assert resumed.history[0]["step"] == saved_at + 1
    assert_equal(resumed.state, whole.state)
    assert [row["step"] for row in file.read()] == list(range(1, STEPS + 1))
    assert file.read() == whole.history


@pytest.mark.parametrize("name", METHODS)
def test_two_devices_make_the_same_sgd_update(name):
    assert jax.local_device_count() >= 2
    # Batch normalisation of a handful of rows magnifies rounding, and a maximum between near ties then falls on another
    # step: double precision leaves the order of the sums as the only difference.
    sgd, few = (SMALL_SGD, {"steps": 4, "batch_size": 10}) if name in NORMALISED else (SGD, {"steps": 4})
    with jax.enable_x64(name in NORMALISED):
        one, two = train(name, sgd, devices=1, **few), train(name, sgd, devices=2, **few)
    for a, b in zip(one.history, two.history, strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose([a[k] for k in a], [b[k] for k in a], rtol=1e-6, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6), one.state, two.state)


@pytest.mark.parametrize("name", METHODS)
def test_vmap_over_the_axis_stands_for_devices(name):
    """A method is tested for several devices on one: four shares of one batch."""
    make, data = METHODS[name]
    optimizer = SMALL_SGD if name in NORMALISED else SGD
    index, seed = jnp.arange(8), jnp.uint32(3)
    with jax.enable_x64(name in NORMALISED):
        alone, method = make(), make(axis_name=AXIS)
        state = init_state(alone, optimizer, data, seed)
        planned = alone.before_epoch
        plan = Plan() if planned is None else planned(state.params, state.aux, data, jax.random.key(4))
        plan = jax.tree.map(jnp.asarray, dataclasses.replace(plan, order=None))
        single, _ = jax.jit(make_step(alone, optimizer, STEPS, None))(state, data, plan, index, seed)
        step = make_step(method, optimizer, STEPS, AXIS)
        shared = jax.jit(jax.vmap(step, in_axes=(None, None, None, 0, None), axis_name=AXIS))
        many, _ = shared(state, data, plan, index.reshape(4, 2), seed)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, np.stack([b] * 4), rtol=0, atol=1e-6), many, single)


def test_what_a_kill_left_of_an_old_checkpoint_is_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    settings = {"checkpoints": checkpoints, "checkpoint_every": 2}
    train("queue", **settings, steps=4)
    checkpoints.close()
    # Killed while the oldest was being removed: its folder is still there under its name.
    (tmp_path / "run" / "2" / "_CHECKPOINT_METADATA").unlink()
    settings["checkpoints"] = checkpoints = Checkpoints(tmp_path / "run")
    assert checkpoints.steps() == [2, 4]
    train("queue", **settings, steps=6)
    checkpoints.close()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["4", "6"]


def test_naive_batch_loss_would_fail_the_parity():
    """The parity test can fail: without gathering, the instance contrast sees only the device's own negatives."""
    data = METHODS["ts2vec"][1]
    step = make_step(ts2vec(SMALL, dropout=0, axis_name=None), optax.sgd(0.05), STEPS, AXIS)
    right = make_step(ts2vec(SMALL, dropout=0, axis_name=AXIS), optax.sgd(0.05), STEPS, AXIS)
    state = init_state(small_ts2vec(), optax.sgd(0.05), data, jnp.uint32(0))
    index, seed = jnp.arange(8).reshape(4, 2), jnp.uint32(0)
    over = lambda f: jax.jit(jax.vmap(f, in_axes=(None, None, None, 0, None), axis_name=AXIS))  # noqa: E731
    (_, wrong), (_, fine) = over(step)(state, data, Plan(), index, seed), over(right)(state, data, Plan(), index, seed)
    assert abs(float(wrong["loss"][0] - fine["loss"][0])) > 0.1


@pytest.mark.parametrize("name", ["teacher", "queue", "events", "ts2vec", "timedrl"])
def test_seeds_trained_together_equal_their_solo_runs(name):
    together = train(name, seeds=(0, 5))
    for row, seed in enumerate((0, 5)):
        solo = train(name, seeds=(seed,))
        mine = jax.tree.map(lambda leaf, row=row: leaf[row], together.state)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[0], rtol=1e-5, atol=1e-5), mine, solo.state)
        losses = [step["loss"][row] for step in together.history]
        np.testing.assert_allclose(losses, [step["loss"] for step in solo.history], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["teacher", "queue", "events", "ts2vec", "cost", "timedrl"])
def test_seeds_under_vmap_make_the_step_of_their_solo_runs(name):
    """What accelerators run; on a CPU the loop takes the seeds one by one in one program."""
    make, data = METHODS[name]
    # Not Adam: a softmax does not see the bias of its keys, and Adam makes steps of that gradient's rounding.
    optimizer = optax.sgd(0.05)
    step = make_step(make(), optimizer, STEPS, None)
    seeds, index = jnp.asarray([0, 5], jnp.uint32), jnp.arange(8).reshape(2, 4)
    states = jax.jit(jax.vmap(lambda seed: init_state(make(), optimizer, data, seed)))(seeds)
    together = jax.jit(jax.vmap(step, in_axes=(0, None, None, 0, 0)))(states, data, Plan(), index, seeds)
    alone = jax.jit(step)
    for row in range(2):
        mine = jax.tree.map(lambda leaf, row=row: leaf[row], states)
        solo = alone(mine, data, Plan(), index[row], seeds[row])
        jax.tree.map(lambda a, b, row=row: np.testing.assert_allclose(a[row], b, rtol=1e-5, atol=1e-5), together, solo)


def test_plan_reaches_the_loss_and_the_order_is_kept():
    history = train("clusters").history
    assert {row["counted"] for row in history} == {22.0}


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_what_embed_uses_and_can_be_put_back(name):
    make, data = METHODS[name]
    method, batch = make(), data.take(jnp.arange(4))
    params, aux = jax.jit(method.init)(jax.random.key(0), batch)
    weights, rebuild = method.weights(params, aux)
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(weights))
    z = method.embed(params, aux, batch)
    np.testing.assert_array_equal(method.embed(*rebuild(weights), batch), z)
    assert abs(method.embed(*rebuild(jax.tree.map(lambda leaf: 2 * leaf, weights)), batch) - z).max() > 1e-3
    assert jax.tree.structure(rebuild(weights)) == jax.tree.structure((params, aux))


def test_layers_are_the_blocks_up_to_the_representation():
    method, data = small_ts2vec(), METHODS["ts2vec"][1]
    params, aux = jax.jit(method.init)(jax.random.key(0), data)
    # The average is what encodes.
    other = jax.tree.map(jnp.zeros_like, params)
    layers, encoded = method.layers(other, aux, data), method.encode(other, aux, data)
    assert [z.shape for z in layers] == [encoded.z.shape] * 2
    np.testing.assert_array_equal(layers[-1], encoded.z)
    assert abs(layers[0] - layers[1]).max() > 1e-3
    names = {"block_1_conv_0", "block_1_conv_1", "block_1_projection"}
    without_last = {"front": aux["average"]["front"], "encoder": {**aux["average"]["encoder"]}}
    for block in names:
        without_last["encoder"][block] = jax.tree.map(jnp.zeros_like, without_last["encoder"][block])
    first = method.layers(other, {"average": without_last}, data)
    np.testing.assert_array_equal(first[0], layers[0])
    assert not first[1].any()


def spread(method, data, params, aux):
    """A monitor: the standard deviation of the embeddings, and signs of collapse that depend on nothing."""
    z = method.embed(params, aux, data)
    return {"effective_rank": 2 + z.std(), "dead_share": jnp.zeros(()), "undefined": jnp.log(-jnp.ones(()))}


@pytest.mark.parametrize("seeds", [(3,), (0, 5)])
def test_monitored_run_resumes_bit_equal_and_trains_the_same(seeds, tmp_path):
    make, data = METHODS["queue"]
    settings = {"seeds": seeds, "monitor": partial(spread, make(), data), "checkpoint_every": 4}
    whole = train("queue", **settings)

    def kill(step, row, speed):
        if row is not None and step > 6:
            raise Killed

    checkpoints, file = Checkpoints(tmp_path / "run"), MetricsFile(tmp_path / "metrics.jsonl")
    stored = {"checkpoints": checkpoints, "metrics_file": file}
    with pytest.raises(Killed):
        train("queue", **settings, **stored, report=kill, report_every=1)
    checkpoints.close()
    stored["checkpoints"] = checkpoints = Checkpoints(tmp_path / "run")
    resumed = train("queue", **settings, **stored)
    checkpoints.close()
    assert_equal(resumed.state, whole.state)
    assert file.read() == whole.history
    assert [row["step"] for row in whole.history if "health" in row] == [4, 8, 11]
    last = whole.history[-1]["health"]
    for row in range(len(seeds)):
        own = jax.tree.map(lambda leaf, row=row: leaf[row], (whole.state.params, whole.state.aux))
        found = {name: np.atleast_1d(numbers)[row] for name, numbers in last.items()}
        assert found["effective_rank"] == pytest.approx(float(spread(make(), data, *own)["effective_rank"]), rel=1e-5)
        assert found["undefined"] is None
    plain = train("queue", seeds=seeds)
    assert_equal(plain.state, whole.state)
    assert plain.history == [{name: row[name] for name in row if name != "health"} for row in whole.history]


@pytest.mark.parametrize(
    ("health", "shown"),
    [
        ({"effective_rank": 1.25, "dead_share": 0.0}, "effective rank 1.2, 0 % dead dimensions at step 4 of seed 0"),
        ({"effective_rank": 30.0, "dead_share": 0.95}, "effective rank 30.0, 95 % dead dimensions at step 4 of seed 0"),
        ({"effective_rank": 2.5, "dead_share": 0.9}, None),
        ({"uniformity": -0.1}, None),
    ],
)
def test_collapse_is_said_once(health, shown, caplog):
    monitor = lambda params, aux: {name: jnp.float32(value) for name, value in health.items()}  # noqa: E731
    train("queue", monitor=monitor, checkpoint_every=4)
    assert caplog.messages == ([] if shown is None else [f"representations have collapsed: {shown}"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: found 0"),
        ({"batch_size": 23}, "batch_size: found 23, want 1 to 22"),
        ({"batch_size": 3, "devices": 2}, "batch_size: found 3, want a multiple of the 2 devices"),
        ({"seeds": (1, 1)}, "seeds: found"),
        ({"seeds": ()}, "seeds: found"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        train("teacher", **settings)


def test_several_seeds_of_a_planning_method_are_refused():
    with pytest.raises(InputError, match="run its seeds in sequence"):
        train("clusters", seeds=(0, 1))


def test_a_plan_without_steps_is_refused():
    make, data = METHODS["clusters"]
    method = make(axis_name=AXIS)
    empty = method._replace(before_epoch=lambda *a: Plan(order=np.zeros((0, 4), np.int32)))
    with pytest.raises(InputError, match="order: found shape"):
        fit(empty, data, optax.sgd(0.1), steps=2, batch_size=4, devices=jax.local_devices()[:1], axis_name=AXIS)


def test_as_batch_marks_missing_steps_and_refuses_other_ranks():
    x = np.ones((2, 3, 2), np.float32)
    x[0, 1, 0] = np.nan
    batch = as_batch(x)
    np.testing.assert_array_equal(batch.mask, [[True, False, True], [True, True, True]])
    np.testing.assert_array_equal(batch.x[0, 1], [0, 0])
    assert batch.x.dtype == jnp.float32
    with pytest.raises(InputError, match=r"x: found shape \(2, 3\), want \[B, T, C\]; add the channel axis"):
        as_batch(x[..., 0])
    with pytest.raises(InputError, match="want the same"):
        as_batch({"a": np.zeros((2, 3), int), "b": np.zeros((2, 4, 1))})
