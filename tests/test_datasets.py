"""`tsrl datasets` as users call it: lists, describes, draws, prepares; exit codes and messages."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tsrl.cli import main
from tsrl.data.builders.specs import SPECS
from tsrl.data.store import open_store
from tsrl.data.synthetic import synthetic
from tsrl.data.tables import read as read_module
from tsrl.data.tables.source import read_source

DATA_DIR = os.environ.get("TSRL_DATA_DIR")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with some files, no data folder, nothing prepared."""
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(6, 9, 2)).astype(np.float32)
    np.savez("moves.npz", x_train=x, y_train=np.arange(6) % 2, x_test=x, y_test=np.arange(6) % 2)
    np.savez("pump.npz", values=random.normal(size=(60, 1)), labels=np.arange(60) // 50)
    days = np.datetime64("2024-01-01") + np.arange(40)
    rows = [f"{day},{value}" for day, value in zip(days, random.normal(size=40), strict=True)]
    (tmp_path / "sales.csv").write_text("date,sold\n" + "\n".join(rows) + "\n")
    rows = [f"shop{i % 3},{days[i // 3]},{i}" for i in range(30) if i != 15]
    (tmp_path / "shops.csv").write_text("shop,day,sold\n" + "\n".join(rows) + "\n")
    return tmp_path


def run(capsys, *args):
    code = 0
    try:
        main(["datasets", *args])
    except SystemExit as end:
        code = end.code
    done = capsys.readouterr()
    return code, done.out, done.err


def test_lists_everything(here, capsys):
    code, out, _ = run(capsys)
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "7352+2947 x 128 x 9" in lines["HAR"]
    assert "downloads: HAR, prepared from its published files, unverified" in lines["HAR"]
    assert "unverified" not in lines["ETTh1"]
    assert "by hand" in lines["Yahoo"]
    assert "180 data sets, 14 can be read now." in out


def test_lists_some(here, capsys):
    _, out, _ = run(capsys, "list", "--data-dir", ".", "--here", "--task", "classify", "--json")
    entries = [json.loads(line) for line in out.splitlines()]
    assert {one["task"] for one in entries} == {"classify"}
    assert {one["state"] for one in entries} == {"here"}
    (own,) = [one for one in entries if one["name"] == "moves"]
    assert own["shape"] == "6+6 x 9 x 2"


@pytest.mark.parametrize(
    ("args", "told", "drawn"),
    [
        (["moves", "--data-dir", "."], ["6 to train on + 6 to test on", "classes"], "moves"),
        (["BasicMotions"], ["40 to train on + 40 to test on"], "BasicMotions"),
        (["pump.npz", "--task", "anomaly"], ["labelled ranges", "60 in all"], "pump"),
        (["pump.npz"], ["labelled ranges"], "pump"),
        (["sales.csv"], ["86400 s; 0 steps of another length"], "sales"),
        (["sales.csv", "--task", "forecast"], ["sales.csv: 40 rows, 1 series of 40 to 40 steps", "step 1d"], "sales"),
        (["sales", "--data-dir", "."], ["train 24, validation 8, test 8"], "sales"),
        (
            ["shops.csv", "--table.id", "shop", "--table.time", "day", "--table.irregular", "keep"],
            ["29 rows, 3 series of 9 to 10 steps", "gaps: 1 (shop0: 2024-01-05", "kept: steps of unequal length"],
            "shops",
        ),
    ],
)
def test_shows_a_set(here, capsys, args, told, drawn):
    code, out, err = run(capsys, "show", *args)
    assert (code, err) == (0, "")
    for words in told:
        assert words in " ".join(out.split())
    page = here / "runs" / "datasets" / f"{drawn}.html"
    assert f"page: {os.path.relpath(page)}" in out
    assert f"<h1>{drawn}</h1>" in page.read_text(encoding="utf-8")


def test_a_published_set_is_cited(here, capsys):
    rows = [f"{np.datetime64('2016-07-01T00:00:00') + np.timedelta64(i, 'h')}".replace("T", " ") for i in range(14_400)]
    (here / "ETTh1.csv").write_text("date,OT\n" + "".join(f"{stamp},1.5\n" for stamp in rows))
    code, out, _ = run(capsys, "show", "ETTh1", "--data-dir", ".", "--out", "deep/page.html")
    assert code == 0
    assert SPECS["ETTh1"].homepage in out
    assert "CC BY-ND 4.0" in out
    assert "zhou2021informer" in (here / "deep" / "page.html").read_text(encoding="utf-8")


def test_without_plotly_there_is_no_page(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    code, out, _ = run(capsys, "show", "BasicMotions")
    assert code == 0
    assert "40 to train on + 40 to test on" in out
    assert "page: not written, for it needs plotly: pip install 'tsrl[report]'" in out
    assert not list(here.glob("runs/datasets/*.html"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "GunPiont"], "error: dataset: found 'GunPiont'; did you mean GunPoint"),
        (["show", "sales.csv", "--task", "forecast", "--table.label", "sold"], "label: found 'sold', want none"),
        (
            ["show", "shops.csv", "--task", "forecast", "--table.time", "day"],
            "found the series and time of another row",
        ),
        (["show", "ETTh1", "--table.delimiter", ";"], "table.delimiter: found ';' for the published set ETTh1"),
        (["show", "absent.npz"], "error: dataset: found no file at absent.npz"),
        (["show", "shops.csv", "--table.id", "shp"], "did you mean shop"),
        (["show", "shops", "--data-dir", "nowhere"], "error: data_dir: found no folder at nowhere"),
        (["build", "Nothing"], "found 'Nothing'"),
        (["build", "HAR", "--data-dir", "nowhere"], "found no folder at nowhere"),
        (["show", "BasicMotions", "--out", "."], "error: .: Is a directory"),
        (["show", "no/such/file"], "error: dataset: found no file at no/such/file"),
        (["synthesize", "new", "--count", "0"], "count: found 0, want at least 1"),
        (["synthesize", "new", "--length", "3"], "length: found 3"),
        (["synthesize", "new", "--kinds", "trnd"], "did you mean trend"),
        (["synthesize", "."], "found ., want one that is not there yet"),
    ],
)
def test_wrong_input_ends_with_a_message(here, capsys, args, message):
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert message in err
    assert not (here / "runs").exists()
    assert not list(here.glob("new*"))


def test_a_table_is_read_once(here, capsys, monkeypatch):
    reads = []
    read = read_source
    monkeypatch.setattr(read_module, "read_source", lambda *args: (reads.append(args), read(*args))[1])
    code, out, _ = run(
        capsys, "show", "shops.csv", "--table.id", "shop", "--table.time", "day", "--table.irregular", "keep"
    )
    assert (code, len(reads)) == (0, 1)
    assert "sold" in (here / "runs" / "datasets" / "shops.html").read_text(encoding="utf-8")
    assert "3 series" in out


def test_a_damaged_file_is_listed_and_hides_no_other(here, capsys):
    (here / "broken.npz").write_bytes(b"PK")
    (here / "NAB.zip").write_bytes(b"PK")
    code, out, _ = run(capsys, "--data-dir", ".")
    assert code == 0
    assert "damaged: npz file broken.npz" in out
    assert "damaged: the damaged zip file NAB.zip" in out
    assert run(capsys, "show", "moves", "--data-dir", ".")[0] == 0
    for name, file in (("broken", "npz file broken.npz"), ("NAB", "zip file NAB.zip")):
        code, _, err = run(capsys, "show", name, "--data-dir", ".")
        assert code == 2
        assert file in err


@pytest.mark.skipif(not DATA_DIR, reason="TSRL_DATA_DIR names no data folder")
def test_prepares_a_set(here, capsys):
    code, out, err = run(capsys, "build", "ETTh1", "--data-dir", DATA_DIR)
    assert (code, err) == (0, "")
    assert "ETTh1.csv: sha256 " in out
    assert ", verified" in out
    assert (here / "tfds" / SPECS["ETTh1"].builder / "1.0.0" / "dataset_info.json").is_file()
    code, out, _ = run(capsys, "list", "--task", "forecast", "--here")
    assert "here: ETTh1, prepared from its published files" in out


def test_help_and_unknown_flags(here, capsys):
    for command in ("list", "show", "build", "synthesize"):
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert f"usage: tsrl datasets {command}" in out
    assert run(capsys, "list", "--taks", "classify")[0] == 2
    assert run(capsys, "list", "--task", "forcast")[0] == 2
    code, out, _ = run(capsys, "list", "--task", "table", "--data-dir", ".")
    assert (code, out.split()[6]) == (0, "shops")


def test_starts_without_what_takes_long_to_import(here):
    heavy = "{'sklearn', 'aeon', 'tensorflow_datasets', 'pyarrow', 'pandas', 'plotly', 'scipy.signal'}"
    code = f"import sys; from tsrl.cli import main; main(['datasets']); print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "set()"


def test_draws_a_corpus(here, capsys):
    code, out, _ = run(
        capsys, "synthesize", "corpus", "--count", "30", "--length", "40", "--channels", "2", "--seed", "5"
    )
    assert (code, out) == (0, "30 series of 40 steps and 2 channels: corpus\n")
    store = open_store("corpus")
    np.testing.assert_array_equal(store.take(np.arange(30)), synthetic(30, 40, 2, seed=5).x)
    assert run(capsys, "synthesize", "few", "--count", "3", "--kinds", "trend", "noise")[0] == 0
    np.testing.assert_array_equal(open_store("few").take([2]), synthetic(1, 512, start=2, kinds=("trend", "noise")).x)


def test_a_reader_that_has_enough_is_no_error(here):
    code = "import sys; from tsrl.cli import main; main(['datasets', 'list', '--json'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as lister:
        lister.stdout.readline()
        lister.stdout.close()
        assert lister.stderr.read() == b""
        assert lister.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_a_message(here, capsys):
    code, out, err = run(capsys, "show", "BasicMotions", "--out", "/dev/full")
    assert (code, out, err) == (2, "", "error: writing: No space left on device\n")
