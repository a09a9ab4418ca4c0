"""Synthetic series: rows are functions of (seed, row), and what is declared is really in them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data import synthetic_parts
from tsrl.data.synthetic import KINDS, synthetic
from tsrl.errors import InputError


def same(left, right):
    """Structures of the same series."""
    assert left.kinds == right.kinds
    assert repr(left.parameters) == repr(right.parameters)
    assert [event[:3] for event in left.events] == [event[:3] for event in right.events]
    for key in ("period", "deviation", "change_points", "lags", "shares"):
        np.testing.assert_array_equal(getattr(left, key), getattr(right, key))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**70),
    start=st.integers(0, 2**40),
    cut=st.integers(1, 5),
    length=st.integers(32, 100),
    channels=st.integers(1, 3),
    kinds=st.none() | st.sets(st.sampled_from(KINDS), min_size=1).map(sorted),
)
def test_a_slice_is_the_slice_of_the_whole(seed, start, cut, length, channels, kinds):
    whole = synthetic(6, length, channels, seed, start, kinds)
    part = synthetic(6 - cut, length, channels, seed, start + cut, kinds)
    np.testing.assert_array_equal(part.x, whole.x[cut:])
    for left, right in zip(part.structure, whole.structure[cut:], strict=True):
        same(left, right)
    assert whole.x.dtype == np.float32
    assert whole.x.shape == (6, length, channels)
    assert not np.isinf(whole.x).any()
    assert np.nanmax(np.abs(whole.x), initial=0) < 50
    if kinds is None or "missing" not in kinds:
        assert not np.isnan(whole.x).any()


def test_another_process_draws_the_same():
    code = "from tsrl.data.synthetic import synthetic; print(synthetic(3, 64, 2, 5, 7).x.tobytes().hex())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == synthetic(3, 64, 2, 5, 7).x.tobytes().hex()


def test_rows_and_seeds_differ():
    x = np.concatenate([synthetic(20, 64, seed=seed).x for seed in (0, 1)])
    assert len({row.tobytes() for row in x}) == 40


def test_the_declared_period_has_the_most_power():
    found = synthetic(200, 512, kinds=["seasonal"])
    power = np.abs(np.fft.rfft(found.x[..., 0], axis=1)) ** 2
    peaks = power[:, 1:].argmax(1) + 1
    cycles = np.array([512 / structure.period for structure in found.structure])
    assert np.abs(peaks - cycles).max() < 1.5
    assert cycles.max() / cycles.min() > 10


def test_regimes_change_where_declared():
    found = synthetic(150, 512, kinds=["regimes"])
    forms = set()
    for x, structure in zip(found.x[..., 0].astype(float), found.structure, strict=True):
        form, states = structure.parameters["regimes"]["form"], structure.parameters["regimes"]["states"]
        forms.add(form)
        bounds = [0, *structure.change_points, 512]
        assert min(np.diff(bounds)) >= 512 // 8
        for begin, stop, state in zip(bounds, bounds[1:], states, strict=False):
            segment = x[begin:stop]
            if form == "mean":
                np.testing.assert_allclose(segment, state, rtol=1e-5)
            elif form == "variance":
                assert 0.7 < segment.std() / state < 1.4
            else:
                # Half a period lies between changes of sign.
                crossings = np.flatnonzero(np.diff(np.signbit(segment)))
                assert (len(crossings) - 1) / (crossings[-1] - crossings[0]) * state / 2 == pytest.approx(1, abs=0.12)
        ratios = np.abs(states[1:] - states[:-1]) / np.minimum(np.abs(states[1:]), np.abs(states[:-1]))
        assert ratios.min() > 0.5
    assert forms == {"mean", "variance", "frequency"}


def test_the_noise_has_the_declared_deviation():
    found = synthetic(200, 512, kinds=["noise"])
    deviation = np.stack([structure.deviation for structure in found.structure])
    standard = found.x[..., 0] / deviation
    # By series and by step: the mean of n squares of standard normals deviates by sqrt(2 / n).
    assert np.abs((standard**2).mean(1) - 1).max() < 4.5 * np.sqrt(2 / 512)
    assert np.abs((standard**2).mean(0) - 1).max() < 4.5 * np.sqrt(2 / 200)
    assert np.abs(np.mean(standard[:, 1:] * standard[:, :-1])) < 0.02
    forms = {
        structure.parameters["noise"]["form"]: row for structure, row in zip(found.structure, deviation, strict=True)
    }
    assert set(forms) == {"constant", "ramp", "periodic", "burst", "volatile"}
    assert all((row.max() / row.min() > 1.5) == (form != "constant") for form, row in forms.items())


def test_without_noise_there_is_none():
    for structure in synthetic(20, 64, kinds=["trend", "events"]).structure:
        assert structure.deviation.tolist() == [0] * 64
        assert np.isnan(structure.period)
        assert structure.change_points.tolist() == []


def test_events_are_where_declared():
    kinds = set()
    for x, structure in zip(*synthetic(60, 256, 2, kinds=["events"]), strict=True):
        want = np.zeros((256, 2))
        for kind, start, length, size in structure.events:
            kinds.add(kind)
            shape = np.sin(np.pi * np.arange(1, length + 1) / (length + 1)) ** 2 if kind == "dip" else np.ones(length)
            want[start : start + length] += shape[:, None] / shape.max() * size
        np.testing.assert_allclose(x, want, atol=1e-5)
        assert 1 <= len(structure.events) <= 3
    assert kinds == {"spike", "step", "dip"}


def test_missing_steps_are_where_declared():
    for x, structure in zip(*synthetic(30, 128, 2, kinds=["seasonal", "missing"]), strict=True):
        want = np.zeros(128, bool)
        for event in structure.events:
            want[event.start : event.start + event.length] = True
        np.testing.assert_array_equal(np.isnan(x), np.stack([want, want], 1))
        assert want.any()
        assert not want.all()


def test_channels_follow_the_first():
    found = synthetic(100, 512, 3, kinds=["gaussian_process", "coupled"])
    alone = synthetic(100, 512, 3, kinds=["gaussian_process"])
    lags = []
    for x, own, structure in zip(found.x, alone.x, found.structure, strict=True):
        assert (structure.lags[0], structure.shares[0]) == (0, 0)
        for channel in range(3):
            lag, share = structure.lags[channel], structure.shares[channel]
            first = np.concatenate([np.full(lag, own[0, 0]), own[: 512 - lag, 0]])
            want = np.sqrt(1 - share) * own[:, channel] + np.sqrt(share) * first
            np.testing.assert_allclose(x[:, channel], want, atol=1e-5)
            lags.append(lag)
    assert max(lags) > 40


def test_trends():
    found = synthetic(120, 400, kinds=["trend"])
    forms = {}
    for x, structure in zip(found.x[..., 0].astype(float), found.structure, strict=True):
        parameters = structure.parameters["trend"]
        forms[parameters["form"]] = forms.get(parameters["form"], 0) + 1
        assert 0.49 < x.std() < 1.51
        bends = np.abs(np.diff(x, 2))
        if parameters["form"] == "linear":
            assert bends.max() < 1e-5
        elif parameters["form"] == "piecewise":
            smooth = np.ones(398, bool)
            smooth[parameters["knots"] - 2] = smooth[np.minimum(parameters["knots"] - 1, 397)] = False
            assert bends[smooth].max() < 1e-5 < bends.max()
        elif parameters["form"] == "autoregressive":
            # Least squares on the series itself finds the declared coefficients.
            lagged = np.stack([x[1:-1], x[:-2], np.ones(398)], 1)
            fitted = np.linalg.lstsq(lagged, x[2:], rcond=None)[0]
            assert np.abs(fitted[:2] - parameters["coefficients"]).max() < 0.25
    assert set(forms) == {"linear", "piecewise", "walk", "autoregressive"}


@pytest.mark.parametrize("name", ["rbf", "rational", "periodic", "linear"])
def test_gaussian_processes_have_the_kernels_covariance(name):
    random, length = np.random.default_rng(3), 40
    around = np.minimum(np.arange(80), 80 - np.arange(80))
    line = np.linspace(-1, 1, length)[:, None]
    for _ in range(3):
        parameters, kernel, factor = synthetic_parts._kernel(random, name, around, line)
        draws = synthetic_parts._stationary_draw(random, kernel, length, 20_000) * factor
        time = np.arange(length)[:, None]
        lag = time - time.T
        if name == "rbf":
            want = np.exp(-(lag**2) / (2 * parameters["scale"] ** 2))
        elif name == "rational":
            want = (1 + lag**2 / (2 * parameters["alpha"] * parameters["scale"] ** 2)) ** -parameters["alpha"]
        elif name == "periodic":
            want = np.exp(-2 * np.sin(np.pi * lag / parameters["period"]) ** 2 / parameters["width"] ** 2)
        else:
            want = (line - parameters["offset"]) * (line - parameters["offset"]).T
        # The mean of 20,000 products deviates by at most 0.01 a time the variance; clipped eigenvalues add up to 0.03.
        assert np.abs(draws @ draws.T / 20_000 - want).max() < 0.08


def test_the_default_is_diverse():
    found = synthetic(300, 256)
    x = found.x[..., 0].astype(float)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    power = np.abs(np.fft.rfft(x, axis=1))[:, 1:] ** 2
    share = power / power.sum(1, keepdims=True)
    entropy = -(share * np.log(share + 1e-12)).sum(1) / np.log(share.shape[1])
    memory = (x[:, 1:] * x[:, :-1]).mean(1)
    assert np.subtract(*np.quantile(entropy, [0.95, 0.05])) > 0.35
    assert np.subtract(*np.quantile(memory, [0.95, 0.05])) > 0.4
    used = [kind for structure in found.structure for kind in structure.kinds]
    assert {kind: used.count(kind) > 30 for kind in set(KINDS) - {"coupled", "missing"}} == dict.fromkeys(
        set(KINDS) - {"coupled", "missing"}, True
    )
    assert not {"coupled", "missing"} & set(used)
    assert any("coupled" in structure.kinds for structure in synthetic(20, 64, 2).structure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count: found 0, want a whole number of at least 1"),
        ({"length": 31}, "length: found 31, want a whole number of at least 32"),
        ({"channels": 1.0}, "channels: found 1.0"),
        ({"seed": -1}, "seed: found -1, want a whole number of at least 0"),
        ({"start": True}, "start: found True"),
        ({"kinds": ["trends"]}, "kinds: found 'trends'.*did you mean trend"),
        ({"kinds": []}, "kinds: found none"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        synthetic(**({"count": 1, "length": 32} | arguments))
