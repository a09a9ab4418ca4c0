"""`tsrl monitor` as users call it: a demo, a fit, scores, a page, an update; and what it refuses."""

import csv
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

from tsrl.cli import main
from tsrl.monitor import load, save

COLUMNS = ["--categorical", "device", "--numeric", "amount"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A demo log with a hostile user name, a monitor, scores, a page, an updated monitor."""
    path = tmp_path_factory.mktemp("monitor")
    main(["monitor", "demo", "--out", str(path / "demo"), "--users", "30", "--weeks", "14"])
    log = path / "demo" / "log.csv"
    log.write_text(log.read_text().replace("user 3,", "<script>alert(3)</script>,").replace(
        '"user 3"', '"<script>alert(3)</script>"'))  # fmt: skip
    fitted = ["--out", str(path / "fitted"), *COLUMNS, "--until", "2026-03-16", "--steps", "20", "--length", "32"]
    main(["monitor", "fit", str(log), *fitted, "--quiet"])
    judged = [str(log), "--monitor", str(path / "fitted"), "--since", "2026-03-16"]
    main(["monitor", "score", *judged, "--out", str(path / "scores.csv"), "--rate", "0.05"])
    main(["monitor", "report", *judged, "--out", str(path / "page.html"), "--rate", "0.05"])
    main(["monitor", "update", *judged, "--out", str(path / "updated")])
    return path


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def refused(capsys, *args):
    with pytest.raises(SystemExit) as stopped:
        main(["monitor", *map(str, args)])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_every_unit_has_a_row(folder):
    rows = rows_of(folder / "scores.csv")
    events = [row for row in rows_of(folder / "demo" / "log.csv") if row["time"] >= "2026-03-16"]
    assert len({(row["user"], row["start"]) for row in rows}) == len(rows) > 50
    assert sum(int(row["events"]) for row in rows) == len(events)
    p = np.array([float(row["p_value"]) for row in rows])
    assert ((p > 0) & (p <= 1)).all()
    assert [row["alarm"] for row in rows] == [str(bool(value <= 0.05)).lower() for value in p]
    kinds = ("identity", "account", "habits", "surprise", "population", "volume")
    assert all(0 < float(row[f"p_{kind}"]) <= 1 for row in rows for kind in kinds)


def test_the_page_shows_the_alarms_and_runs_no_users_name(folder):
    page, rows = (folder / "page.html").read_text(), rows_of(folder / "scores.csv")
    assert "<script>alert(3)" not in page
    assert "alert(3)" in page
    alarms = [row["user"] for row in rows if row["alarm"] == "true"]
    assert alarms
    assert all(user in page for user in alarms if user.startswith("user"))


def test_an_updated_monitor_judges_too(folder, tmp_path):
    log = str(folder / "demo" / "log.csv")
    judged = ["--monitor", str(folder / "updated"), "--since", "2026-03-16", "--out", str(tmp_path / "again.parquet")]
    main(["monitor", "score", log, *judged])
    from pyarrow import parquet

    again = parquet.read_table(tmp_path / "again.parquet").to_pylist()
    assert [row["user"] for row in again] == [row["user"] for row in rows_of(folder / "scores.csv")]


def test_logs_that_do_not_fit(folder, tmp_path, capsys):
    log, fitted = folder / "demo" / "log.csv", folder / "fitted"
    out = tmp_path / "scores.csv"
    lines = log.read_text().splitlines()
    wrong = tmp_path / "wrong.csv"
    for content, said in (
        ("", "wrong.csv"),
        (lines[0] + "\n", "wrong.csv"),
        ("\n".join(",".join(line.split(",")[:3]) for line in lines[:50]), "found no column 'device'"),
        (lines[0] + "\n" + lines[1].replace(lines[1].split(",")[1], "yesterday"), "yesterday"),
    ):
        wrong.write_text(content)
        assert said in refused(capsys, "score", wrong, "--monitor", fitted, "--out", out)
    assert "nowhere.csv" in refused(capsys, "score", "nowhere.csv", "--monitor", fitted, "--out", out)
    assert not out.exists()


def test_monitors_that_are_none(folder, tmp_path, capsys):
    log, out = folder / "demo" / "log.csv", tmp_path / "scores.csv"
    assert "monitor.json" in refused(capsys, "score", log, "--monitor", tmp_path, "--out", out)
    altered = tmp_path / "altered"
    shutil.copytree(folder / "fitted", altered)
    record = json.loads((altered / "monitor.json").read_text())
    record["settings"]["seed"] = 7
    (altered / "monitor.json").write_text(json.dumps(record))
    assert "monitor.json changed" in refused(capsys, "score", log, "--monitor", altered, "--out", out)
    assert "want a new or empty folder" in refused(capsys, "fit", log, "--out", folder / "fitted", *COLUMNS)
    assert not out.exists()


def test_values_that_nobody_had_are_judged(folder, tmp_path):
    """Unseen names, missing amounts, an event twice, a clock that jumps, a user whom nobody knows."""
    names = (folder / "demo" / "log.csv").read_text().splitlines()[0].replace('"', "").split(",")
    values = {"user": "stranger", "action": "fly", "device": "toaster", "amount": ""}
    times = ["2026-03-17T10:00:00", "2026-03-17T10:00:00", "2026-03-16T09:00:00", "2031-01-01T00:00:00"]
    lines = [",".join({**values, "time": time}[name] for name in names) for time in times]
    strange, out = tmp_path / "strange.csv", tmp_path / "scores.csv"
    strange.write_text("\n".join([",".join(names), *lines]) + "\n")
    main(["monitor", "score", str(strange), "--monitor", str(folder / "fitted"), "--out", str(out)])
    assert [(row["user"], int(row["events"])) for row in rows_of(out)] == [("stranger", 3), ("stranger", 1)]
    dropped = ["--duplicates", "drop", "--out", str(out)]
    main(["monitor", "score", str(strange), "--monitor", str(folder / "fitted"), *dropped])
    assert int(rows_of(out)[0]["events"]) == 2


def test_moments_rates_and_places_that_make_no_sense(folder, tmp_path, capsys):
    log, fitted = folder / "demo" / "log.csv", folder / "fitted"
    out = tmp_path / "scores.csv"
    judged = ["score", log, "--monitor", fitted]
    for flags, said in (
        (["--out", out, "--since", "2031-01-01"], "since: found 2031-01-01, and no unit begins then or later"),
        (["--out", out, "--since", "soon"], "since: found 'soon', want a date"),
        (["--out", out, "--since", "NaT"], "since: found 'NaT', want a date"),
        (["--out", out, "--rate", "1"], "rate: found 1"),
        (["--out", tmp_path / "scores.xlsx"], "want a name that ends in .csv or .parquet or .jsonl"),
        (["--out", tmp_path / "none" / "scores.csv"], "want a file in a folder that exists"),
        (["--out", tmp_path], "out: found"),
    ):
        assert said in " ".join(refused(capsys, *judged, *flags).split())
    fit = ["fit", log, "--out", tmp_path / "new", *COLUMNS, "--quiet"]
    for flags, said in (
        (["--until", "2020-01-01"], "until: found 2020-01-01, before all events"),
        (["--until", "2026-01-06"], "units to learn from"),
        (["--every", "week", "--gap", "1800"], "want one of them"),
        (["--calibrate", "2"], "calibrate: found 2"),
        (["--timezone", "Mars/Base"], "timezone: found 'Mars/Base'"),
        (["--action", "device"], "which is action already"),
    ):
        assert said in " ".join(refused(capsys, *fit, *flags).split())
    report = ["report", log, "--monitor", fitted, "--out", tmp_path / "page.html"]
    assert "most_alarms: found -1" in refused(capsys, *report, "--most-alarms", "-1")
    assert "no unit begins then" in refused(capsys, "update", log, "--monitor", fitted, "--out", tmp_path / "new",
                                            "--since", "2031-01-01")  # fmt: skip
    assert "clean_weeks: found 9 of 4" in refused(
        capsys, "demo", "--out", tmp_path / "new", "--weeks", "4", "--clean-weeks", "9"
    )
    assert not list(tmp_path.iterdir())


def test_a_model_of_another_kind_is_no_monitor(folder, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    said = refused(capsys, "score", folder / "demo" / "log.csv", "--monitor", folder / "fitted" / "model", "--out", out)
    assert "monitor.json" in said
    bare = tmp_path / "bare"
    save(load(folder / "fitted"), bare)
    said = refused(capsys, "score", folder / "demo" / "log.csv", "--monitor", bare, "--out", out)
    assert "want a monitor that was saved with its columns" in " ".join(said.split())
    assert not out.exists()


def test_sessions_of_a_zone_are_scored_and_found(folder, tmp_path, capsys):
    """Times without an offset, sessions instead of weeks, discoveries instead of alarms, JSON lines."""
    log = tmp_path / "local.csv"
    log.write_text((folder / "demo" / "log.csv").read_text().replace("Z", ""))
    fitted, out = tmp_path / "fitted", tmp_path / "scores.jsonl"
    main(["monitor", "fit", str(log), "--out", str(fitted), *COLUMNS, "--timezone", "Asia/Tokyo", "--gap", "3600",
          "--until", "2026-02-02", "--steps", "3", "--length", "16", "--quiet"])  # fmt: skip
    judged = ["score", str(log), "--monitor", str(fitted), "--out", str(out)]
    assert "want the number of a unit in its sequence" in refused(capsys, *judged, "--since", "2026-03-01")
    main(["monitor", *judged, "--since", "20", "--fdr", "--rate", "0.2"])
    assert "a share of at most 0.2 is expected to be regular" in capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) > 100
    assert {type(row["alarm"]) for row in rows} == {bool}
    assert all(re.fullmatch(r"2026-\d\d-\d\d \d\d:\d\d", row["start"]) for row in rows)
    # A day that the clocks of another zone skip an hour of.
    log.write_text("user,time,action,device,amount\n1,2026-03-29T02:30:00,a,b,\n")
    skipped = ["fit", log, "--out", tmp_path / "other", *COLUMNS, "--timezone", "Europe/Berlin"]
    assert "2026-03-29" in refused(capsys, *skipped)
    assert not (tmp_path / "other").exists()


def test_what_is_stopped_leaves_nothing(folder, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    log, written = str(folder / "demo" / "log.csv"), sorted(tmp_path.iterdir())
    monkeypatch.setattr("tsrl.monitoring.commands.save", lambda *given: (save(*given), interrupted()))
    monkeypatch.setattr("tsrl.monitoring.commands.behaviour_page", interrupted)
    judged = [log, "--monitor", str(folder / "fitted"), "--since", "2026-03-30"]
    for args in (["update", *judged, "--out", "new"], ["report", *judged, "--most-alarms", "1", "--out", "page.html"]):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as stopped:
            main(["monitor", *args])
        assert stopped.value.code == 130
        assert "nothing was written" in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == written


def test_as_a_program(folder, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}

    def run(*args):
        command = [sys.executable, "-m", "tsrl", "monitor", *map(str, args)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)

    judged = ["score", folder / "demo" / "log.csv", "--monitor", folder / "fitted", "--since", "2026-03-16"]
    done = run(*judged, "--out", "scores.csv", "--rate", "0.05")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^scores.csv: \d+ units of 30 users, \d+ alarms\n[\d.]+ alarms are expected", done.stdout)
    assert (tmp_path / "scores.csv").read_bytes() == (folder / "scores.csv").read_bytes()
    wrong = run(*judged, "--out", "other.csv", "--since", "never")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: since: found 'never'")
    assert "Traceback" not in wrong.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_the_readmes_lines_run(tmp_path, monkeypatch, capsys):
    """As printed, with fewer users and updates."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (block,) = re.findall(r"```console\n(tsrl monitor .*?)```", readme, re.S)
    small = {"demo": ["--users", "40"], "fit": ["--steps", "10", "--length", "32", "--quiet"]}
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        program, *args = shlex.split(line)
        assert program == "tsrl"
        main(args + small.get(args[1], []))
    assert (tmp_path / "page.html").exists()
    assert (tmp_path / "monitor-2" / "monitor.json").exists()
    assert "alarms" in capsys.readouterr().out
