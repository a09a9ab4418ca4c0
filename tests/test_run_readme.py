"""README.txt of a run: there from the start, and its commands are commands."""

import json
import re
import shlex
import sys

import numpy as np
import pytest
from test_docs import _ParsedError

import tsrl
from tsrl.cli import main

SMALL = ["--train.steps", "4", "--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1"]
SMALL += ["--no-controls", "--quiet", "--classify.protocols", "nearest"]


def commands_of(text):
    """The words of each command after `tsrl`, without the Python that runs it."""
    lines = re.findall(r"^  ((?:TSRL_DATA_DIR=\S+ )?\S*python\S* -m tsrl .*)$", text, re.M)
    return [shlex.split(line.partition(" -m tsrl ")[2]) for line in lines]


def test_a_run_explains_itself_and_its_commands_work(tmp_path, waves, monkeypatch, capsys):
    folder = tmp_path / "a run's folder"
    monkeypatch.chdir(tmp_path)
    args = ["train", "ts2vec", "--dataset", str(waves), "--workdir", str(folder), "--seed", "3", *SMALL]

    def killed(*args, **settings):
        raise KeyboardInterrupt

    # Killed while it trains.
    with monkeypatch.context() as patch:
        patch.setattr("tsrl.experiment.run", killed)
        with pytest.raises(SystemExit) as stopped:
            main([*args, "--overwrite"])
    assert stopped.value.code == 130
    text = (folder / "README.txt").read_text()
    for told in (
        "ts2vec over DilatedConv",
        str(waves),
        f"jax {__import__('jax').__version__}",
        "seeds:    3",
        str(tmp_path),
    ):
        assert told in text
    resume, *others = commands_of(text)
    # What it has done is not to be overwritten.
    assert resume == args
    assert not (folder / "report.json").exists()
    main(resume)
    assert {path.name + "/" * path.is_dir() for path in folder.iterdir()} - {".lock"} == {
        name for name in re.findall(r"^  (\S+)  +\S", text, re.M) if "." in name or "/" in name
    }
    assert [words[0] for words in others] == ["evaluate", "embed", "export", "report"]
    monkeypatch.setattr("tsrl.export.export_model", stop)
    with pytest.raises(_ParsedError):
        main(others[2])
    capsys.readouterr()
    main([*others[0], "--classify.protocols", "nearest", "--json"])
    assert json.loads(capsys.readouterr().out)["results"][0]["seed"] == 3
    main(others[3])
    main([str(waves) if word == "IN" else word for word in others[1]] + ["--columns", "x_train", "--quiet"])
    call = re.search(r"^  (tsrl\.load\(.*\))$", text, re.M)[1]
    assert eval(call, {"tsrl": tsrl}).embed(np.zeros((1, 20, 2))).shape == (1, 6)
    capsys.readouterr()


def stop(*args, **settings):
    raise _ParsedError


def test_a_path_with_spaces_of_a_script_is_quoted(tmp_path, waves, monkeypatch, capsys):
    """A script that is started as a file from a folder with spaces."""
    from tsrl.config import Config, options
    from tsrl.encoders import DilatedConv
    from tsrl.script import main as script

    seen = []
    monkeypatch.setattr("tsrl.script.suite", lambda config, command, of: seen.append(command) or [])
    monkeypatch.setattr(sys, "argv", ["my folder/ts2vec.py"])
    script(Config(method=options("ts2vec"), encoder=DilatedConv()), ["--dataset", str(waves)], description="Trains.")
    assert shlex.split(seen[0]) == ["python", "my folder/ts2vec.py", "--dataset", str(waves)]


def test_what_a_run_has_is_listed_and_what_resumes_it_is_runnable(tmp_path, monkeypatch):
    """A forecasting run with heads of its own, of several processes, whose data folder was set in the environment."""
    from tsrl.config import Config, options
    from tsrl.encoders import Transformer
    from tsrl.run_readme import run_readme
    from tsrl.settings import Forecast
    from tsrl.tasks import TASKS

    monkeypatch.setenv("TSRL_DATA_DIR", "my data")
    config = Config(
        task="forecast", method=options("timedrl"), encoder=Transformer(), tensorboard=True,
        forecast=Forecast(protocols=("trained_probe",)),
    )  # fmt: skip
    command = "python experiments/timedrl.py --overwrite=True --distributed.rank 0"
    text = run_readme(config, TASKS["forecast"], tmp_path, command, {})
    assert "  probe/" in text
    assert "  tensorboard/" in text
    assert "in each process, with its own rank" in text
    assert f"  TSRL_DATA_DIR='my data' {sys.executable} experiments/timedrl.py --distributed.rank 0\n" in text
    # What its protocols need is not in embeddings.npz.
    assert " evaluate " not in text
