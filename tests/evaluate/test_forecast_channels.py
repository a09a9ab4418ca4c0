"""The linear map of instance-normalised channels against scikit-learn; forecasts that know the calendar."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge

from tsrl.errors import InputError
from tsrl.evaluate.forecast import channel_linear, end_to_end
from tsrl.evaluate.origins import Splits
from tsrl.evaluate.ridge import WINDOW_PENALTIES

SPLITS = Splits(slice(0, 120), slice(120, 170), slice(170, 220))
LOOK_BACK, HORIZONS = 6, (1, 9, 4)
RANDOM = np.random.default_rng(0)
X = (0.3 * RANDOM.normal(size=(230, 2)).cumsum(0) + RANDOM.normal(size=(230, 2))).astype("f4")


def represent(windows):
    """Three features a channel of the normalised window, and its scale."""
    x = windows.swapaxes(1, 2)
    scale = x.std(-1) + 0.1
    return np.tanh((x - x.mean(-1, keepdims=True)) / scale[..., None])[..., ::2], scale


def rows_of(origins):
    z, scale = represent(np.stack([X[t - LOOK_BACK + 1 : t + 1] for t in origins]))
    return np.concatenate([z * scale[..., None], scale[..., None]], -1).reshape(-1, 4).astype(float)


def test_it_equals_scikit_learn():
    means = np.stack([X[max(t - LOOK_BACK + 1, 0) : t + 1].mean(0) for t in range(len(X))])
    picked = set()
    for one in channel_linear(represent, X, X, SPLITS, HORIZONS, LOOK_BACK):
        base, h = (X if one.anchored else means), one.horizon
        parts = np.arange(LOOK_BACK - 1, 120 - h), np.arange(120, 170 - h), np.arange(170, 220 - h)

        def targets(t, base=base, h=h):
            y = sliding_window_view(X.astype(float), h, axis=0)[t + 1] - base[t][..., None]
            return y.reshape(-1, h)

        losses, errors = [], []
        for penalty in WINDOW_PENALTIES:
            model = Ridge(penalty, fit_intercept=False).fit(rows_of(parts[0]), targets(parts[0]))
            valid, test = (model.predict(rows_of(part)).reshape(-1, h) - targets(part) for part in parts[1:])
            losses.append(np.sqrt((valid**2).mean()) + np.abs(valid).mean())
            errors.append((test**2).mean())
        best = int(np.argmin(losses))
        assert one.scores["mse"] == pytest.approx(errors[best], rel=1e-5)
        assert one.chosen["penalty"] == WINDOW_PENALTIES[best]
        picked.add(best)
    assert len(picked) > 1


def test_representations_that_are_not_finite_are_named():
    with pytest.raises(InputError, match="represent: found NaN or infinity"):
        channel_linear(lambda w: (represent(w)[0] * np.nan, represent(w)[1]), X, X, SPLITS, HORIZONS, LOOK_BACK)


def test_forecasts_are_given_what_is_known_in_advance():
    known = np.arange(230.0)[:, None]

    def model(windows, coming):
        # The window's own last step tells which one it is.
        last = windows[:, -1, -1]
        np.testing.assert_array_equal(coming[..., 0], last[:, None] + 1 + np.arange(coming.shape[1]))
        return np.zeros((len(windows), coming.shape[1], 2))

    x_in = np.concatenate([X, known], 1)
    found = end_to_end({"zero": model}, x_in, X, SPLITS, HORIZONS, LOOK_BACK, known=known)
    for one in found:
        wanted = np.mean([X[t + 1 : t + 1 + one.horizon].astype(float) ** 2 for t in range(170, 220 - one.horizon)])
        assert one.scores["mse"] == pytest.approx(wanted)
