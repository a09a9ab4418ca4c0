"""The committed results are reports of this schema or records of users' behaviour, made by a command of their own, and
name no machine's folders."""

import json
import re
from pathlib import Path

import pytest

from tsrl.report.schema import SCHEMA, check_report

FOLDER = Path(__file__).parents[1] / "experiments" / "results"
# What `experiments/behaviour.py` writes, and a control of each of its tasks; the simulator's truth is known.
BEHAVIOUR = {"command", "task", "seed", "rows", "notes", "wall_s", "versions", "hardware"}
CONTROLS = {
    "unix": "Markov chain of each user",
    "stackoverflow": "Markov chain",
    "bpic2012": "bag of activities, amount; boosting, 5 events",
    "cdnow": "recency, frequency, spending; logistic",
    "simulator": None,
    "nab": "deviation",
    "smap": "deviation",
    "msl": "deviation",
}


def beside(report, path):
    """Whether a record has the untrained encoder and the controls of another's data."""
    other = json.loads(path.read_text())
    config, wanted = other.get("config", {}), report["config"]
    same = all(config.get(part) == wanted[part] for part in ("data", "encoder", "task"))
    return same and {row["role"] for row in other["results"]} == {"method", "untrained", "control"}


def check_behaviour(record, name):
    """A record of users' behaviour: scores of several models, a control among them, and how they were made."""
    assert set(record) == BEHAVIOUR
    assert re.fullmatch(f"behaviour-{record['task']}(-large)?(-{record['seed']})?", name)
    assert record["command"].startswith(f"python experiments/behaviour.py {record['task']} --seed {record['seed']}")
    assert {"tsrl", "jax"} <= set(record["versions"])
    assert record["hardware"]["device"]
    assert record["wall_s"] > 0
    assert all(isinstance(note, str) for note in record["notes"])
    models = [row["model"] for row in record["rows"]]
    assert len(set(models)) == len(models) > 1
    assert CONTROLS[record["task"]] in {None, *models}
    for row in record["rows"]:
        scores = {score: value for score, value in row.items() if score != "model"}
        counts = {score: scores.pop(score) for score in ("incidents", "median_delay") if score in scores}
        # Of all alarms at the right time 100, of none 0; false ones cost, without a limit.
        assert scores.pop("nab", 0) <= 100
        assert scores
        assert all(0 <= value <= 1 for value in scores.values())
        assert all(value > 0 for value in counts.values())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_result_is_a_report(path):
    report = json.loads(path.read_text())
    if path.stem.startswith("behaviour-"):
        check_behaviour(report, path.stem)
    elif report.get("kind") == "comparison":
        assert report["schema"] == SCHEMA
        method = path.stem.partition("-")[0]
        assert {f"{method}-{name}.json" for name in report["datasets"]} <= {file.name for file in FOLDER.iterdir()}
    elif report.get("kind") == "pairs":
        check_report(
            report
            | {"task": "classify", "method": "simclr", "selection": "validation", "published": []}
            | {"dataset": {"name": "several", "source": "several"}}
        )
        assert {row["model"] for row in report["results"]} == {*report["rules"], "untrained", "raw"}
        assert {row["cell"]["on"] for row in report["results"]} == set(report["datasets"])
    else:
        check_report(report)
        # The controls of fine-tuning are the untrained encoder's.
        further = set() if report["task"] == "finetune" else {"control"}
        # A probe that follows the training has no untrained counterpart.
        followed = {row["protocol"] for row in report["results"]} <= {"trained_probe", "control"}
        untrained = set() if followed else {"untrained"}
        if not report["evaluation"].get("controls", True):
            # They stand in another record of the same data and encoder.
            assert any(beside(report, other) for other in FOLDER.glob("*.json"))
            untrained = further = set()
        assert {row["role"] for row in report["results"]} == {"method"} | untrained | further
    assert report["command"].startswith("python experiments/")
    assert not re.search(r"""["'= ]/\w""", path.read_text()), "an absolute path"
