"""Reads the golden arrays: tests/golden, or the folder named by TSRL_GOLDEN."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(os.environ.get("TSRL_GOLDEN") or Path(__file__).parent / "golden")

# Files of published methods whose issue is still open.
PENDING: set[str] = set()


class Case(NamedTuple):
    """One case: kind -> name -> array."""

    file: str
    name: str
    arrays: dict[str, dict[str, np.ndarray]]

    def __getattr__(self, kind):
        try:
            return self.arrays[kind]
        except KeyError:
            raise AttributeError(kind) from None

    def setting(self, name):
        """A `cfg` value as a plain Python value."""
        value = self.arrays["cfg"][name]
        return value.item() if value.ndim == 0 else value

    def starting(self, kind, prefix):
        """The arrays of a kind whose names start with `prefix`, without it."""
        return {
            name.removeprefix(prefix): a for name, a in self.arrays.get(kind, {}).items() if name.startswith(prefix)
        }


def cases(file):
    """All cases of `file`.npz, for parametrize; an empty list when the folder does not have it."""
    path = FOLDER / f"{file}.npz"
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as stored:
        names = [str(name) for name in stored["cases"]]
        found = {name: Case(file, name, {}) for name in names}
        for key in stored.files:
            if key == "cases":
                continue
            # Case names may hold dots, and one may begin with another's name: the longest that fits owns the key.
            owner = max((name for name in names if key.startswith(name + ".")), key=len)
            kind, _, name = key[len(owner) + 1 :].partition(".")
            found[owner].arrays.setdefault(kind, {})[name] = stored[key]
    return list(found.values())


def label(case):
    return case.name


def assert_close(ours, published, what=""):
    ours, published = np.asarray(ours), np.asarray(published)
    assert ours.shape == published.shape, f"{what}: shape {ours.shape}, published {published.shape}"
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(published), err_msg=what)
    scale = max(1.0, float(np.nanmax(np.abs(published), initial=0)))
    np.testing.assert_allclose(ours, published, rtol=0, atol=1e-5 * scale, err_msg=what)


def assert_trees_close(ours, published, what=""):
    """Compares nested dicts of arrays."""
    assert ours.keys() == published.keys(), what
    for name, value in published.items():
        compare = assert_trees_close if isinstance(value, dict) else assert_close
        compare(ours[name], value, f"{what}.{name}")
