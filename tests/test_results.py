"""The committed results are reports of this schema, made by a command of their own, and name no machine's folders."""

import json
import re
from pathlib import Path

import pytest

from tsrl.report.schema import SCHEMA, check_report

FOLDER = Path(__file__).parents[1] / "experiments" / "results"


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
        assert {row["role"] for row in report["results"]} == {"method"} | untrained | further
    assert report["command"].startswith("python experiments/")
    assert not re.search(r"""["'= ]/\w""", path.read_text()), "an absolute path"
