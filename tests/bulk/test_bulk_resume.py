"""Killed, stopped, damaged, refused: whole parts stay, and the folder ends as that of a job without trouble."""

import errno
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import jobs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from jobs import X, content, parquet, records

from tsrl.bulk import embed_files
from tsrl.bulk.parts import Form, PartFile
from tsrl.bulk.source import Part
from tsrl.cli import main as tsrl_command
from tsrl.data.store import write_store
from tsrl.errors import InputError

PARTS = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Twelve row groups in four files, two of them with rows that cannot be embedded."""
    folder = tmp_path_factory.mktemp("source") / "x"
    for number in range(4):
        series = list(np.random.default_rng(number).normal(size=(60, 12, 2)).astype(np.float32))
        if number % 2:
            series[7] = np.full((12, 2), np.nan)
        parquet(folder / f"{number}.parquet", series, pa.array(range(60 * number, 60 * number + 60)), rows=20)
    return folder


@pytest.fixture(scope="module")
def whole(source, saved, tmp_path_factory):
    """The bytes of an uninterrupted job."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert embed_files(jobs.settings(source, out, saved)).errors == 2
    return content(out)


def command(source, out, saved, *further):
    """The command line as a process of its own."""
    line = [sys.executable, "-m", "tsrl", "embed", str(source), str(out), "--model", str(saved), "--quiet", *further]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def parts(out):
    return sorted(path.name for path in out.glob("part-*.parquet"))


# Waits after each part, so that the signal comes while there is work left.
SLOW = """
import signal, sys, time
from tsrl.bulk import parts
# A background job of a shell inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from tsrl.cli import main
commit = parts.PartFile.commit
def slowly(self):
    time.sleep(0.25)
    commit(self)
parts.PartFile.commit = slowly
main(sys.argv[1:])
"""


def stopped(source, out, saved, number, after):
    """Starts a job and sends it a signal when `after` parts are in their places."""
    line = [sys.executable, "-c", SLOW, "embed", str(source), str(out), "--model", str(saved), "--quiet"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while len(parts(out)) < after and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    return process.returncode, errors


@pytest.mark.parametrize("after", [1, 5])
def test_a_killed_job_leaves_whole_parts_and_is_taken_up(after, source, whole, saved, tmp_path):
    out = tmp_path / "out"
    code, _ = stopped(source, out, saved, signal.SIGKILL, after)
    assert code == -signal.SIGKILL
    left = content(out)
    assert after <= len(parts(out)) < PARTS
    assert "done.json" not in left
    assert {name: left[name] for name in parts(out)} == {name: whole[name] for name in parts(out)}
    kept = len(parts(out))
    stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    found = embed_files(jobs.settings(source, out, saved))
    assert (found.rows, found.errors, found.parts, found.kept) == (240, 2, PARTS, kept)
    assert content(out) == whole
    # What was there was not made again.
    assert stamps.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}.items()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_job_ends_in_order(number, code, source, whole, saved, tmp_path):
    out = tmp_path / "out"
    found, errors = stopped(source, out, saved, number, 2)
    assert found == code
    assert errors.strip().splitlines() == ["stopped; the same command resumes"]
    assert not list(out.glob(".tmp-*"))
    assert 2 <= len(parts(out)) < PARTS
    embed_files(jobs.settings(source, out, saved))
    assert content(out) == whole


def test_what_a_kill_leaves_half_written_is_removed_and_damaged_parts_are_made_again(source, whole, saved, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name, held in whole.items():
        (out / name).write_bytes(held)
    (out / ".tmp-part-abc").write_bytes(b"half")
    (out / "part-00003.parquet").write_bytes(whole["part-00003.parquet"][:100])
    (out / "part-00004.parquet").write_bytes(whole["part-00005.parquet"])
    (out / "part-00006.parquet").unlink()
    # What says why a row is missing belongs to its part.
    (out / "errors-00009.parquet").unlink()
    assert embed_files(jobs.settings(source, out, saved)).kept == PARTS - 4
    assert content(out) == whole
    (out / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"out: found files but no manifest\.json in .*, want an empty or new folder"):
        embed_files(jobs.settings(source, out, saved))


def test_a_write_that_fails_leaves_no_part_without_some_rows(saved, tmp_path, monkeypatch):
    source = parquet(tmp_path / "x.parquet", rows=23)
    monkeypatch.setattr("tsrl.bulk.encode.BLOCK_VALUES", 5 * X[0].size)
    write = PartFile.write

    def failing(self, ids, places, embeddings, scores):
        if places[0] == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, ids, places, embeddings, scores)

    # The second time in the folder of a job that was done, from which someone has removed a part.
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(PartFile, "write", failing)
            with pytest.raises(OSError, match="No space"):
                embed_files(jobs.settings(source, tmp_path / "out", saved))
        assert content(tmp_path / "out").keys() == {".lock", "manifest.json"}
        assert embed_files(jobs.settings(source, tmp_path / "out", saved)).errors == 0
        (tmp_path / "out" / "part-00000.parquet").unlink()


def test_a_file_whose_end_finds_no_room_is_removed(tmp_path, monkeypatch):
    def full(writer):
        raise OSError(errno.ENOSPC, "No space left on device")

    file = PartFile(tmp_path, Form({}, 2, "series", False, "", None), Part(0, 0, 0, 3, 4))
    # Collected meanwhile, a writer would close once more.
    held = list(file._open.values())
    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "close", full)
        file.abort()
    assert held
    assert not list(tmp_path.iterdir())


def test_exit_codes(source, saved, tmp_path, capsys):
    line = ["embed", str(source), str(tmp_path / "out"), "--model", str(saved), "--quiet"]
    for kept in ("", ", 12 of 12 parts were there"):
        with pytest.raises(SystemExit) as ended:
            tsrl_command(line)
        assert ended.value.code == 3
        out, errors = capsys.readouterr()
        assert out == f"{tmp_path / 'out'}: 238 of 240 rows embedded{kept}\n"
        assert errors.startswith("2 rows could not be embedded")
    good = parquet(tmp_path / "good.parquet")
    tsrl_command(["embed", str(good), str(tmp_path / "good"), "--model", str(saved)])
    assert "embedding" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        tsrl_command(["embed", str(good), str(tmp_path / "out"), "--model", str(saved)])
    assert ended.value.code == 2
    assert "error: out: found another job in" in capsys.readouterr().err


def test_the_readmes_command_runs(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = (Path(__file__).parents[2] / "README.md").read_text().partition("## Embedding files of any size\n")[2]
    lines = section.partition("```console\n")[2].partition("```")[0].splitlines()
    write_store("corpus", [X])
    shutil.copytree(saved, "my-model")
    program, *line = shlex.split(lines[0])
    assert program == "tsrl"
    tsrl_command(line)
    assert (tmp_path / "embeddings" / "done.json").is_file()
    # The other is the same job.
    assert lines[1].startswith(lines[0] + " --engine ray")


def test_the_folder_of_another_job_is_refused_and_left_alone(source, saved, tmp_path):
    good = parquet(tmp_path / "a" / "x.parquet")
    out = tmp_path / "out"
    embed_files(jobs.settings(good, out, saved))
    before = content(out)
    other = tmp_path / "other"
    jobs.train(seed=1).save(other)
    changed = parquet(tmp_path / "b" / "x.parquet", X + 1)
    for differing, wrong in {
        "model": jobs.settings(good, out, other),
        "settings": jobs.settings(good, out, saved, batch_size=2),
        "settings, columns": jobs.settings(good, out, saved, scores=True),
        "files": jobs.settings(changed, out, saved),
    }.items():
        with pytest.raises(InputError, match=rf"out: found another job in .* \(it differs in {differing}\)"):
            embed_files(wrong)
    assert content(out) == before


def test_folders_that_are_no_jobs(saved, tmp_path):
    good = parquet(tmp_path / "x.parquet")
    store = write_store(tmp_path / "store", [X])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    for out, message in [
        (store, "out: found a manifest.json in"),
        (tmp_path / "notes", "out: found files but no manifest.json"),
        (good, "out: found a file at"),
        (good / "deeper", "out: cannot use"),
    ]:
        with pytest.raises(InputError, match=re.escape(message)):
            embed_files(jobs.settings(good, out, saved))


def test_a_second_process_is_refused(saved, tmp_path):
    good = parquet(tmp_path / "x.parquet")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), command(good, tmp_path / "out", saved) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "error: out: another process is at work in" in errors
    assert content(tmp_path / "out").keys() == {".lock"}


def test_input_that_changed_meanwhile_is_another_job(saved, tmp_path):
    source = tmp_path / "x.npz"
    np.savez(source, x=X)
    embed_files(jobs.settings(source, tmp_path / "out", saved))
    np.savez(source, x=X + 1)
    with pytest.raises(InputError, match=r"it differs in files"):
        embed_files(jobs.settings(source, tmp_path / "out", saved))


NESTED = pa.list_(pa.list_(pa.float64()))


def mixed(folder):
    parquet(folder / "in" / "a.parquet")
    return folder / "in"


def with_other(**further):
    def make(folder):
        parquet(mixed(folder) / "b.parquet", **further)
        return folder / "in"

    return make


def with_ids(folder):
    parquet(folder / "in" / "a.parquet", ids=pa.array(range(23)))
    parquet(folder / "in" / "b.parquet", ids=pa.array(list(map(str, range(23)))))
    return folder / "in"


def ids_in_the_second(folder):
    parquet(mixed(folder) / "b.parquet", ids=pa.array(range(23)))
    return folder / "in"


def ids_in_the_second_npz(folder):
    (folder / "in").mkdir()
    np.savez(folder / "in" / "a.npz", x=X)
    np.savez(folder / "in" / "b.npz", x=X, id=np.arange(23))
    return folder / "in"


def unusual_ids(folder):
    return parquet(folder / "x.parquet", ids=pa.array(["a"] * 23, pa.string_view()))


def of_one_name(*names):
    def make(folder):
        columns = {"x": pa.array([[1.0, 2.0]]), "id": pa.array([7])}
        pq.write_table(pa.table([columns[name] for name in names], names), folder / "x.parquet")
        return folder / "x.parquet"

    return make


def both_formats(folder):
    np.savez(mixed(folder) / "x.npz", x=X)
    return folder / "in"


def arrays(**named):
    def make(folder):
        np.savez(folder / "x.npz", **named)
        return folder / "x.npz"

    return make


def of_too_many_rows(folder):
    """A header that says a thousand million million rows."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**15, 12, 2)})
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + X.tobytes())
    return folder / "x.npz"


def foreign_store(folder):
    store = write_store(folder / "store", [X])
    shutil.copy(store / "part-00000.parquet", store / "more.parquet")
    return store


def no_rows(folder):
    return parquet(folder / "x.parquet", [])


def damaged(folder):
    path = parquet(folder / "x.parquet")
    path.write_bytes(path.read_bytes()[:200])
    return path


@pytest.mark.parametrize(
    ("make", "further", "message"),
    [
        (with_other(kind=NESTED), {}, "b.parquet: column 'x': found the type list<element: list<element: double>>"),
        (with_other(name="y"), {}, "b.parquet: found the columns y, want x"),
        (with_ids, {}, "b.parquet: column 'id': found the type string, want int64 as in a.parquet"),
        (ids_in_the_second, {}, "b.parquet: found id, which a.parquet has not, want it in all files or in none"),
        (ids_in_the_second_npz, {}, "npz file b.npz: found id, which npz file a.npz has not, want it in all files"),
        (unusual_ids, {}, "id: found the column 'id' of type string_view, want one with a plain value a row"),
        (of_one_name("x", "x"), {}, "x.parquet: found 2 columns called 'x', want one"),
        (of_one_name("x", "id", "id"), {}, "x.parquet: found the columns x, id, id, want id once"),
        (mixed, {"columns": ("x", "x")}, "columns: found x x, want each once"),
        (mixed, {"id": "who"}, "a.parquet: found the columns x, want who"),
        (mixed, {"columns": ("x", "y", "z")}, "columns: found 3, want one, or 2 as the model has channels"),
        (mixed, {"columns": ("x",), "id": "x"}, "id: found the column 'x' of type list"),
        (both_formats, {}, "input: found Parquet and npz files in"),
        (foreign_store, {}, "found another set of files than its manifest.json names: more.parquet"),
        (no_rows, {}, "input: found no rows in x.parquet, want at least one"),
        (damaged, {}, "x.parquet: found no readable Parquet file"),
        (lambda folder: folder, {}, "input: found no file that ends in .parquet, .npz, .array_record at"),
        (lambda folder: folder / "none", {}, "input: found no file or folder at"),
        (arrays(y=X), {}, "npz file x.npz: found the keys y, want x"),
        (arrays(x=X[0]), {}, "npz file x.npz: x: found shape (12, 2), want [N, T, 2] as the model has channels"),
        (arrays(x=X[..., :1]), {}, "npz file x.npz: x: found shape (23, 12, 1), want [N, T, 2]"),
        (arrays(x=X.astype(str)), {}, "npz file x.npz: x: found dtype <U32, want numbers"),
        (arrays(x=X.astype(object)), {}, "npz file x.npz: x: found pickled objects, which are never loaded"),
        (arrays(x=np.asfortranarray(X)), {}, "npz file x.npz: x: found an array in Fortran's order"),
        (arrays(x=X, id=np.zeros(3, int)), {}, "npz file x.npz: id: found shape (3,) of int64, want [23]"),
        (
            of_too_many_rows,
            {},
            f"npz file x.npz: x: found {X.nbytes} bytes of values, want {96 * 10**15} as its header",
        ),
        (lambda folder: records(folder / "x.array_record", X), {"id": "id"}, "columns, id: found one for array_record"),
        (mixed, {"batch_size": 0}, "batch_size: found 0, want a whole number from 1 up"),
        (mixed, {"sizes": (0,)}, "sizes: found 0, want a whole number from 1 up"),
        (mixed, {"seed": 4}, "seed: found 4, want one of [0]"),
    ],
)
def test_wrong_input_writes_nothing(make, further, message, saved, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        embed_files(jobs.settings(make(tmp_path), tmp_path / "out", saved, **further))
    assert not (tmp_path / "out").exists()


def test_a_damaged_row_group_ends_the_job_and_keeps_the_parts_before(saved, tmp_path):
    source = parquet(tmp_path / "x.parquet", rows=8)
    held = bytearray(source.read_bytes())
    # The first values of the last row group: somewhere in its pages.
    place = bytes(held).index(X[16].tobytes()[:16])
    held[place : place + 16] = os.urandom(16)
    source.write_bytes(held)
    for _ in range(2):
        with pytest.raises(InputError, match=r"x\.parquet: row group 2: found damaged data"):
            embed_files(jobs.settings(source, tmp_path / "out", saved))
        assert parts(tmp_path / "out") == ["part-00000.parquet", "part-00001.parquet"]
        assert not list((tmp_path / "out").glob(".tmp-*"))
