"""What cannot be written is said, and training goes on; what was readable before stays so."""

import errno
import resource
from contextlib import contextmanager

import jax
import numpy as np
import optax
import pytest
from toy_methods import TOYS

from tsrl.train import checkpoints as module
from tsrl.train.checkpoints import Checkpoints, like
from tsrl.train.loop import fit
from tsrl.train.metrics import MetricsFile

ITEMS = {"model": {"a": np.random.default_rng(0).normal(size=3000).astype(np.float32)}}


@contextmanager
def full_disk():
    """Files end at one block, which the system refuses as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def model_of(checkpoints):
    found = checkpoints.restore(lambda meta: {"model": like(ITEMS["model"])})
    return found.step, found.items["model"]["a"]


def test_a_checkpoint_that_finds_no_room_is_left_out(tmp_path, caplog):
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(1, ITEMS, {})
    checkpoints.wait()
    with full_disk():
        checkpoints.save(2, ITEMS, {})
        checkpoints.save(3, ITEMS, {})
        with pytest.raises(OSError, match="File too large") as raised:
            checkpoints.wait()
    assert raised.value.errno == errno.EFBIG
    assert [record.message for record in caplog.records if record.name == "tsrl"] == [
        f"checkpoint of step {step} is not written (File too large); training goes on" for step in (2, 3)
    ]
    assert model_of(Checkpoints(tmp_path / "run", read_only=True))[0] == 1
    checkpoints.save(4, ITEMS, {})
    checkpoints.wait()
    step, a = model_of(checkpoints)
    assert step == 4
    np.testing.assert_array_equal(a, ITEMS["model"]["a"])
    checkpoints.close()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["1", "4"]


def test_space_is_asked_for_first(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "run")
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=0))
    checkpoints.save(1, ITEMS, {})
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.wait()
    assert checkpoints.steps() == []


def test_a_file_system_that_does_not_know_its_size_is_not_full(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "run")
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(total=0, free=0))
    checkpoints.save(1, ITEMS, {})
    checkpoints.wait()
    assert checkpoints.steps() == [1]
    checkpoints.close()


def test_a_folder_that_became_a_file(tmp_path):
    (tmp_path / "run").write_text("")
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(1, ITEMS, {})
    with pytest.raises(OSError, match="run"):
        checkpoints.wait()


def test_an_error_that_is_not_the_disks_is_raised(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    with pytest.raises(ValueError, match="empty"):
        checkpoints.save(1, {"model": {}}, {})


def test_training_goes_on_and_ends_the_same(tmp_path, monkeypatch, caplog):
    make, data = TOYS["teacher"]

    def trained(folder, report=None):
        checkpoints = Checkpoints(folder / "checkpoints")
        settings = {"steps": 12, "batch_size": 4, "checkpoint_every": 2, "report_every": 2, "report": report}
        settings |= {"checkpoints": checkpoints, "metrics_file": MetricsFile(folder / "metrics.jsonl")}
        axes = {"devices": jax.local_devices()[:1], "axis_name": None}
        made = fit(make(), data, optax.sgd(0.1), **settings, **axes)
        checkpoints.close()
        return made.state, (folder / "metrics.jsonl").read_text()

    usage = module.shutil.disk_usage(tmp_path)

    def fill(step, row, speed):
        free = 0 if row is not None and 4 <= step < 8 else usage.free
        monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=free))

    for name in ("whole", "full"):
        (tmp_path / name).mkdir()
    whole, full = trained(tmp_path / "whole"), trained(tmp_path / "full", fill)
    said = [record.message for record in caplog.records if record.name == "tsrl"]
    assert said == [
        f"checkpoint of step {step} is not written (No space left on device); training goes on" for step in (4, 6)
    ]
    assert full[1] == whole[1]
    jax.tree.map(np.testing.assert_array_equal, full[0], whole[0])
    assert Checkpoints(tmp_path / "full" / "checkpoints", read_only=True).steps() == [10, 12]


def test_rows_of_metrics_wait_for_room(tmp_path, caplog):
    file, rows = MetricsFile(tmp_path / "metrics.jsonl"), [{"step": n, "loss": 0.5} for n in range(1, 401)]
    file.append(rows[:100])
    with full_disk():
        file.append(rows[100:200])
        file.append(rows[200:300])
        with pytest.raises(OSError, match="File too large"):
            file.append([], last=True)
    assert file.read() == rows[:100]
    assert caplog.text.count("metrics.jsonl is not written (File too large); training goes on") == 1
    file.append(rows[300:])
    assert file.read() == rows
