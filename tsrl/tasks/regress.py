"""Extrinsic regression: one number a series, from its frozen embedding."""

from typing import Any

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data.regression import RegressionSet, load_regression
from tsrl.data.scaling import fit_archive_scaler
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.evaluate.regress import evaluate_regression
from tsrl.readout import rich_readout
from tsrl.report.schema import Row
from tsrl.tasks.base import Arrays, Scored, Source, Task, Training, scored_row, wanted

PROTOCOLS = {
    "ridge": "the method's own series embedding, standardised; ridge regression, penalty by cross-validation on train",
    "rich": "maximum, mean, standard deviation and share of positive values of every block's output; the same ridge",
    "control": "no encoder; the mean of the training targets, and the same ridge on the raw series",
}
ARRAYS = {
    "z_train": "[N, D] embeddings",
    "y_train": "[N] numbers",
    "z_test": "[M, D] embeddings",
    "y_test": "[M] numbers",
}


def load(config: Config) -> RegressionSet:
    """The set, with training rows enough for a regression."""
    how = config.classify
    data = load_regression(config.dataset, config.data_dir, config.table, how.split, how.split_seed)
    if len(data.x_train) < 2:
        raise InputError(f"x_train: found 1 series in {data.name}, want at least two to regress on")
    return data


def training(config: Config, data: RegressionSet) -> Training:
    """The training split, scaled by the archives' rule."""
    return Training(data.x_train, fit_archive_scaler(data.x_train, data.name))


def describe(config: Config, data: RegressionSet) -> dict[str, Any]:
    """The report's description of the set."""
    return {
        "name": data.name,
        "source": data.source,
        "n_train": len(data.x_train),
        "n_test": len(data.x_test),
        "length": data.x_train.shape[1],
        "channels": data.x_train.shape[2],
        **data.about,
    }


def labels(config: Config, data: RegressionSet) -> dict[str, np.ndarray]:
    """The targets, and the rows' ids."""
    return {"y_train": data.y_train, "y_test": data.y_test, **data.rows}


def score(config: Config, data: RegressionSet, embedder: Embedder, source: Source) -> Scored:
    """Both read-outs of one model."""
    z = {"z_train": embedder.embed(data.x_train), "z_test": embedder.embed(data.x_test)}
    rich = [embedder.read_out(x, rich_readout) for x in (data.x_train, data.x_test)]
    own = scored_row(source, "rich", evaluate_regression(rich[0], data.y_train, rich[1], data.y_test))
    return Scored([*judge(config, z | labels(config, data), source), own], z)


def judge(config: Evaluation, arrays: Arrays, source: Source) -> list[Row]:
    """Ridge regression on embeddings."""
    return [scored_row(source, "ridge", evaluate_regression(*wanted(arrays, ARRAYS)))]


def controls(config: Config, data: RegressionSet) -> list[Row]:
    """The mean, and ridge regression on the raw series, missing steps as the mean."""
    fitted = training(config, data)
    raw = [np.nan_to_num(fitted.apply(x)).reshape(len(x), -1) for x in (data.x_train, data.x_test)]
    nothing = [np.zeros((len(x), 1)) for x in raw]
    return [
        scored_row(
            Source(name, "control", None), "control", evaluate_regression(train, data.y_train, test, data.y_test)
        )
        for name, (train, test) in {"mean of train": nothing, "raw series, ridge": raw}.items()
    ]


TASK = Task(
    load=load,
    fingerprint=RegressionSet.fingerprint,
    training=training,
    dataset=describe,
    protocols=PROTOCOLS,
    headline="rmse",
    compared=("ridge", "rich", "control"),
    score=score,
    controls=controls,
    labels=labels,
    judge=judge,
)
