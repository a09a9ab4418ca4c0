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


def ridge(setting: float) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(setting))


def boosted_regression(setting: float) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(learning_rate=setting, max_iter=200, max_leaf_nodes=15, random_state=0)


_SETTINGS = {
    "logistic": (1e-3, 1e-2, 1e-1, 1.0),
    "boosting": (0.02, 0.05, 0.1),
    "ridge": (1e1, 1e2, 1e3, 1e4, 1e5),
}


def best(heads: dict[str, Any], x: np.ndarray, y: np.ndarray, part: np.ndarray) -> tuple[dict[str, float], str]:
    """The head and its setting that are best on part 1, by the area under the curve; scored on part 2."""
    tried = {
        (name, setting): auc(y[part == 1], made(setting).fit(x[part == 0], y[part == 0]).predict_proba(x[part == 1]))
        for name, made in heads.items()
        for setting in _SETTINGS[name]
    }
    name, setting = max(tried, key=tried.__getitem__)
    fitted = heads[name](setting).fit(x[part < 2], y[part < 2])
    accuracy = float((fitted.predict(x[part == 2]) == y[part == 2]).mean())
    return {"auc": auc(y[part == 2], fitted.predict_proba(x[part == 2])), "accuracy": accuracy}, f"{name}, {setting:g}"


def best_regression(
    lines: dict[str, Any], x: np.ndarray, y: np.ndarray, part: np.ndarray
) -> tuple[dict[str, float], str]:
    """As `best`, of numbers: by the squared error on part 1."""
    from scipy.stats import spearmanr
    from sklearn.metrics import r2_score

    tried = {
        (name, setting): np.square(
            made(setting).fit(x[part == 0], y[part == 0]).predict(x[part == 1]) - y[part == 1]
        ).mean()
        for name, made in lines.items()
        for setting in _SETTINGS[name]
    }
    name, setting = min(tried, key=tried.__getitem__)
    guess = lines[name](setting).fit(x[part < 2], y[part < 2]).predict(x[part == 2])
    scores = {"r2": float(r2_score(y[part == 2], guess)), "spearman": float(spearmanr(y[part == 2], guess).statistic)}
    return scores, f"{name}, {setting:g}"


def auc(y: np.ndarray, shares: np.ndarray) -> float:
    """The area under the curve, of several classes the mean of each against the others."""
    from sklearn.metrics import roc_auc_score

    if shares.shape[1] == 2:
        return float(roc_auc_score(y, shares[:, 1]))
    return float(roc_auc_score(y, shares, multi_class="ovr", average="macro"))
