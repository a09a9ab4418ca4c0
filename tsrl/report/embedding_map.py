"""The map of a run's embeddings: their first two principal components."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsrl.errors import InputError
from tsrl.report.plots import COLOURS, MAX_LEGEND, MAX_POINTS, SYMBOLS, escaped, height, new_figure, spaced


def map_plot(classes: Sequence[str], embeddings: Mapping[str, np.ndarray]) -> tuple[Any, str] | None:
    """The rows of both splits on their first two principal components.

    They are coloured by class, on a scale where labels are numbers with a fraction, by split where there are none.

    Args:
      classes: names of the labels 0..K-1, or none.
      embeddings: see `write_page`.

    Returns:
      The figure and its sentence, or None for fewer than two rows or columns.

    Raises:
      InputError: embeddings that are not `[N, D]`, finite and equally wide, or labels of another length.

    References:
      scikit-learn's PCA, fitted to the rows of both splits.
    """
    from sklearn.decomposition import PCA

    splits = {split: np.asarray(embeddings[f"z_{split}"]) for split in ("train", "test") if f"z_{split}" in embeddings}
    for split, z in splits.items():
        if z.ndim != 2 or z.shape[1] != next(iter(splits.values())).shape[-1] or not np.isfinite(z).all():
            raise InputError(f"z_{split}: found shape {z.shape}, want finite [N, D] with the same D in both splits")
    both = np.concatenate(list(splits.values()))
    if min(both.shape) < 2:
        return None
    labels = _labels(splits, embeddings)
    pca = PCA(2, random_state=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # equal rows have no variance to take a share of
        ends = np.cumsum([len(z) for z in splits.values()])[:-1]
        points = dict(zip(splits, np.split(pca.fit_transform(both), ends), strict=True))
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    figure = new_figure(*(f"component {i + 1} ({share:.1%} of variance)" for i, share in enumerate(shares)))
    valued = bool(labels) and all(np.issubdtype(y.dtype, np.floating) for y in labels.values())
    if valued:
        _add_values(figure, points, labels)
    else:
        _add_classes(figure, points, _names(classes, splits, labels), classes)
    counts = {"test": "test", "train": "training"}
    shown = " and, fainter, ".join(f"{len(splits[split])} {counts[split]}" for split in counts if split in splits)
    told = f"Map of {shown} embeddings on their first two principal components, which hold {shares.sum():.1%}"
    told += " of the variance."
    if valued:
        told += " Colour: the value to predict; circles: training, squares: test."
    if max(map(len, splits.values())) > MAX_POINTS:
        told += f" At most {MAX_POINTS} evenly spaced rows of a split are drawn."
    return figure, told


def _labels(splits: Mapping[str, np.ndarray], embeddings: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The labels of each split; none at all where a split has none."""
    labels = {split: np.asarray(embeddings[f"y_{split}"]) for split in splits if f"y_{split}" in embeddings}
    for split, y in labels.items():
        if y.shape != splits[split].shape[:1]:
            raise InputError(f"y_{split}: found shape {y.shape}, want [{len(splits[split])}], the rows of z_{split}")
    return labels if len(labels) == len(splits) else {}


def _names(
    classes: Sequence[str], splits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """For each split the class name of each row, or the split's own name where labels are absent."""
    if not labels:
        return {split: np.full(len(z), split, object) for split, z in splits.items()}
    every = np.concatenate(list(labels.values()))
    if np.issubdtype(every.dtype, np.integer) and classes and every.min() >= 0 and every.max() < len(classes):
        return {split: np.array([str(name) for name in classes], object)[y] for split, y in labels.items()}
    return {split: np.array([str(label) for label in y.tolist()], object) for split, y in labels.items()}


def _add_classes(
    figure: Any, points: Mapping[str, np.ndarray], names: Mapping[str, np.ndarray], classes: Sequence[str]
) -> None:
    """One trace a class and split, in one colour and symbol a class."""
    present = dict.fromkeys(name for split in names.values() for name in split)
    ordered = dict.fromkeys([*(str(name) for name in classes if str(name) in present), *present])
    label = {name: i for i, name in enumerate(ordered)}
    for split, z in points.items():  # train first: test marks lie on top
        rows = spaced(len(z))
        for name, i in label.items():
            mine = rows[names[split][rows] == name]
            if not len(mine):
                continue
            x, y = z[mine].T.round(5)
            faint = split == "train"
            look = {"color": COLOURS[i % len(COLOURS)], "symbol": SYMBOLS[i % len(SYMBOLS)]}
            figure.add_scatter(
                x=x, y=y, mode="markers", name=escaped(name), legendgroup=str(i),
                marker=look | {"size": 7 if faint else 9, "opacity": 0.4 if faint else 0.9},
                # A legend entry of a class that is not in the test rows would otherwise be missing.
                showlegend=not faint or name not in names.get("test", ()),
                hoverinfo="text", hovertext=[f"{escaped(name)}<br>{split} row {row}" for row in mine],
            )  # fmt: skip
    figure.update_layout(showlegend=len(label) <= MAX_LEGEND, height=height(460, len(label)))


def _add_values(figure: Any, points: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> None:
    """One trace a split, coloured by the value."""
    for split, z in points.items():
        rows = spaced(len(z))
        x, y = z[rows].T.round(5)
        faint = split == "train"
        figure.add_scatter(
            x=x, y=y, mode="markers", name=split,
            marker={"size": 7 if faint else 9, "opacity": 0.4 if faint else 0.9, "coloraxis": "coloraxis",
                    "color": labels[split][rows], "symbol": SYMBOLS[0 if faint else 1]},
            hoverinfo="text", hovertext=[f"{labels[split][row]:g}<br>{split} row {row}" for row in rows],
        )  # fmt: skip
    # The ends of the usual scales vanish on a white or on a dark page.
    scale = [[0, COLOURS[0]], [0.5, "#b07aa8"], [1, COLOURS[1]]]
    colours = {"colorscale": scale, "colorbar": {"title": {"text": "y"}}}
    figure.update_layout(showlegend=False, height=height(460, 0), coloraxis=colours)
