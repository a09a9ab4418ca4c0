"""A small run's report, as the experiment runner writes it."""

import pytest


@pytest.fixture
def report():
    """Two seeds on four-class data; accuracies 0.9 and 1.0."""
    results = [
        {"seed": 0, "accuracy": 0.9, "macro_f1": 0.89, "kappa": 0.87, "C": 10.0},
        {"seed": 3, "accuracy": 1.0, "macro_f1": 1.0, "kappa": 1.0, "C": 1.7976931348623157e308},
    ]
    return {
        "schema": 1,
        "task": "classify",
        "method": "ts2vec",
        "dataset": {
            "name": "BasicMotions",
            "source": "UEA archive",
            "n_train": 8,
            "n_test": 12,
            "length": 100,
            "channels": 6,
            "classes": ["Badminton", "Running", "Standing", "Walking"],
        },
        "protocol": {"classifier": "rbf_svc", "selection": "5-fold cross-validation on train", "scaling": "none"},
        "seeds": [0, 3],
        "results": results,
        "mean": {"accuracy": 0.95},
        "std": {"accuracy": 0.0707},
        "published": {"accuracy": {"value": 0.975, "source": "some paper, Table 1"}},
        "wall_s": {"train": 41.234, "encode": 1.0, "evaluate": 0.5},
        "versions": {"jax": "0.10.2"},
        "hardware": {"backend": "cpu", "devices": 2},
        "command": "tsrl run --dataset BasicMotions",
        "config": {"train": {"steps": 600, "batch_size": 8}, "empty": {}},
    }
