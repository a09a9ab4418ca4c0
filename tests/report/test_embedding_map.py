"""The map of the embeddings against scikit-learn's PCA used directly."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tsrl.errors import InputError
from tsrl.report import plots
from tsrl.report.embedding_map import map_plot

CLASSES = ["Badminton", "Running", "Standing", "Walking"]
RNG = np.random.default_rng(0)
Z = {"z_train": RNG.normal(size=(8, 5)), "z_test": RNG.normal(size=(12, 5))}
LABELLED = Z | {"y_train": np.arange(8) % 4, "y_test": np.arange(12) % 4}


def test_is_the_pca_of_both_splits():
    figure, told = map_plot(CLASSES, LABELLED)
    pca = PCA(2)
    points = pca.fit_transform(np.concatenate([Z["z_train"], Z["z_test"]]))
    train, test = figure.data[1], figure.data[5]
    np.testing.assert_allclose(np.stack([train.x, train.y], 1), points[:8][1::4], atol=1e-5)
    np.testing.assert_allclose(np.stack([test.x, test.y], 1), points[8:][1::4], atol=1e-5)
    assert test.hovertext == ("Running<br>test row 1", "Running<br>test row 5", "Running<br>test row 9")
    assert train.marker.color == test.marker.color
    assert train.marker.opacity < test.marker.opacity
    assert told.startswith("Map of 12 test and, fainter, 8 training embeddings")
    assert f"{pca.explained_variance_ratio_.sum():.1%}" in told


def test_hostile_class_is_escaped_for_plotly_which_renders_some_html():
    figure, _ = map_plot(["<a href='http://a.example'>", "b", "c", "d"], LABELLED)
    shown = " ".join(str(trace.name) + " ".join(trace.hovertext) for trace in figure.data).replace("<br>", "")
    assert "<" not in shown
    assert "&lt;a href=" in shown
    assert all(trace.hovertemplate is None for trace in figure.data)


def test_large_splits_are_thinned(monkeypatch):
    monkeypatch.setattr(plots, "MAX_POINTS", 4)
    monkeypatch.setattr("tsrl.report.embedding_map.MAX_POINTS", 4)
    figure, told = map_plot(CLASSES, LABELLED)
    assert sum(len(trace.x) for trace in figure.data) == 8
    assert "At most 4 evenly spaced rows" in told


def test_without_labels_it_is_coloured_by_split():
    figure, _ = map_plot([], Z)
    assert [(trace.name, len(trace.x)) for trace in figure.data] == [("train", 8), ("test", 12)]
    figure, told = map_plot([], {"z_test": Z["z_test"]})
    assert [(trace.name, len(trace.x)) for trace in figure.data] == [("test", 12)]
    assert told.startswith("Map of 12 test embeddings")


def test_labels_that_are_not_class_numbers_name_themselves():
    labels = {"y_train": np.array(["up", "down"] * 4), "y_test": np.array(["up", "down"] * 6)}
    figure, _ = map_plot(CLASSES, Z | labels)
    assert {trace.name for trace in figure.data} == {"up", "down"}
    figure, _ = map_plot(CLASSES, Z | {"y_train": np.arange(8) % 4 + 1, "y_test": np.arange(12) % 4 + 1})
    assert {trace.name for trace in figure.data} == {"1", "2", "3", "4"}


def test_values_to_regress_have_a_scale():
    figure, told = map_plot([], Z | {"y_train": np.linspace(0, 1, 8), "y_test": np.linspace(5, 6, 12)})
    assert told.endswith("Colour: the value to predict; circles: training, squares: test.")
    assert [trace.name for trace in figure.data] == ["train", "test"]
    np.testing.assert_allclose(figure.data[1].marker.color, np.linspace(5, 6, 12))
    assert figure.data[0].hovertext[7] == "1<br>train row 7"


def test_too_few_rows_or_columns():
    assert map_plot([], {"z_train": np.ones((1, 1)), "z_test": np.ones((2, 1))}) is None
    assert map_plot([], {"z_train": np.ones((1, 4))}) is None


def test_collapsed_embeddings_are_drawn_without_a_warning():
    _, told = map_plot([], {name: np.ones_like(z) for name, z in Z.items()})
    assert "0.0% of the variance" in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z_test": np.ones((12, 4))}, r"z_test: found shape \(12, 4\)"),
        ({"z_train": np.ones(8)}, r"z_train: found shape \(8,\)"),
        ({"z_test": np.full((12, 5), np.nan)}, "z_test: .* want finite"),
        ({"y_test": np.arange(5)}, r"y_test: found shape \(5,\), want \[12\]"),
    ],
)
def test_wrong_embeddings_are_named(change, message):
    with pytest.raises(InputError, match=message):
        map_plot(CLASSES, LABELLED | change)
