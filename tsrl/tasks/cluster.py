"""Clustering: k-means on frozen embeddings of the test split, judged by its labels."""

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data.dataset import Dataset
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.evaluate.cluster import evaluate_kmeans
from tsrl.report.schema import Row
from tsrl.tasks import classify
from tsrl.tasks.base import Arrays, Scored, Source, Task, scored_row, wanted

PROTOCOLS = {
    "kmeans": "the method's own embeddings of the test split; k-means with as many clusters as classes",
    "control": "no encoder; k-means on the raw series, missing steps as the mean",
}
ARRAYS = {"z_test": "[M, D] embeddings", "y_test": "[M] labels"}


def load(config: Config) -> Dataset:
    """The set, which needs labels, of two classes at least in the split that is clustered."""
    dataset = classify.load_labelled(config)
    if len(np.unique(classify.prepared(config, dataset).y_test)) < 2:
        raise InputError(f"y_test: found one class in {dataset.name}, want two or more to compare clusters with")
    return dataset


def score(config: Config, dataset: Dataset, embedder: Embedder, source: Source) -> Scored:
    """k-means on one model's embeddings."""
    z = classify.embed(dataset, embedder)
    return Scored(judge(config, z | classify.labels(config, dataset), source), z)


def judge(config: Evaluation, arrays: Arrays, source: Source) -> list[Row]:
    """k-means on embeddings."""
    z, y = wanted(arrays, ARRAYS)
    return [scored_row(source, "kmeans", evaluate_kmeans(z, y, seed=source.seed or 0))]


def controls(config: Config, dataset: Dataset) -> list[Row]:
    """k-means on the raw series."""
    split = classify.prepared(config, dataset)
    raw = np.nan_to_num(split.x_test).reshape(len(split.x_test), -1)
    found = evaluate_kmeans(raw, split.y_test, seed=config.seed)
    return [scored_row(Source("raw series", "control", config.seed), "control", found)]


TASK = Task(
    load=load,
    fingerprint=Dataset.fingerprint,
    training=classify.training,
    dataset=classify.describe,
    protocols=PROTOCOLS,
    headline="nmi",
    compared=("kmeans", "control"),
    score=score,
    controls=controls,
    labels=classify.labels,
    judge=judge,
)
