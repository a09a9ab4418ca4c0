"""The same folder from Ray Data, whoever is killed meanwhile. Needs the extra `ray`."""

import os
import re
import signal
import subprocess
import sys
import time

import jobs
import numpy as np
import pytest
from jobs import content, parquet

from tsrl.bulk import embed_files
from tsrl.bulk.job import Job
from tsrl.errors import InputError

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

from tsrl.bulk.on_ray import _Worker  # noqa: E402 - needs ray

PARTS = 12
# Of Ray itself, in this process.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{what}")
    for what in (
        ":DeprecationWarning",
        ":ResourceWarning",
        ":pytest.PytestUnraisableExceptionWarning",
        "os.fork:RuntimeWarning",
    )
]
# Each part takes longer in the workers too, and says which process made it.
SLOW = """
import os, pathlib, sys, time
from tsrl.bulk import parts
commit = parts.PartFile.commit
def slowly(self):
    notes = pathlib.Path(os.environ["NOTES"])
    (notes / f"{self._part.number}-{os.getpid()}").write_text("")
    time.sleep(1)
    commit(self)
parts.PartFile.commit = slowly
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "x"
    for number in range(2):
        series = list(np.random.default_rng(number).normal(size=(120, 12, 2)).astype(np.float32))
        series[7] = np.full((12, 2), np.nan)
        parquet(folder / f"{number}.parquet", series, rows=20)
    return folder


@pytest.fixture(scope="module")
def whole(source, saved, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    assert embed_files(jobs.settings(source, out, saved)).errors == 2
    return content(out)


def test_ray_leaves_the_same_bytes_and_takes_up_either_engines_job(source, whole, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    # Paths that are relative to this process' folder, which the workers do not share.
    (tmp_path / "in").symlink_to(source)
    relative = jobs.settings(tmp_path.joinpath("in").relative_to(tmp_path), out.relative_to(tmp_path), saved)
    ray.init("local", num_cpus=2, include_dashboard=False)
    try:
        found = embed_files(jobs.Embed(**vars(relative) | {"engine": "ray", "workers": 2}))
        assert (found.rows, found.errors, found.kept) == (240, 2, 0)
        assert content(out) == whole
        for number in (2, 5, 11):
            (out / f"part-{number:05d}.parquet").unlink()
        assert embed_files(jobs.settings(source, out, saved, engine="ray")).kept == PARTS - 3
        assert content(out) == whole
        assert ray.is_initialized()
        assert embed_files(jobs.settings(source, out, saved)).kept == PARTS
        with pytest.raises(InputError, match=re.escape("it differs in settings")):
            embed_files(jobs.settings(source, out, saved, engine="ray", batch_size=2))
        damaged = parquet(tmp_path / "d" / "x.parquet", rows=8)
        held = bytearray(damaged.read_bytes())
        place = bytes(held).index(jobs.X[16].tobytes()[:16])
        held[place : place + 16] = os.urandom(16)
        damaged.write_bytes(held)
        with pytest.raises(InputError, match=r"x\.parquet: row group 2: found damaged data"):
            embed_files(jobs.settings(damaged, tmp_path / "bad", saved, engine="ray"))
    finally:
        ray.shutdown()


def test_a_worker_that_cannot_write_says_so(source, saved, tmp_path):
    settings = jobs.settings(source, tmp_path / "none", saved, engine="ray")
    worker = _Worker(settings, Job(settings).form.digest)
    (wrong,) = worker({"part": np.array([3])})["wrong"]
    assert wrong.startswith("out: found no way to write part 3 (")


def started(source, out, saved, notes):
    """The command as a process of its own, whose workers take their time and leave notes."""
    notes.mkdir()
    (notes / "sitecustomize.py").write_text(SLOW)
    line = [sys.executable, "-m", "tsrl", "embed", str(source), str(out), "--model", str(saved)]
    line += ["--quiet", "--engine", "ray", "--workers", "2"]
    path = os.pathsep.join([str(notes), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"NOTES": str(notes), "PYTHONPATH": path, "RAY_ADDRESS": "local"}
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def made(notes):
    """(part, process) of each file that was about to be moved to its place."""
    return [tuple(map(int, path.name.split("-"))) for path in notes.iterdir() if re.fullmatch(r"\d+-\d+", path.name)]


def wait(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.01)


def test_a_killed_worker_loses_nothing_and_doubles_nothing(source, whole, saved, tmp_path):
    out, notes = tmp_path / "out", tmp_path / "notes"
    with started(source, out, saved, notes) as process:
        wait(lambda: len(list(out.glob("part-*"))) >= 2, process)
        wait(lambda: any(not (out / f"part-{part:05d}.parquet").exists() for part, _ in made(notes)), process)
        (part, victim), *_ = [one for one in made(notes) if not (out / f"part-{one[0]:05d}.parquet").exists()]
        os.kill(victim, signal.SIGKILL)
        printed, errors = process.communicate(timeout=300)
    assert process.returncode == 3, errors
    assert "238 of 240 rows embedded" in printed
    # The part was in the victim's hands, and another process made it.
    assert len({worker for number, worker in made(notes) if number == part}) == 2
    assert content(out) == whole


def test_a_killed_job_is_taken_up(source, whole, saved, tmp_path):
    out, notes = tmp_path / "out", tmp_path / "notes"
    with started(source, out, saved, notes) as process:
        wait(lambda: len(list(out.glob("part-*"))) >= 3, process)
        process.kill()
        process.communicate(timeout=300)
    # Ray's workers end when they notice that the job has.
    deadline = time.monotonic() + 60
    while any(alive(worker) for _, worker in made(notes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "done.json" not in content(out)
    assert embed_files(jobs.settings(source, out, saved)).kept >= 3
    assert content(out) == whole


def alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_stopped_job_ends_in_order(source, whole, saved, tmp_path):
    out, notes = tmp_path / "out", tmp_path / "notes"
    with started(source, out, saved, notes) as process:
        wait(lambda: len(list(out.glob("part-*"))) >= 2, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 143, errors
    assert errors.strip().splitlines()[-1] == "stopped; the same command resumes"
    assert not list(out.glob(".tmp-*"))
    embed_files(jobs.settings(source, out, saved))
    assert content(out) == whole
