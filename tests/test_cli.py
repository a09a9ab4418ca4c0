"""The command line as a whole: help, examples, exit codes, JSON for machines, a closed pipe."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_docs import parse

import tsrl
from tsrl.cli import main
from tsrl.commands import COMMANDS, EXIT_CODES, examples_of, help_text
from tsrl.encoders import DilatedConv
from tsrl.scripts import experiment_scripts

ROOT = Path(__file__).parents[1]
SMALL = ["--train.steps", "2", "--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1"]
SMALL += ["--no-controls", "--quiet", "--classify.protocols", "nearest"]
HEAVY = "{'jax', 'flax', 'tensorflow_datasets', 'pyarrow', 'sklearn', 'scipy', 'numpy', 'tyro', 'rich', 'aeon'}"
EXAMPLES = [*dict.fromkeys(line for command in COMMANDS.values() for line in command.examples)]
BELOW = [("datasets", each) for each in ("list", "show", "build", "synthesize")]
BELOW += [("methods", each) for each in ("list", "show")]
BELOW += [("monitor", each) for each in ("fit", "score", "report", "update", "demo")]
BELOW += [("train", each) for each in ("ts2vec", "pair_construction", "behaviour", "tpu_check")]


def call(capsys, *args):
    """Exit code, standard output and standard error of a command."""
    code = 0
    try:
        main(list(map(str, args)))
    except SystemExit as end:
        code = end.code or 0
    done = capsys.readouterr()
    return code, done.out, done.err


def test_help_lists_all_commands_and_exit_codes_and_imports_nothing_heavy():
    code = f"import sys; from tsrl.cli import main\ntry: main(['--help'])\nfinally: print({HEAVY} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    *text, heavy = done.stdout.splitlines()
    assert heavy == "set()"
    assert text == help_text().splitlines()
    assert max(map(len, text)) <= 120
    for name, command in COMMANDS.items():
        assert any(line.split() == [name, *command.summary.split()] for line in text), name
    for number in EXIT_CODES:
        assert any(line.split()[:1] == [str(number)] for line in text)


@pytest.mark.parametrize("path", [*((name,) for name in COMMANDS), *BELOW], ids=" ".join)
def test_every_help_ends_with_examples(path, capsys):
    code, out, err = call(capsys, *path, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: tsrl ")
    ending = out.rpartition("\nexamples:\n")[2].splitlines()
    assert ending == [f"  {line}" for line in examples_of(path)]
    assert len(ending) > 0


def test_a_scripts_own_help_ends_with_examples():
    script = ROOT / "experiments" / "ts2vec.py"
    command = [sys.executable, str(script), "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == f"  python {shlex.quote(str(script))} --dataset my.npz --train.steps 600 " \
        "--quiet --json"  # fmt: skip


@pytest.mark.parametrize("line", [*EXAMPLES, *examples_of(["train", "timedrl"])])
def test_every_example_is_one_that_its_command_takes(line, monkeypatch, capsys):
    for place in ("tsrl.explorer.find_reports", "tsrl.export.export_model"):
        monkeypatch.setattr(place, stop := _stopped)
    for place in ("tsrl.bench.bench", "tsrl.method_list.list_methods", "tsrl.method_list.show_method"):
        monkeypatch.setattr(place, stop)
    monkeypatch.setattr("tsrl.completion.script", stop, raising=False)
    parse(line, monkeypatch)
    capsys.readouterr()


def _stopped(*args, **settings):
    from test_docs import _ParsedError

    raise _ParsedError


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["dataset"], "command: found 'dataset'; did you mean datasets?"),
        (["monitor", "scor"], "command: found 'scor' after monitor; did you mean score?"),
        (["datasets", "shwo", "x"], "command: found 'shwo' after datasets; did you mean show?"),
        (["methods", "ts2vec"], "command: found 'ts2vec' after methods; want tsrl methods show ts2vec"),
        (["methods", "show", "ts2vex"], "name: found 'ts2vex'; did you mean ts2vec?"),
        (["train", "ts2vek"], "method: found 'ts2vek'; did you mean ts2vec?"),
        (["train"], "method: found none, want one of "),
        (["bench", "--method", "simlcr"], "method: found 'simlcr'; did you mean simclr"),
        (["bench", "--encoder", "TNC"], "encoder: found 'TNC'; did you mean TCN?"),
        (["bench", "--repeats", "0"], "repeats: found 0, want a whole number from 1 up"),
        (["evaluate", "--embeddings", "none.npz"], "embeddings: found no file at none.npz"),
        (["embed", "none", "out", "--model", "none"], "error: folder: found no config.json in none"),
        (["export", "none", "out"], "found no config.json in none"),
        (["report", "none"], "html, json: found neither"),
        (["--nothing"], "command: found '--nothing'"),
        ([], "usage: tsrl"),
    ],
)
def test_wrong_input_is_exit_code_2_and_a_message(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *args)
    assert (code, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_an_unknown_flag_is_exit_code_2(name, capsys):
    assert call(capsys, name, "--no-such-flag")[0] == 2


@pytest.fixture
def _listens_to_ctrl_c():
    """Of a process that was started in the background Python leaves Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listens_to_ctrl_c")
def test_ctrl_c_and_sigterm_have_one_code_each_for_every_command(monkeypatch, capsys):
    for name, command in COMMANDS.items():
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, command.terminated)):

            class Stopped:
                @staticmethod
                def main(args, number=number):
                    signal.raise_signal(number)

            monkeypatch.setattr("tsrl.cli.import_module", lambda place, stopped=Stopped: stopped)
            found, _, err = call(capsys, name)
            assert (found, err) == (code, f"stopped; {command.resumes}\n")
            assert code in EXIT_CODES


def test_a_comparison_that_is_stopped_is_not_done(capsys, monkeypatch):
    """It saves nothing, so that SIGTERM is no success."""

    def stopped(args, prog):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("tsrl.scripts.runpy.run_path", lambda path, run_name: {"main": stopped})
    code, _, err = call(capsys, "train", "behaviour")
    assert code == 143
    assert err == "stopped; what was not finished is lost, the same command makes it anew\n"


@pytest.mark.parametrize("args", [["datasets"], ["methods"], ["--help"], ["train", "--help"], ["datasets", "--json"]])
def test_a_closed_pipe_is_no_error(args):
    """Closed before anything is written, so that the first write fails however short the output is."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tsrl", *args]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_readme_says_what_the_exit_codes_are():
    paragraph = (ROOT / "README.md").read_text().partition("Exit codes")[2].partition("\n\n")[0]
    assert all(f" {number} " in paragraph.replace("\n", " ") for number in EXIT_CODES)


def json_alone(capsys, *args):
    """What a command prints with --json: JSON and nothing else."""
    code, out, _ = call(capsys, *args, "--json")
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


def test_json_of_data_sets(tmp_path, waves, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert {"name", "task", "shape"} <= set(json_alone(capsys, "datasets")[0])
    (shown,) = json_alone(capsys, "datasets", "show", waves)
    assert shown["about"]["series"].startswith("14 ")
    assert Path(shown["page"]).is_file()
    (made,) = json_alone(capsys, "datasets", "synthesize", "corpus", "--count", "5", "--length", "40")
    assert made == {"folder": "corpus", "count": 5, "length": 40, "channels": 1}


def test_json_of_a_run_of_its_judgement_and_of_several(tmp_path, waves, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # What is printed meanwhile does not reach standard output.
    monkeypatch.setattr("tsrl.experiment.write_page", lambda *args: print("aside"))
    (report,) = json_alone(capsys, "train", "ts2vec", "--dataset", waves, "--workdir", "run", *SMALL)
    kept = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report == kept | {"workdir": "run"}
    (judged,) = json_alone(capsys, "evaluate", "--embeddings", "run/embeddings.npz", "--classify.protocols", "nearest")
    assert judged["results"][0]["scores"] == report["results"][0]["scores"]
    (collected,) = json_alone(capsys, "report", "run")
    assert len(collected["runs"]) == 1
    (exported,) = json_alone(capsys, "export", "run", "exported", "--functions")
    assert exported["out"] == "exported"
    (embedded,) = json_alone(capsys, "embed", waves, "embedded", "--model", "run", "--columns", "x_train", "--quiet")
    assert (embedded["rows"], embedded["errors"]) == (14, 0)
    other = tmp_path / "other.npz"
    other.write_bytes(Path(waves).read_bytes())
    reports = json_alone(capsys, "train", "ts2vec", "--datasets", f"{waves},{other}", *SMALL[:-1], "rich")
    assert [one.get("kind", one.get("task")) for one in reports] == ["classify", "classify", "comparison"]


def test_json_of_a_stopped_or_refused_run_is_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "train", "ts2vec", "--dataset", "nowhere.npz", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("error: dataset: ")


def test_the_library_is_this_one():
    assert Path(tsrl.__file__).parent == ROOT / "tsrl"
    assert set(experiment_scripts()) >= {"ts2vec", "pair_construction"}


def test_a_model_of_tsrl_bench(capsys):
    (found,) = json_alone(
        capsys, "bench", "--shape", "24", "2", "--batch-size", "2", "--repeats", "2", "--encoder.width", "4",
        "--encoder.features", "6", "--encoder.depth", "1",
    )  # fmt: skip
    assert found["method"]["name"] == "ts2vec"
    assert (found["shape"], found["batch_size"], found["rows"]) == ([24, 2], 2, 8)
    for name in ("step", "encode", "embed"):
        assert len(found[name]["seconds"]) == 2
        assert 0 < found[name]["min"] <= found[name]["median"] <= found[name]["max"]
    assert found["steps_per_s"] == pytest.approx(8 * 24 / found["encode"]["median"])
    assert found["compile_s"] > found["step"]["min"]
    assert found["peak_bytes"] > 1e8
    model = tsrl.pretrain(np.zeros((2, 24, 2)), steps=1, encoder=DilatedConv(width=4, features=6, depth=1))
    import jax

    assert found["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(model.params))


def test_what_takes_long_says_so(tmp_path, waves, monkeypatch, capsys):
    from tsrl.terminal import working

    monkeypatch.chdir(tmp_path)
    # Not a terminal: a line each.
    flags = ["--dataset", waves, "--workdir", "run", *[flag for flag in SMALL if flag != "--quiet"]]
    code, _, err = call(capsys, "train", "ts2vec", *flags)
    assert code == 0
    assert "training" in err
    assert err.count("encoding and scoring seed 0: ") == 1
    judged = ["evaluate", "--embeddings", "run/embeddings.npz", "--classify.protocols", "nearest"]
    assert call(capsys, *judged)[2].startswith("scoring by classify: ")
    assert call(capsys, *judged, "--quiet")[2] == ""
    assert call(capsys, "train", "ts2vec", "--overwrite", "--quiet", *flags)[2] == ""
    # A terminal: a clock, which goes.
    monkeypatch.setattr("tsrl.terminal.Console.is_terminal", True)
    with working("adding up"):
        pass
    assert "adding up" in capsys.readouterr().err
