"""Classification: frozen embeddings of labelled series, read by the field's classifiers."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data.dataset import Dataset
from tsrl.data.named import load as load_dataset
from tsrl.data.scaling import fit_archive_scaler
from tsrl.data.series import pad_to
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.evaluate.classify import evaluate_svc
from tsrl.evaluate.classify_controls import CONTROLS, classification_controls
from tsrl.evaluate.probes import evaluate_logistic, evaluate_nearest, evaluate_ridge, few_label_rows
from tsrl.readout import rich_readout
from tsrl.report.schema import Row, row
from tsrl.tasks.base import Arrays, Scored, Source, Task, Training, scored_row, wanted

PROTOCOLS = {
    "svc": "the method's own series embedding; RBF SVC, C by 5-fold cross-validation on train (TS2Vec's protocol)",
    "logistic": "the method's own series embedding, standardised; logistic regression, C by cross-validation on train, "
    "by recording or subject where they are known",
    "nearest": "the method's own series embedding; the nearest training series, Euclidean",
    "rich": "maximum, mean, standard deviation and share of positive values of every block's output, standardised; "
    "ridge classifier, penalty by leave-one-out on train",
    "control": "no encoder; a classifier of the raw series",
}
FEW_LABELS = {"10 %": 0.1, "1 %": 0.01}
ARRAYS = {
    "z_train": "[N, D] embeddings",
    "y_train": "[N] labels",
    "z_test": "[M, D] embeddings",
    "y_test": "[M] labels",
}


class Labelled(NamedTuple):
    """A data set that has labels in both splits."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load(config: Config) -> Dataset:
    """The set; one without labels in both splits is embedded and not scored."""
    dataset = load_dataset(config.dataset, config.data_dir, config.table)
    dataset = dataset.resplit(config.classify.split, config.classify.split_seed)
    split = labelled(dataset)
    if split is not None and len(np.unique(split.y_train)) < 2:
        raise InputError(f"y_train: found one class in {dataset.name}, want two or more to classify, or no labels")
    return dataset


def load_labelled(config: Config) -> Dataset:
    """As `load`, for tasks that can do nothing without labels in both splits."""
    dataset = load(config)
    prepared(config, dataset)
    return dataset


def labelled(dataset: Dataset) -> Labelled | None:
    """Both splits with their labels, or None."""
    if dataset.y_train is None or dataset.x_test is None or dataset.y_test is None:
        return None
    return Labelled(dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test)


def prepared(config: Config, dataset: Dataset) -> Labelled:
    """Both splits as an encoder is given them, padded to one length, with their labels.

    Raises:
      InputError: the set has no labels in both splits.
    """
    split = labelled(dataset)
    if split is None:
        raise InputError(f"dataset: found {dataset.name} without labels in both splits, want them for {config.task}")
    scaled = training(config, dataset)
    length = max(split.x_train.shape[1], split.x_test.shape[1])
    x_train, x_test = (pad_to(scaled.apply(x), length) for x in (split.x_train, split.x_test))
    return split._replace(x_train=x_train, x_test=x_test)


def training(config: Config, dataset: Dataset) -> Training:
    """The training split, scaled as the archives' published evaluations do, by its own statistics."""
    return Training(dataset.x_train, fit_archive_scaler(dataset.x_train, dataset.name))


def describe(config: Config, dataset: Dataset) -> dict[str, Any]:
    """The report's description of the set."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "n_train": len(dataset.x_train),
        "n_test": 0 if dataset.x_test is None else len(dataset.x_test),
        "length": dataset.x_train.shape[1],
        "channels": dataset.x_train.shape[2],
        "classes": list(dataset.classes),
        "split": config.classify.split,
        **({"n_val": len(dataset.x_val)} if dataset.x_val is not None else {}),
        **dataset.about,
    }


def embed(dataset: Dataset, embedder: Embedder) -> dict[str, np.ndarray]:
    """The method's own embeddings of both splits."""
    splits = {"z_train": dataset.x_train, "z_test": dataset.x_test}
    return {name: embedder.embed(x) for name, x in splits.items() if x is not None}


def labels(config: Config, dataset: Dataset) -> dict[str, np.ndarray]:
    """The labels there are, the rows' ids, and whose they are."""
    known = {name: y for name in ("y_train", "y_test") if (y := getattr(dataset, name)) is not None}
    return known | {name: values for name, values in dataset.rows.items() if name.startswith(("id_", "group_"))}


def score(config: Config, dataset: Dataset, embedder: Embedder, source: Source) -> Scored:
    """Every protocol on one model; no rows without labels."""
    z, split = embed(dataset, embedder), labelled(dataset)
    if split is None:
        return Scored([], z)
    rows = judge(config, z | labels(config, dataset), source)
    if "rich" in config.classify.protocols:
        rich = [embedder.read_out(x, rich_readout) for x in (split.x_train, split.x_test)]
        rows.append(scored_row(source, "rich", evaluate_ridge(rich[0], split.y_train, rich[1], split.y_test)))
    return Scored(rows, z)


def judge(config: Evaluation, arrays: Arrays, source: Source) -> list[Row]:
    """Every protocol that is asked for, on embeddings and labels."""
    z_train, y_train, z_test, y_test = wanted(arrays, ARRAYS)
    seed, groups = source.seed or 0, arrays.get("group_train")
    readers: dict[str, Callable[[], dict[str, Any]]] = {
        "svc": lambda: evaluate_svc(z_train, y_train, z_test, y_test, seed),
        "logistic": lambda: evaluate_logistic(z_train, y_train, z_test, y_test, seed, groups),
        "nearest": lambda: evaluate_nearest(z_train, y_train, z_test, y_test),
    }
    asked = config.classify.protocols
    rows = [scored_row(source, name, read()) for name, read in readers.items() if name in asked]
    few_labels = config.classify.few_labels and "logistic" in asked
    for share, fraction in FEW_LABELS.items() if few_labels else []:
        kept = few_label_rows(y_train, fraction, seed)
        if kept is not None:
            own = None if groups is None else groups[kept]
            few = evaluate_logistic(z_train[kept], y_train[kept], z_test, y_test, seed, own)
            rows.append(scored_row(source, "logistic", few, {"labels": share}))
    return rows


def controls(config: Config, dataset: Dataset, names: Sequence[str] = CONTROLS) -> list[Row]:
    """Classifiers of the raw series, among them the archives' strongest quick ones; with the run's first seed.

    Args:
      config: of the run.
      dataset: what `load` gave.
      names: see `classification_controls`.
    """
    if labelled(dataset) is None:
        return []
    groups = dataset.rows.get("group_train")
    found = classification_controls(*prepared(config, dataset), seed=config.seed, groups=groups, names=names)
    done = [
        scored_row(Source(name, "control", config.seed), "control", scores) for name, scores in found.scores.items()
    ]
    left_out = [
        row(name, "control", "control", {"accuracy": math.nan}, chosen={"left out": reason})
        for name, reason in found.left_out.items()
    ]
    return done + left_out


TASK = Task(
    load=load,
    fingerprint=Dataset.fingerprint,
    training=training,
    dataset=describe,
    protocols=PROTOCOLS,
    headline="accuracy",
    compared=("svc", "rich", "control"),
    score=score,
    controls=controls,
    labels=labels,
    judge=judge,
)
