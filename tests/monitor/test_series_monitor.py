"""A monitor of series: regular windows are alarms at the rate asked for, planted ones are found; it is saved."""

import numpy as np
import pytest

import tsrl
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.monitor import SeriesMonitor
from tsrl.monitor.conformal import alarm_interval


def waves(steps, seed):
    """Two channels, regular but for noise: `[steps, 2]`."""
    random, t = np.random.default_rng(seed), np.arange(steps)
    x = np.stack([np.sin(t / 5), np.cos(t / 11)], -1) + 0.2 * random.normal(size=(steps, 2))
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def embedder():
    encoder = DilatedConv(width=8, features=8, depth=2)
    return tsrl.pretrain(waves(1500, 0).reshape(30, 50, 2), encoder=encoder, steps=30)


@pytest.fixture(scope="module")
def monitor(embedder):
    return SeriesMonitor.fit(waves(6000, 1), embedder, window=25, hop=5)


def test_regular_windows_are_alarms_as_often_as_asked_for(monitor):
    scores = monitor.score(waves(6000, 2))
    for rate in (0.05, 0.2):
        # Windows overlap: a fifth of them are independent.
        low, high = alarm_interval(len(monitor.calibration) // 5, len(scores.p_value) // 5, rate, 0.999)
        assert low <= scores.alarms(rate).mean() <= high


def test_planted_anomalies_are_found_where_they_are(monitor):
    x = waves(3000, 3)
    x[1000:1040, 0] = 0.0
    x[2000:2040] += 1.5
    scores = monitor.score(x)
    by_step = scores.by_step()
    assert by_step.shape[-1] == 3000
    inside = np.zeros(3000, bool)
    inside[1010:1060] = inside[2010:2060] = True
    row = by_step.reshape(-1)
    assert np.median(row[inside]) > np.nanquantile(row[~inside], 0.95)


def test_saved_and_loaded_it_scores_alike(monitor, tmp_path):
    monitor.save(tmp_path / "kept")
    again, x = SeriesMonitor.load(tmp_path / "kept"), waves(400, 4)
    np.testing.assert_allclose(again.score(x).p_value, monitor.score(x).p_value)
    (tmp_path / "kept" / "state.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"state\.npz changed"):
        SeriesMonitor.load(tmp_path / "kept")


def test_wrong_input(monitor, embedder):
    with pytest.raises(InputError, match="window"):
        SeriesMonitor.fit(waves(300, 0), embedder, window=0)
    with pytest.raises(InputError):
        SeriesMonitor.fit(waves(40, 0), embedder, window=25)
    with pytest.raises(InputError, match="channels"):
        monitor.score(np.zeros((100, 3), np.float32))
