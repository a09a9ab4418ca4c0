"""Writing stores: whole or absent, whatever stops it."""

import re

import numpy as np
import pytest

from tsrl.data.store import open_store, write_store
from tsrl.errors import InputError

X = np.random.default_rng(0).normal(size=(10, 6, 2)).astype(np.float32)
EMPTY = np.where(np.arange(10)[:, None, None] == 4, np.nan, X)


def test_row_groups_and_files_have_the_sizes_asked_for(tmp_path):
    folder = write_store(tmp_path / "deep" / "x", (X[row : row + 1] for row in range(10)), rows_per_group=3)
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "part-00000.parquet"]
    assert np.diff(open_store(folder).starts).tolist() == [3, 3, 3, 1]
    folder = write_store(tmp_path / "y", [X], rows_per_group=2, groups_per_file=2)
    assert len(list(folder.glob("part-*.parquet"))) == 3
    # By itself a group takes four megabytes.
    folder = write_store(tmp_path / "z", [np.repeat(X[:, :1], 100_000, 1)])
    assert np.diff(open_store(folder).starts).tolist() == [5, 5]


def test_an_array_that_is_filled_again_is_no_trouble(tmp_path):
    def batches():
        buffer = np.empty((2, 6, 2), np.float32)
        for row in range(0, 10, 2):
            buffer[:] = X[row : row + 2]
            yield buffer

    np.testing.assert_array_equal(open_store(write_store(tmp_path / "x", batches())).take(np.arange(10)), X)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "batches: found none, want at least one"),
        ([X, X[..., :1]], "batch 1: found 1 channels, want 2 as in batch 0"),
        ([X, X[0]], "batch 1: found shape (6, 2), want [N, T, C]"),
        ([X, EMPTY], "batch 1: found no step with all channels observed in series 4"),
        ([np.full_like(X, np.inf)], "batch 0: found values infinite"),
    ],
)
def test_wrong_batches_leave_nothing(batches, message, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        write_store(tmp_path / "x", batches, rows_per_group=3, groups_per_file=1)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path):
    def interrupted():
        yield X
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "x", interrupted(), rows_per_group=3)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_beside_it_is_touched(tmp_path):
    (tmp_path / "corpus.tmp").mkdir()
    (tmp_path / "corpus.tmp" / "notes.txt").write_text("mine")
    folder = write_store(tmp_path / "corpus", [X])
    assert (tmp_path / "corpus.tmp" / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "corpus.tmp"]
    # Others may read what the umask lets them.
    (tmp_path / "plain").mkdir()
    assert folder.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_of_two_writers_the_first_to_end_wins(tmp_path):
    def batches():
        yield X
        write_store(tmp_path / "x", [X[:3]])
        yield X

    with pytest.raises(InputError, match="want one that is not there yet"):
        write_store(tmp_path / "x", batches(), rows_per_group=3)
    assert len(open_store(tmp_path / "x")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"folder: found no way to make .*x"):
        write_store(tmp_path / "file" / "x", [X])


def test_nothing_is_written_over(tmp_path):
    write_store(tmp_path / "x", [X])
    with pytest.raises(InputError, match=r"folder: found .*x, want one that is not there yet"):
        write_store(tmp_path / "x", [X[:3]])
    assert len(open_store(tmp_path / "x")) == 10
    for name in ("rows_per_group", "groups_per_file"):
        with pytest.raises(InputError, match=f"{name}: found 0, want at least 1"):
            write_store(tmp_path / "y", [X], **{name: 0})
