"""Sets for extrinsic regression: series with one number each; .npz files and the sets inside the aeon package."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsrl.data.hashing import fingerprint
from tsrl.data.named import find_npz
from tsrl.data.npz import npz_source, readable, stored_keys
from tsrl.data.packaged import packaged_source, packaged_targets, test_file
from tsrl.data.series import check_series
from tsrl.data.series_files import stack
from tsrl.errors import InputError, nearest


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class RegressionSet:
    """Series and the number that belongs to each.

    Attributes:
      name: as the archive or the file writes it.
      source: in words; the same on every machine.
      x_train: `[N, T, C]` float32, NaN = missing.
      y_train: `[N]` float64.
      x_test: `[M, T', C]` float32.
      y_test: `[M]` float64.
    """

    name: str
    source: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            x = check_series(getattr(self, f"x_{split}"), f"{self.source}: x_{split}")
            y = np.asarray(getattr(self, f"y_{split}"))
            where = f"{self.source}: y_{split}"
            if y.shape != x.shape[:1]:
                raise InputError(f"{where}: found shape {y.shape}, want ({len(x)},), one number for each series")
            if y.dtype.kind not in "iuf":
                raise InputError(f"{where}: found {y.dtype} values, want numbers")
            if not (finite := np.isfinite(y)).all():
                bad = np.flatnonzero(~finite)
                raise InputError(
                    f"{where}: found NaN or infinity in {len(bad)} of {len(y)}, the first {bad[0]}; want finite numbers"
                )
            object.__setattr__(self, f"x_{split}", x)
            object.__setattr__(self, f"y_{split}", y.astype(np.float64))
        if self.x_train.shape[2] != self.x_test.shape[2]:
            found, wanted = self.x_test.shape[2], self.x_train.shape[2]
            raise InputError(f"{self.source}: x_test: found {found} channels, want {wanted} as in x_train")

    def fingerprint(self) -> str:
        """SHA-256 over the arrays."""
        return fingerprint({name: getattr(self, name) for name in ("x_train", "y_train", "x_test", "y_test")})


def load_regression(name_or_path: str | Path, data_dir: str | Path | None = None) -> RegressionSet:
    """A regression set by name or from a file.

    Args:
      name_or_path: the path of an .npz file with `x_train [N, T, C]`, `y_train [N]`, `x_test`, `y_test`; or a name,
        looked up as NAME.npz in the data folder and then among the regression sets inside the installed aeon package.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Raises:
      InputError: nothing has that name, or the data is wrong.
    """
    name = str(name_or_path)
    path = find_npz(name, data_dir)
    if path is not None:
        source, wanted = npz_source(path), ("x_train", "y_train", "x_test", "y_test")
        if not path.is_file():
            raise InputError(f"dataset: found no file at {path}")
        if missing := [key for key in wanted if key not in stored_keys(path)]:
            raise InputError(f"{source}: found no {', '.join(missing)}, want {', '.join(wanted)}")
        with readable(source, "a damaged array"), np.load(path, allow_pickle=False) as stored:
            return RegressionSet(path.stem, source, *(stored[key] for key in wanted))
    packaged = packaged_targets()
    if name not in packaged:
        raise InputError(
            f"dataset: found {name!r}, want a regression set or the path of an .npz file; {nearest(name, packaged)}"
        )
    from aeon.datasets import load_from_ts_file

    (train, y_train), (test, y_test) = (load_from_ts_file(str(p)) for p in (packaged[name], test_file(packaged[name])))
    longest = max(series.shape[1] for split in (train, test) for series in split)
    arrays = (stack(train, longest), y_train.astype(float), stack(test, longest), y_test.astype(float))
    return RegressionSet(name, packaged_source(), *arrays)
