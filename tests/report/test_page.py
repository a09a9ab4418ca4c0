"""The HTML page: what it says, that nothing in it is live but our own scripts, and what the plots hold."""

import html.parser
import sys

import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from sklearn.decomposition import PCA

from tsrl.errors import InputError
from tsrl.report import page
from tsrl.report.page import write_page

EVIL = (
    """</script><script>alert(1)</script><img src=x onerror="alert(2)"><a href='http://a.example'>x</a> %{x} $title"""
)
CURVE = [{"step": step, "loss": [5.0 / step, 6.0 / step]} for step in range(1, 4)]


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


def embeddings(labelled=True):
    """Eight training and twelve test rows in five dimensions."""
    rng = np.random.default_rng(0)
    z = {"z_train": rng.normal(size=(8, 5)), "z_test": rng.normal(size=(12, 5))}
    return z | ({"y_train": np.arange(8) % 4, "y_test": np.arange(12) % 4} if labelled else {})


@pytest.fixture
def written(tmp_path):
    """Writes a page and reads it back."""

    def write(report, curve=CURVE, z=None):
        write_page(tmp_path / "report.html", report, curve, embeddings() if z is None else z)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


@pytest.fixture
def figures(monkeypatch, written):
    """The plotly figures of a page by name, and the sentences told beside them."""

    def draw(*inputs, **named):
        found = {}
        monkeypatch.setattr(page, "_figure", lambda name, figure, told: found.update({name: (figure, told)}) or "")
        written(*inputs, **named)
        return found

    return draw


def test_says_results_settings_and_times(report, written):
    text = Reader(written(report)).text
    assert "ts2vec on BasicMotions" in text
    assert "0.950 ± 0.071" in text
    assert "some paper, Table 1" in text
    assert "∞" in text
    for told in ("5-fold cross-validation on train", "hardware.devices", "seconds.train41.2", "jax0.10.2"):
        assert told in text
    assert "train.steps600" in text
    assert "tsrl run --dataset BasicMotions" in text


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
        "published": {"accuracy": {"value": 0.5, "source": EVIL}},
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


def test_hostile_class_is_escaped_for_plotly_which_renders_some_html(report, figures):
    classes = {"classes": [EVIL, "b", "c", "d"]}
    figure, _ = figures(report | {"dataset": report["dataset"] | classes})["map"]
    shown = " ".join(str(trace.name) + " ".join(trace.hovertext) for trace in figure.data).replace("<br>", "")
    assert "<" not in shown
    assert "&lt;a href=" in shown
    assert all(trace.hovertemplate is None for trace in figure.data)


def test_structure_for_assistive_technology(report, written):
    reader = Reader(written(report))
    assert ("html", {"lang": "en"}) in reader.tags
    assert reader.count("main") == reader.count("h1") == 1
    assert reader.count("h2") == 4
    labels = [attrs["aria-label"] for _, attrs in reader.tags if attrs.get("role") == "img"]
    assert labels[0] == "Training loss, step 1 to 3: seed 0 from 5.000 to 1.667; seed 3 from 6.000 to 2.000."
    assert labels[1].startswith("Map of 12 test and, fainter, 8 training embeddings")
    assert any(attrs.get("name") == "viewport" for _, attrs in reader.tags)


def test_map_is_the_pca_of_both_splits(report, figures):
    z = embeddings()
    figure, told = figures(report, z=z)["map"]
    pca = PCA(2)
    points = pca.fit_transform(np.concatenate([z["z_train"], z["z_test"]]))
    train, test = figure.data[1], figure.data[5]
    np.testing.assert_allclose(np.stack([train.x, train.y], 1), points[:8][1::4], atol=1e-5)
    np.testing.assert_allclose(np.stack([test.x, test.y], 1), points[8:][1::4], atol=1e-5)
    assert test.hovertext == ("Running<br>test row 1", "Running<br>test row 5", "Running<br>test row 9")
    assert train.marker.color == test.marker.color
    assert train.marker.opacity < test.marker.opacity
    assert f"{pca.explained_variance_ratio_.sum():.1%}" in told


def test_loss_has_a_line_a_seed(report, figures):
    figure, _ = figures(report)["loss"]
    assert [trace.name for trace in figure.data] == ["seed 0", "seed 3"]
    np.testing.assert_allclose(figure.data[1].y, [6, 3, 2])
    figure, _ = figures(report | {"seeds": [0]}, curve=[{"step": 7, "loss": 2.5}, {"step": 8, "other": 1}])["loss"]
    assert (list(figure.data[0].x), list(figure.data[0].y)) == ([7], [2.5])


def test_long_curves_and_large_splits_are_thinned(report, figures, monkeypatch):
    monkeypatch.setattr(page, "MAX_POINTS", 4)
    found = figures(report, curve=[{"step": i, "loss": 1.0} for i in range(100)])
    assert list(found["loss"][0].data[0].x) == [0, 33, 66, 99]
    figure, told = found["map"]
    assert sum(len(trace.x) for trace in figure.data) == 8
    assert "At most 4 evenly spaced rows" in told


def test_unlabelled_run_has_no_table_and_is_coloured_by_split(report, written, figures):
    bare = report | {"results": [], "published": {}, "dataset": report["dataset"] | {"classes": []}}
    assert "No table: this run has no scores" in Reader(written(bare, z=embeddings(labelled=False))).text
    figure, _ = figures(bare, z=embeddings(labelled=False))["map"]
    assert [(trace.name, len(trace.x)) for trace in figure.data] == [("train", 8), ("test", 12)]


def test_labels_that_are_not_class_numbers_name_themselves(report, figures):
    labels = {"y_train": np.array(["up", "down"] * 4), "y_test": np.array(["up", "down"] * 6)}
    figure, _ = figures(report, z=embeddings() | labels)["map"]
    assert {trace.name for trace in figure.data} == {"up", "down"}
    beyond = {"y_train": np.arange(8) % 4 + 1, "y_test": np.arange(12) % 4 + 1}
    figure, _ = figures(report, z=embeddings() | beyond)["map"]
    assert {trace.name for trace in figure.data} == {"1", "2", "3", "4"}


def test_nothing_to_draw_is_said(report, written):
    alone = {"z_train": np.ones((1, 1)), "z_test": np.ones((2, 1))}
    text = Reader(written(report, curve=[], z=alone)).text
    assert "No curve: no training step was recorded." in text
    assert "No map: it needs at least two rows and two columns" in text


def test_collapsed_embeddings_and_diverged_loss_are_drawn_without_a_warning(report, written):
    same = {name: np.ones_like(value) for name, value in embeddings(labelled=False).items()}
    text = Reader(written(report | {"seeds": [0]}, curve=[{"step": 1, "loss": float("nan")}], z=same))
    assert any("0.0% of the variance" in attrs.get("aria-label", "") for _, attrs in text.tags)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z_test": np.ones((12, 4))}, r"z_test: found shape \(12, 4\)"),
        ({"z_train": np.ones(8)}, r"z_train: found shape \(8,\)"),
        ({"z_test": np.full((12, 5), np.nan)}, "z_test: .* want finite"),
        ({"y_test": np.arange(5)}, r"y_test: found shape \(5,\), want \[12\]"),
    ],
)
def test_wrong_embeddings_are_named(report, written, change, message):
    with pytest.raises(InputError, match=message):
        written(report, z=embeddings() | change)


def test_missing_plotly_names_the_extra(report, written, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"pip install 'tsrl\[report\]'"):
        written(report)
