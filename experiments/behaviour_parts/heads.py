"""Classifiers of histories, chosen on a validation part."""

from typing import Any

import numpy as np


def logistic(setting: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=setting, max_iter=2000))


def boosting(setting: float) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(learning_rate=setting, max_iter=200, max_leaf_nodes=15, random_state=0)


_SETTINGS = {"logistic": (1e-3, 1e-2, 1e-1, 1.0), "boosting": (0.02, 0.05, 0.1)}


def best(heads: dict[str, Any], x: np.ndarray, y: np.ndarray, part: np.ndarray) -> tuple[dict[str, float], str]:
    """The head and its setting that are best on part 1, by the area under the curve; scored on part 2."""
    tried = {
        (name, setting): _auc(made(setting).fit(x[part == 0], y[part == 0]), x[part == 1], y[part == 1])
        for name, made in heads.items()
        for setting in _SETTINGS[name]
    }
    name, setting = max(tried, key=tried.__getitem__)
    fitted = heads[name](setting).fit(x[part < 2], y[part < 2])
    accuracy = float((fitted.predict(x[part == 2]) == y[part == 2]).mean())
    return {"auc": _auc(fitted, x[part == 2], y[part == 2]), "accuracy": accuracy}, f"{name}, {setting:g}"


def _auc(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    shares = model.predict_proba(x)
    if shares.shape[1] == 2:
        return float(roc_auc_score(y, shares[:, 1]))
    return float(roc_auc_score(y, shares, multi_class="ovr", average="macro"))
