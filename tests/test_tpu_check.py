"""experiments/tpu_check.py on the two devices of the tests."""

import json
import runpy

import pytest

from tsrl.cli import experiment_scripts
from tsrl.cli import main as tsrl_command


def test_a_method_passes_here(tmp_path, capsys):
    tsrl_command(
        ["train", "tpu_check", "--methods", "simclr", "--updates", "0", "--json", str(tmp_path / "check.json")]
    )
    shown = capsys.readouterr().out
    assert "2 x cpu" in shown
    assert "bit-equal" in shown
    record = json.loads((tmp_path / "check.json").read_text())
    found = record["results"]["simclr"]
    assert found["resume"]
    assert 0 <= found["parity"] < record["tolerance"]


def test_a_failed_check_is_an_exit_code(monkeypatch):
    found = runpy.run_path(str(experiment_scripts()["tpu_check"]))
    scope = found["main"].__globals__
    monkeypatch.setitem(scope, "parity", lambda name: 1.0 if name == "simclr" else None)
    monkeypatch.setitem(scope, "resume", lambda name: name != "ts2vec")
    with pytest.raises(SystemExit, match="failed: ts2vec, simclr"):
        found["main"](["--updates", "0"])


@pytest.mark.parametrize("updates", ["7", "-20", "ten"])
def test_too_few_updates_to_time(updates, capsys):
    """Said at once, not after the checks."""
    found = runpy.run_path(str(experiment_scripts()["tpu_check"]))
    with pytest.raises(SystemExit) as ended:
        found["main"](["--updates", updates])
    assert ended.value.code == 2
    assert f"argument --updates: found {updates}, want 0 or at least 20" in capsys.readouterr().err
