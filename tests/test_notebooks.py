"""The notebooks of colabs/: short, without logic or outputs of their own; each runs from top to bottom.

Running them takes minutes (`long`); `.ci/run` does. It needs `nbclient` and `ipykernel`, which are in the extra `dev`.
"""

import ast
import json
import os
import re
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "colabs").glob("*.ipynb"))}
# Its cells are files of CONTRIBUTING.md; `test_guide.py` holds them.
FILES = "add_a_loss"
FIGURE = "application/vnd.plotly.v1+json"
# Figures that come out, and what is printed.
WANTED = {
    "add_a_loss": (1, ["The loss is that of the loop", "vicreg on BasicMotions"]),
    "behaviour_monitoring": (
        4,
        [r"30 of whom misbehave", r"false alarms: \d+ of \d+ regular weeks", r"first alarm 2026-", r"\d+ explained"],
    ),
    "quickstart": (
        4,
        [r"step \(40, 100, 32\) and per series \(40, 32\)", r"linear map +\{8: 0\.", r"labelled: steps 4187 to 4198"],
    ),
    "timedrl": (
        4,
        [r"timestamp level \(40, 25, 32\)", r"untrained +logistic", r"normalised linear map +\{16: 0\.", "optimistic"],
    ),
    "tpu_training": (
        2,
        [r"2 x cpu", r"a batch of 7: 1 devices, 7 rows", "bit-equal embeddings: True", r"exit codes: \[0, 0\]"],
    ),
}
# Numbers that are printed, and what they are at least and at most.
BOUNDS = {
    ("behaviour_monitoring", r"false alarms: (\d+) of"): (0, 15),
    ("behaviour_monitoring", r"takeover +(\d+) "): (4, 8),
    ("quickstart", r"'ts2vec': ([\d.]+)"): (0.8, 1),
    ("quickstart", r"last value +\{8: ([\d.]+)"): (0.03, 0.2),
    ("timedrl", r"\[CLS\] +effective rank ([\d.]+)"): (2, 32),
    ("tpu_training", r"largest difference of a loss: ([\d.e-]+)"): (0, 1e-4),
    ("tpu_training", r"two processes and one: ([\d.e-]+)"): (0, 1e-4),
}
SECONDS = 400


def sources(notebook, kind="code"):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def parsed(source):
    """The syntax of a cell, whose magics count as nothing."""
    return ast.parse(re.sub(r"^( *)%.*$", r"\1pass", source, flags=re.M))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_short_and_has_no_outputs(name):
    notebook = NOTEBOOKS[name]
    assert name in WANTED
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len(notebook["cells"]) <= 25
    assert sources(notebook, "markdown")[0].startswith("# ")
    assert "".join(notebook["cells"][0]["source"]) == sources(notebook, "markdown")[0]
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    # One cell installs, the same everywhere.
    assert set(sources(NOTEBOOKS[FILES])[:1]) <= set(sources(notebook))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_calls_the_library_and_has_no_logic(name):
    for source in sources(NOTEBOOKS[name]):
        tree = parsed(source)
        if name == FILES:
            continue
        assert len(source.splitlines()) <= 25, source
        nodes = list(ast.walk(tree))
        assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.While | ast.Try)]
        loops = [node for node in nodes if isinstance(node, ast.For)]
        assert all(len(node.body) <= 2 for node in loops), source
        assert not [part for loop in loops for part in ast.walk(loop) if isinstance(part, ast.For) and part is not loop]
        assert "%pip" in source or not [node for node in nodes if isinstance(node, ast.If)], source


@pytest.mark.long
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(name, tmp_path):
    client = pytest.importorskip("nbclient", reason="nbclient is in the extra dev")
    pytest.importorskip("ipykernel", reason="ipykernel is in the extra dev")
    nbformat = pytest.importorskip("nbformat")
    # As a user's process, not as one of the tests: nothing forced, nothing compiled before.
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    environment |= {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}
    folder = tmp_path / "colabs"
    folder.mkdir()
    notebook = nbformat.reads(json.dumps(NOTEBOOKS[name]), as_version=4)
    begun, before = time.perf_counter(), os.times()
    runner = client.NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}})
    done = runner.execute(env=environment)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"\n{name}: {time.perf_counter() - begun:.0f} s, {cpu:.0f} s of CPU")
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if output.output_type in ("display_data", "execute_result")]
    figures = [data[FIGURE] for data in shown if FIGURE in data]
    count, told = WANTED[name]
    assert len(figures) == count
    for figure in figures:
        assert figure["data"]
        for axis in "xy":
            titles = [
                part.get("title", {}).get("text") for key, part in figure["layout"].items() if key[:5] == f"{axis}axis"
            ]
            assert any(titles), figure["layout"]
    streams = [output.text for output in outputs if output.output_type == "stream"]
    printed = "\n".join([*streams, *(data.get("text/plain", "") for data in shown)])
    printed = re.sub(r"\x1b\[[\d;]*m", "", printed)
    for pattern in told:
        assert re.search(pattern, printed), f"{pattern} is not in:\n{printed}"
    for (of, pattern), (least, most) in BOUNDS.items():
        if of == name:
            assert least <= float(re.search(pattern, printed)[1]) <= most, pattern
    assert "Warning" not in printed, printed
    if name == "behaviour_monitoring":
        assert "<iframe" in shown[-1]["text/html"]
