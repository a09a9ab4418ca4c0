"""What is written down about the published sets, and the check of contents against it."""

import re
import subprocess
import sys

import numpy as np
import pytest

from tsrl.data.builders.spec import ClassifyFacts, ForecastFacts, Rows, Series, check_facts
from tsrl.data.builders.specs import SPECS, spec_of
from tsrl.errors import InputError

NAMES = [
    *("ETTh1", "ETTh2", "ETTm1", "ETTm2", "Exchange", "Weather", "WTH"),
    *("FingerMovements", "PenDigits", "HAR", "EpilepsyEEG", "WISDM"),
]


def test_the_twelve_sets():
    assert list(SPECS) == NAMES
    assert spec_of("WTH").task == "forecast"
    assert spec_of("WISDM").task == "classify"
    with pytest.raises(InputError, match=r"found 'Wether', want one of .*did you mean Weather"):
        spec_of("Wether")


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_is_complete(name):
    spec = SPECS[name]
    assert all([spec.description, spec.citation.startswith("@"), spec.licence, spec.homepage.startswith("http")])
    assert re.fullmatch(r"tsrl_[a-z0-9]+", spec.builder)
    assert re.fullmatch(r"\d+\.\d+\.\d+", spec.version)
    for source in spec.sources:
        for file in source.files:
            assert file.urls
            assert all(re.match(r"https?://[\w.-]+/", url) for url in file.urls)
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    facts = spec.facts
    columns = facts.columns if isinstance(facts, ForecastFacts) else facts.channels
    assert len(columns) == len(facts.units) == len(set(columns))
    # Enough rows for the published splits, which the readers of the task cut.
    if isinstance(facts, ForecastFacts):
        assert np.datetime64(facts.last) > np.datetime64(facts.first)
    else:
        assert {"train", "test"} <= set(facts.rows) <= {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("name", "seconds"), [("ETTh1", 3600), ("ETTh2", 3600), ("ETTm1", 900), ("ETTm2", 900), ("WTH", 3600)]
)
def test_steps_and_dates_agree(name, seconds):
    facts = SPECS[name].facts
    span = np.datetime64(facts.last, "s") - np.datetime64(facts.first, "s")
    assert span == (facts.steps - 1) * np.timedelta64(seconds, "s")


def test_naming_the_sets_imports_nothing_heavy():
    heavy = "{'jax', 'tensorflow_datasets', 'tensorflow', 'sklearn', 'pandas', 'aeon', 'pyarrow'}"
    code = f"import sys, tsrl.data.builders as b; b.is_prepared('ETTh1'); print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


FORECAST = SPECS["Exchange"]._replace(
    facts=ForecastFacts(3, ("a", "b"), ("", ""), "2020-01-01T00:00:00", "2020-01-03T00:00:00")
)
TIME = np.datetime64("2020-01-01", "s") + np.arange(3) * np.timedelta64(86_400, "s")
SERIES = Series(np.ones((3, 2), np.float32), TIME, ("a", "b"))
CLASSIFY = SPECS["HAR"]._replace(
    facts=ClassifyFacts({"train": 2, "test": 2}, 4, ("x",), ("",), ("one", "two"), "subject")
)
ROWS = Rows(np.ones((2, 4, 1), np.float32), np.array([0, 1], np.int32), np.array(["1", "2"]))


def with_value(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (SERIES._replace(values=SERIES.values[:2]), r"file: shape: found \(2, 2\), want \(3, 2\) as in the published"),
        (SERIES._replace(values=SERIES.values[:, :1]), r"shape: found \(3, 1\), want \(3, 2\)"),
        (SERIES._replace(columns=("b", "a")), "columns: found .*'b', 'a'"),
        (SERIES._replace(time=TIME[:0]), r"time: found \(0,\), want \(3,\)"),
        (SERIES._replace(time=TIME + 1), "dates: found .*2020-01-01T00:00:01.* want .*2020-01-01T00:00:00"),
        (
            SERIES._replace(values=with_value(SERIES.values, (1, 0), np.nan)),
            r"values: found nan at \(1, 0\), want finite numbers",
        ),
        (SERIES._replace(values=with_value(SERIES.values, (2, 1), np.inf)), r"values: found inf at \(2, 1\)"),
    ],
)
def test_another_series_is_refused(contents, message):
    check_facts(FORECAST, SERIES, "file")
    with pytest.raises(InputError, match=message):
        check_facts(FORECAST, contents, "file")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"train": ROWS}, r"file: splits: found \['train'\], want \['test', 'train'\] as in the published HAR"),
        ({"train": ROWS, "test": ROWS._replace(x=ROWS.x[:1])}, r"test shape: found \(1, 4, 1\), want \(2, 4, 1\)"),
        ({"train": ROWS._replace(x=ROWS.x[:, :3]), "test": ROWS}, r"train shape: found \(2, 3, 1\)"),
        ({"train": ROWS._replace(y=ROWS.y * 0), "test": ROWS}, r"train classes: found \[0\], want \[0, 1\]"),
        ({"train": ROWS, "test": ROWS._replace(y=ROWS.y + 1)}, r"test classes: found \[1, 2\]"),
        (
            {"train": ROWS._replace(x=with_value(ROWS.x, (1, 2, 0), np.nan)), "test": ROWS},
            r"train: found nan at \(1, 2, 0\), want finite numbers",
        ),
    ],
)
def test_other_rows_are_refused(contents, message):
    check_facts(CLASSIFY, {"train": ROWS, "test": ROWS}, "file")
    with pytest.raises(InputError, match=message):
        check_facts(CLASSIFY, contents, "file")
