"""A set of series with its split, checked; and other splits of the same rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tsrl.data.draw import drawn, equal_series
from tsrl.data.hashing import fingerprint
from tsrl.data.series import check_series, pad_to
from tsrl.errors import InputError

Split = Literal["published", "grouped", "random", "time"]

# Of the rows, where no published test split says how many to hold out.
_TEST_SHARE = 0.2
PARTS = ("train", "val", "test")
# What is known of a row beside its values and label.
_KNOWN = ("group", "id", "start", "end", "number")


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
      x_val: a published validation split, or None. No protocol here needs it; `resplit` draws from it too.
      y_val: its labels, or None.
      rows: what is known of the rows of each part, such as `group_train [N]`: `group`, which rows belong together (one
        subject's, one recording's); `id`, the user's own names, which go along with the embeddings; `start` and `end`,
        when a row begins and ends, as datetime64 or numbers; `number`, what is to be predicted of it.
      about: JSON values for the report: names of the channels, what was found in a table.

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
    x_val: np.ndarray | None = None
    y_val: np.ndarray | None = None
    rows: Mapping[str, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """SHA-256 over all arrays and the names of the classes: two sets of one name are told apart by it."""
        arrays = {f"{array}_{part}": getattr(self, f"{array}_{part}") for array in "xy" for part in PARTS}
        return fingerprint(arrays | {"classes": np.array(self.classes)} | dict(self.rows))

    def resplit(self, by: Split, seed: int) -> "Dataset":
        """All rows split anew, the test part of about the published size, or a fifth of them where there is none.

        Args:
          by: "published" changes nothing. "random": classes keep their shares in both parts, where the test part has
            room for all, and series equal in every value stay together. "grouped": no group has rows in both parts.
            "time": the test part are the rows that begin last, at or after one border; rows that begin before it and
            end at or after it are in neither part, for training on them would be training on the time of the test.
          seed: of the draw; not used by "time".

        Raises:
          InputError: the set does not name its groups or the rows' starts and ends, one of the parts would be empty, or
            a class would be missing from training.
        """
        if by == "published":
            return self
        x, y, known = self._joined()
        if len(x) < 2:
            raise InputError(f"split: found {len(x)} series in {self.source}, want at least two")
        share = _TEST_SHARE if self.x_test is None else len(self.x_test) / len(x)
        wanted = {"grouped": ("group",), "time": ("start", "end")}.get(by, ())
        if lacking := [f"{name}_train" for name in wanted if name not in known]:
            raise InputError(
                f"split: found no {' and no '.join(lacking)} in {self.source}, want them to split by "
                f"{'group' if by == 'grouped' else 'time'}, or another split"
            )
        told = f"split {'by group' if by == 'grouped' else 'at random'} with seed {seed}"
        if by == "time":
            train, test = _by_time(known["start"], known["end"], share, self.source)
            left_out = len(x) - len(train) - len(test)
            told = "split by time" + (f", {left_out} series across the border left out" if left_out else "")
        else:
            units = known["group"] if by == "grouped" else equal_series(x, np.full(len(x), x.shape[1]))
            chosen = drawn(units, y if by == "random" else None, share, seed)
            if not chosen.any():
                raise InputError(f"split: found one group or equal series only in {self.source}, want at least two")
            train, test = np.flatnonzero(~chosen), np.flatnonzero(chosen)
        if y is not None and (unseen := sorted(set(y[test].tolist()) - set(y[train].tolist()))):
            names = [self.classes[label] for label in unseen]
            which = "another split" if by == "time" else f"another seed than {seed}, or another split"
            raise InputError(f"split: found no training rows of {names}, want {which}")
        parts: dict[str, Any] = {}
        rows: dict[str, np.ndarray] = {}
        for part, chosen_rows in (("train", train), ("test", test)):
            parts |= {f"x_{part}": x[chosen_rows], f"y_{part}": None if y is None else y[chosen_rows]}
            rows |= {f"{name}_{part}": values[chosen_rows] for name, values in known.items()}
        source = f"{self.source}, {told}"
        return Dataset(self.name, source, classes=self.classes, rows=rows, about=self.about, **parts)

    def _joined(self) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]:
        """Series, labels and what is known of the rows of all parts, one after the other."""
        parts = [part for part in PARTS if getattr(self, f"x_{part}") is not None]
        series = [getattr(self, f"x_{part}") for part in parts]
        length = max(x.shape[1] for x in series)
        x = np.concatenate([pad_to(one, length) for one in series])
        labels = [getattr(self, f"y_{part}") for part in parts]
        y = None if any(one is None for one in labels) else np.concatenate(labels)
        known = {
            name: np.concatenate([self.rows[f"{name}_{part}"] for part in parts])
            for name in _KNOWN
            if all(f"{name}_{part}" in self.rows for part in parts)
        }
        return x, y, known

    def __post_init__(self) -> None:
        self._keep("x_train", check_series(self.x_train, f"{self.source}: x_train"))
        for name in ("x_val", "x_test"):
            if getattr(self, name) is not None:
                self._keep(name, check_series(getattr(self, name), f"{self.source}: {name}", min_length=1))
                found, wanted = getattr(self, name).shape[2], self.x_train.shape[2]
                if found != wanted:
                    raise InputError(f"{self.source}: {name}: found {found} channels, want {wanted} as in x_train")
        self._keep("classes", tuple(str(name) for name in self.classes))
        for part in PARTS:
            if getattr(self, f"y_{part}") is not None:
                self._keep(f"y_{part}", self._checked_labels(f"y_{part}", getattr(self, f"x_{part}")))
        for key, values in self.rows.items():
            name, _, part = key.partition("_")
            series = getattr(self, f"x_{part}", None)
            if name not in _KNOWN or series is None or np.shape(values) != (len(series),):
                raise InputError(
                    f"{self.source}: {key}: found shape {np.shape(values)}, want one {name} for each series"
                )
        self._check_kinds()
        self._keep("rows", {key: np.asarray(values) for key, values in self.rows.items()})

    def _check_kinds(self) -> None:
        """What is known of rows is compared over the parts, starts with ends: that takes values of one kind."""
        kinds: dict[str, set[str]] = {}
        for key, values in self.rows.items():
            name, dtype = key.partition("_")[0], np.asarray(values).dtype
            kind = "numbers" if dtype.kind in "biuf" else {"U": "text", "M": "times"}.get(dtype.kind, str(dtype))
            kinds.setdefault("start" if name == "end" else name, set()).add(kind)
        for name, found in kinds.items():
            if len(found) > 1 or not found <= {"numbers", "text", "times"}:
                what = "start and end" if name == "start" else name
                told = f"found {' and '.join(sorted(found))}, want numbers, text or times in all parts"
                raise InputError(f"{self.source}: {what}: {told}")

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


def _by_time(start: np.ndarray, end: np.ndarray, share: float, source: str) -> tuple[np.ndarray, np.ndarray]:
    for name, times in (("starts", start), ("ends", end)):
        if times.dtype.kind not in "iufM" or (times != times).any():
            raise InputError(f"split: found {name} of {times.dtype} in {source}, want times or numbers, none missing")
    border = np.sort(start)[len(start) - max(1, round(share * len(start)))]
    late, early = start >= border, end < border
    if not early.any():
        raise InputError(f"split: found no series in {source} that ends before {border}, where the test part begins")
    return np.flatnonzero(early), np.flatnonzero(late)
