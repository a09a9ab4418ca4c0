"""Event files hold what metrics.jsonl holds, each step once, however often a run was taken up."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.pretraining import prepare, run
from tsrl.train.tensorboard import EventFiles

X = np.random.default_rng(0).normal(size=(6, 20, 2)).astype(np.float32)
CONFIG = Config(
    method=options("ts2vec"),
    encoder=DilatedConv(width=4, features=6, depth=1),
    train=Train(steps=6, batch_size=2, checkpoint_every=3),
    tensorboard=True,
)


@pytest.fixture(autouse=True)
def _installed():
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: the extra tensorboard")


def read(folder):
    """`[(step, tag, value)]` of the event files in a folder."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            # A length, its checksum, the record, its checksum.
            (size,) = struct.unpack("<Q", data[at : at + 8])
            event = Event.FromString(data[at + 12 : at + 12 + size])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            at += size + 16
    return found


def wanted(path, number):
    """The same from metrics.jsonl, of the seed at a place."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        flat = {name: value for name, value in row.items() if not isinstance(value, dict)}
        flat |= {
            f"{name}/{key}": v for name, value in row.items() if isinstance(value, dict) for key, v in value.items()
        }
        for name, value in flat.items():
            one = value[number] if isinstance(value, list) else value
            if name != "step" and one is not None:
                found.append((row["step"], name, one))
    return found


def same(run_folder, seeds):
    for number, seed in enumerate(seeds):
        found = read(run_folder / "tensorboard" / f"seed{seed}")
        expected = wanted(run_folder / "metrics.jsonl", number)
        assert [each[:2] for each in found] == [each[:2] for each in expected]
        np.testing.assert_allclose([each[2] for each in found], [each[2] for each in expected], rtol=1e-6)
        assert len({each[:2] for each in found}) == len(found)


def test_a_resumed_run_of_two_seeds_has_every_step_once(tmp_path):
    config = replace(CONFIG, seeds=2, seed=4)
    run(prepare(config, X, None), tmp_path)
    same(tmp_path, [4, 5])
    # As after a kill: the newest checkpoint is older than the newest row.
    import shutil

    shutil.rmtree(tmp_path / "checkpoints" / "6")
    run(prepare(config, X, None), tmp_path)
    same(tmp_path, [4, 5])
    assert max(step for step, _, _ in read(tmp_path / "tensorboard" / "seed4")) == 6
    assert {tag for _, tag, _ in read(tmp_path / "tensorboard" / "seed4")} >= {"loss", "health/effective_rank"}


def test_the_flag_may_be_given_late(tmp_path):
    run(prepare(replace(CONFIG, tensorboard=False), X, None), tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    run(prepare(CONFIG, X, None), tmp_path)
    same(tmp_path, [0])


def test_without_the_extra_it_is_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"tensorboard: found no package tensorboardX.*pip install 'tsrl\[tensorboard\]"
    ):
        prepare(CONFIG, X, None)


def test_a_full_disk_is_warned_of(tmp_path, caplog, monkeypatch):
    events = EventFiles(tmp_path / "events", [0])
    events.begin([])

    def full(event):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(events._writers[0], "write_event", full)
    events.append([{"step": 1, "loss": 0.5}])
    events.append([{"step": 2, "loss": 0.5}])
    assert caplog.text.count("tensorboard is not written any more (No space left on device)") == 1
    events.close()


def test_what_is_not_finite_is_left_out(tmp_path):
    events = EventFiles(tmp_path / "events", [0])
    events.begin([{"step": 1, "loss": float("nan"), "grad_norm": 2.0, "health": {"rank": None}}])
    events.close()
    assert read(tmp_path / "events" / "seed0") == [(1, "grad_norm", 2.0)]
