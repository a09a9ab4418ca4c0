"""A monitor of series: regular windows are alarms at the rate asked for, planted ones are found; it is saved."""

import numpy as np
import pytest

import tsrl
from tsrl.data.anomaly import load_anomaly
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.evaluate.anomaly import detect_normal, random_scores
from tsrl.evaluate.anomaly_metrics import Judged, anomaly_scores
from tsrl.monitor import SeriesMonitor, load
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


def test_a_steps_score_knows_no_later_step(monitor):
    x = waves(600, 5)
    whole, begun = monitor.score(x).by_step(), monitor.score(x[:403]).by_step()
    assert whole.shape == (1, 600)
    # Windows end at 24, 29, ..., 399: what comes after decides nothing before.
    np.testing.assert_allclose(begun[0], whole[0, :403], rtol=1e-3, atol=1e-3)
    assert len(np.unique(whole[0, :29])) == 1


def test_each_of_several_series_has_a_past_of_its_own(embedder):
    """Series that differ in level: one in the place of another is regular for all and unusual for itself."""
    levels = np.linspace(-1, 1, 6)[:, None, None]
    x = np.stack([waves(2400, seed) for seed in range(6)]) * 0.5 + levels.astype(np.float32)
    monitor = SeriesMonitor.fit(x, embedder, window=25)
    later = (np.stack([waves(600, 10 + seed) for seed in range(6)]) * 0.5 + levels).astype(np.float32)
    right, wrong = monitor.score(later), monitor.score(later, series=np.arange(6)[::-1].copy())
    assert set(right.evidence) == {"knn", "mahalanobis", "own"}
    np.testing.assert_array_equal(right.evidence["knn"], wrong.evidence["knn"])
    assert np.median(wrong.p_value) < 0.1 < 0.3 < np.median(right.p_value)
    stranger = monitor.score(later[:1], series=[17])
    assert np.isfinite(stranger.score).all()
    assert right.by_step().shape == (6, 600)
    with pytest.raises(InputError, match="found 2 series, want 6"):
        monitor.score(later[:2])


def test_missing_steps(monitor):
    x = waves(300, 6)
    x[100:170] = np.nan
    scores = monitor.score(x)
    starts = scores.windows.start
    assert not ((starts >= 100) & (starts + 25 <= 170)).any()
    assert len(starts) == 56 - 10
    assert np.isfinite(scores.by_step()).all()


def test_real_costs_of_advertisements(real_data):
    """NAB's exchange-4_cpc: its steps are scored by the measures of anomaly detection, against random ones."""
    try:
        (series,) = load_anomaly("NAB/realAdExchange/exchange-4_cpc_results", real_data).series
    except InputError as error:
        pytest.skip(str(error))
    x, stop = series.standardised(), series.train_stop
    encoder = DilatedConv(width=8, features=8, depth=2)
    embedder = tsrl.pretrain(x[None, : stop // 2], encoder=encoder, steps=30)
    monitor = SeriesMonitor.fit(x[:stop], embedder, window=12, hop=2, calibrate=0.4)
    scores = monitor.score(x)
    assert len(scores.p_value) == (len(x) - 12) // 2 + 1
    found = {}
    for name, by_step in (("monitor", scores.by_step()[0]), ("random", random_scores(len(x), 0))):
        judged = detect_normal(by_step, stop, 0)
        windows = [(first - stop, last - stop) for first, last in series.windows if first >= stop]
        labels, kept = series.numbered[stop:] > 0, by_step[stop:]
        part = Judged(labels, windows, series.timestamps[stop:], kept, judged.flags, judged.alarms)
        found[name] = anomaly_scores([part], 0)
    assert np.isfinite(list(found["monitor"].values())).all()
    assert found["monitor"]["average_precision"] > found["random"]["average_precision"]


def test_an_event_monitors_folder_is_another_thing(monitor, tmp_path):
    monitor.save(tmp_path / "kept")
    with pytest.raises(InputError, match=r"monitor\.json"):
        load(tmp_path / "kept")
    with pytest.raises(InputError, match=r"series_monitor\.json"):
        SeriesMonitor.load(tmp_path / "kept" / "model")
    with pytest.raises(InputError, match="want a new or empty"):
        monitor.save(tmp_path / "kept")


def test_wrong_input(monitor, embedder):
    with pytest.raises(InputError, match="window"):
        SeriesMonitor.fit(waves(300, 0), embedder, window=0)
    with pytest.raises(InputError):
        SeriesMonitor.fit(waves(40, 0), embedder, window=25)
    with pytest.raises(InputError, match="channels"):
        monitor.score(np.zeros((100, 3), np.float32))
