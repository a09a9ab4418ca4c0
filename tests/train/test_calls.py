"""Several steps in a call, and rows fed by the host: neither changes a bit of what is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_contract import METHODS, STEPS, Killed, assert_equal, train
from toy_methods import SERIES, teacher

from tsrl.errors import InputError, TrainingDiverged
from tsrl.train import devices, feed, loop
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.metrics import MetricsFile
from tsrl.types import as_batch

FED = {"resident": False}
SEVERAL = {"at_once": 4, "report_every": 3}


@pytest.fixture
def counts(monkeypatch):
    """Steps of each call, which are not held down by a slow machine."""
    found, call = [], devices.DeviceStep.__call__

    def counted(self, *arguments):
        found.append(arguments[-1])
        return call(self, *arguments)

    monkeypatch.setattr(devices.DeviceStep, "__call__", counted)
    monkeypatch.setattr(loop, "_in_a_second", lambda speed: 100)
    return found


# Epochs have 5 steps but those of the clusters, which vary.
# T-Loss draws negatives from all rows: it is not fed.
@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"tloss"}))
def test_several_steps_and_fed_rows_train_bit_equal(name, counts):
    whole = train(name, report_every=3)
    assert counts == [1] * STEPS
    counts.clear()
    several = train(name, **SEVERAL)
    assert sum(counts) == STEPS
    if name != "clusters":
        assert counts == [3, 2, 1, 3, 1, 1]
    fed, both = train(name, report_every=3, **FED), train(name, **SEVERAL, **FED)
    for other in (several, fed, both):
        assert_equal(other.state, whole.state)
        assert other.history == whole.history


@pytest.mark.parametrize("settings", [{"seeds": (0, 5)}, {"devices": 2}])
def test_seeds_and_devices_are_fed_their_own_rows(settings, counts):
    whole, both = train("queue", **settings), train("queue", **settings, **SEVERAL, **FED)
    assert max(counts) > 1
    assert_equal(both.state, whole.state)
    assert both.history == whole.history


@pytest.mark.parametrize("name", ["queue", "clusters"])
def test_resume_within_what_would_be_one_call_is_bit_equal(name, counts, tmp_path):
    whole = train(name)

    def kill(step, row, speed):
        if row is not None and step > 2:
            raise Killed

    checkpoints, file = Checkpoints(tmp_path / "run"), MetricsFile(tmp_path / "metrics.jsonl")
    stored = {"checkpoints": checkpoints, "metrics_file": file}
    with pytest.raises(Killed):
        train(name, **stored, **SEVERAL, **FED, checkpoint_every=2, report=kill)
    checkpoints.close()
    stored["checkpoints"] = checkpoints = Checkpoints(tmp_path / "run")
    resumed = train(name, **stored, **SEVERAL, **FED)
    checkpoints.close()
    assert resumed.history[0]["step"] == 3
    assert max(counts) > 1
    assert_equal(resumed.state, whole.state)
    assert file.read() == whole.history


def test_the_first_bad_step_within_a_call_is_named(counts, monkeypatch):
    def broken(axis_name=None):
        method = teacher(axis_name)

        def after_step(params, aux, step, total_steps):
            aux = method.after_step(params, aux, step, total_steps)
            return {"teacher": jax.tree.map(lambda leaf: leaf + jnp.where(step == 6, jnp.nan, 0), aux["teacher"])}

        return method._replace(after_step=after_step)

    monkeypatch.setitem(METHODS, "broken", (broken, METHODS["teacher"][1]))
    with pytest.raises(TrainingDiverged, match="step 8: found loss nan"):
        train("broken", at_once=5, report_every=5)
    assert counts == [5, 5]


def with_negative(key, data, index):
    """A draw that looks at a row it was not asked for."""
    other = jax.random.randint(key, (len(index),), 0, data.mask.shape[0])
    return data.take(index).replace(target=data.take(other).x)


def by_place(key, data, index):
    """A draw keyed by where a row lies in the block instead of by its id."""
    noise = jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(key, row)))(index)
    return data.take(index).replace(target=noise)


@pytest.mark.parametrize("draw", [with_negative, by_place])
def test_a_draw_from_other_rows_is_refused_where_rows_are_fed(draw):
    method, data = teacher()._replace(draw=draw), as_batch(SERIES)
    settings = {"steps": 1, "batch_size": 4, "devices": jax.local_devices()[:1], "axis_name": None}
    with pytest.raises(InputError, match=r"data: found .* several rows of the data set.* want at most 25%"):
        loop.fit(method, data, optax.sgd(0.1), **settings, **FED)
    with pytest.raises(InputError, match="several rows"):
        feed.check_draw(method, data.take(np.arange(2)))


def hides_first(key, data, index):
    """A draw of the rows alone, in a form that only arrays of jax have."""
    batch = data.take(index)
    return batch.replace(mask=batch.mask.at[:, 0].set(False))


@pytest.mark.parametrize("draw", [teacher().draw, hides_first], ids=["rows", "rows changed"])
def test_a_draw_of_its_own_rows_is_accepted_whatever_is_in_them(draw):
    missing = np.full((len(SERIES), 2), np.nan, np.float32)
    data = as_batch(SERIES, target=missing, on_host=True)
    feed.check_draw(teacher()._replace(draw=draw), data)
    feed.check_draw(teacher()._replace(draw=draw), data.take(np.arange(2)))


class Device:
    platform, process_index = "cpu", 0

    def __init__(self, limit):
        self.limit = limit

    def memory_stats(self):
        return self.limit and {"bytes_limit": self.limit}


def test_a_data_set_is_resident_up_to_a_quarter_of_the_smallest_memory():
    data = as_batch(SERIES, on_host=True)
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(data))
    assert feed.fits(data, [Device(4 * size), Device(9 * size)])
    assert not feed.fits(data, [Device(9 * size), Device(4 * size - 1)])


def test_devices_of_the_host_share_its_memory(monkeypatch):
    data = as_batch(SERIES, on_host=True)
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(data))
    monkeypatch.setattr(feed.os, "sysconf", {"SC_PHYS_PAGES": 8 * size, "SC_PAGE_SIZE": 1}.get)
    assert feed.fits(data, [Device(None)] * 2)
    assert not feed.fits(data, [Device(None)] * 3)
