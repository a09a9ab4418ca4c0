"""Who may import whom, as ARCHITECTURE.md says, and what stands in which place only."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tsrl"
FILES = sorted(PACKAGE.rglob("*.py"))
OUTSIDE = {"jax", "flax", "optax", "numpy"}

# Room -> rooms of tsrl it may import from; None = any. A room is a folder or a file of tsrl/.
ALLOWED = {
    "errors": set(),
    "files": set(),
    "commands": set(),
    "process": {"errors"},
    "terminal": set(),
    "timing": set(),
    "scripts": {"errors", "process", "script"},
    "named_flags": {"errors", "encoders"},
    "method_list": {"errors", "config", "methods", "scripts", "terminal"},
    "types": {"errors"},
    "parallel": set(),
    "buckets": {"types"},
    "views": {"types", "errors"},
    "augment": {"types"},
    "episodes": {"types"},
    "readout": {"types", "errors"},
    "shipped": {"files", "embedder", "export"},
    "pairs": {"types", "errors", "augment", "views"},
    "losses": {"types", "losses", "buckets"},
    "encoders": {"types", "errors", "parallel", "encoders"},
    "methods": {
        "types",
        "errors",
        "parallel",
        "views",
        "pairs",
        "episodes",
        "readout",
        "buckets",
        "losses",
        "encoders",
        "methods",
    },
    "data": {"errors", "files", "data"},
    "train": {"types", "errors", "files", "parallel", "data", "train"},
    "evaluate": {"types", "errors", "evaluate"},
    "behaviour": {
        "types",
        "errors",
        "data",
        "encoders",
        "config",
        "model_files",
        "pretraining",
        "train",
        "evaluate",
        "behaviour",
    },
    "monitor": {"types", "errors", "files", "data", "embedder", "behaviour", "monitor"},
    "monitoring": {"errors", "files", "data", "behaviour", "monitor", "report", "monitoring", "terminal"},
    "report": {"errors", "report"},
    "streaming": {"types", "errors", "files", "data", "embedder"},
    "bulk": {"types", "errors", "files", "data", "config", "embedder", "process", "terminal", "bulk"},
    "export": {"types", "errors", "files", "data", "config", "embedder", "model_files", "report", "terminal", "export"},
    "settings": {"errors", "data", "evaluate"},
    "config": {"types", "errors", "data", "methods", "encoders", "settings"},
    "tasks": {
        "errors",
        "config",
        "settings",
        "data",
        "embedder",
        "evaluate",
        "job",
        "pretraining",
        "readout",
        "report",
        "tasks",
        "train",
    },
}


def imports(path):
    """Dotted names a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stay_in_their_layer(path):
    allowed = ALLOWED.get(room(path))
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ("experiments", "tests"), name
        if parts[0] == "tsrl" and len(parts) > 1 and allowed is not None:
            assert parts[1] in allowed, f"{path.name} imports {name}"
        if room(path) in ("losses", "encoders", "views", "types", "buckets", "parallel") and parts[0] not in (
            "tsrl",
            *OUTSIDE,
        ):
            assert parts[0] in ("__future__", "collections", "dataclasses", "functools", "math", "typing"), name
        if room(path) == "monitor":
            assert parts[0] in ("tsrl", "numpy", "scipy", "sklearn") or parts[0] in sys.stdlib_module_names, name
        if room(path) == "data":
            assert parts[0] not in ("jax", "flax", "optax", "orbax"), name


def test_the_rules_know_every_room():
    free = {
        "__init__",
        "__main__",
        "bench",
        "cli",
        "completion",
        "datasets",
        "describe",
        "embedder",
        "experiment",
        "interop",
        "judge",
        "run_readme",
    }
    free |= {"examples", "explorer", "job", "model_files", "pretraining", "script", "suite", "workdir"}
    assert {room(path) for path in FILES} == set(ALLOWED) | free


@pytest.mark.parametrize(
    ("word", "place"),
    [
        (r"\bpmap\(", "train/devices.py"),
        (r"\borbax\b.*import|import.*\borbax\b", "train/checkpoints.py"),
        (r"jax\.distributed\b|multihost_utils", "train/hosts.py"),
        (r"lax\.(psum|pmean|all_gather|axis_index)\b", "parallel.py"),
        (r"\bimport ray\b|\bfrom ray\b", "bulk/on_ray.py"),
        (r"\bpickle\b|allow_pickle=True", None),
    ],
)
def test_some_words_stand_in_one_place(word, place):
    found = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(
            re.search(word, line) for line in path.read_text().splitlines() if not line.strip().startswith(("#", '"'))
        )
    }
    assert found <= ({place} if place else set()), found


# What runs code that is hidden in the bytes it reads.
RUNS_WHAT_IT_READS = {"pickle", "_pickle", "cPickle", "pickle5", "dill", "cloudpickle", "shelve", "jsonpickle"}


def unsafe_readers(source):
    """What a file uses that would run code out of a file: an import, an attribute of joblib, numpy's switch."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in RUNS_WHAT_IT_READS)
        elif isinstance(node, ast.ImportFrom) and node.module:
            first = node.module.split(".")[0]
            names = {alias.name for alias in node.names}
            if first in RUNS_WHAT_IT_READS or (first == "joblib" and names & {"dump", "load", "*"}):
                yield node.module
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in (("joblib", "dump"), ("joblib", "load")):
                yield f"joblib.{node.attr}"
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "allow_pickle" and not allowed:
                    yield "allow_pickle"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_runs_what_it_reads(path):
    assert not list(unsafe_readers(path.read_text()))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("def f():\n    import pickle", ["pickle"]),
        ("import dill.source as d", ["dill.source"]),
        ("from cloudpickle import loads", ["cloudpickle"]),
        ("from joblib import load", ["joblib"]),
        ("import joblib\njoblib.dump(1, 'x')", ["joblib.dump"]),
        ("from joblib import Parallel", []),
        ("np.load('x', allow_pickle=True)", ["allow_pickle"]),
        ("np.load('x', allow_pickle=flag)", ["allow_pickle"]),
        ("np.load('x', allow_pickle=False)", []),
        ("np.load('x')", []),
    ],
)
def test_the_rule_finds_what_runs_code(source, wanted):
    assert list(unsafe_readers(source)) == wanted


def test_files_stay_small():
    long = {str(path.relative_to(ROOT)): count for path in FILES if (count := len(path.read_text().splitlines())) > 300}
    assert not long


def test_every_public_function_has_a_docstring():
    missing = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module) and not ast.get_docstring(node):
                missing.append(path.name)
            if isinstance(node, ast.Module | ast.ClassDef):
                for child in node.body:
                    public = isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_")
                    if public and not ast.get_docstring(child):
                        missing.append(f"{path.name}: {child.name}")
    assert not missing


def test_architecture_names_every_room():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {f"{room(path)}/" if path.parent != PACKAGE else path.name for path in FILES}
    assert not {
        name for name in rooms - {"__init__.py", "__main__.py"} if not re.search(rf"^ +{re.escape(name)}\s", text, re.M)
    }
