"""A set of series with its split, checked; and other splits of the same rows."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tsrl.data.hashing import fingerprint
from tsrl.data.series import check_series, pad_to
from tsrl.errors import InputError

Split = Literal["published", "grouped", "random", "time"]

# Of the rows, where no published test split says how many to hold out.
_TEST_SHARE = 0.2
# What is known of a row beside its values and label.
ROW_FIELDS = ("group", "id", "start")


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class Dataset:
    """A data set with its published split; making one checks all of it.

    Attributes:
      name: as the archive or the file writes it.
      source: in words, for example "npz file BasicMotions.npz"; the same on every machine.
      x_train: `[N, T, C]` float32, NaN = missing.
      y_train: `[N]` int32, 0..K-1, or None.
      x_test: `[M, T', C]` float32, or None.
      y_test: `[M]` int32, 0..K-1, or None.
      classes: K names; none without `y_train`.
      group_train: `[N]` which rows belong together (one subject's, one recording's), or None.
      group_test: `[M]`, or None.
      id_train: `[N]` the user's own name of each row, or None; it goes along with the embeddings.
      id_test: `[M]`, or None.
      start_train: `[N]` when each row begins, as datetime64 or numbers, or None.
      start_test: `[M]`, or None.

    Raises:
      InputError: an array of a wrong shape, dtype or range; the message names the source and the array.
    """

    name: str
    source: str
    x_train: np.ndarray
    y_train: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    group_train: np.ndarray | None = None
    group_test: np.ndarray | None = None
    id_train: np.ndarray | None = None
    id_test: np.ndarray | None = None
    start_train: np.ndarray | None = None
    start_test: np.ndarray | None = None

    def fingerprint(self) -> str:
        """SHA-256 over the arrays' shapes, types and bytes: two sets of one name are told apart by it."""
        return fingerprint({name: getattr(self, name) for name in ("x_train", "y_train", "x_test", "y_test")})

    def resplit(self, by: Split, seed: int) -> "Dataset":
        """All rows split anew, the test part of the published size, or a fifth of the rows where there is none.

        Args:
          by: "published" changes nothing. "grouped": no group has rows in both parts. "random": classes keep their
            shares in both. "time": the rows that begin last are the test part; rows that begin together stay together.
          seed: of the draw; not used by "time".

        Raises:
          InputError: the set does not name its groups or the rows' starts, the test part would be empty or everything,
            or a class would be missing from training.
        """
        if by == "published":
            return self
        x, y, about = self._joined()
        if len(x) < 2:
            raise InputError(f"split: found {len(x)} series in {self.source}, want at least two")
        wanted = {"grouped": "group", "time": "start"}.get(by)
        if wanted is not None and wanted not in about:
            keys = f"{wanted}_train and {wanted}_test"
            raise InputError(f"split: found no {wanted}s in {self.source}, want {keys} (or another split)")
        share = _TEST_SHARE if self.x_test is None else len(self.x_test) / len(x)
        if by == "grouped":
            train, test = _by_group(about["group"], share, seed, self.source)
        elif by == "time":
            train, test = _by_time(about["start"], share, self.source)
        else:
            train, test = _at_random(y, len(x), share, seed)
        if y is not None and (unseen := sorted(set(y[test].tolist()) - set(y[train].tolist()))):
            names = [self.classes[label] for label in unseen]
            raise InputError(f"split: found no training rows of {names} with seed {seed}, want another seed or split")
        told = {"grouped": f"split by group with seed {seed}", "random": f"split at random with seed {seed}"}
        parts: dict[str, Any] = {}
        for part, rows in (("train", train), ("test", test)):
            parts |= {f"x_{part}": x[rows], f"y_{part}": None if y is None else y[rows]}
            parts |= {f"{name}_{part}": values[rows] for name, values in about.items()}
        source = f"{self.source}, {told.get(by, 'split by time')}"
        return Dataset(self.name, source, classes=self.classes, **parts)

    def _joined(self) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]:
        """Series, labels and what is known of the rows of both parts, one after the other."""
        whole = self.x_test is None
        parts = ("train",) if whole else ("train", "test")
        series = [getattr(self, f"x_{part}") for part in parts]
        length = max(x.shape[1] for x in series)
        x = np.concatenate([pad_to(one, length) for one in series])
        columns = {}
        for name in ("y", *ROW_FIELDS):
            each = [getattr(self, f"{name}_{part}") for part in parts]
            if all(column is not None for column in each):
                columns[name] = np.concatenate(each)
        return x, columns.pop("y", None), columns

    def __post_init__(self) -> None:
        self._keep("x_train", check_series(self.x_train, f"{self.source}: x_train"))
        if self.x_test is not None:
            self._keep("x_test", check_series(self.x_test, f"{self.source}: x_test", min_length=1))
            found, wanted = self.x_test.shape[2], self.x_train.shape[2]
            if found != wanted:
                raise InputError(f"{self.source}: x_test: found {found} channels, want {wanted} as in x_train")
        self._keep("classes", tuple(str(name) for name in self.classes))
        for labels, series in [("y_train", self.x_train), ("y_test", self.x_test)]:
            if getattr(self, labels) is not None:
                self._keep(labels, self._checked_labels(labels, series))
        for part, series in [("train", self.x_train), ("test", self.x_test)]:
            for name in ROW_FIELDS:
                given = getattr(self, f"{name}_{part}")
                if given is not None and (series is None or np.shape(given) != (len(series),)):
                    raise InputError(
                        f"{self.source}: {name}_{part}: found shape {np.shape(given)}, want one {name} for each series"
                    )

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _checked_labels(self, key: str, series: np.ndarray | None) -> np.ndarray:
        y, count, classes = np.asarray(getattr(self, key)), 0 if series is None else len(series), len(self.classes)
        where = f"{self.source}: {key}"
        if not count or y.shape != (count,):
            raise InputError(f"{where}: found shape {y.shape}, want ({count},), one label for each series")
        if y.dtype.kind not in "iu":
            raise InputError(f"{where}: found dtype {y.dtype}, want integers")
        if y.min() < 0 or y.max() >= classes:
            raise InputError(f"{where}: found labels {y.min()} to {y.max()}, want from 0 to below {classes} (classes)")
        return y.astype(np.int32)


Rows = tuple[np.ndarray, np.ndarray]


def _by_group(groups: np.ndarray, share: float, seed: int, source: str) -> Rows:
    from sklearn.model_selection import GroupShuffleSplit

    if len(np.unique(groups)) < 2:
        raise InputError(f"split: found one group in {source}, want at least two")
    drawn = GroupShuffleSplit(1, test_size=share, random_state=seed)
    train, test = next(drawn.split(np.empty((len(groups), 0)), groups=groups))
    return train, test


def _by_time(start: np.ndarray, share: float, source: str) -> Rows:
    if start.dtype.kind not in "iufM" or (start != start).any():
        raise InputError(f"split: found starts of {start.dtype} in {source}, want times or numbers, none missing")
    ranked = np.sort(start)
    # A row that begins when another does is on the same side of the border.
    border = ranked[len(ranked) - max(1, round(share * len(ranked)))]
    late = start >= border
    if late.all():
        raise InputError(f"split: found too many series in {source} that begin at {border}, want a later part to test")
    return np.flatnonzero(~late), np.flatnonzero(late)


def _at_random(y: np.ndarray | None, count: int, share: float, seed: int) -> Rows:
    from sklearn.model_selection import train_test_split

    held = max(1, round(share * count))
    # Classes keep their shares where each has two rows and there is room for all of them in both parts.
    counts = np.unique(y, return_counts=True)[1] if y is not None else np.empty(0, int)
    kept = y if len(counts) and counts.min() > 1 and len(counts) <= min(held, count - held) else None
    train, test = train_test_split(np.arange(count), test_size=held, random_state=seed, stratify=kept)
    return np.sort(train), np.sort(test)
