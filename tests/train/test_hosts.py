"""Several processes on this machine train as one does on as many devices, and end together whatever happens."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from process_of_several import train

from tsrl.errors import InputError
from tsrl.train import hosts
from tsrl.train.channel import Channel, Link, gather, reach, welcomed
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.metrics import MetricsFile

ROOT = Path(__file__).parents[2]
# Seconds after which a process that is still there has hung.
HUNG = 120
TIMEOUT = 15


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return unused.getsockname()[1]


def start(args):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
    }
    return subprocess.Popen(
        [sys.executable, *args], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ends(processes):
    """Exit code, output and errors of each; none may hang."""
    try:
        found = [process.communicate(timeout=HUNG) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, found, strict=True)]


def two(runs, timeout=TIMEOUT):
    """What two processes end with that train these."""
    address = f"127.0.0.1:{free_port()}"
    worlds = [
        {"auto": False, "address": address, "processes": 2, "rank": rank, "timeout": timeout} for rank in range(2)
    ]
    script = str(Path(__file__).with_name("process_of_several.py"))
    return ends([start([script, json.dumps([world, runs])]) for world in worlds])


def trained(text):
    return [json.loads(line.removeprefix("trained ")) for line in text.splitlines() if line.startswith("trained ")]


def assert_same(one, other):
    with np.load(one) as a, np.load(other) as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-6)


# A plan for every epoch; rows that the host feeds; several seeds in calls of several steps.
RUNS = {
    "clusters": {"name": "clusters"},
    "fed": {"name": "teacher", "resident": False, "at_once": 3},
    "seeds": {"name": "queue", "seeds": [0, 5], "at_once": 2},
}


def test_two_processes_make_the_updates_of_one_with_two_devices(tmp_path):
    runs = [{**run, "out": str(tmp_path / f"two-{name}.npz")} for name, run in RUNS.items()]
    for code, out, errors in two(runs):
        assert code == 0, errors
        assert trained(out) == [[run["name"], 11, None] for run in runs]
    for name, run in RUNS.items():
        train(**run, out=tmp_path / f"one-{name}.npz")
        assert_same(tmp_path / f"one-{name}.npz", tmp_path / f"two-{name}.npz")


def test_a_signal_to_one_stops_both_and_either_world_resumes_the_other(tmp_path):
    whole = {"name": "clusters", "steps": 40, "checkpoint_every": 4}
    train(**whole, folder=tmp_path / "whole", out=tmp_path / "whole.npz")
    rows = MetricsFile(tmp_path / "whole" / "metrics.jsonl").read()
    assert len(rows) == 40

    part = {**whole, "folder": str(tmp_path / "part"), "out": str(tmp_path / "part.npz"), "pause": 0.05}
    found = two([{**part, "strike": [1, 4, signal.SIGTERM]}])
    assert [code for code, *_ in found] == [0, 0], found
    (first,), (second,) = (trained(out) for _, out, _ in found)
    assert first == second
    assert 4 <= first[1] < 40
    assert first[2] == signal.SIGTERM
    saved = Checkpoints(tmp_path / "part" / "checkpoints", read_only=True)
    assert saved.steps()[-1] == first[1]
    saved.close()

    shutil.copytree(tmp_path / "part", tmp_path / "one")
    train(**whole, folder=tmp_path / "one", out=tmp_path / "one.npz")
    # Two go on in a run that one process has begun, and go back over a checkpoint that cannot be read.
    train(**{**whole, "steps": 14}, folder=tmp_path / "two", out=tmp_path / "begun.npz")
    for file in (tmp_path / "two" / "checkpoints" / "14").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    resumed = {**whole, "out": str(tmp_path / "two.npz"), "folder": str(tmp_path / "two")}
    found = two([{**part, "pause": 0}, resumed])
    assert [code for code, *_ in found] == [0, 0], found
    for name in ("one", "part", "two"):
        assert_same(tmp_path / f"{name}.npz", tmp_path / "whole.npz")
        assert MetricsFile(tmp_path / name / "metrics.jsonl").read() == rows


@pytest.mark.parametrize("killed", [0, 1])
def test_the_survivor_of_a_killed_process_ends_with_the_reason(killed, tmp_path):
    run = {"name": "teacher", "steps": 400, "pause": 0.05, "out": str(tmp_path / "out.npz")}
    began = time.monotonic()
    found = two([{**run, "strike": [killed, 4, signal.SIGKILL]}])
    assert found[killed][0] == -signal.SIGKILL
    code, _, errors = found[1 - killed]
    assert f"error: process {killed}: found its connection closed" in errors
    assert code == hosts.LOST
    assert time.monotonic() - began < 20 + TIMEOUT
