"""`tsrl methods` says what the library itself knows."""

import json
import re
import runpy
from pathlib import Path

import pytest

from tsrl.cli import main
from tsrl.config import options
from tsrl.method_list import about_method, settings_of
from tsrl.methods import ENCODER_OF, METHODS
from tsrl.scripts import about_script, experiment_scripts

ROOT = Path(__file__).parents[1]


def printed(capsys, *args):
    main(["methods", *args])
    return capsys.readouterr().out


def test_the_table_has_every_method(capsys):
    lines = {line.split()[0]: line for line in printed(capsys).splitlines() if line.strip()}
    for name in METHODS:
        found = about_method(name)
        for told in (found["paper"]["arxiv"], found["encoder"], found["paper"]["title"], *found["extras"]):
            assert told in lines[name]
        assert (lines[name].split()[3] == "supervised") == found["supervised"]


@pytest.mark.parametrize("name", METHODS)
def test_what_is_said_of_a_method_agrees_with_what_it_is(name):
    found, script = about_method(name), experiment_scripts()[name]
    config = runpy.run_path(str(script))["CONFIG"]
    assert found["script"] == {"name": name, "task": config.task}
    # The paper of its script, of its page in the documentation and of the README.
    assert found["paper"]["arxiv"] in about_script(script)
    assert found["paper"]["title"].split(":")[0].split()[0] in " ".join(about_script(script).split())
    row = re.search(rf"^\| `{name}` \|.*$", (ROOT / "README.md").read_text(), re.M)
    assert row is not None
    assert found["paper"]["arxiv"] in row[0]
    assert ("supervised" in row[0]) == found["supervised"]
    assert re.findall(r"extra `(\w+)`", row[0]) == found["extras"]
    assert found["encoder"] == type(ENCODER_OF[name]()).__name__
    assert set(found["tasks"]) >= {found["script"]["task"]}


@pytest.mark.parametrize("name", METHODS)
def test_settings_are_those_of_the_method(name, capsys):
    found = {each["name"]: each for each in settings_of(name)}
    assert set(found) == set(vars(options(name)))
    assert all(each["help"] for each in found.values())
    (shown,) = [json.loads(line) for line in printed(capsys, "show", name, "--json").splitlines()]
    assert shown["settings"] == json.loads(json.dumps(settings_of(name)))
    text = " ".join(printed(capsys, "show", name).split())
    assert shown["summary"] in text
    assert all(each["flag"] in text for each in found.values())


def test_json_lines(capsys):
    rows = [json.loads(line) for line in printed(capsys, "--json").splitlines()]
    assert [row["name"] for row in rows] == list(METHODS)
