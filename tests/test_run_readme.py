"""README.txt of a run: there from the start, and its commands are commands."""

import re
import shlex

import numpy as np
import pytest
from test_docs import _ParsedError, parse

import tsrl
from tsrl.cli import main

SMALL = ["--train.steps", "4", "--encoder.width", "4", "--encoder.features", "6", "--encoder.depth", "1"]
SMALL += ["--no-controls", "--quiet", "--classify.protocols", "nearest"]


def commands_of(text):
    return re.findall(r"^  (tsrl .*|python .*)$", text, re.M)


def test_a_run_explains_itself_and_its_commands_work(tmp_path, waves, monkeypatch, capsys):
    folder = tmp_path / "a run's folder"
    monkeypatch.chdir(tmp_path)
    args = ["train", "ts2vec", "--dataset", str(waves), "--workdir", str(folder), *SMALL]

    def killed(*args, **settings):
        raise KeyboardInterrupt

    # Killed while it trains.
    with monkeypatch.context() as patch:
        patch.setattr("tsrl.experiment.run", killed)
        with pytest.raises(SystemExit) as stopped:
            main(args)
    assert stopped.value.code == 130
    text = (folder / "README.txt").read_text()
    for told in (
        "ts2vec over DilatedConv",
        str(waves),
        f"jax {__import__('jax').__version__}",
        "seeds:    0",
        str(tmp_path),
    ):
        assert told in text
    resume, *others = commands_of(text)
    assert shlex.split(resume) == ["tsrl", *args]
    assert not (folder / "report.json").exists()
    main(shlex.split(resume)[1:])
    assert {path.name + "/" * path.is_dir() for path in folder.iterdir()} - {".lock"} == {
        name for name in re.findall(r"^  (\S+)  +\S", text, re.M) if "." in name or "/" in name
    } - {"tensorboard/"}
    assert [shlex.split(line)[1] for line in others] == ["evaluate", "embed", "export", "report"]
    monkeypatch.setattr("tsrl.export.export_model", stop)
    for line in others:
        if "export" in line.split()[1]:
            parse(line, monkeypatch)
    main([*shlex.split(others[0])[1:], "--classify.protocols", "nearest"])
    main(shlex.split(others[3])[1:])
    embed = shlex.split(others[1].replace("IN", shlex.quote(str(waves))))[1:]
    main([*embed, "--columns", "x_train", "--quiet"])
    call = re.search(r"^  (tsrl\.load\(.*\))$", text, re.M)[1]
    assert eval(call, {"tsrl": tsrl}).embed(np.zeros((1, 20, 2))).shape == (1, 6)
    capsys.readouterr()


def stop(*args, **settings):
    raise _ParsedError


def test_a_path_with_spaces_of_a_script_is_quoted(tmp_path, waves, monkeypatch, capsys):
    """A script that is started as a file from a folder with spaces."""
    import sys

    from tsrl.config import Config, options
    from tsrl.encoders import DilatedConv
    from tsrl.script import main as script

    seen = []
    monkeypatch.setattr("tsrl.script.suite", lambda config, command, of: seen.append(command) or [])
    monkeypatch.setattr(sys, "argv", ["my folder/ts2vec.py"])
    script(Config(method=options("ts2vec"), encoder=DilatedConv()), ["--dataset", str(waves)], description="Trains.")
    assert shlex.split(seen[0]) == ["python", "my folder/ts2vec.py", "--dataset", str(waves)]
