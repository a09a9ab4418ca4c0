"""The shape of a report: what is accepted, what is named when it is not."""

import json
import math

import pytest

from tsrl.errors import InputError
from tsrl.report.schema import check_report, read_report


def test_reports_pass_and_survive_their_file(report, forecast_report, tmp_path):
    for whole in (report, forecast_report, report | {"results": [], "published": []}):
        (tmp_path / "report.json").write_text(json.dumps(whole))
        assert read_report(tmp_path / "report.json") == whole


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("schema", 1, "schema: found 1, want 2"),
        ("task", "sing", "task: found sing, want one of classify"),
        ("selection", "test", "selection: found test, want one of validation, paper"),
        ("method", None, "method: found None"),
        ("dataset", {"source": "x"}, "dataset.name: found None"),
        ("seeds", 3, "seeds: found 3"),
        ("published", [{"metric": "accuracy"}], r"published\[0\]: .* want cell, metric"),
    ],
)
def test_wrong_part_is_named(report, part, value, message):
    with pytest.raises(InputError, match=message):
        check_report(report | {part: value})


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("role", "hero", "role: found hero, want one of method, untrained, control"),
        ("protocol", "knn", "protocol: found knn, want one of svc, control"),
        ("seed", True, "seed: found True"),
        ("cell", {"labels": [1]}, "cell: found"),
        ("scores", {"speed": 1.0}, "scores: found .* want names of METRICS"),
        ("scores", {"accuracy": math.nan}, "scores.accuracy: found nan, want a finite number or null"),
        ("chosen", None, "chosen: found None"),
    ],
)
def test_wrong_row_is_named(report, part, value, message):
    rows = [report["results"][0], report["results"][1] | {part: value}]
    with pytest.raises(InputError, match=rf"results\[1\]\.?{message}"):
        check_report(report | {"results": rows})


def test_forecast_rows_need_a_horizon(report, forecast_report):
    rows = [forecast_report["results"][0] | {"cell": {"anchored": False}}]
    with pytest.raises(InputError, match=r"results\[0\].cell.horizon: found None"):
        check_report(forecast_report | {"results": rows})


def test_row_that_stands_twice_is_refused(report):
    twice = [report["results"][0], report["results"][0] | {"scores": {"accuracy": 0.5}}]
    with pytest.raises(InputError, match=r"results\[1\]: found .*ts2vec.* again"):
        check_report(report | {"results": twice})


def test_file_that_is_no_report(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"no JSON in .*x\.json"):
        read_report(tmp_path / "x.json")
    with pytest.raises(InputError, match=r"no readable file at .*y\.json"):
        read_report(tmp_path / "y.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="report: found list, want an object"):
        read_report(tmp_path / "x.json")
