"""Extrinsic regression: a number for each series, from its frozen embedding."""

from typing import Any

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.classify import checked_rows

# The ROCKET papers' grid, which ends at 10^3, and on: of thousands of features that say little, such as those of all
# blocks of an encoder, leave-one-out wants less than that leaves.
PENALTIES = tuple(np.logspace(-3, 7, 16).tolist())


def evaluate_regression(
    z_train: np.ndarray, y_train: np.ndarray, z_test: np.ndarray, y_test: np.ndarray
) -> dict[str, Any]:
    """Ridge regression on embeddings standardised by the training set, penalty by leave-one-out on it.

    Constant training targets are forecast as that constant, whatever the penalty.

    Args:
      z_train: `[N, D]` embeddings, N at least two.
      y_train: `[N]` targets.
      z_test: `[M, D]` embeddings.
      y_test: `[M]` targets.

    Returns:
      `rmse` in units of the targets, `r2`, `n_train`, `n_test` and the chosen `alpha`. R² compares with the mean of the
      test targets; where those are constant (a single one is) it is undefined, and NaN.

    Raises:
      InputError: wrong ranks, row counts or widths that differ, one training row, targets that are no numbers, NaN or
        infinity in either.

    References:
      Tan et al. 2021, Time Series Extrinsic Regression, arXiv 2006.12672: the task and its scores.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score, root_mean_squared_error
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    z, y = checked_rows("train", z_train, y_train)
    z_new, y_new = checked_rows("test", z_test, y_test)
    for name, targets in (("y_train", y), ("y_test", y_new)):
        if targets.dtype.kind not in "biuf":
            raise InputError(f"{name}: found type {targets.dtype}, want numbers")
    if len(y) < 2:
        raise InputError("z_train: found 1 row, want at least two")
    if z_new.shape[1] != z.shape[1]:
        raise InputError(f"z_test: found width {z_new.shape[1]}, want z_train's {z.shape[1]}")
    y, y_new = y.astype(np.float64), y_new.astype(np.float64)
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=PENALTIES)).fit(z.astype(np.float64), y)
    forecast = ridge.predict(z_new.astype(np.float64))
    return {
        "rmse": float(root_mean_squared_error(y_new, forecast)),
        "r2": float(r2_score(y_new, forecast)) if np.ptp(y_new) > 0 else float("nan"),
        "n_train": len(y),
        "n_test": len(y_new),
        "alpha": float(ridge[-1].alpha_),
    }
