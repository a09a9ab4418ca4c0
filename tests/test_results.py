"""The committed results are reports of this schema, made by a command of their own, and name no machine's folders."""

import json
import re
from pathlib import Path

import pytest

from tsrl.report.schema import SCHEMA, check_report

FOLDER = Path(__file__).parents[1] / "experiments" / "results"


def beside(report, path):
    """Whether a record has the untrained encoder and the controls of another's data."""
    other = json.loads(path.read_text())
    config, wanted = other.get("config", {}), report["config"]
    same = all(config.get(part) == wanted[part] for part in ("data", "encoder", "task"))
    return same and {row["role"] for row in other["results"]} == {"method", "untrained", "control"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_result_is_a_report(path):
    report = json.loads(path.read_text())
    if report.get("kind") == "comparison":
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
