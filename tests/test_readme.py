"""What the README prints is what works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import tsrl
from tsrl.cli import main as tsrl_command
from tsrl.data.store import write_store
from tsrl.data.synthetic import synthetic
from tsrl.encoders import DilatedConv

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_both_lines_stand_alone_and_make_their_environment():
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
    assert len(lines) == 2
    for line, end in zip(lines, ("experiments/ts2vec.py", "-m pytest"), strict=True):
        assert line.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -q -e ")
        assert line.endswith(end)


def own_data(folder):
    """The files that the section "Your own data" names."""
    random = np.random.default_rng(0)
    minutes = np.datetime64("2024-03-01", "s") + np.arange(300) * np.timedelta64(60, "s")
    rows = [
        f"m{i},{minute},{np.sin(step * (0.3 + i % 2)):.4f},{random.normal():.4f},{('ok', 'worn')[i % 2]}"
        for i in range(24)
        for step, minute in enumerate(minutes[: 40 - i % 3])
    ]
    (folder / "machines.csv").write_text("machine,at,load,heat,state\n" + "\n".join(rows) + "\n")
    days = np.datetime64("2022-01-01") + np.arange(700)
    sold = 10 + np.sin(np.arange(700) / 7 * 2 * np.pi) + random.normal(size=700)
    rows = [f"{day},{number:.3f}" for day, number in zip(days, sold, strict=True)]
    (folder / "sales.csv").write_text("day,sold\n" + "\n".join(rows) + "\n")
    fault = np.isin(np.arange(300) // 10, (20, 25)).astype(int)
    pump = {"at": minutes, "pressure": random.normal(size=300) + 5 * fault, "fault": fault}
    parquet.write_table(pa.table(pump), folder / "pump.parquet")
    write_store(folder / "corpus", [synthetic(30, 40).x])


def test_the_commands_for_own_data_run(tmp_path, monkeypatch, capsys):
    """As printed, with a smaller encoder and two steps."""
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    own_data(tmp_path)
    section = README.partition("## Your own data\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.S)
    lines = [shlex.split(line) for line in block.splitlines()]
    small = ["--train.steps", "2", "--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1"]
    small += ["--quiet", "--no-controls"]
    small += ["--forecast.context", "20", "--forecast.look-back", "30", "--anomaly.window", "20"]
    assert [line[:2] for line in lines] == [["tsrl", "datasets"], *[["tsrl", "train"]] * 4]
    for program, *args in lines:
        assert program == "tsrl"
        tsrl_command(args if args[0] == "datasets" else [*args, *small])
    out = capsys.readouterr().out
    assert "24 series of 38 to 40 steps" in " ".join(out.split())
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(runs) == 5, runs
    with np.load(next((tmp_path / "runs").glob("*machines*/embeddings.npz"))) as embedded:
        assert sorted([*embedded["id_train"], *embedded["id_test"]]) == sorted(f"m{i}" for i in range(24))


def test_the_commands_for_export_run(tmp_path, monkeypatch):
    """As printed, with a small model."""
    pytest.importorskip("flatbuffers", reason="flatbuffers is not installed: the extra export")
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(4, 12, 2))
    tsrl.pretrain(x, steps=1, encoder=DilatedConv(width=4, features=6, depth=1)).save("my-model")
    section = README.partition("## A model for others\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.S)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert [line[:2] for line in lines] == [["tsrl", "export"]] * 2
    for _, *args in lines:
        tsrl_command(args)
    assert (tmp_path / "exported" / "encode.stablehlo").is_file()
    assert "Licence: CC-BY-4.0" in (tmp_path / "exported" / "README.md").read_text()
    assert [path.name for path in (tmp_path / "exported-100").glob("*.stablehlo")] == ["embed.stablehlo"]


def test_the_python_blocks_run(tmp_path):
    """In one process, in the order printed, with a smaller number of steps."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 4
    assert sum("steps=20" in block for block in blocks) == 2
    assert len(blocks[0].splitlines()) < 15
    own_data(tmp_path)
    script = tmp_path / "readme.py"
    code = "\n".join(blocks).replace("steps=200", "steps=2").replace("steps=20", "steps=2")
    script.write_text(code + "\nassert abs(same - series).max() < 1e-5\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my-model" / "config.json").is_file()


def test_importing_tsrl_loads_nothing_heavy():
    code = "import sys, tsrl; print(sorted({'jax', 'sklearn', 'flax', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
