"""The HTML page: what it says, and that nothing in it is live but our own scripts."""

import html.parser
import sys

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from tsrl.report.page import write_page
from tsrl.report.schema import row

EVIL = (
    """</script><script>alert(1)</script><img src=x onerror="alert(2)"><a href='http://a.example'>x</a> %{x} $title"""
)
CURVE = [{"step": step, "loss": [5.0 / step, 6.0 / step]} for step in range(1, 4)]
RNG = np.random.default_rng(0)
ARRAYS = {
    "z_train": RNG.normal(size=(8, 5)),
    "z_test": RNG.normal(size=(12, 5)),
    "y_train": np.arange(8) % 4,
    "y_test": np.arange(12) % 4,
}


class Reader(html.parser.HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._inside = [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture
def written(tmp_path):
    """Writes a page and reads it back."""

    def write(report, curve=CURVE, arrays=ARRAYS):
        write_page(tmp_path / "report.html", report, curve, arrays)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_says_results_settings_and_times(report, written):
    text = Reader(written(report)).text
    for told in (
        "ts2vec on BasicMotions", "Task: classify", "n test 12; length 100; channels 6; classes 4", "0.950 ±0.071",
        "some paper, Table 1", "svcRBF SVC, 5-fold cross-validation on train", "C ∞", "C 10", "hardware.devices2",
        "seconds.train41.2", "jax0.10.2", "train.steps600", "tsrl run --dataset BasicMotions", "Seeduniformitywidth",
        "0-3.210320", "3-320",
    ):  # fmt: skip
        assert told in text


def test_best_is_strong_and_marked(report, written):
    text = written(report | {"results": [*report["results"], row("DTW", "control", "control", {"accuracy": 0.5})]})
    assert '<td class="number"><strong>0.950</strong><i>*</i> <small>±0.071</small></td>' in text
    assert '<th scope="row">DTW (control)</th>' in text
    assert "* best; ≈ no different from it" in text


def test_paper_selection_is_called_optimistic(report, written):
    text = Reader(written(report | {"selection": "paper"})).text
    assert "ts2vec (optimistic: selected on test) on BasicMotions" in text
    assert text.count("(optimistic: selected on test)") == 3  # title, heading, table
    assert "Optimistic: selected on test data" in text


def test_forecast_has_a_table_a_metric_and_folds_original_units(forecast_report, written):
    text = written(forecast_report)
    shown, folded = text.split("<summary>MSE, original units</summary>")
    assert "<caption>MSE</caption>" in shown
    assert "ts2vec (published)" in shown
    assert "700.000" in folded.split("</table>")[0]
    assert "700.000" not in Reader(shown).text
    assert "Error against the horizon" in text
    assert "Map of the embeddings" in text


def test_loads_nothing(report, written):
    text = written(report)
    reader = Reader(text)
    assert not {"link", "iframe", "img", "object", "base", "a"} & {tag for tag, _ in reader.tags}
    assert not any({"src", "href", "srcset", "action"} & set(attrs) for _, attrs in reader.tags)
    policy = next(attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert text.count("* plotly.js v") == 1
    assert text.count('"modeBarButtons"') - get_plotlyjs().count('"modeBarButtons"') == 2  # plotly's own set can upload


def test_hostile_names_stay_text(report, written):
    clean = Reader(written(report))
    evil = report | {
        "method": EVIL,
        "dataset": report["dataset"] | {"name": EVIL, "source": EVIL, "classes": [EVIL, "b", "c", "d"]},
        "results": [result | {"model": EVIL, "cell": {EVIL: EVIL}} for result in report["results"]],
        "protocol": {"svc": EVIL, EVIL: EVIL},
        "published": [report["published"][0] | {"source": EVIL, "cell": {EVIL: EVIL}}],
        "command": EVIL,
        "config": {EVIL: [EVIL]},
        "versions": {EVIL: EVIL},
        "hardware": {EVIL: EVIL},
    }
    text = written(evil)
    reader = Reader(text)
    assert reader.count("script") == clean.count("script")
    assert reader.count("img") == reader.count("a") == 0
    assert not any("onerror" in attrs for _, attrs in reader.tags)
    assert "<img src=x" not in text
    assert EVIL in reader.text


def test_structure_for_assistive_technology(report, written):
    reader = Reader(written(report))
    assert ("html", {"lang": "en"}) in reader.tags
    assert reader.count("main") == reader.count("h1") == 1
    assert reader.count("h2") == 5
    labels = [attrs["aria-label"] for _, attrs in reader.tags if attrs.get("role") == "img"]
    assert labels[0] == "Training loss, step 1 to 3: seed 0 from 5.000 to 1.667; seed 3 from 6.000 to 2.000."
    assert labels[1].startswith("Map of 12 test and, fainter, 8 training embeddings")
    assert any(attrs.get("name") == "viewport" for _, attrs in reader.tags)
    assert all(attrs.get("tabindex") == "0" for _, attrs in reader.tags if attrs.get("class") == "wide")


def test_what_there_is_not_is_left_out(report, written):
    bare = report | {"results": [], "published": [], "health": [], "seeds": []}
    for part in ("command", "config", "versions", "hardware", "wall_s"):
        del bare[part]
    reader = Reader(written(bare, curve=[], arrays={}))
    assert "No table: this run has no scores" in reader.text
    assert reader.count("h2") == 2  # results, how it was run
    assert reader.count("figure") == 0


def test_missing_plotly_names_the_extra(report, written, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"pip install 'tsrl\[report\]'"):
        written(report)
