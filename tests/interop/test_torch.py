"""Released weights by name: every wrong file or weight is refused with its name."""

import sys

import numpy as np
import pytest
from golden_files import cases
from safetensors.numpy import save_file

from tsrl.errors import InputError
from tsrl.interop import embedder_from_torch, from_torch

CASE = next(iter(cases("ts2vec_encode")), None)
pytestmark = pytest.mark.skipif(CASE is None, reason="the golden folder has no ts2vec_encode.npz")


def weights():
    return dict(CASE.arrays["w"])


def test_files_of_every_kind_give_the_same_model(tmp_path):
    x = CASE.arrays["in"]["x"]
    expected = embedder_from_torch("ts2vec", weights()).encode(x)
    np.savez(tmp_path / "w.npz", **weights())
    # The released code saves the averaged model: every name has a prefix, and a counter stands beside them.
    save_file(
        {f"module.{name}": value for name, value in weights().items()} | {"n_averaged": np.ones(1)},
        tmp_path / "w.safetensors",
    )
    for name in ("w.npz", "w.safetensors"):
        np.testing.assert_array_equal(embedder_from_torch("ts2vec", tmp_path / name).encode(x), expected)


def test_an_embedder_from_torch_can_be_saved(tmp_path):
    import tsrl

    model = embedder_from_torch("ts2vec", weights())
    model.save(tmp_path / "m")
    x = CASE.arrays["in"]["x"]
    np.testing.assert_array_equal(tsrl.load(tmp_path / "m").embed(x), model.embed(x))


def test_wrong_weights_are_named():
    missing = weights()
    del missing["input_fc.bias"]
    with pytest.raises(InputError, match=r"input_fc\.bias: found no such weight"):
        from_torch("ts2vec", missing)
    with pytest.raises(InputError, match=r"weights that TS2Vec's TSEncoder does not have: extra\.weight"):
        from_torch("ts2vec", weights() | {"extra.weight": np.zeros(2)})
    with pytest.raises(InputError, match=r"input_fc\.weight: found shape \(3,\), want rank 2"):
        from_torch("ts2vec", weights() | {"input_fc.weight": np.zeros(3)})
    with pytest.raises(InputError, match=r"input\.dense\.bias: found shape \(3,\) in our layout, want \(8,\)"):
        from_torch("ts2vec", weights() | {"input_fc.bias": np.zeros(3)})
    with pytest.raises(InputError, match=r"found blocks \[\] of feature_extractor"):
        from_torch("ts2vec", {name: value for name, value in weights().items() if name.startswith("input_fc")})
    with pytest.raises(InputError, match="method: found 'ts3vec'; did you mean ts2vec"):
        from_torch("ts3vec", weights())


def test_wrong_files_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="found no file"):
        from_torch("ts2vec", tmp_path / "absent.npz")
    for name in ("a.npz", "a.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            from_torch("ts2vec", tmp_path / name)
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"found ending '\.bin'"):
        from_torch("ts2vec", tmp_path / "a.bin")
    np.savez(tmp_path / "pickled.npz", w=np.asarray([{}], object))
    with pytest.raises(InputError, match=r"pickled\.npz: cannot be read"):
        from_torch("ts2vec", tmp_path / "pickled.npz")
    (tmp_path / "a.pt").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"needs torch >= 2\.6"):
        from_torch("ts2vec", tmp_path / "a.pt")
