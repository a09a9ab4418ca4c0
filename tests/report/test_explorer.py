"""Many reports as one table, `tsrl report`, and the size of the page."""

import copy
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tsrl.cli import main
from tsrl.report import published
from tsrl.report.collected import Run, collected
from tsrl.report.explorer import Extra, explorer_page, packed
from tsrl.report.schema import row

ROOT = Path(__file__).parents[2]


def only(rows, **wanted):
    (found,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


def seeds_apart(report):
    """The report's two seeds in two files."""
    parts = [copy.deepcopy(report) for _ in report["seeds"]]
    for part, seed in zip(parts, report["seeds"], strict=True):
        part["seeds"], part["config"]["seed"] = [seed], seed
        part["results"] = [row for row in report["results"] if row["seed"] == seed]
    return parts


def test_seeds_of_several_files_are_one_line(report):
    found = collected([Run(str(n), part) for n, part in enumerate(seeds_apart(report))])
    line = only(found["rows"], metric="accuracy", model="ts2vec")
    assert (line["mean"], line["seeds"], line["variant"]) == (pytest.approx(0.95), 2, "")
    assert line["std"] == pytest.approx(0.1 / 2**0.5)
    assert found["notes"] == []


def test_other_settings_are_another_line(report):
    other = copy.deepcopy(report)
    other["config"]["train"]["steps"] = 7
    other["results"] = other["results"][:1]
    found = collected([Run("other", other), Run("usual", report)])
    lines = {(line["variant"], line["seeds"]) for line in found["rows"]}
    assert lines == {("", 2), ("steps 7", 1)}
    assert "their names say what differs" in found["notes"][0]


def test_equal_controls_are_one_line_and_others_stand_beside_their_method(report):
    def with_control(method, accuracy):
        made = copy.deepcopy(report) | {"method": method}
        made["results"].append(row("DTW", "control", "control", {"accuracy": accuracy}, seed=0))
        return Run(method, made)

    same = collected([with_control("ts2vec", 0.8), with_control("tloss", 0.8)])
    assert only(same["rows"], model="DTW")["mean"] == 0.8
    differ = collected([with_control("ts2vec", 0.8), with_control("tloss", 0.7)])
    scores = {line["variant"]: line["mean"] for line in differ["rows"] if line["model"] == "DTW"}
    assert scores == {"": 0.8, "beside tloss": 0.7}


def test_scores_that_should_be_equal_and_are_not_are_noted(report):
    other = copy.deepcopy(report)
    other["results"] = [other["results"][0] | {"scores": {"accuracy": 0.5}}]
    found = collected([Run("b", other), Run("a", report)])
    assert only(found["rows"], metric="accuracy")["mean"] == pytest.approx(0.95)
    assert found["notes"] == [
        "BasicMotions: 1 scores of runs with equal settings and seeds differ; the run with more scores is shown."
    ]


def test_means_over_horizons_need_all_of_the_data_set(forecast_report):
    short = copy.deepcopy(forecast_report) | {"method": "cost"}
    short["results"] = [row("cost", "method", "end_to_end", {"mse": 0.2}, cell={"horizon": 24}, seed=0)]
    found = collected([Run("a", forecast_report), Run("b", short)])["rows"]
    line = only(found, model="ts2vec", metric="mse", horizon="mean", cell={"anchored": False})
    assert line["mean"] == pytest.approx((0.4 + 0.7) / 2)
    assert {line["horizon"] for line in found if line["model"] == "cost"} == {24}


def test_remembered_numbers_are_never_shown(report, monkeypatch):
    rows = [line | {"confidence": "memory"} for line in published._rows()]
    quoted = {"protocol": "svc", "metric": "accuracy", "cell": {}, "value": 0.1, "source": "?", "confidence": "memory"}
    report["published"] = [quoted]
    assert {line["value"] for line in collected([Run("a", report)])["published"]} == {0.975, 1.0}
    monkeypatch.setattr(published, "_rows", lambda: rows)
    assert collected([Run("a", report)])["published"] == []


def test_optimistic_runs_say_so(report):
    made = packed(collected([Run("a", report | {"selection": "paper"})]))
    assert made["lines"][0]["method"] == "ts2vec (optimistic: selected on test)"


def many(report, count=500):
    """Reports of ten methods on fifty data sets."""
    made = []
    for n in range(count):
        one = copy.deepcopy(report) | {"method": f"method {n % 10}", "published": []}
        one["dataset"]["name"] = f"data set {n // 10}"
        one["results"] = [
            row(model, role, protocol, {"accuracy": 1 / (2 + (7 * n + i) % 13), "macro_f1": 0.123456789}, seed=seed)
            for i, (model, role, protocol) in enumerate(
                [(one["method"], "method", "svc"), ("untrained", "untrained", "svc"), ("DTW", "control", "control")]
            )
            for seed in (range(3) if role != "control" else [0])
        ]
        made.append(Run(f"run {n}", one))
    return made


def test_a_page_of_500_runs_is_small(report):
    from plotly.offline import get_plotlyjs

    runs = many(report)
    curve = [{"step": n, "loss": [1.23456] * 2, "health": {"effective_rank": [4.5678] * 2}} for n in range(1000)]
    page = explorer_page(collected(runs), [Extra(run.name, [0, 3], (), curve, {}) for run in runs])
    own = len(page.encode()) - len(get_plotlyjs().encode())
    assert 100_000 < own < 2_000_000


@pytest.fixture
def folder(tmp_path, report, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/one", "runs/two/checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/one/report.json").write_text(json.dumps(report))
    (tmp_path / "runs/one/metrics.jsonl").write_text(
        '{"step": 1, "loss": [2.0, 3.0]}\n{"step": 2, "loss": [1.0, 2.0]}\n'
    )
    (tmp_path / "runs/two/report.json").write_text("{broken")
    (tmp_path / "runs/other.json").write_text('{"kind": "pairs"}')
    return tmp_path


def test_the_command(folder, capsys):
    main(["report", "runs", "--html", "out.html"])
    out, err = capsys.readouterr()
    assert out.startswith("out.html: 1 runs, ")
    assert "runs/two/report.json cannot be read and is left out" in err
    assert "1 file is no report of a run and left out: other.json" in err
    page = (folder / "out.html").read_text()
    assert '"curves":[{"run":"one","seeds":[0,3],"loss":[[1,2],[[2.0,1.0],[3.0,2.0]]]' in page
    assert "other.json" in page
    assert str(folder) not in page
    main(["report", "runs/one", "--json"])
    table = json.loads(capsys.readouterr().out)
    assert only(table["rows"], metric="accuracy")["mean"] == pytest.approx(0.95)


def test_a_run_takes_a_picture_only_where_there_is_something_to_draw(folder, report, capsys):
    """Series and representations of each step, as runs kept before they kept forecasts, are no picture."""
    x = np.zeros((9, 1))
    np.savez(folder / "runs/one/embeddings.npz", x=x, z=np.zeros((9, 4)), borders=np.array([3, 6, 9]))
    (folder / "runs/three").mkdir()
    (folder / "runs/three/report.json").write_text(json.dumps(report | {"seeds": [0]}))
    forecasts = {"forecast_origins_2": np.array([5]), "forecast_last_step_ridge_2": np.zeros((1, 2, 1))}
    np.savez(folder / "runs/three/embeddings.npz", x=x, **forecasts)
    main(["report", "runs", "--html", "out.html", "--pictures", "1"])
    capsys.readouterr()
    page = (folder / "out.html").read_text()
    assert "three: forecasts and what came" in page
    assert "one: forecasts" not in page


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere", "--json"], "error: runs: found no file or folder at nowhere"),
        (["runs/two", "--json"], "error: runs: found no report in runs/two"),
        (["runs"], "error: html, json: found neither"),
        (["runs", "--json", "--pictures", "-1"], "error: pictures: found -1"),
    ],
)
def test_wrong_input(folder, capsys, args, message):
    with pytest.raises(SystemExit) as ended:
        main(["report", *args])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out.html").exists()


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", "--help"])
    assert ended.value.code == 0
    assert "tsrl report runs --html results.html" in capsys.readouterr().out


def test_the_commands_of_the_readme_run(folder, capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n(tsrl report .*?)```", readme, re.S)
    (folder / "experiments").symlink_to(ROOT / "experiments")
    (folder / "runs/one").rename(folder / "runs/ts2vec-BasicMotions-seed0")
    for line in block.splitlines():
        main(shlex.split(line)[1:])
        assert (folder / "results.html").is_file()
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]) > 70
