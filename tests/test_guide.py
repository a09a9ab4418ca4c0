"""CONTRIBUTING.md's way from an empty file to a row in a table is walked; the notebook has the same code."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tsrl import methods
from tsrl.config import options
from tsrl.encoders import ENCODERS, PooledConv
from tsrl.methods import simclr
from tsrl.report.schema import check_report

ROOT = Path(__file__).parents[1]
SECTION = (ROOT / "CONTRIBUTING.md").read_text().partition("## From an empty file")[2].partition("\n## ")[0]
NOTEBOOK = json.loads((ROOT / "colabs" / "add_a_loss.ipynb").read_text())
# Whole files, and additions to files, by path.
FILES = dict(re.findall(r"`([\w/.]+)`:\n\n```python\n(.*?)```", SECTION, re.S))
ADDITIONS = dict(re.findall(r"`([\w/.]+)`:\n\n```diff\n(.*?)```", SECTION, re.S))
COMMANDS = re.findall(r"```console\n(.*?)\n```", SECTION, re.S)
STEPS = {"tsrl/losses/vicreg.py", "tests/losses/test_vicreg.py", "tsrl/methods/vicreg.py", "experiments/vicreg.py"}


def added(text, block):
    """A file with a block of additions: each hunk's other lines stand once in the file, and tell where."""
    for hunk in block.split("@@\n")[1:]:
        lines = hunk.splitlines()
        assert all(line[:1] in ("+", " ", "") for line in lines), hunk
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in lines)
        assert f"\n{text}".count(f"\n{before}") == 1, f"not once in the file:\n{before}"
        text = f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:]
    return text


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout with the guide's steps 1 to 5 done."""
    folder = tmp_path_factory.mktemp("guide")
    for name in ("tsrl", "experiments", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("golden", "results", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    # What was compiled in earlier runs.
    (folder / ".pytest_cache").mkdir()
    (ROOT / ".pytest_cache" / "jax").mkdir(parents=True, exist_ok=True)
    (folder / ".pytest_cache" / "jax").symlink_to(ROOT / ".pytest_cache" / "jax")
    assert set(FILES) == STEPS
    for name, text in FILES.items():
        assert not (folder / name).exists(), f"{name} is there already"
        (folder / name).write_text(text)
    assert set(ADDITIONS) == {"tsrl/methods/__init__.py", "tests/test_matrix.py", "tests/small_methods.py"}
    for name, block in ADDITIONS.items():
        path = folder / name
        path.write_text(added(path.read_text(), block))
    return folder


def run(checkout, command, *more):
    """A command of the guide as its own process, which imports the copy."""
    program, *args = shlex.split(command)
    assert program == "python"
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, *args, *more]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def test_the_tests_that_the_guide_names_pass(checkout):
    """The reference, and of those of all methods what takes seconds, with one encoder of eight."""
    named = set(re.findall(r"`(tests/[\w/]*test_\w+\.py)`", SECTION))
    # The second and third take as long as all others.
    named -= {"tests/test_guide.py", "tests/test_contract_learning.py", "tests/train/test_calls.py"}
    assert named >= {f"tests/test_{name}.py" for name in ("layers", "scripts", "matrix", "contract")}
    slow = [*sorted(ENCODERS.keys() - {"PooledConv"}), "resume", "weights_are"]
    chosen = f"vicreg and not ({' or '.join(slow)}) or every_method or every_public"
    done = run(checkout, COMMANDS[0], *sorted(named), "-v", "-p", "no:cacheprovider", "-k", chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in named:
        assert re.search(rf"^(?=.*vicreg){name}::.* PASSED", done.stdout, re.M), f"{name}: nothing ran:\n{done.stdout}"


def test_the_reference_finds_a_wrong_loss(checkout):
    path = checkout / "tsrl/losses/vicreg.py"
    right = path.read_text()
    wrong = right.replace("/ (len(z) - 1)", "/ len(z)")
    assert wrong != right
    try:
        path.write_text(wrong)
        done = run(checkout, COMMANDS[0], "-p", "no:cacheprovider")
    finally:
        path.write_text(right)
    assert done.returncode == 1
    assert "1 failed" in done.stdout, done.stdout
    assert "Not equal to tolerance" in done.stdout


def test_the_command_gives_the_row_of_the_table(checkout):
    """As printed, on the same data, with a smaller encoder."""
    small = ["--encoder.width", "8", "--encoder.features", "16", "--workdir", "run", "--quiet"]
    done = run(checkout, COMMANDS[1], *small)
    assert done.returncode == 0, done.stderr
    report = json.loads((checkout / "run" / "report.json").read_text())
    check_report(report)
    assert (report["method"], report["dataset"]["name"]) == ("vicreg", "BasicMotions")
    rows = report["results"]
    assert {row["role"] for row in rows} == {"method", "untrained", "control"}
    own = [row for row in rows if row["role"] == "method"]
    assert {row["model"] for row in own} == {"vicreg"}
    assert np.isfinite([score for row in own for score in row["scores"].values()]).all()
    # The guide's table has the same lines: what is called how, and by which protocol.
    printed = re.search(r"```text\n(.*?)```", SECTION, re.S)[1]
    lines = lambda text: re.findall(r"^(\S.*?\S) +(\w+) +\d\.\d{3}", text, re.M)  # noqa: E731
    assert len(lines(printed)) >= 10
    assert lines(printed) == lines(done.stdout)
    losses = [json.loads(line)["loss"] for line in (checkout / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == report["steps"]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_the_notebooks_code_is_the_guides():
    """Each file is a cell of it, but for the imports of what stands in a cell above and for the call of `main`."""
    cells = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    wanted = []
    for text in FILES.values():
        text = re.sub(r"^from tsrl\.(losses|methods)\.vicreg import .*\n(?:\n(?!\n))?", "", text, flags=re.M)
        wanted.append(text.partition('\n\nif __name__ == "__main__":')[0].strip())
    assert [cell for cell in cells if cell in wanted] == wanted


def test_the_notebook_is_committed_without_outputs():
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_a_method_defined_again_takes_the_place_of_the_former(monkeypatch):
    """As when a cell is run again after an edit."""

    def first(encoder, *, width: int = 1, axis_name=None):
        return simclr(encoder, hidden=width, axis_name=axis_name)

    def second(encoder, *, height: int = 2, axis_name=None):
        return simclr(encoder, output=height, axis_name=axis_name)

    for factory, setting in ((first, {"width": 1}), (second, {"height": 2}), (first, {"width": 1})):
        monkeypatch.setitem(methods.METHODS, "mine", factory)
        made = options("mine")
        assert {name: getattr(made, name) for name in setting} == setting
        assert made.factory is factory
        assert made == options("mine", **setting)
        assert made.build(PooledConv()) is made.build(PooledConv())
