"""What the README prints is what works."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_both_lines_stand_alone_and_make_their_environment():
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
    assert len(lines) == 2
    for line, end in zip(lines, ("experiments/ts2vec.py", "-m pytest"), strict=True):
        assert line.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -q -e ")
        assert line.endswith(end)


def test_the_python_blocks_run(tmp_path):
    """In one process, in the order printed, with a smaller number of steps."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 2
    assert "steps=20" in blocks[0]
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks).replace("steps=20", "steps=2") + "\nassert abs(same - series).max() < 1e-5\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my-model" / "config.json").is_file()


def test_importing_tsrl_loads_nothing_heavy():
    code = "import sys, tsrl; print(sorted({'jax', 'sklearn', 'flax', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
