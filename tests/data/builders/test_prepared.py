"""Published sets built and read by TensorFlow Datasets, without TensorFlow."""

import csv
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from web import Page

from tsrl.data.builders import is_prepared, prepare, read_classification, read_forecasting
from tsrl.data.builders.spec import ClassifyFacts, File, ForecastFacts, Rows, Source
from tsrl.data.builders.specs import SPECS
from tsrl.data.forecasting import load_forecast
from tsrl.errors import InputError

DEAD = "http://127.0.0.1:9/dead"
TEXT = b"date,a,OT\n" + b"".join(b"2020-01-%02d 00:00:00,%d,%d.5\n" % (day, day, -day) for day in range(1, 10))


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The folder of TensorFlow Datasets."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.fixture
def replace(monkeypatch):
    """Puts another spec in the place of a published one."""
    from tsrl.data.builders.tfds_builders import BUILDERS

    def put(name, **changes):
        spec = SPECS[name]._replace(**changes)
        monkeypatch.setitem(SPECS, name, spec)
        monkeypatch.setattr(BUILDERS[name], "SPEC", spec)

    return put


@pytest.fixture
def small(replace):
    """Exchange with 9 steps of 2 columns from one address."""
    read = SPECS["ETTh1"].sources[0].read.func

    def put(*urls, sha256=None):
        facts = ForecastFacts(9, ("a", "OT"), ("", ""), "2020-01-01T00:00:00", "2020-01-09T00:00:00")
        source = Source((File("small.csv", urls, sha256),), lambda paths: read(paths, ("a", "OT")))
        replace("Exchange", facts=facts, sources=(source,))

    return put


def kept(root):
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock") if root.exists() else []


@pytest.mark.parametrize("name", ["ETTh1", "ETTh2", "ETTm1", "ETTm2", "Exchange", "Weather"])
def test_real_files_put_there_by_hand(real_data, root, name, capsys):
    assert not is_prepared(name)
    ready = prepare(name, real_data_folder := os.path.join(real_data, "forecasting"))
    assert is_prepared(name)
    assert ready.folder == root / f"tsrl_{name.lower()}" / "1.0.0"
    assert [state for _, state in ready.files.values()] == ["verified"]
    found, expected = read_forecasting(name), load_forecast(name, real_data_folder)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.time, expected.time)
    assert [column.split(" (")[0] for column in found.columns] == [column.split(" (")[0] for column in expected.columns]
    assert found.values.dtype == np.float32
    # The second time nothing is looked for.
    assert prepare(name) == ready
    assert capsys.readouterr().out == ""


def test_exchange_has_the_same_numbers_in_both_published_files(real_data, tmp_path):
    """LSTNet's file is written from Autoformer's, as it is published: no header, no dates."""
    folder = tmp_path / "hand"
    folder.mkdir()
    with open(os.path.join(real_data, "forecasting", "exchange_rate.csv"), newline="") as file:
        rows = list(csv.reader(file))[1:]
    (folder / "exchange_rate.txt").write_text(
        "".join(",".join(f"{float(cell):.6f}" for cell in row[1:]) + "\n" for row in rows)
    )
    subprocess.run(["gzip", str(folder / "exchange_rate.txt")], check=True)
    ready = prepare("Exchange", folder)
    assert [(file, state) for file, (_, state) in ready.files.items()] == [("exchange_rate.txt.gz", "unverified")]
    found, expected = read_forecasting("Exchange"), load_forecast("Exchange", real_data)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.time, expected.time)


def test_downloads_checks_and_builds(root, small, local_web):
    local_web.pages["/x"] = Page(TEXT)
    small(DEAD, local_web.address + "/x", sha256=hashlib.sha256(TEXT).hexdigest())
    calls = []
    ready = prepare("Exchange", progress=lambda *call: calls.append(call))
    assert ready.files == {"small.csv": (hashlib.sha256(TEXT).hexdigest(), "verified")}
    assert calls[-1] == (len(TEXT), len(TEXT))
    assert (root / "downloads" / "tsrl_exchange" / "small.csv").read_bytes() == TEXT
    assert read_forecasting("Exchange").values[:, 1].tolist() == [-day - 0.5 for day in range(1, 10)]


def test_unverified_is_said(small, local_web):
    local_web.pages["/x"] = Page(TEXT)
    small(local_web.address + "/x")
    assert prepare("Exchange").files == {"small.csv": (hashlib.sha256(TEXT).hexdigest(), "unverified")}


def test_files_in_the_manual_folder_of_tfds(root, small):
    small(DEAD)
    (root / "downloads" / "manual").mkdir(parents=True)
    (root / "downloads" / "manual" / "small.csv").write_bytes(TEXT)
    prepare("Exchange")
    assert read_forecasting("Exchange").values.shape == (9, 2)


@pytest.mark.parametrize(
    ("body", "sha256", "message"),
    [
        (TEXT, "0" * 64, "found the SHA-256"),
        (TEXT[:-20], None, "cells in row 9|column 'OT'|found 'a'"),
        (TEXT.replace(b"5,-5.5", b"5,x"), None, r"small.csv: column 'OT': found 'x' in row 5, want numbers"),
        (TEXT.replace(b"2020-01-09 00:00:00,9,-9.5\n", b""), None, r"small.csv: shape: found \(8, 2\), want \(9, 2\)"),
        (TEXT.replace(b"5,-5.5", b"5,1e300"), None, r"small.csv: values: found inf at \(4, 1\), want finite numbers"),
        (b"", None, r"small.csv: found the columns"),
    ],
)
def test_a_wrong_file_leaves_nothing_prepared(root, small, local_web, body, sha256, message):
    local_web.pages["/x"] = Page(body)
    small(local_web.address + "/x", sha256=sha256)
    with pytest.raises(InputError, match=message):
        prepare("Exchange")
    assert not is_prepared("Exchange")
    assert kept(root / "tsrl_exchange") == []


def test_no_address_works(small, root):
    small(DEAD)
    with pytest.raises(
        InputError, match=r"Exchange: found no way to download it, want small.csv \(by hand from .*manual"
    ):
        prepare("Exchange")
    assert kept(root / "tsrl_exchange") == []


def test_a_folder_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file" / "x"))
    assert not is_prepared("ETTh1")
    with pytest.raises(InputError, match=r"^TFDS_DATA_DIR: found no way to prepare ETTh1 in .*Not a directory.*want a"):
        prepare("ETTh1")


def test_a_folder_that_cannot_be_written_to(monkeypatch, small, local_web):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "info.json")

    from tsrl.data.builders.tfds_builders import PublishedBuilder

    local_web.pages["/x"] = Page(TEXT)
    small(local_web.address + "/x")
    monkeypatch.setattr(PublishedBuilder, "download_and_prepare", refuse)
    with pytest.raises(InputError, match=r"^TFDS_DATA_DIR: .*Permission denied: 'info\.json'"):
        prepare("Exchange")


KILLED = """
import os, sys
from pathlib import Path
from tsrl.data.builders import prepare
from tsrl.data.builders.tfds_builders import PublishedBuilder

def examples(self, series):
    folders = list(Path(os.environ["TFDS_DATA_DIR"], "tsrl_etth1").iterdir())
    print(len(folders), folders[0].name.startswith("incomplete."))
    sys.stdout.flush()
    os._exit(9)
    yield

PublishedBuilder._one_example = examples
prepare("ETTh1", Path(sys.argv[1]))
"""


def test_a_kill_leaves_nothing_prepared(real_data, root):
    run = subprocess.run([sys.executable, "-c", KILLED, real_data], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (9, "1 True\n")
    assert not is_prepared("ETTh1")
    prepare("ETTh1", real_data)
    assert kept(root / "tsrl_etth1") == ["1.0.0"]


def test_two_processes_at_once(real_data, root):
    code = "import sys; from tsrl.data.builders import prepare; print(prepare('ETTh1', sys.argv[1]).folder)"
    both = [subprocess.Popen([sys.executable, "-c", code, real_data], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert [process.communicate()[0] for process in both] == [f"{root / 'tsrl_etth1' / '1.0.0'}\n"] * 2
    assert kept(root / "tsrl_etth1") == ["1.0.0"]
    assert read_forecasting("ETTh1").values.shape == (17_420, 7)


WITHOUT = """
import sys
from pathlib import Path
from tsrl.data.builders import prepare, read_forecasting
prepare("ETTh1", Path(sys.argv[1]))
print(read_forecasting("ETTh1").values.shape)
import tensorflow_datasets as tfds
from tsrl.data.builders import tfds_builders
builder = tfds.builder("tsrl_etth1")
print(type(builder) is tfds_builders.BUILDERS["ETTh1"], builder.info.version)
(example,) = tfds.builder_from_directory(str(builder.data_dir)).as_data_source(split="series")
print(example["values"].shape)
assert not {"tensorflow", "jax"} & set(sys.modules)
"""


def test_without_tensorflow(real_data):
    run = subprocess.run([sys.executable, "-c", WITHOUT, real_data], capture_output=True, text=True, check=False)
    assert run.stdout == "(17420, 7)\nTrue 1.0.0\n(17420, 7)\n", run.stderr


def rows(count, seed, group):
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 5, 2)).astype(np.float32)
    return Rows(
        x, np.arange(count, dtype=np.int32) % 3, np.array([f"ä{n % 4}" for n in range(count)]) if group else None
    )


def test_another_file_format_where_array_record_is_missing(root, small, local_web, monkeypatch):
    from tsrl.data.builders import tfds_builders

    local_web.pages["/x"] = Page(TEXT)
    small(local_web.address + "/x")
    monkeypatch.setattr(tfds_builders, "find_spec", lambda name: None)
    ready = prepare("Exchange")
    assert any(".parquet" in path.name for path in ready.folder.iterdir())
    np.testing.assert_array_equal(read_forecasting("Exchange").values[:, 0], range(1, 10))


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("validation", [False, True])
def test_classification_comes_back_in_its_order(tmp_path, replace, group, validation):
    splits = {"train": rows(200, 0, group), "test": rows(30, 1, group)}
    if validation:
        splits["validation"] = rows(17, 2, group)
    counts = {split: len(part.y) for split, part in splits.items()}
    facts = ClassifyFacts(counts, 5, ("x", "y"), ("", "m"), ("one", "two", "three"), "writer" if group else "")
    (tmp_path / "file").write_bytes(b"")
    replace("PenDigits", facts=facts, sources=(Source((File("file", (DEAD,)),), lambda paths: splits),))
    prepare("PenDigits", tmp_path)
    found = read_classification("PenDigits")
    for split, own in splits.items():
        part = "val" if split == "validation" else split
        np.testing.assert_array_equal(getattr(found, f"x_{part}"), own.x)
        np.testing.assert_array_equal(getattr(found, f"y_{part}"), own.y)
        if group:
            np.testing.assert_array_equal(found.rows[f"group_{part}"], own.group)
    assert len(found.rows) == (len(splits) if group else 0)
    if not validation:
        assert (found.x_val, found.y_val) == (None, None)
    assert found.classes == facts.classes


def test_wrong_calls(tmp_path):
    with pytest.raises(InputError, match=r"found 'ETTh3', want one of .*did you mean ETT"):
        prepare("ETTh3")
    with pytest.raises(InputError, match=r"manual: found no folder at .*nowhere"):
        prepare("ETTh1", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"found ETTh1 not prepared in .*root, want prepare\('ETTh1'\) first"):
        read_forecasting("ETTh1")
    with pytest.raises(InputError, match="found HAR, a classification set, want one to forecast"):
        read_forecasting("HAR")
    with pytest.raises(InputError, match="found ETTh1, a forecasting set, want one to classify"):
        read_classification("ETTh1")


def test_reading_checks_the_facts_again(small, replace, local_web):
    local_web.pages["/x"] = Page(TEXT)
    small(local_web.address + "/x")
    prepare("Exchange")
    replace("Exchange", facts=SPECS["Exchange"].facts._replace(last="2021-01-01T00:00:00"))
    with pytest.raises(InputError, match=r"prepared Exchange: dates: found .* want .*2021-01-01"):
        read_forecasting("Exchange")


@pytest.mark.parametrize("ending", [".array_record-00000-of-00001", "dataset_info.json", "metadata.json"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_damaged_prepared_files(small, local_web, ending, keep):
    local_web.pages["/x"] = Page(TEXT)
    small(local_web.address + "/x")
    (path,) = (path for path in prepare("Exchange").folder.iterdir() if path.name.endswith(ending))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    again = prepare if ending == "metadata.json" else read_forecasting
    with pytest.raises(
        InputError, match=r"prepared Exchange: found damaged files, want it prepared anew after .*1.0.0 is"
    ):
        again("Exchange")
