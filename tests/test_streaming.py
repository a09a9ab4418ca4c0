"""Steps that arrive one by one get the representations that sliding windows over the whole series give."""

import pickle
from dataclasses import dataclass

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsrl
from tsrl import streaming
from tsrl.config import options
from tsrl.data.scaling import Scaler
from tsrl.embedder import Embedder
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.streaming import StreamingEncoder, StreamState, empty_state, push
from tsrl.types import as_batch

WINDOW = 6
STEPS = 33
X = np.random.default_rng(0).normal(3, 2, size=(3, STEPS, 2)).cumsum(1).astype(np.float32)
INFINITE = np.where(np.arange(3)[:, None, None] == 1, -np.inf, X)
X[0, 0] = X[1, 4, 0] = X[2, 9:18] = X[0, -1] = np.nan  # the first step, one channel, more than a window, the last


def embedder(shortcut=True, scaler=None, seed=0, channels=2):
    method, encoder = options("ts2vec"), DilatedConv(width=4, features=6, depth=2)
    made = method.build(encoder)
    example = as_batch(np.zeros((1, 2, channels), np.float32))
    params, _ = made.init(jax.random.key(seed), example)
    # Other weights in the average than in the parameters, so that a mix-up shows.
    aux = {"average": made.init(jax.random.key(seed + 1), example)[0]}
    model = Embedder(method, encoder, params, aux, channels, scaler)
    if not shortcut:
        model.method = model.method._replace(last_of_windows=None)
    return model


MODEL = embedder(scaler=Scaler.of(X))
WINDOWED = embedder(shortcut=False, scaler=Scaler.of(X))


def batch(model, x=X, window=WINDOW):
    return model.encode(x, sliding_length=1, sliding_padding=window - 1, causal=True)


def in_blocks(stream, x, cuts):
    return np.concatenate([stream.push(part) for part in np.split(x, cuts, axis=-2)], -2)


EXPECTED = batch(MODEL)


@pytest.mark.parametrize("model", [MODEL, WINDOWED], ids=["shortcut", "windows"])
def test_step_by_step(model):
    stream = StreamingEncoder(model, WINDOW)
    for t, step in enumerate(X[1]):
        z = stream.push(step)
        assert z.shape == (6,)
        assert z.dtype == np.float32
        np.testing.assert_allclose(z, EXPECTED[1, t], atol=1e-5)
    np.testing.assert_array_equal(stream.seen, [STEPS])


def test_a_step_is_represented_as_the_last_of_the_series_so_far():
    z = StreamingEncoder(MODEL, WINDOW, streams=3).push(X[:, :20])
    np.testing.assert_allclose(z[:, -1], batch(MODEL, X[:, :20])[:, -1], atol=1e-5)


@given(st.lists(st.integers(1, STEPS - 1), max_size=6), st.booleans())
@settings(max_examples=20, deadline=None)
def test_blocks_of_any_length_and_many_streams(cuts, shortcut):
    stream = StreamingEncoder(MODEL if shortcut else WINDOWED, WINDOW, streams=3)
    z = in_blocks(stream, X, sorted(set(cuts)))
    assert z.shape == (3, STEPS, 6)
    np.testing.assert_allclose(z, EXPECTED, atol=1e-5)
    np.testing.assert_array_equal(stream.seen, [STEPS] * 3)


@pytest.mark.parametrize("window", [1, 40])
def test_windows_of_other_lengths(window):
    """Also of more steps than there are, and without a scaler."""
    model = embedder()
    expected = batch(model, X[1:2], window)[0]
    for other in (model, embedder(shortcut=False)):
        stream = StreamingEncoder(other, window)
        np.testing.assert_allclose(in_blocks(stream, X[1, :32], [16]), expected[:32], atol=1e-5)
        assert stream.state.history.shape == (1, window - 1, 2)


def test_nothing_but_missing_steps():
    """Batch encoding refuses such a series; a stream may begin so."""
    stream = StreamingEncoder(MODEL, WINDOW, streams=3)
    assert np.isfinite(stream.push(np.full((3, 4, 2), np.nan))).all()
    padded = np.pad(X[:, :-4], ((0, 0), (4, 0), (0, 0)), constant_values=np.nan)
    np.testing.assert_allclose(stream.push(X[:, :-4]), batch(MODEL, padded)[:, 4:], atol=1e-5)


def test_shapes():
    one, several = StreamingEncoder(MODEL, WINDOW), StreamingEncoder(MODEL, WINDOW, streams=3)
    assert one.push([1, 2]).shape == (6,)
    assert one.push([[1, 2]]).shape == (1, 6)
    assert one.push(X[:1, :1]).shape == (1, 1, 6)
    assert several.push(X[:, 0]).shape == (3, 6)
    assert several.push(X[:, 1:2]).shape == (3, 1, 6)
    assert "window=6, streams=3" in repr(several)
    assert tsrl.StreamingEncoder is StreamingEncoder


@pytest.mark.parametrize("streams", [1, 8, 300, 5000])
def test_pieces_cover_a_block_with_few_programs(streams):
    for steps in (1, 2, 3, 5, 17, 200, 257, 512, 513, 3000):
        pieces = list(streaming._pieces(steps, streams))
        assert set(pieces) <= set(streaming._PIECES)
        assert steps <= sum(pieces) <= 2 * steps
        assert sum(pieces[:-1]) < steps
        assert max(pieces) * streams <= max(streaming._WINDOWS, streams)


def test_the_pure_function():
    state, block = empty_state(WINDOW, 3, 2), MODEL.scaler.apply(X)
    state, z = push(MODEL.method, MODEL.params, MODEL.aux, state, block[:, :16])
    np.testing.assert_allclose(z, EXPECTED[:, :16], atol=1e-5)
    np.testing.assert_array_equal(state.history, block[:, 17 - WINDOW : 16])
    state = state.replace(seen=np.array([5, 2**31 - 2, 2**31 - 1], np.int32))
    state, _ = push(MODEL.method, MODEL.params, MODEL.aux, state, block[:, :4], 3)
    np.testing.assert_array_equal(state.seen, [8, 2**31 - 1, 2**31 - 1])
    np.testing.assert_array_equal(state.history, np.concatenate([block[:, 14:16], block[:, :3]], 1))
    assert isinstance(state, StreamState)


def test_one_program_serves_blocks_of_many_lengths(tmp_path):
    model, traced = embedder(), []
    shortcut = model.method.last_of_windows
    model.method = model.method._replace(last_of_windows=lambda *call: traced.append(call) or shortcut(*call))
    stream = StreamingEncoder(model, WINDOW, streams=3)
    for steps in (14, 13, 12, 11, 16):
        stream.push(X[:, :steps])
    stream.reset(1)
    stream.push(X[:, :15])
    stream.save(tmp_path / "state.npz")
    StreamingEncoder.load(tmp_path / "state.npz", model).push(X[:, :16])
    assert len(traced) == 1


def test_a_copy_goes_on_bit_equal(tmp_path):
    stream = StreamingEncoder(MODEL, WINDOW, streams=3)
    stream.push(X[:, :14])
    stream.save(tmp_path / "state.npz")
    copies = [pickle.loads(pickle.dumps(stream)), StreamingEncoder.load(tmp_path / "state.npz", MODEL, window=WINDOW)]
    parts = [X[:, 14:30], X[:, 30:], X[:, :11]]
    further = [stream.push(part) for part in parts]
    np.testing.assert_allclose(further[0], EXPECTED[:, 14:30], atol=1e-5)
    for copy in copies:
        np.testing.assert_array_equal(copy.seen, [14] * 3)
        for part, z in zip(parts, further, strict=True):
            np.testing.assert_array_equal(copy.push(part), z)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def test_reset_of_some_streams():
    stream = StreamingEncoder(MODEL, WINDOW, streams=3)
    stream.push(X[:, :16])
    stream.reset(1)
    np.testing.assert_array_equal(stream.seen, [16, 0, 16])
    z = stream.push(X[:, 16:])
    np.testing.assert_allclose(z[[0, 2]], EXPECTED[[0, 2], 16:], atol=1e-5)
    afresh = StreamingEncoder(MODEL, WINDOW, streams=3).push(X[:, 16:])
    np.testing.assert_array_equal(z[1], afresh[1])
    assert np.abs(z[0, 0] - afresh[0, 0]).max() > 1e-2
    stream.reset([0, 2])
    np.testing.assert_array_equal(stream.seen, [0, STEPS - 16, 0])
    stream.reset(())
    stream.reset()
    np.testing.assert_array_equal(stream.seen, [0, 0, 0])
    np.testing.assert_allclose(stream.push(X), EXPECTED, atol=1e-5)


@pytest.mark.parametrize("streams", [3, [0, 3], -1, 1.0, [True], "0"])
def test_reset_refuses_other_numbers(streams):
    stream = StreamingEncoder(MODEL, WINDOW, streams=3)
    stream.push(X)
    with pytest.raises(InputError, match=r"streams: found .*, want whole numbers from 0 to 2"):
        stream.reset(streams)
    np.testing.assert_array_equal(stream.seen, [STEPS] * 3)


@pytest.mark.parametrize(
    ("streams", "x", "message"),
    [
        (1, 1.0, r"x: found shape \(\), want \[C\], \[K, C\] or \[1, K, C\]"),
        (1, X[None], r"x: found shape \(1, 3, 33, 2\), want \[C\]"),
        (3, X[0, 0], r"x: found shape \(2,\), want \[S, C\] or \[S, K, C\] with S = 3"),
        (1, X[0, :, :1], r"x: found 1 channels in shape \(33, 1\), want 2 as in training"),
        (1, X, r"x: found 3 streams in shape \(3, 33, 2\), want 1"),
        (3, X[:2], r"x: found 2 streams in shape \(2, 33, 2\), want 3"),
        (3, X[:2, 0], r"x: found 2 streams in shape \(2, 2\), want 3"),
        (3, X[:, :0], r"x: found 0 time steps in shape \(3, 0, 2\), want at least 1"),
        (3, INFINITE, r"x: found values infinite in float32 in 1 of 3 streams, first in stream 1, want finite"),
        (1, [1e39, 0], "x: found values infinite in float32"),
        (1, ["a", "b"], r"x: found dtype <U1 in shape \(2,\), want \[C\]"),
        (1, [[1, 2], [3]], "x: found list that numpy cannot make an array of"),
    ],
)
def test_wrong_steps_are_refused_and_leave_the_streams_alone(streams, x, message):
    stream = StreamingEncoder(MODEL, WINDOW, streams)
    with pytest.raises(InputError, match=message):
        stream.push(x)
    np.testing.assert_array_equal(stream.seen, [0] * streams)


@dataclass
class OwnStatistics:
    """Standardises each series by its own mean, which a stream does not know."""

    def apply(self, x):
        return x - np.nanmean(x, 1, keepdims=True)


def test_wrong_streams_are_refused():
    for value in (0, -1, 2.5, True, "6"):
        with pytest.raises(InputError, match=rf"window: found {value!r}, want a whole number from 1 up"):
            StreamingEncoder(MODEL, value)
        with pytest.raises(InputError, match=rf"streams: found {value!r}, want a whole number from 1 up"):
            StreamingEncoder(MODEL, WINDOW, value)
    with pytest.raises(InputError, match="found the scaler OwnStatistics, want a Scaler"):
        StreamingEncoder(embedder(scaler=OwnStatistics()), WINDOW)
    patches = embedder()
    encode = patches.method.encode
    patches.method = patches.method._replace(
        encode=lambda *call: (whole := encode(*call))._replace(z=whole.z[:, ::2]), last_of_windows=None
    )
    with pytest.raises(InputError, match="found 3 representations of a window of 6 steps, want one per step"):
        StreamingEncoder(patches, WINDOW)


def test_wrong_files_are_refused(tmp_path):
    path = tmp_path / "state.npz"
    load = StreamingEncoder.load
    with pytest.raises(InputError, match=r"path: found no file at .*, want one that StreamingEncoder\.save wrote"):
        load(path, MODEL)
    path.write_text("nothing")
    with pytest.raises(InputError, match=r"npz file state\.npz: found no readable archive"):
        load(path, MODEL)
    np.savez(path, x=X)
    with pytest.raises(InputError, match=r"npz file state\.npz: found the keys x, want one that Streaming"):
        load(path, MODEL)
    np.savez(path, history=X, seen=np.zeros(2, np.int32), mean=X[0, 0], std=X[0, 0])
    with pytest.raises(InputError, match=r"found history float32 \(3, 33, 2\) and seen int32 \(2,\)"):
        load(path, MODEL)
    np.savez(path, history=X, seen=np.array([None] * 3), mean=X[0, 0], std=X[0, 0])
    with pytest.raises(
        InputError, match=r"npz file state\.npz: found a damaged file, want one that StreamingEncoder\.save wrote"
    ):
        load(path, MODEL)
    StreamingEncoder(MODEL, WINDOW, streams=3).save(path)
    assert (load(path, MODEL).window, load(path, MODEL).streams) == (WINDOW, 3)
    with pytest.raises(InputError, match="found a window of 6 steps, want 7"):
        load(path, MODEL, window=7)
    with pytest.raises(InputError, match="found 2 channels, want 1 as the model's"):
        load(path, embedder(channels=1))
    with pytest.raises(InputError, match=r"found steps scaled with mean \[.*\], want \[0\. 0\.\] as the model's"):
        load(path, embedder())
    with pytest.raises(InputError, match=r"path: cannot write .*, want a file in a folder"):
        load(path, MODEL).save(tmp_path / "none" / "state.npz")
