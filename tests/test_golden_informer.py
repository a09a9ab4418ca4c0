"""Every case of the golden files of Informer: attention, distilling, encoder, whole model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.encoders import Informer, attention
from tsrl.encoders.attention import full_attention, prob_sparse_attention
from tsrl.encoders.informer import Distil, Embedding, position_table
from tsrl.encoders.informer_decoder import InformerDecoder
from tsrl.interop.informer import distil_of
from tsrl.interop.torch import from_torch
from tsrl.interop.weights import Weights


def golden(file):
    return pytest.mark.parametrize("case", cases(file), ids=label)


@pytest.fixture
def recorded(monkeypatch):
    """Samples of keys are those of the case, in the order of the layers."""

    def use(case):
        samples = iter(sorted(case.arrays.get("rand", {}).items()))

        def next_sample(key, queries, keys, factor):
            sample = next(samples)[1]
            assert sample.shape == (queries, attention.sample_size(factor, keys))
            return jnp.asarray(sample)

        monkeypatch.setattr(attention, "key_sample", next_sample)

    return use


@golden("informer_attention")
def test_golden_informer_attention(case):
    masked = case.setting("mask")
    if case.setting("prob"):
        sample = jnp.asarray(case.rand["index_sample"])
        attend = lambda *qkv: prob_sparse_attention(*qkv, sample, factor=case.setting("factor"), causal=masked)  # noqa: E731
        assert sample.shape[1] == attention.sample_size(case.setting("factor"), case.arrays["in"]["k"].shape[1])
    else:
        attend = lambda *qkv: full_attention(*qkv, causal=masked)  # noqa: E731
    inputs = case.arrays["in"]
    qkv = [jnp.asarray(inputs[name]) for name in "qkv"]
    assert_close(jax.jit(attend)(*qkv), case.out["context"], "context")
    gradients = jax.jit(jax.grad(lambda *qkv: (attend(*qkv) * inputs["cotangent"]).sum(), (0, 1, 2)))(*qkv)
    for name, gradient in zip("qkv", gradients, strict=True):
        assert_close(gradient, case.grad[name], f"gradient of {name}")
    # Attending to the unit vectors gives the weights.
    q, k, _ = qkv
    batch, keys, heads, _ = k.shape
    units = jnp.broadcast_to(jnp.eye(keys)[:, None], (batch, keys, heads, keys))
    weights = np.asarray(attend(q, k, units)).swapaxes(1, 2)
    # The released matrix of ProbSparse cross-attention has a row for every key, those without a query left at the mean.
    published = case.out["attn"][:, :, : weights.shape[2]]
    np.testing.assert_allclose(case.out["attn"][:, :, weights.shape[2] :], 1 / keys, rtol=1e-6)
    if masked and case.setting("prob"):
        # It reports the mean for queries that do not attend, while their result is the sum up to their step.
        lazy = np.isclose(published, 1 / keys).all(-1)
        steps = np.arange(keys)
        published = np.where(lazy[..., None], steps <= steps[:, None], published)
    assert_close(weights, published, "weights")


@golden("informer_conv")
def test_golden_informer_conv(case):
    renamed = {f"conv.{name}": value for name, value in case.w.items()}
    params, stats = jax.tree.map(jnp.asarray, distil_of(Weights(renamed, "a ConvLayer"), "conv"))
    mutable = ["batch_stats"] if case.setting("mode") == "train" else False

    def apply(params, x):
        made = Distil().apply({"params": params, "batch_stats": stats}, x, mutable=mutable)
        return made[0] if mutable else made

    x, cotangent = jnp.asarray(case.arrays["in"]["x"]), case.arrays["in"]["cotangent"]
    assert_close(jax.jit(apply)(params, x), case.out["y"], "y")
    ours, for_x = jax.jit(jax.grad(lambda p, x: (apply(p, x) * cotangent).sum(), (0, 1)))(params, x)
    assert_close(for_x, case.grad["x"], "gradient of x")
    named = {name.replace("w.", "conv.", 1): value for name, value in case.grad.items() if name != "x"}
    statistics = {name: value for name, value in renamed.items() if "running" in name}
    published, _ = distil_of(Weights(named | statistics, "its gradients"), "conv")
    assert_trees_close(ours, published, "gradient")


def whole(arrays):
    """Weights of an encoder alone as those of a whole model, whose other parts are made up."""
    found = {f"encoder.{name}": value for name, value in arrays.items()}
    width, inner = len(arrays["norm.weight"]), len(arrays["attn_layers.0.conv1.weight"])
    zeros = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    for part in ("enc_embedding", "dec_embedding"):
        found[f"{part}.value_embedding.tokenConv.weight"] = zeros(width, 2, 3)
        found[f"{part}.value_embedding.tokenConv.bias"] = zeros(width)
        found[f"{part}.temporal_embedding.embed.weight"] = zeros(width, 4)
        found[f"{part}.temporal_embedding.embed.bias"] = zeros(width)
    layer = {
        f"{n}_attention.{p}_projection": width for n in ("self", "cross") for p in ("query", "key", "value", "out")
    }
    for name in layer:
        found[f"decoder.layers.0.{name}.weight"] = zeros(width, width)
        found[f"decoder.layers.0.{name}.bias"] = zeros(width)
    found["decoder.layers.0.conv1.weight"], found["decoder.layers.0.conv1.bias"] = zeros(inner, width, 1), zeros(inner)
    found["decoder.layers.0.conv2.weight"], found["decoder.layers.0.conv2.bias"] = zeros(width, inner, 1), zeros(width)
    for name in ("layers.0.norm1", "layers.0.norm2", "layers.0.norm3", "norm"):
        found[f"decoder.{name}.weight"], found[f"decoder.{name}.bias"] = zeros(width), zeros(width)
    found["projection.weight"], found["projection.bias"] = zeros(2, width), zeros(2)
    return found


@golden("informer_encoder")
def test_golden_informer_encoder(case, recorded, monkeypatch):
    module = Informer(
        width=8,
        heads=case.setting("heads"),
        layers=case.setting("layers"),
        feed_forward=case.setting("d_ff"),
        factor=case.setting("factor"),
        distil=case.setting("distil"),
        attention="prob" if case.setting("prob") else "full",
        activation=case.setting("activation"),
    )
    params = jax.tree.map(
        jnp.asarray, from_torch("informer", whole(case.w), horizon=24, label_length=48, heads=1)["encoder"]
    )
    # The released stack begins behind the embedding.
    monkeypatch.setattr(Embedding, "__call__", lambda self, x, exists=None: x)
    stats = {
        f"distil_{layer}": distil_of(Weights(case.w, "a ConvLayer"), f"conv_layers.{layer}")[1]
        for layer in range(case.setting("layers") - 1 if case.setting("distil") else 0)
    }
    x, cotangent = jnp.asarray(case.arrays["in"]["x"]), case.arrays["in"]["cotangent"]

    def apply(params):
        return module.apply({"params": params, "batch_stats": stats}, x, jnp.ones(x.shape[:2], bool))

    recorded(case)
    assert_close(jax.jit(apply)(params), case.out["y"], "y")
    recorded(case)
    gradient = jax.jit(jax.grad(lambda params: (apply(params) * cotangent).sum()))(params)
    attn, conv = "w.attn_layers.0.attention.query_projection.weight", "w.attn_layers.0.conv1.weight"
    ours = {
        attn: gradient["layer_0"]["query"]["dense"]["kernel"].T,
        conv: gradient["feed_forward_0_0"]["dense"]["kernel"].T[..., None],
        "w.norm.weight": gradient["norm"]["scale"],
        "w.norm.bias": gradient["norm"]["bias"],
    }
    assert_trees_close(ours, case.grad, "gradient")


def linear_marks(weights, marks):
    """Tables for month, day, weekday and hour as one linear map of indicators."""
    sizes = {"month": 13, "day": 32, "weekday": 7, "hour": 24}
    found = {name: value for name, value in weights.items() if "temporal_embedding" not in name}
    for part in ("enc_embedding", "dec_embedding"):
        tables = [weights[f"{part}.temporal_embedding.{name}_embed.emb.weight"] for name in sizes]
        found[f"{part}.temporal_embedding.embed.weight"] = np.concatenate(tables).T
        found[f"{part}.temporal_embedding.embed.bias"] = np.zeros(tables[0].shape[1], np.float32)
    indicators = [
        np.concatenate(
            [np.eye(size, dtype=np.float32)[mark[..., place].astype(int)] for place, size in enumerate(sizes.values())],
            -1,
        )
        for mark in marks
    ]
    return found, indicators


@golden("informer_model")
def test_golden_informer_model(case, recorded):
    inputs, weights = case.arrays["in"], case.w
    marks = [inputs["mark_enc"], inputs["mark_dec"]]
    if case.setting("embed") == "fixed":
        weights, marks = linear_marks(weights, marks)
    params = jax.tree.map(jnp.asarray, from_torch("informer", weights, horizon=24, label_length=48, heads=1))
    stats = {"distil_0": distil_of(Weights(weights, "a ConvLayer"), "encoder.conv_layers.0")[1]}
    shared = {
        "width": 8,
        "heads": case.setting("n_heads"),
        "feed_forward": params["encoder"]["feed_forward_0_0"]["dense"]["bias"].size,
        "factor": case.setting("factor"),
        "attention": case.setting("attn"),
        "activation": "gelu",
        "covariates": marks[0].shape[-1],
        "dropout": 0.05,
    }
    encoder = Informer(**shared, layers=case.setting("e_layers"))
    decoder = InformerDecoder(
        **shared, layers=case.setting("d_layers"), mix=case.setting("mix"), horizon=case.setting("out_len")
    )
    x = np.concatenate([marks[0], inputs["x_enc"]], -1)
    start = np.concatenate([marks[1], inputs["x_dec"]], -1)
    recorded(case)

    @jax.jit
    def apply(params):
        variables = {"params": params["encoder"], "batch_stats": stats}
        return decoder.apply(
            {"params": params["decoder"]}, start, encoder.apply(variables, x, np.ones(x.shape[:2], bool))
        )

    assert_close(apply(params), case.out["y"], "y")
    embedded = Embedding(8, marks[0].shape[-1], 0.0).apply({"params": params["encoder"]["embedding"]}, x)
    assert_close(embedded, case.out["enc_embed"], "embedding")
    assert_close(position_table(64, 8), inputs["pos_embed_rows"], "positions")
