"""Forecasting protocols against scikit-learn on targets written out in full, and against what they must not see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

from tsrl.errors import InputError
from tsrl.evaluate import forecast, forecast_scores, ridge
from tsrl.evaluate.forecast import end_to_end, last_step_ridge, window_linear
from tsrl.evaluate.origins import Splits, origins
from tsrl.evaluate.ridge import PENALTIES, WINDOW_PENALTIES

SPLITS = Splits(slice(0, 120), slice(120, 170), slice(170, 220))
STEPS, CHANNELS, WIDTH, LOOK_BACK, HORIZONS = 230, 2, 5, 6, (1, 9, 4)
SCALE = np.array([2.0, 0.5])


def series(seed=0, channels=CHANNELS):
    """A random walk that is no longer noise after a while, so that penalties matter."""
    rng = np.random.default_rng(seed)
    return (0.3 * rng.normal(size=(STEPS, channels)).cumsum(0) + rng.normal(size=(STEPS, channels))).astype("f4")


X = series()
FEATURES = np.concatenate([X, np.roll(X, 1, 0), np.random.default_rng(1).normal(size=(STEPS, 20))], 1).astype("f4")


def future(x, rows, horizon):
    return sliding_window_view(np.asarray(x, float), horizon, axis=0)[rows + 1].swapaxes(1, 2)  # [n, H, C]


def reference(rows_of, x, horizon, anchored, train, valid, test, shared=False, judge=None, penalties=PENALTIES):
    """Scores and penalty of one horizon: a fit of scikit-learn's Ridge for each penalty."""
    base = np.asarray(x, float) if anchored else np.zeros(x.shape)

    def layout(y):  # [n, H, C] -> what the map predicts
        return y.swapaxes(1, 2).reshape(-1, horizon) if shared else y.reshape(len(y), -1)

    def error(model, rows):
        y = future(x, rows, horizon)
        found = model.predict(rows_of(rows)).reshape(
            (len(rows), x.shape[1], horizon) if shared else (len(rows), horizon, x.shape[1])
        )
        return (found.swapaxes(1, 2) if shared else found) + base[rows][:, None] - y

    losses, models = [], []
    for penalty in penalties:
        model = Ridge(penalty).fit(rows_of(train), layout(future(x, train, horizon) - base[train][:, None]))
        wrong = error(model, valid if judge is None else judge)
        losses.append(np.sqrt(np.square(wrong).mean()) + np.abs(wrong).mean() if judge is None else (wrong**2).mean())
        models.append(model)
    best = int(np.argmin(losses))
    wrong = error(models[best], test)
    scores = {"mse": np.square(wrong).mean(), "mae": np.abs(wrong).mean()}
    scores["mse_original"] = np.square(wrong * SCALE[: x.shape[1]]).mean()
    scores["mae_original"] = np.abs(wrong * SCALE[: x.shape[1]]).mean()
    return scores, penalties[best], losses[best]


def rows_of_splits(horizon, skip):
    return np.arange(skip, 120 - horizon), np.arange(120, 170 - horizon), np.arange(170, 220 - horizon)


@pytest.mark.parametrize("channels", [1, 2])
def test_last_step_ridge_equals_scikit_learn(channels):
    x, z = X[:, :channels], FEATURES.astype(float)
    found = last_step_ridge(z, x, SPLITS, HORIZONS, skip=7, scale=SCALE[:channels])
    assert [(one.horizon, one.anchored) for one in found] == [(h, a) for h in HORIZONS for a in (False, True)]
    penalties = set()
    for one in found:
        train, valid, test = rows_of_splits(one.horizon, 7)
        scores, penalty, loss = reference(lambda t: z[t], x, one.horizon, one.anchored, train, valid, test)
        assert one.scores == pytest.approx(scores, rel=1e-6)
        assert one.chosen == pytest.approx({"penalty": penalty, "validation_loss": loss}, rel=1e-6)
        penalties.add(penalty)
    assert len(penalties) > 1


def test_large_splits_are_sampled_as_published(monkeypatch):
    monkeypatch.setattr(forecast, "MAX_SAMPLES", 20)
    z = FEATURES.astype(float)
    for one in last_step_ridge(z, X, SPLITS, (4, 1), skip=0):
        train, valid, test = rows_of_splits(one.horizon, 0)
        train, valid = (train_test_split(rows, train_size=20, random_state=0)[0] for rows in (train, valid))
        scores, penalty, loss = reference(lambda t: z[t], X, one.horizon, one.anchored, train, valid, test)
        assert one.scores == pytest.approx({name: scores[name] for name in ("mse", "mae")}, rel=1e-6)
        assert one.chosen == pytest.approx({"penalty": penalty, "validation_loss": loss}, rel=1e-6)


def tokens(windows):
    """Two tokens a window: its halves' sums over time of tanh, all channels side by side; `[n, 2 C]`."""
    halves = np.tanh(windows).reshape(len(windows), 2, LOOK_BACK // 2, -1).sum(2)
    return halves.reshape(len(windows), -1)


def channel_tokens(windows):
    return np.tanh(windows).swapaxes(1, 2)[..., ::2]


def windows_at(x, rows):
    return np.stack([x[t - LOOK_BACK + 1 : t + 1] for t in rows])


@pytest.mark.parametrize("represent", [tokens, channel_tokens])
def test_window_linear_equals_scikit_learn(represent):
    shared = represent is channel_tokens

    def rows_of(t):
        z = represent(windows_at(X, t)).astype(float)
        return z.reshape(-1, z.shape[-1])

    for one in window_linear(represent, X, X, SPLITS, HORIZONS, LOOK_BACK, scale=SCALE):
        rows = rows_of_splits(one.horizon, LOOK_BACK - 1)
        scores, penalty, loss = reference(rows_of, X, one.horizon, one.anchored, *rows, shared, None, WINDOW_PENALTIES)
        assert one.scores == pytest.approx(scores, rel=1e-6)
        assert one.chosen == pytest.approx({"penalty": penalty, "validation_loss": loss}, rel=1e-6)


def test_wide_representations_are_fitted_on_evenly_spaced_windows():
    wide = np.random.default_rng(3).normal(size=(LOOK_BACK * CHANNELS, 200)).astype("f4")

    def represent(windows):
        return np.sin(windows.reshape(len(windows), -1) @ wide)

    for one in window_linear(represent, X, X, SPLITS, (4,), LOOK_BACK, max_rows=30):
        train, valid, test = rows_of_splits(4, LOOK_BACK - 1)
        scores, penalty, _ = reference(
            lambda t: represent(windows_at(X, t)).astype(float), X, 4, one.anchored,
            train[np.arange(30) * len(train) // 30], valid, test, penalties=WINDOW_PENALTIES,
        )  # fmt: skip
        assert one.scores == pytest.approx({name: scores[name] for name in ("mse", "mae")}, rel=1e-6)
        assert one.chosen["penalty"] == penalty


def test_paper_selection_takes_the_least_test_error_and_says_so():
    z = FEATURES.astype(float)
    honest = last_step_ridge(z, X, SPLITS, HORIZONS, skip=7)
    for one, other in zip(last_step_ridge(z, X, SPLITS, HORIZONS, skip=7, selection="paper"), honest, strict=True):
        train, _, test = rows_of_splits(one.horizon, 7)
        scores, penalty, _ = reference(lambda t: z[t], X, one.horizon, one.anchored, train, None, test, judge=test)
        assert one.scores["mse"] == pytest.approx(scores["mse"], rel=1e-6)
        assert one.chosen == {"penalty": penalty, "optimistic": True}
        assert one.scores["mse"] <= other.scores["mse"]


def shrunk(factor, added=0.0):
    """A model that forecasts the last value times a factor."""
    return lambda windows, known: np.repeat(windows[:, -1:] * factor + added, known.shape[1], 1)


def test_end_to_end_scores_the_candidate_that_is_best_on_valid():
    # Valid is flat at 1, test at 2 after a step: the factors are right on valid, test, neither.
    x = np.ones((STEPS, 1))
    x[166:] = 2.0
    models = {"half": shrunk(0.5), "same": shrunk(1.0), "one more": shrunk(1.0, 1.0)}
    splits = Splits(slice(0, 120), slice(120, 166), slice(166, 220))
    (best,) = end_to_end(models, x, x, splits, [3], LOOK_BACK)
    assert best[:4] == (3, False, {"mse": 0.0, "mae": 0.0}, {"candidate": "same", "validation_loss": 0.0})
    np.testing.assert_array_equal(best.examples.values, np.full((3, 3, 1), 2.0))
    (half,) = end_to_end({"half": models["half"]}, x, x, splits, [3], LOOK_BACK, scale=np.array([10.0]))
    assert half.scores == {"mse": 1.0, "mae": 1.0, "mse_original": 100.0, "mae_original": 10.0}
    assert half.chosen == {"candidate": "half", "validation_loss": 1.0}
    # Anchored: the forecast is a change, so no change is what is right.
    (zero,) = end_to_end({"half": shrunk(0.5), "zero": shrunk(0.0)}, x, x, splits, [3], LOOK_BACK, anchored=True)
    assert (zero.anchored, zero.scores["mse"], zero.chosen["candidate"]) == (True, 0.0, "zero")


def test_end_to_end_paper_selection_looks_at_test():
    x = np.ones((STEPS, 1))
    x[170:] = 2.0
    models = {"one": lambda windows, known: np.ones((*known.shape[:2], 1)),
              "two": lambda windows, known: np.full((*known.shape[:2], 1), 2.0)}  # fmt: skip
    chosen = {s: end_to_end(models, x, x, SPLITS, [3], 2, selection=s)[0] for s in ("validation", "paper")}
    assert chosen["validation"].chosen["candidate"] == "one"
    assert chosen["validation"].scores["mse"] == 1.0
    assert chosen["paper"][:4] == (3, False, {"mse": 0.0, "mae": 0.0}, {"candidate": "two", "optimistic": True})


def test_nothing_depends_on_how_many_origins_go_together(monkeypatch):
    def run():
        models = {"a": shrunk(0.9), "b": shrunk(0.3)}
        yield last_step_ridge(FEATURES, X, SPLITS, HORIZONS, skip=7)
        yield window_linear(tokens, X, X, SPLITS, HORIZONS, LOOK_BACK)
        yield window_linear(channel_tokens, X, X, SPLITS, HORIZONS, LOOK_BACK, max_rows=1)
        yield end_to_end(models, X, X, SPLITS, HORIZONS, LOOK_BACK)

    together = list(run())
    monkeypatch.setattr(ridge, "BLOCK", 7)
    for whole, parts in zip(together, run(), strict=True):
        for one, other in zip(whole, parts, strict=True):
            assert other.scores == pytest.approx(one.scores, rel=1e-9)
            names = ("penalty", "candidate")
            assert [other.chosen.get(name) for name in names] == [one.chosen.get(name) for name in names]
            assert other.chosen["validation_loss"] == pytest.approx(one.chosen["validation_loss"], rel=1e-6)


def test_equal_penalties_give_the_first():
    flat = np.zeros((STEPS, 3))
    for one in last_step_ridge(flat, X, SPLITS, (4,), skip=0, penalties=(5.0, 1.0)):
        assert one.chosen["penalty"] == 5.0


def test_constant_channel_is_forecast_without_error():
    x = X.astype(float)
    alone = last_step_ridge(FEATURES, x[:, :1], SPLITS, (4,), skip=0, penalties=(1.0,), scale=SCALE[:1])
    beside = last_step_ridge(
        FEATURES, np.stack([x[:, 0], np.full(STEPS, 0.7)], 1), SPLITS, (4,), skip=0, penalties=(1.0,), scale=SCALE
    )
    for one, both in zip(alone, beside, strict=True):
        assert both.scores == pytest.approx({name: value / 2 for name, value in one.scores.items()}, rel=1e-9)
    everywhere = last_step_ridge(FEATURES, np.zeros((STEPS, 2)), SPLITS, (4,), skip=0)
    assert all(one.scores == {"mse": 0.0, "mae": 0.0} for one in everywhere)


@given(start=st.integers(0, 20), rows=st.integers(1, 30), horizon=st.integers(1, 40), skip=st.integers(0, 10))
def test_targets_of_origins_lie_inside_the_split(start, rows, horizon, skip):
    split = slice(start, start + rows)
    expected = [t for t in range(start + skip, start + rows) if t + horizon <= start + rows - 1]
    assert origins(split, horizon, skip).tolist() == expected


# What follows changes a part of the data and requires that nothing of an earlier part notices.


def changed(array, first):
    other = array.copy()
    other[first:] = 100 * other[first:] + 1000
    return other


def fitted(monkeypatch, run):
    """The paths that a protocol fits."""
    kept = []

    def keep(*args, **options):
        paths, query = fit(*args, **options)
        kept.extend(paths.values())
        return paths, query

    fit = forecast_scores.fit_ridge
    with monkeypatch.context() as patch:
        patch.setattr(forecast_scores, "fit_ridge", keep)
        run()
    return kept


@pytest.mark.parametrize("protocol", ["last step", "window", "window, dual"])
def test_coefficients_see_only_train_and_penalties_only_train_and_valid(protocol, monkeypatch):
    def run(first, selection="validation"):
        x, z = changed(X, first), changed(FEATURES, first)
        if protocol == "last step":
            return last_step_ridge(z, x, SPLITS, HORIZONS, skip=7)
        rows = {"max_rows": 2} if "dual" in protocol else {}
        return window_linear(tokens, x, x, SPLITS, HORIZONS, LOOK_BACK, **rows)

    original = run(STEPS)
    after_valid, after_test = run(SPLITS.test.start), run(SPLITS.test.stop)
    assert [one.chosen for one in after_valid] == [one.chosen for one in original]
    assert all(a.scores["mse"] > 100 * b.scores["mse"] for a, b in zip(after_valid, original, strict=True))
    assert after_test == original
    paths = fitted(monkeypatch, lambda: run(STEPS))
    assert len(paths) == len(HORIZONS)
    for a, b in zip(paths, fitted(monkeypatch, lambda: run(SPLITS.valid.start)), strict=True):
        for ours, theirs in zip(a, b, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_windows_hold_the_past_of_their_origins_only():
    def seen_by(x):
        seen = []

        def represent(windows):
            seen.append(np.array(windows))
            return tokens(windows)

        window_linear(represent, x, X, SPLITS, HORIZONS, LOOK_BACK)
        return seen

    whole = seen_by(X)
    everything = np.concatenate(whole)
    assert {bytes(w) for w in everything} == {
        bytes(w)
        for part, first in ((SPLITS.train, LOOK_BACK - 1), (SPLITS.valid, 120), (SPLITS.test, 170))
        for w in windows_at(X, range(first, part.stop - 1))
    }
    for first, rows in ((SPLITS.valid.start, 120 - LOOK_BACK), (SPLITS.test.start, 120 - LOOK_BACK + 49)):
        np.testing.assert_array_equal(unique(seen_by(changed(X, first)))[:rows], unique(whole)[:rows])


def unique(parts):
    """Windows in the order in which they were first asked for."""
    return np.array(list({bytes(w): w for w in np.concatenate(parts)}.values()))


@pytest.mark.parametrize("channels", [1, 2])
def test_all_protocols_score_the_same_origins(channels):
    # A forecast of zero has as its error the mean square of the targets, whatever the protocol.
    x = X[:, :channels].astype(float)
    expected = {h: np.square(future(x, np.arange(170, 220 - h), h)).mean() for h in HORIZONS}
    nothing = end_to_end({"zero": shrunk(0.0)}, x, x, SPLITS, HORIZONS, LOOK_BACK)
    assert {one.horizon: one.scores["mse"] for one in nothing} == pytest.approx(expected)
    mean = {h: future(x, np.arange(7, 120 - h), h).mean(0) for h in HORIZONS}
    expected = {h: np.square(future(x, np.arange(170, 220 - h), h) - mean[h]).mean() for h in HORIZONS}
    blind = last_step_ridge(np.zeros((STEPS, 1)), x, SPLITS, HORIZONS, skip=7)
    blind_windows = window_linear(lambda w: np.zeros((len(w), 1)), x, x, SPLITS, HORIZONS, 8)
    for found in (blind, blind_windows):
        assert {one.horizon: one.scores["mse"] for one in found if not one.anchored} == pytest.approx(expected)


HOLED, HOLED_X = FEATURES.copy(), X.copy()
HOLED[130, 2] = np.nan
HOLED_X[0, 1] = np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[:, 0]}, r"x: found shape \(230,\), want \[T, C\]"),
        ({"x": HOLED_X}, "x: found NaN or infinity in 1 of 220 rows, the first 0;"),
        ({"features": FEATURES[:-1]}, r"features: found shape \(229, 24\), want \[230, D\]"),
        ({"features": HOLED}, "features: found NaN or infinity in 1 of 213 rows, the first 130;"),
        ({"horizons": ()}, r"horizons: found \(\), want whole numbers"),
        ({"horizons": (0, 2)}, r"horizons: found \(0, 2\), want whole numbers from 1 up"),
        ({"horizons": (2.0,)}, r"horizons: found \(2.0,\), want whole numbers from 1 up"),
        ({"horizons": (2, 3, 2)}, r"horizons: found \[2, 3, 2\], want each of them once"),
        ({"horizons": (4, 50)}, "horizons: found 50 for 50 rows of valid, want more rows"),
        ({"horizons": (4, 49), "skip": 71}, "horizons: found 49 for 120 rows of train, 49 after the first 71"),
        ({"skip": -1}, "skip: found -1"),
        ({"scale": np.ones(3)}, r"scale: found shape \(3,\), want \(2,\)"),
        ({"splits": Splits(slice(0, 120), slice(110, 170), slice(170, 220))}, "splits: found .*one after another"),
        ({"splits": Splits(slice(120, 170), slice(0, 120), slice(170, 220))}, "splits: found"),
        ({"splits": Splits(slice(0, 120), slice(120, 170), slice(170, 231))}, "splits: found .* within 230 steps"),
        ({"splits": Splits(slice(None, 120), slice(120, 170), slice(170, 220))}, "splits: found"),
        ({"splits": Splits(slice(0, 120), slice(120, 120), slice(170, 220))}, "splits: found"),
        ({"splits": Splits(slice(0, 120, 2), slice(120, 170), slice(170, 220))}, "splits: found"),
        ({"penalties": ()}, r"penalties: found \(\), want positive"),
        ({"penalties": (1.0, 0.0)}, "penalties: found"),
        ({"selection": "test"}, "selection: found 'test', want 'validation' or 'paper'"),
    ],
)
def test_wrong_input_is_named(change, message):
    arguments = {"features": FEATURES, "x": X, "splits": SPLITS, "horizons": (4,), "skip": 7} | change
    with pytest.raises(InputError, match=message):
        last_step_ridge(**arguments)


def test_rows_that_are_not_used_may_be_missing():
    z, x = FEATURES.copy(), X.copy()
    z[:7], z[220:], x[220:] = np.nan, np.nan, np.nan
    assert last_step_ridge(z, x, SPLITS, (4,), skip=7) == last_step_ridge(FEATURES, X, SPLITS, (4,), skip=7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"look_back": 0}, "look_back: found 0"),
        ({"look_back": 117}, "horizons: found 4 for 120 rows of train, 4 after the first 116"),
        ({"look_back": 400}, "horizons: found 4 for 120 rows of train, 0 after the first 399"),
        ({"x_in": X[1:]}, r"x_in: found shape \(229, 2\), want \[230, C_in\]"),
        ({"represent": lambda w: w[:-1, :, 0]}, r"represent: found representations \(110, 6\), want \[111, F\]"),
        ({"represent": lambda w: w}, r"represent: found .* or \[111, 2, F\]"),
        ({"represent": lambda w: w[:, 0] * np.nan}, "represent: found NaN or infinity in 111 of 111 rows, the first 5"),
    ],
)
def test_wrong_windows_are_named(change, message):
    arguments = {"represent": tokens, "x_in": X, "x": X, "splits": SPLITS, "horizons": (4,), "look_back": 6} | change
    with pytest.raises(InputError, match=message):
        window_linear(**arguments)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({}, "candidates: found none"),
        ({"a": lambda w, known: w[:, :1]}, r"candidates\['a'\]: found forecasts \(46, 1, 2\), want \(46, 4, 2\)"),
        ({"a": shrunk(np.nan)}, r"candidates\['a'\]: found NaN or infinity in 46 of 46 rows, the first 120"),
    ],
)
def test_wrong_forecasts_are_named(candidates, message):
    with pytest.raises(InputError, match=message):
        end_to_end(candidates, X, X, SPLITS, (4,), LOOK_BACK)
    with pytest.raises(InputError, match="selection: found 'best'"):
        end_to_end({"a": shrunk(1.0)}, X, X, SPLITS, (4,), LOOK_BACK, selection="best")


@pytest.mark.parametrize("width", [3, 200])
def test_examples_are_the_forecasts_that_were_scored(width):
    """Both ways to fit; a test part that has only the examples' origins is scored by their errors."""
    random = np.random.default_rng(0)
    x = np.cumsum(random.normal(size=(100, 2)), 0)
    z = np.concatenate([x, random.normal(size=(100, width))], 1)
    splits = Splits(slice(0, 70), slice(70, 90), slice(90, 96))
    for found in last_step_ridge(z, x, splits, [3], skip=2):
        origins, values = found.examples.origins, found.examples.values
        np.testing.assert_array_equal(origins, [90, 91, 92])
        truth = np.stack([x[t + 1 : t + 4] for t in origins])
        assert values.shape == truth.shape
        np.testing.assert_allclose(np.square(values - truth).mean(), found.scores["mse"], rtol=1e-4)
        np.testing.assert_allclose(np.abs(values - truth).mean(), found.scores["mae"], rtol=1e-4)
    named = {"double": lambda windows, _: 2 * windows[:, -1:].repeat(3, 1)}
    (found,) = end_to_end(named, x, x, splits, [3], 4)
    np.testing.assert_allclose(found.examples.values, 2 * x[[90, 91, 92], None].repeat(3, 1), rtol=1e-6)
    np.testing.assert_array_equal(found.examples.origins, [90, 91, 92])
