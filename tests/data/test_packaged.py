"""The sets inside aeon, without the network, against the same sets in the data folder."""

import os
import socket
from importlib.util import find_spec

import numpy as np
import pytest

from tsrl.data.named import load
from tsrl.data.packaged import packaged_sets

DATA_DIR = os.environ.get("TSRL_DATA_DIR")
pytestmark = pytest.mark.skipif(find_spec("aeon") is None, reason="aeon is not installed")


@pytest.fixture(autouse=True)
def _packaged_only(monkeypatch):
    monkeypatch.delenv("TSRL_DATA_DIR", raising=False)

    def refuse(*arguments, **keywords):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_sets_with_two_splits_and_classes():
    names = set(packaged_sets())
    assert {"ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "JapaneseVowels"} <= names
    # Regression sets and sets of one split ship too.
    assert not {"CardanoSentiment", "Covid3Month", "UnitTestTimeStamps", "Airline"} & names


def test_basic_motions():
    dataset = load("BasicMotions")
    assert dataset.source.startswith("aeon ")
    assert dataset.source.endswith(", packaged")
    assert dataset.x_train.shape == dataset.x_test.shape == (40, 100, 6)
    assert dataset.classes == ("Badminton", "Running", "Standing", "Walking")
    assert np.bincount(dataset.y_train).tolist() == np.bincount(dataset.y_test).tolist() == [10] * 4


def test_unequal_lengths():
    dataset = load("JapaneseVowels")
    assert dataset.x_train.shape == (270, 29, 12)
    assert dataset.x_test.shape == (370, 29, 12)
    lengths = (~np.isnan(np.concatenate([dataset.x_train, dataset.x_test])).all(-1)).sum(1)
    assert (lengths.min(), lengths.max()) == (7, 29)
    assert not np.isnan(dataset.x_train[:, 0]).any()


@pytest.mark.skipif(not DATA_DIR, reason="TSRL_DATA_DIR names no folder with archive sets")
@pytest.mark.parametrize("name", ["BasicMotions", "ItalyPowerDemand", "JapaneseVowels", "PickupGestureWiimoteZ"])
def test_equals_the_same_set_in_the_data_folder(name):
    ours = load(name)
    try:
        theirs = load(name, DATA_DIR)
    except ValueError as error:
        pytest.skip(str(error))
    if not theirs.source.startswith("npz file"):
        pytest.skip(f"TSRL_DATA_DIR has no {name}.npz")
    for array in ("x_train", "y_train", "x_test", "y_test", "classes"):
        np.testing.assert_array_equal(getattr(ours, array), getattr(theirs, array), err_msg=array)
