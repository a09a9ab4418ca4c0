"""What the ridge protocol of forecasting costs, beside scikit-learn's Ridge called for every horizon and penalty.

Command: python benchmarks/ridge.py [--repeats 3] [--json FILE]
Prints seconds and the peak of memory that numpy allocates beyond the inputs, and with --json writes them with machine
and versions. Features and series are random; both costs depend on shapes only.
"""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from timing import flags, measure, show, timed, write

from tsrl.evaluate.forecast import last_step_ridge
from tsrl.evaluate.origins import Splits, origins
from tsrl.evaluate.ridge import PENALTIES

HORIZONS = (24, 48, 168, 336, 720)
# Those that the loop over scikit-learn does too, which takes minutes for the others.
SHORT = (24, 48)
SKIP = 200
ETT = Splits(slice(0, 8640), slice(8640, 11520), slice(11520, 14400))
WEATHER = Splits(slice(0, 36887), slice(36887, 42157), slice(42157, 52696))


def inputs(steps: int, channels: int, width: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """Correlated float32 features `[T, D]` and scaled walks `[T, C]`."""
    random = np.random.default_rng(0)
    x = random.normal(size=(steps, channels)).cumsum(0)
    z = random.normal(size=(steps, width)) @ random.normal(size=(width, width)) / width**0.5
    return z.astype(np.float32), (x - x.mean(0)) / x.std(0)


def published_loop(z: np.ndarray, x: np.ndarray, splits: Splits, horizons: tuple[int, ...]) -> dict[int, float]:
    """Test MSE of each horizon, targets written out and one fit a penalty: what the released code does."""
    found = {}
    for horizon in horizons:
        future = np.lib.stride_tricks.sliding_window_view(x, horizon, axis=0)
        parts = [
            (z[rows], future[rows + 1].reshape(len(rows), -1))
            for rows in (origins(split, horizon, SKIP * (split == splits.train)) for split in splits)
        ]
        losses = []
        for penalty in PENALTIES:
            error = Ridge(penalty).fit(*parts[0]).predict(parts[1][0]) - parts[1][1]
            losses.append(np.sqrt(np.square(error).mean()) + np.abs(error).mean())
        best = Ridge(PENALTIES[int(np.argmin(losses))]).fit(*parts[0])
        found[horizon] = float(np.square(best.predict(parts[2][0]) - parts[2][1]).mean())
    return found


def weigh(case: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Seconds of each repetition, then the peak of one more under tracemalloc, which slows it."""
    seconds = measure({"": case}, repeats, warm=0)[""]
    tracemalloc.start()
    case()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return timed(seconds, peak_bytes=peak)


def main() -> None:
    """Measures, compares, prints, writes."""
    asked = flags(__doc__, repeats=3).parse_args()
    repeats = asked.repeats
    z, x = inputs(17_420, 7)
    wide_z, wide_x = inputs(52_696, 21)
    doubled = z.astype(np.float64)
    results = {
        "ETTh1's size, 5 horizons": weigh(lambda: last_step_ridge(z, x, ETT, HORIZONS, skip=SKIP), repeats),
        "ETTh1's size, horizons 24, 48": weigh(lambda: last_step_ridge(z, x, ETT, SHORT, skip=SKIP), repeats),
        "the same, scikit-learn": weigh(lambda: published_loop(doubled, x, ETT, SHORT), 1),
        "Weather's size, horizon 720": weigh(lambda: last_step_ridge(wide_z, wide_x, WEATHER, [720], skip=SKIP), 1),
    }
    ours = {one.horizon: one.scores["mse"] for one in last_step_ridge(z, x, ETT, SHORT, skip=SKIP) if not one.anchored}
    theirs = published_loop(doubled, x, ETT, SHORT)
    difference = max(abs(ours[horizon] / theirs[horizon] - 1) for horizon in SHORT)
    show(results, "s")
    print(f"largest relative difference of test MSE from scikit-learn: {difference:.1e}")
    write(asked.json, results, difference=difference)


if __name__ == "__main__":
    main()
