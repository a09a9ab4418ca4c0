"""The documentation: its code runs, its commands are commands, its links lead somewhere, its quotations are true."""

import ast
import importlib.util
import os
import posixpath
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import tsrl
from tsrl.cli import experiment_scripts
from tsrl.cli import main as tsrl_command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
FENCE = re.compile(r"^( *)(```+)([^\n`]*)\n(.*?)^\1\2 *$", re.S | re.M)
LINK = re.compile(r"(?<!`)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
# Console blocks of these pages run, in order with the page's other blocks; elsewhere they are parsed. Those of
# `tsrl monitor` run in tests/monitor/test_monitor_command.py.
RUN = {
    "concepts/evaluation.md",
    "how-to/bulk.md",
    "how-to/own-data.md",
}
# Added to commands that run, so that they take seconds.
SMALL_TRAIN = ["--train.steps", "2", "--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1"]
SMALL_TRAIN += ["--forecast.context", "20", "--forecast.look-back", "30", "--anomaly.window", "20"]
SMALL_TRAIN += ["--quiet", "--no-controls"]
SMALL = {"embed": ["--quiet"]}


def text_of(page):
    return (DOCS / page).read_text()


def blocks_of(text):
    """`(language, content)` of each fenced block."""
    return [(match[3].strip(), match[4]) for match in FENCE.finditer(text)]


def prose_of(text):
    """A page without its blocks and without code in its lines."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors_of(text):
    """What MkDocs and GitHub both make of the headings."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", text), re.M)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def commands_of(block):
    """The commands of a console block, continued lines joined."""
    return [line for line in re.sub(r"\\\n\s*", "", block).splitlines() if line.strip()]


class _ParsedError(Exception):
    pass


@contextmanager
def parsed_only(monkeypatch):
    """Commands end where their flags are understood."""

    def stop(*args, **settings):
        raise _ParsedError

    with monkeypatch.context() as patch:
        for name in (
            "tsrl.script.suite",
            "tsrl.judge.judge_embeddings",
            "tsrl.bulk.command.embed_files",
            "tsrl.train.hosts.join",
        ):
            patch.setattr(name, stop)
        for name in ("demo", "fit", "report", "score", "update"):
            patch.setattr(f"tsrl.monitoring.{name}", stop)
        for name in ("list_sets", "show_set", "build_set", "synthesize"):
            patch.setattr(f"tsrl.datasets.{name}", stop)
        yield


def parse(line, monkeypatch):
    """Whether a command line is one that its program takes."""
    words = [word for word in shlex.split(line) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if words[:2] == ["python", "-m"] or words[0] in ("pip", "kill", "cat", "ls"):
        return
    if words[0] == "python":
        script = Path(words[1])
        assert (ROOT / script).is_file(), line
        if script.parts[0] != "experiments" or script.stem not in experiment_scripts():
            return
        words = ["tsrl", "train", script.stem, *words[2:]]
    assert words[0] == "tsrl", line
    if words[1] == "train" and words[2] in ("pair_construction", "behaviour"):
        return
    with parsed_only(monkeypatch), pytest.raises(_ParsedError):
        tsrl_command(words[1:])


def run(line):
    """Runs a command of a page, small."""
    program, *args = shlex.split(line)
    assert program == "tsrl", line
    small = SMALL_TRAIN if args[0] == "train" else SMALL.get(" ".join(args[:2]), SMALL.get(args[0], []))
    tsrl_command([*args, *small])


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    """Python blocks in one namespace, in an empty folder; commands run or are parsed."""
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    # Functions that are defined in a page may be pickled or inspected.
    space = {"__name__": "page"}
    for number, (language, content) in enumerate(blocks_of(text_of(page))):
        if language == "python":
            exec(compile(content, f"{page} block {number}", "exec"), space)
        elif language == "console":
            for line in commands_of(content):
                if page in RUN and line.startswith("tsrl "):
                    run(line)
                else:
                    parse(line, monkeypatch)
        else:
            assert language in ("sh", "text", "diff", "json"), f"{page}: a block of {language!r}"
    capsys.readouterr()


@pytest.mark.parametrize("line", ["tsrl train ts2vec --no-such-flag 1", "tsrl embed", "tsrl monitor fit", "tsrl run"])
def test_a_command_that_is_none_is_found(line, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        parse(line, monkeypatch)
    capsys.readouterr()


def targets_of(page):
    return LINK.findall(prose_of(text_of(page)))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """Files and headings, inside docs/ and in the repository; nothing is asked of the network."""
    for target in targets_of(page):
        if re.match(r"https?:", target):
            assert re.match(r"https://(arxiv\.org/abs/\d{4}\.\d{5}|www\.python\.org|ui\.adsabs)", target), target
            continue
        name, _, anchor = target.partition("#")
        path = DOCS / page if not name else Path(posixpath.normpath((DOCS / page).parent / name))
        assert path.is_file(), f"{page}: {target}"
        assert ROOT in path.parents, f"{page}: {target} is outside the repository"
        if anchor:
            assert anchor in anchors_of(path.read_text()), f"{page}: {target}"


def nav():
    """The pages that mkdocs.yml names."""
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    return re.findall(r"([\w./-]+\.md)$", text, re.M)


def test_every_page_is_in_the_navigation_once():
    named = nav()
    assert len(named) == len(set(named))
    # The hook gives the repository's README another name.
    outside = {name.replace("repository.md", "README.md") for name in named if not (DOCS / name).exists()}
    assert {name for name in named if (DOCS / name).exists()} == set(PAGES)
    assert {name for name in outside if not (ROOT / name).is_file()} == set()


def test_every_method_has_a_page_in_the_table():
    from tsrl.methods import METHODS

    assert {f"methods/{name}.md" for name in [*METHODS, "index"]} == {p for p in PAGES if p.startswith("methods/")}
    assert {f"{name}.md" for name in METHODS} <= set(targets_of("methods/index.md"))


def settings_of(method):
    from tsrl.config import options

    return {name for name in vars(options(method)) if name not in ("front", "axis_name")}


@pytest.mark.parametrize("page", [page for page in PAGES if re.match(r"methods/(?!index)", page)])
def test_a_methods_page_lists_its_settings(page):
    method = Path(page).stem
    table = text_of(page).partition("\n## Settings\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line)))
    assert listed - settings_of(method) == set()
    if "..." not in table:
        assert settings_of(method) - listed == set()


def numbers_of(text):
    return re.findall(r"(?<![\w.,-])\d\.\d{3}(?!\d)", prose_of(text))


@pytest.mark.parametrize(
    "page", ["findings.md", *[page for page in PAGES if page.startswith(("methods/", "concepts/"))]]
)
def test_measured_numbers_stand_in_the_results(page):
    """Scores of three decimals are quoted from experiments/README.md and nowhere else."""
    text = text_of(page)
    if page.startswith("methods/"):
        text = text.partition("\n## What we measured")[2]
    results = (ROOT / "experiments" / "README.md").read_text()
    assert [number for number in numbers_of(text) if number not in results] == []


def pattern(node):
    """A regular expression of the texts that an expression may make; None if it makes none that is known."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(part) or ".*" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return "".join(pattern(part) or ".*" for part in (node.left, node.right))
    return None


# Of messages that do not say what was found.
OTHER = {": not a setting of ; ", "no checkpoint was saved before"}


def templates():
    """Regular expressions of the texts in the sources that say enough to be told from others."""
    for path in (ROOT / "tsrl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp) and (found := pattern(node)):
                literal = re.sub(r"\\(.)", r"\1", found.replace(".*", ""))
                if (len(literal) >= 16 and "\n" not in literal and "found" in literal) or literal in OTHER:
                    yield re.compile(found, re.S)


def test_every_quoted_message_is_one_that_the_sources_make():
    messages = [text.strip() for kind, text in blocks_of(text_of("troubleshooting.md")) if kind == "text"]
    known = list(templates())
    assert len(messages) > 30
    # A message may go on after what is one text in the sources, and begin with where it was found.
    assert [text for text in messages if not any(one.search(text) for one in known)] == []
    invented = "x: found a shape that nobody wants, want another"
    assert not any(one.search(invented) for one in known)


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: pip install '.[docs]'")
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    # Works offline: no page asks another host for anything.
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://[^"]+"', page)
    assert (tmp_path / "site" / "experiments" / "results" / "pairs.svg").is_file()


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", text, re.M)[1] == tsrl.__version__
    assert re.findall(r"^ +- (?:family-names|given-names)", text, re.M) == []
