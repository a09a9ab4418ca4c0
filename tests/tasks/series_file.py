"""A small series to forecast, as a file."""

import numpy as np


def write_series(path, steps=200, change=slice(0), columns=2, level=0.0):
    """A CSV of hourly values around a level; `change` adds to a part of it."""
    random = np.random.default_rng(0)
    x = np.sin(np.arange(steps)[:, None] / 4 + np.arange(columns)) + 0.1 * random.normal(size=(steps, columns))
    x += level
    x[change] += 3 + random.normal(size=x[change].shape)
    time = np.datetime64("2020-01-01", "s") + np.arange(steps) * np.timedelta64(3600, "s")
    names = [f"v{i}" for i in range(columns - 1)] + ["OT"]
    rows = [
        ",".join([str(t).replace("T", " "), *(f"{v:.6f}" for v in values)]) for t, values in zip(time, x, strict=True)
    ]
    path.write_text("\n".join([",".join(["date", *names]), *rows]) + "\n")
    return path
