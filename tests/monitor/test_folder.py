"""A saved monitor is the same when it is loaded, or it is not loaded."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from small_monitor import LATER

from tsrl.errors import InputError
from tsrl.monitor import Monitor, Settings, load, save

# Names of users; what a name may hold that a folder, a table or a page may not.
HOSTILE = [
    "",
    " ",
    "../../etc/passwd",
    "a\nb",
    "a,b;\"c'",
    "名前 🙂",
    "<script>",
    "nan",
    "user\x00x",
    "x" * 500,
    "NaN",
    "0",
]


@pytest.fixture(scope="module")
def folder(monitor, tmp_path_factory):
    made = tmp_path_factory.mktemp("saved") / "monitor"
    save(monitor, made)
    return made


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_scores_are_equal(monitor, clean, folder):
    again = load(folder)
    assert again.settings == monitor.settings
    assert dict(again.users) == dict(monitor.users)
    assert again.zone == monitor.zone == "UTC"
    log = clean.log.take([3, 59, 12])
    one, other = monitor.score(log, LATER), again.score(log, LATER)
    np.testing.assert_array_equal(other.p_value, one.p_value)
    for name, values in one.evidence.items():
        np.testing.assert_allclose(other.evidence[name], values, rtol=1e-9)
    for name, sums in one.running.items():
        np.testing.assert_array_equal(other.running[name], sums)
    assert again.thresholds(0.05) == monitor.thresholds(0.05)
    # What it needs to go on.
    one, other = monitor.update(log, LATER), again.update(log, LATER)
    assert other.users == one.users
    np.testing.assert_array_equal(other.labels, one.labels)


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_every_altered_file_is_refused_by_its_name(copy):
    names = files_of(copy)
    assert {"state.npz", "model/config.json"} < set(names)
    for name in names:
        path = copy / name
        content = path.read_bytes()
        if name == "monitor.json":
            changed = json.loads(content)
            changed["settings"]["every"] = "day"
            path.write_text(json.dumps(changed))
        else:
            # The last bit of an empty file is one more byte.
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"x")
        with pytest.raises(InputError, match="changed, added or removed") as found:
            load(copy)
        assert str(path) in str(found.value)
        path.write_bytes(content)
    load(copy)


def test_removed_and_added_files_are_refused_by_their_names(copy):
    for name in ("state.npz", "model/config.json"):
        content = (copy / name).read_bytes()
        (copy / name).unlink()
        with pytest.raises(InputError, match=f"found .*{name} changed, added or removed"):
            load(copy)
        (copy / name).write_bytes(content)
    (copy / "model" / "more.txt").write_text("more")
    with pytest.raises(InputError, match=r"found .*model/more.txt changed, added or removed"):
        load(copy)
    (copy / "model" / "more.txt").unlink()
    load(copy)


def test_what_is_no_monitor_is_refused(copy, tmp_path):
    with pytest.raises(InputError, match=r"cannot read monitor\.json in .*nowhere"):
        load(tmp_path / "nowhere")
    record = json.loads((copy / "monitor.json").read_text())
    for other in ({"format": 1}, [], {"format": None}, "text"):
        made = record | other if isinstance(other, dict) else other
        (copy / "monitor.json").write_text(json.dumps(made))
        with pytest.raises(InputError, match=r"monitor\.json: found another format, want 2"):
            load(copy)
    (copy / "monitor.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot read monitor\.json"):
        load(copy)
    (copy / "monitor.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="found no hashes of the files"):
        load(copy)


def test_folders_that_hold_files_are_left_alone(monitor, folder, tmp_path):
    before = {name: (folder / name).read_bytes() for name in files_of(folder)}
    with pytest.raises(InputError, match=r"folder: found files in .*monitor, want a new or empty one"):
        save(monitor, folder)
    assert {name: (folder / name).read_bytes() for name in files_of(folder)} == before
    taken = tmp_path / "file"
    taken.write_text("mine")
    with pytest.raises(InputError, match="folder: found files in"):
        save(monitor, taken)
    assert taken.read_text() == "mine"


def test_any_name_of_a_user_survives(monitor, clean, tmp_path):
    log = dataclasses.replace(clean.log.take(np.arange(len(HOSTILE))), users=np.array(HOSTILE))
    made = Monitor.fit(log, monitor.model, Settings())
    save(made, tmp_path / "made")
    again = load(tmp_path / "made")
    assert list(again.users.items()) == list(zip(HOSTILE, range(len(HOSTILE)), strict=True))
    np.testing.assert_array_equal(again.score(log).user, made.score(log).user)
    np.testing.assert_array_equal(again.score(log).p_value, made.score(log).p_value)
