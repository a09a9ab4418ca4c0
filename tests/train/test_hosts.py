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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from process_of_several import train

from tsrl import script
from tsrl.config import Config, options
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.train import hosts
from tsrl.train.channel import Channel, Link, forwarded, gather, reach, welcomed
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.devices import usable_devices
from tsrl.train.metrics import MetricsFile

ROOT = Path(__file__).parents[2]
# Seconds after which a process that is still there has hung.
HUNG = 400
TIMEOUT = 150


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return unused.getsockname()[1]


def start(args):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        # As this process compiles, so that the numbers are the same; but each has one device.
        "XLA_FLAGS": " ".join(flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag),
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


# A plan for every epoch, of data on the devices; two seeds, rows that the host feeds, calls of several steps.
RUNS = {
    "clusters": {"name": "clusters"},
    "fed": {"name": "teacher", "seeds": [0, 5], "resident": False, "at_once": 3},
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
    whole = {"name": "clusters", "steps": 30, "checkpoint_every": 4}
    train(**whole, folder=tmp_path / "whole", out=tmp_path / "whole.npz")
    rows = MetricsFile(tmp_path / "whole" / "metrics.jsonl").read()
    assert len(rows) == 30

    part = {**whole, "folder": str(tmp_path / "part"), "out": str(tmp_path / "part.npz"), "pause": 0.05}
    found = two([{**part, "strike": [1, 4, signal.SIGTERM]}])
    assert [code for code, *_ in found] == [0, 0], found
    (first,), (second,) = (trained(out) for _, out, _ in found)
    assert first == second
    assert 4 <= first[1] < 30
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
def test_the_survivor_of_a_killed_process_ends_with_the_reason_and_the_run_goes_on(killed, tmp_path):
    run = {"name": "teacher", "steps": 60, "folder": str(tmp_path / "run"), "out": str(tmp_path / "out.npz")}
    began = time.monotonic()
    found = two([{**run, "pause": 0.05, "checkpoint_every": 5, "strike": [killed, 7, signal.SIGKILL]}])
    assert time.monotonic() - began < 30 + TIMEOUT
    assert found[killed][0] == -signal.SIGKILL
    code, _, errors = found[1 - killed]
    assert f"error: process {killed}: found its connection closed" in errors
    assert code == hosts.LOST
    assert train(**run).history[0]["step"] == 6
    train(**{**run, "folder": None, "out": tmp_path / "whole.npz"})
    assert_same(tmp_path / "out.npz", tmp_path / "whole.npz")


def connected():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return socket.create_connection(listening.getsockname()), listening.accept()[0]


@contextmanager
def linked(count, silence=30.0):
    """The channels of `count` processes, and what each is told of another's end."""
    told = [SimpleQueue() for _ in range(count)]
    pairs = [[Link(end) for end in connected()] for _ in range(1, count)]
    links = [{rank: pair[0] for rank, pair in enumerate(pairs, 1)}, *({0: pair[1]} for pair in pairs)]
    ended = [lambda *told_of, queue=queue: queue.put(told_of) for queue in told]
    channels = [Channel(rank, count, own, silence, ended[rank]) for rank, own in enumerate(links)]
    yield channels, told
    for channel in channels:
        channel.close()


def at_once(*calls):
    with ThreadPoolExecutor(len(calls)) as threads:
        results = [threads.submit(call) for call in calls]
        return [result.exception(10) or result.result() for result in results]


def test_processes_agree_and_notice_when_they_speak_of_different_things():
    with linked(3) as (channels, told):
        # Tuples are lists for all, also for the one that says them.
        said = at_once(*(partial(channel.agree, "place", {"at": (channel.rank,)}) for channel in channels))
        assert said == [[{"at": [0]}, {"at": [1]}, {"at": [2]}]] * 3
        found = at_once(*(partial(channel.agree, f"{channel.rank > 1}", None) for channel in channels))
        assert "process 0 is at 'False', others at True" in str(found[0])
        assert all(isinstance(error, RuntimeError) for error in found)
        assert all(queue.empty() for queue in told)


def test_all_hear_why_one_has_ended():
    with linked(3) as (channels, told):
        for other in (0, 2):
            threading.Thread(target=lambda at=other: (told[at].get(timeout=10), channels[at].close())).start()
        waiting = threading.Thread(target=channels[1].end, args=(2, "x: found 1, want 2"))
        waiting.start()
        waiting.join(10)
        assert not waiting.is_alive()
    with linked(3) as (channels, told):
        channels[2]._links[0].send({"ended": [2, 2, "x: found 1, want 2"]})
        assert told[1].get(timeout=10) == (2, 2, "x: found 1, want 2")
        channels[1].close()
        assert told[0].get(timeout=10) == (2, 2, "x: found 1, want 2")


def test_silence_is_an_end_in_the_stated_time():
    here, there = connected()
    told = SimpleQueue()
    channel = Channel(1, 2, {0: Link(here)}, 0.4, lambda *end: told.put(end))
    began = time.monotonic()
    assert told.get(timeout=10) == (0, None, "found no sign of life for 0.4 s")
    assert 0.3 < time.monotonic() - began < 5
    with pytest.raises(RuntimeError, match="process 0 has ended"):
        channel.agree("anything", None)
    channel.close()
    there.close()


def come(port, processes, rank):
    link = reach([("127.0.0.1", port)], processes, rank, 5)
    welcome = welcomed(link, 5)
    link.close()
    return welcome


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([(2, 1)], "distributed.processes: found 2 on rank 1, 3 on rank 0, want one number"),
        ([(3, 1), (3, 1)], "distributed.rank: found 1 twice, want each once"),
        ([(3, 2)], "distributed.processes: found 2 of 3 after 1 s, rank 1 is missing"),
    ],
)
def test_a_wrong_world_is_refused_by_all(others, message):
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    found = at_once(partial(gather, listening, 3, 1), *(partial(come, port, *other) for other in others))
    assert all(isinstance(error, InputError) and str(error).startswith(message) for error in found), found


def test_a_stranger_at_the_port_is_not_counted():
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")

        def welcome():
            (link,) = gather(listening, 2, 5).values()
            link.send({"service": "there"})
            return link

        link, heard = at_once(welcome, partial(come, port, 2, 1))
    assert heard == {"service": "there"}
    link.close()


def test_a_connection_to_itself_is_not_rank_0(monkeypatch):
    """As the system gives one, now and then, to whoever asks for a port of its own machine where nobody listens."""

    def to_itself(address, timeout):
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        one.connect(one.getsockname())
        one.settimeout(timeout)
        return one

    monkeypatch.setattr(socket, "create_connection", to_itself)
    with pytest.raises(InputError, match=r"distributed\.address: found nobody at 127\.0\.0\.1:1 for 0\.1 s"):
        reach([("127.0.0.1", 1)], 2, 1, 0.1)


def test_another_program_at_the_address_is_not_rank_0():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        link = reach([listening.getsockname()], 2, 1, 5)
        other = Link(listening.accept()[0])
    other.send({"hello": "there"})
    with pytest.raises(InputError, match="distributed: found that rank 0"):
        welcomed(link, 5)
    other.close()


def test_a_forwarded_connection_is_not_closed_with_its_end():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(("127.0.0.1", forwarded(listening.getsockname())))
        far = listening.accept()[0]
    near.sendall(b"there")
    assert far.recv(10) == b"there"
    far.sendall(b"back")
    assert near.recv(10) == b"back"
    far.close()
    near.settimeout(0.3)
    with pytest.raises(TimeoutError):
        near.recv(10)
    near.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auto": True}, "distributed: found an address, processes or a rank as well"),
        ({"address": "here"}, "distributed.address: found 'here', want HOST:PORT"),
        ({"address": "here:70000"}, "distributed.address: found 'here:70000', want HOST:PORT of rank 0, a port from 1"),
        ({"processes": 0}, "distributed.processes: found 0"),
        ({"rank": 2}, "distributed.rank: found 2, want 0 to 1"),
        ({"timeout": 0}, "distributed.timeout: found 0, want seconds above 0"),
        ({"rank": 1}, r"distributed.address: found nobody at 127.0.0.1:\d+ for 0.5 s"),
        ({"rank": 0}, r"distributed.processes: found 1 of 2 after 0.5 s, rank 1 is missing"),
    ],
)
def test_who_cannot_join_is_told_why_in_the_stated_time(settings, message):
    asked = {"auto": False, "address": f"127.0.0.1:{free_port()}", "processes": 2, "rank": 0, "timeout": 0.5}
    began = time.monotonic()
    with pytest.raises(InputError, match=message):
        hosts.join(**{**asked, **settings})
    assert time.monotonic() - began < 5
    assert hosts.count() == 1


def test_a_port_in_use_is_refused():
    with (
        socket.create_server(("127.0.0.1", 0)) as used,
        pytest.raises(InputError, match=r"distributed.address: found 127.0.0.1:\d+, where rank 0 cannot listen"),
    ):
        hosts.join(False, f"127.0.0.1:{used.getsockname()[1]}", 2, 0, 0.5)


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch):
    monkeypatch.setattr(hosts, "count", lambda: 3)
    with pytest.raises(InputError, match="batch_size: found 4, want a multiple of the 3 processes"):
        usable_devices(4)


def test_other_settings_on_another_process_are_refused(monkeypatch):
    monkeypatch.setattr(hosts, "agree", lambda what, value: [value, {**value, "seed": 1}])
    with pytest.raises(InputError, match="run: found seed 1 on rank 1, 0 on rank 0; want the same on all processes"):
        hosts.check_same("run", {"seed": 0, "task": "classify"})


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_to_one_that_waits_for_the_first_is_an_exit_code(number, code, monkeypatch, capsys, request):
    # A background job of a shell inherits that Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    monkeypatch.setattr(script, "suite", lambda *asked: iter(()))
    # What a second process does while the first evaluates.
    monkeypatch.setattr(hosts, "leave", lambda: signal.raise_signal(number))
    with pytest.raises(SystemExit) as ended:
        script.main(Config(method=options("ts2vec"), encoder=DilatedConv(), dataset="x"), [], "tsrl", "Trains.")
    assert ended.value.code == code
    assert capsys.readouterr().err == "stopped; the same command resumes\n"


def test_the_command_writes_once_and_nothing_of_it_decides_what_a_run_is(waves, tmp_path):
    """One port, two ranks, one folder; the second process says nothing."""
    command = ["-m", "tsrl", "train", "ts2vec", "--dataset", str(waves), "--task", "pretrain", "--train.steps", "2"]
    command += ["--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1", "--train.batch-size", "4"]
    command += ["--quiet", "--workdir", str(tmp_path / "run"), "--distributed.address", f"127.0.0.1:{free_port()}"]
    command += ["--distributed.processes", "2", "--distributed.timeout", str(TIMEOUT)]
    first, second = ends([start([*command, "--distributed.rank", str(rank)]) for rank in range(2)])
    assert (first[0], second[0]) == (0, 0), (first, second)
    assert "run: " in first[1]
    assert "run: " not in second[1]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["hardware"]["processes"] == 2
    assert "distributed" not in json.dumps(json.loads((tmp_path / "run" / "config.json").read_text()))
    rows = MetricsFile(tmp_path / "run" / "metrics.jsonl").read()
    assert [row["step"] for row in rows] == [1, 2]
