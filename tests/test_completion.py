"""Completion of commands, scripts and flags, as a shell asks for it."""

import shlex
import shutil
import subprocess

import pytest

from tsrl.cli import main
from tsrl.commands import COMMANDS
from tsrl.scripts import experiment_scripts

# What bash's own completion does with a line, and what it would offer.
ASKED = """
source {script}
complete -p tsrl | grep -q _shtab_tsrl || exit 1
COMP_WORDS=({words}); COMP_CWORD={last}
_shtab_tsrl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            main(["completion", shell])
        (folder / shell).write_text(out.getvalue())
    return folder


def offered(scripts, *words):
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    asked = ASKED.format(
        script=shlex.quote(str(scripts / "bash")), words=shlex.join(["tsrl", *words]), last=len(words)
    )  # fmt: skip
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_commands_and_scripts(scripts):
    assert set(offered(scripts, "")) == set(COMMANDS)
    assert set(offered(scripts, "train", "")) == set(experiment_scripts())
    assert offered(scripts, "train", "ts") == ["ts2vec", "tstcc"]
    assert offered(scripts, "datasets", "") == ["list", "show", "build", "synthesize"]
    assert offered(scripts, "monitor", "") == ["fit", "score", "report", "update", "demo"]
    assert offered(scripts, "methods", "") == ["list", "show"]


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["datasets", "--"], "--here"),
        (["datasets", "show", "x", "--"], "--table.id"),
        (["methods", "--"], "--json"),
        (["train", "ts2vec", "--meth"], "--method.temporal-unit"),
        (["train", "cost", "--meth"], "--method.queue"),
        (["train", "timedrl", "--seeds", "3", "--train.ep"], "--train.epochs"),
        (["embed", "--"], "--batch-size"),
        (["evaluate", "--"], "--embeddings"),
        (["monitor", "fit", "--"], "--categorical"),
        (["report", "--"], "--html"),
        (["export", "--"], "--licence"),
        (["bench", "--"], "--repeats"),
        (["train", "ts2vec", "--task", ""], "forecast"),
        (["train", "ts2vec", "--encoder", ""], "PooledConv"),
        (["bench", "--method", "s"], "simclr"),
        (["completion", ""], "fish"),
    ],
)
def test_flags_and_choices(scripts, words, flag):
    assert flag in offered(scripts, *words)


def test_flags_of_another_method_are_not_offered(scripts):
    assert "--method.queue" not in offered(scripts, "train", "ts2vec", "--meth")


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_the_script_is_one_of_its_shell(scripts, shell, check):
    text = (scripts / shell).read_text()
    assert all(name in text for name in [*COMMANDS, *experiment_scripts()])
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    done = subprocess.run([shell, check, str(scripts / shell)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
