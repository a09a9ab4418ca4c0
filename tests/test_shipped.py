"""The model that comes with the package: there, small, as its card says, and of use without anything else."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tsrl
from tsrl.data.corpus import synthetic_corpus
from tsrl.encoders import Pyramid
from tsrl.errors import InputError
from tsrl.shipped import MODELS, load_shipped, ship, shipped_models

X = np.random.default_rng(0).normal(size=(5, 30, 2)).cumsum(1)


def test_it_embeds_series_of_any_form_and_ignores_their_scale():
    assert shipped_models() == ["tsrl-small"]
    model = tsrl.load("tsrl-small")
    assert model.embed(X).shape == (5, 2 * 1792)
    assert model.encode(X[:, :7, :1]).shape == (5, 7, 448)
    np.testing.assert_allclose(model.embed(1000 * X + 5), model.embed(X), atol=0.02)
    missing = X.copy()
    missing[0, 3:6] = np.nan
    missing[1] = np.nan
    found = model.embed(missing)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[1], 0)


def test_its_embeddings_are_standardised_on_series_like_its_own():
    z = tsrl.load("tsrl-small").embed(synthetic_corpus(200, 256, seed=99))
    assert abs(float(np.median(z.mean(0)))) < 0.5
    assert 0.3 < float(np.median(z.std(0))) < 3


def test_its_files_are_small_and_its_card_says_what_it_is():
    folder = MODELS / "tsrl-small"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8 * 2**20
    card = (folder / "README.md").read_text()
    assert "python experiments/foundation.py" in card
    assert f"{sum(np.size(leaf) for leaf in _leaves(load_shipped('tsrl-small').params)):,} parameters" in card
    assert json.loads((folder / "config.json").read_text())["method"]["name"] == "foundation"


def _leaves(tree):
    import jax

    return jax.tree.leaves(tree)


def test_it_is_there_without_data_or_network(tmp_path):
    code = "import numpy as np, tsrl; print(tsrl.load('tsrl-small').embed(np.zeros((1, 9, 1))).shape)"
    env = {"PATH": "/nowhere", "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout.strip()) == (0, "(1, 1792)"), done.stderr


def test_a_model_is_shipped_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("tsrl.shipped.MODELS", tmp_path)
    model = tsrl.pretrain(
        X, "foundation", encoder=Pyramid(width=2, scales=2, depth=1), steps=1, rows=8, classes=2, lengths=(16,)
    )
    assert ship(model, "tiny", "# Tiny\n") == tmp_path / "tiny"
    assert shipped_models() == ["tiny"]
    np.testing.assert_array_equal(tsrl.load("tiny").embed(X), model.embed(X))
    with pytest.raises(InputError, match="folder: found no config"):
        tsrl.load("tsrl-smal")
