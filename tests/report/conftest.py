"""Small reports, as the experiment runner writes them."""

import pytest

from tsrl.report.schema import row


@pytest.fixture
def report():
    """Two seeds on four-class data; accuracies 0.9 and 1.0, published 0.975."""
    rows = [
        row("ts2vec", "method", "svc", {"accuracy": 0.9, "macro_f1": 0.89, "kappa": 0.87}, seed=0, chosen={"C": 10.0}),
        row("ts2vec", "method", "svc", {"accuracy": 1.0, "macro_f1": 1.0, "kappa": 1.0}, seed=3, chosen={"C": 1.7e308}),
    ]
    return {
        "schema": 2,
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
        "protocol": {"svc": "RBF SVC, 5-fold cross-validation on train", "control": "no encoder"},
        "selection": "validation",
        "seeds": [0, 3],
        "results": rows,
        "published": [
            {"protocol": "svc", "metric": "accuracy", "cell": {}, "value": 0.975, "source": "some paper, Table 1"}
        ],
        "health": [{"seed": 0, "uniformity": -3.21, "width": 320}, {"seed": 3, "uniformity": None, "width": 320}],
        "wall_s": {"train": 41.234, "evaluate": 0.5},
        "versions": {"jax": "0.10.2"},
        "hardware": {"backend": "cpu", "devices": 2},
        "command": "tsrl run --dataset BasicMotions",
        "config": {"train": {"steps": 600, "batch_size": 8}, "empty": {}},
    }


@pytest.fixture
def forecast_report(report):
    """Two seeds at two horizons, a control without seeds; only the plain method is published."""

    def rows(name, role, protocol, seed, anchored, errors):
        return [
            row(
                name,
                role,
                protocol,
                {"mse": error, "mse_original": 1000 * error},
                cell={"horizon": horizon, "anchored": anchored},
                seed=seed,
            )
            for horizon, error in errors.items()
        ]

    results = [
        *rows("last value", "control", "control", None, False, {24: 0.9, 48: 1.1}),
        *rows("ts2vec", "method", "last_step_ridge", 0, False, {48: 0.6, 24: 0.4}),
        *rows("ts2vec", "method", "last_step_ridge", 1, False, {48: 0.8, 24: 0.4}),
        *rows("ts2vec", "method", "last_step_ridge", 0, True, {48: 0.5, 24: 0.3}),
        *rows("ts2vec", "method", "last_step_ridge", 1, True, {48: 0.5, 24: 0.5}),
    ]
    quoted = {"protocol": "last_step_ridge", "metric": "mse", "source": "the paper, Table 8"}
    return report | {
        "task": "forecast",
        "dataset": {"name": "ETTh1", "source": "csv file ETTh1.csv"},
        "protocol": {"last_step_ridge": "ridge on the last step", "control": "no encoder"},
        "seeds": [0, 1],
        "results": results,
        "published": [
            quoted | {"cell": {"horizon": 24, "anchored": False}, "value": 0.599},
            quoted | {"cell": {"horizon": 48, "anchored": False}, "value": 0.629},
        ],
    }


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A headless browser for all pages of a file."""
    from browser import chrome

    yield from chrome(tmp_path_factory.mktemp("profile"))
