"""The Python surface: pretrain, encode, embed, save, load, scikit-learn."""

import os
import pickle
import signal
import threading

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

import tsrl
from tsrl import pretraining
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.types import as_batch

ENCODER = DilatedConv(width=4, features=6, depth=1)
X = np.random.default_rng(0).normal(size=(9, 15, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return tsrl.pretrain(X, steps=3, batch_size=4, encoder=ENCODER, scale=True)


def test_shapes(model):
    assert model.encode(X).shape == (9, 15, 6)
    assert model.embed(X).shape == (9, 6)
    assert model.embed(X, pooling=4).shape == (9, 15, 6)
    assert model.embed(X, pooling="multiscale").shape == (9, 15, 6 * 4)
    assert model.encode(X, sliding_length=4, sliding_padding=2).shape == (9, 16, 6)
    np.testing.assert_allclose(model.embed(X), model.encode(X).max(1), atol=1e-6)
    assert "ts2vec" in repr(model)


def test_chunks_do_not_change_the_result(model):
    for batch_size in (1, 4, 100):
        np.testing.assert_allclose(model.encode(X, batch_size=batch_size), model.encode(X), atol=1e-5)
        np.testing.assert_allclose(model.embed(X, batch_size=batch_size), model.embed(X), atol=1e-5)


def test_pooling_is_the_maximum_around_each_step(model):
    z = model.encode(X)
    for window in (1, 3, 4):
        pooled = model.encode(X, pooling=window)
        for t in range(15):
            first = max(t - window // 2, 0)
            last = t - window // 2 + window
            np.testing.assert_allclose(pooled[:, t], z[:, first:last].max(1), atol=1e-5)


def test_sliding_windows_are_encoded_by_themselves(model):
    slid = model.encode(X, sliding_length=1, sliding_padding=5, causal=True)
    padded = np.pad(X, ((0, 0), (5, 0), (0, 0)), constant_values=np.nan)
    for t in (0, 3, 14):
        np.testing.assert_allclose(slid[:, t], model.encode(padded[:, t : t + 6])[:, -1], atol=1e-5)


def test_mask_last_hides_the_last_step(model):
    changed = X.copy()
    changed[:, -1] += 100
    np.testing.assert_allclose(model.encode(X, mask="mask_last"), model.encode(changed, mask="mask_last"), atol=1e-5)
    assert abs(model.encode(X) - model.encode(changed)).max() > 1e-2


def test_missing_steps_do_not_depend_on_their_other_channels(model):
    x = X.copy()
    x[2, 4, 0] = np.nan
    other = x.copy()
    other[2, 4, 1] = 55
    np.testing.assert_array_equal(model.encode(x), model.encode(other))
    assert np.isfinite(model.encode(x)).all()


def test_scale_is_kept_with_the_model(model, tmp_path):
    np.testing.assert_allclose(model.scaler.mean, X.mean((0, 1)), atol=1e-5)
    raw = model.method.encode(model.params, model.aux, as_batch((X - model.scaler.mean) / model.scaler.std)).z
    np.testing.assert_allclose(model.encode(X), raw, atol=1e-5)


def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model")
    again = tsrl.load(tmp_path / "model")
    np.testing.assert_array_equal(again.embed(X), model.embed(X))
    np.testing.assert_array_equal(again.encode(X, sliding_length=5), model.encode(X, sliding_length=5))
    again.save(tmp_path / "copy")
    np.testing.assert_array_equal(tsrl.load(tmp_path / "copy").embed(X), model.embed(X))
    with pytest.raises(InputError, match="want a new or empty one"):
        model.save(tmp_path / "model")


def test_pickle_keeps_the_model(model):
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.embed(X), model.embed(X))
    assert repr(again) == repr(model)


def test_load_refuses_what_is_not_a_model(model, tmp_path):
    with pytest.raises(InputError, match=r"found no config\.json"):
        tsrl.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        tsrl.load(tmp_path)
    model.save(tmp_path / "model")
    for path in (tmp_path / "model" / "checkpoints").rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"checkpoints: found step 0: .*, want at least one that can be read"):
        tsrl.load(tmp_path / "model")


def test_pretraining_is_reproducible_and_seeded():
    def weights(seed):
        return tsrl.pretrain(X, steps=2, batch_size=4, encoder=ENCODER, seed=seed).params

    same = jax.tree.map(np.array_equal, weights(1), weights(1))
    assert jax.tree.all(same)
    assert not jax.tree.all(jax.tree.map(np.array_equal, weights(1), weights(2)))


def test_long_series_are_cut_and_short_ones_centred():
    x = np.random.default_rng(0).normal(size=(3, 50, 1)).astype(np.float32)
    x[0, 30:] = np.nan
    model = tsrl.pretrain(x, steps=2, batch_size=4, encoder=ENCODER, max_train_length=20)
    assert model.length == 25
    assert model.embed(x).shape == (3, 6)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[..., 0], r"x: found shape \(9, 15\), want \[N, T, C\]; add the channel axis: x\[\.\.\., None\]"),
        (X[:0], r"x: found 0 series in shape \(0, 15, 2\)"),
        (X[:, :1], r"x: found 1 time steps in shape \(9, 1, 2\)"),
        (np.where(X > 1, np.inf, X), "x: .*inf"),
        (np.full_like(X, np.nan), "x: .*NaN"),
        (X.astype(str), "x: "),
    ],
)
def test_wrong_series_are_refused(x, message):
    with pytest.raises(InputError, match=message):
        tsrl.pretrain(x, steps=1, encoder=ENCODER)


def test_wrong_series_are_refused_at_encode(model):
    with pytest.raises(InputError, match=r"x: found 1 channels in shape \(9, 15, 1\), want 2 as in training"):
        model.encode(X[..., :1])
    with pytest.raises(InputError, match="pooling: found 'mean'"):
        model.embed(X, pooling="mean")
    with pytest.raises(InputError, match="pooling: found 0"):
        model.encode(X, pooling=0)
    with pytest.raises(InputError, match="mask: found 'half'"):
        model.encode(X, mask="half")
    with pytest.raises(InputError, match="sliding_length, sliding_padding: found 0, 0"):
        model.encode(X, sliding_length=0)
    with pytest.raises(InputError, match="batch_size: found -1"):
        model.encode(X, batch_size=-1)
    with pytest.raises(InputError, match="did you mean ts2vec"):
        tsrl.pretrain(X, method="ts2vecc")
    with pytest.raises(InputError, match=r"train\.batch_size: found 2\.5, want a whole number"):
        tsrl.pretrain(X, batch_size=2.5)
    with pytest.raises(InputError, match="encoder: found 'dilated'"):
        tsrl.pretrain(X, encoder="dilated")


def test_scikit_learn_transformer():
    y = np.arange(9) % 2
    step = tsrl.EmbeddingTransformer(steps=2, batch_size=4, encoder=ENCODER, random_state=1)
    assert clone(step).get_params() == step.get_params()
    pipeline = make_pipeline(step, SVC()).fit(X, y)
    assert pipeline.predict(X).shape == (9,)
    np.testing.assert_array_equal(step.fit(X).transform(X), pipeline[0].transform(X))


def test_a_stopped_training_is_no_model(monkeypatch):
    """Ctrl-C ends the caller's script, as it would in any other function."""
    fitted = pretraining.run

    def interrupted(job, **settings):
        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        return fitted(job, **settings)

    monkeypatch.setattr(pretraining, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tsrl.pretrain(X, steps=10**6, batch_size=4, encoder=ENCODER)
