"""Every case of TS-TCC's golden files: encoder, views, both contrasts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.augment import pieces_in_order
from tsrl.encoders.context import Context
from tsrl.encoders.heads import ProjectionHead
from tsrl.interop.torch import embedder_from_torch
from tsrl.interop.weights import Weights
from tsrl.losses.nt_xent import nt_xent
from tsrl.methods.tstcc import contrast


def golden(file):
    return pytest.mark.parametrize("case", cases(file), ids=label)


def steps_first(x):
    """Our `[B, T, C]` of the released code's `[B, C, T]`."""
    return jnp.asarray(np.ascontiguousarray(x.swapaxes(-1, -2)))


@golden("tstcc_backbone")
def test_golden_tstcc_backbone(case):
    embedder = embedder_from_torch("tstcc", case.w, stride=case.setting("stride"))
    x = steps_first(case.arrays["in"]["x"])
    encoder, mask = embedder.encoder.clone(dropout=0.0), jnp.ones(x.shape[:2], bool)
    variables = {"params": embedder.params["encoder"], "batch_stats": embedder.aux["stats"]["encoder"]}
    if case.setting("mode") == "eval":
        z = jax.jit(encoder.apply)(variables, x, mask)
        assert_close(embedder.encode(np.asarray(x)), z, "encode")
    else:
        z, changed = jax.jit(lambda v, x: encoder.apply(v, x, mask, mutable=["batch_stats"]))(variables, x)
        for name, published in case.starting("out", "after.").items():
            block, which = int(name[len("conv_block")]) - 1, name.rpartition("_")[2]
            assert_close(changed["batch_stats"][f"block_{block}_norm"][which], published, name)
    assert_close(z.swapaxes(1, 2), case.out["features"], "features")
    logits = z.swapaxes(1, 2).reshape(len(x), -1) @ case.w["logits.weight"].T + case.w["logits.bias"]
    assert_close(logits, case.out["logits"], "logits")


@golden("tstcc_augment")
def test_golden_tstcc_augment(case):
    """QUIRK: the released strong view has the first channel in the place of all, wherever pieces change places."""
    x, rand = steps_first(case.arrays["in"]["x"]), case.rand
    assert_close((x * rand["scale_factor"][..., None]).swapaxes(1, 2), case.out["weak"], "weak")
    published = case.out["strong"] - rand["noise"]
    for row in range(len(x)):
        count, warp = int(rand["num_segs"][row]), rand["warp_index"][row]
        if count > 1:
            # Their cuts count from 0, which leaves the first piece empty; ours are the starts of pieces.
            cuts = rand["split_points"][row][: count - 1]
            order = rand["segment_order"][row][:count]
            rank = np.empty(count)
            rank[order] = np.arange(count)
            ours = pieces_in_order(x.shape[1], jnp.asarray(cuts), jnp.ones(count - 1, bool), jnp.asarray(rank))
            np.testing.assert_array_equal(ours, warp)
        moved = x[row][warp].T
        assert_close(moved[0], published[row][0], "first channel")
        if count > 1:
            assert_close(jnp.broadcast_to(moved[0], moved.shape), published[row], "all channels")
        else:
            assert_close(moved, published[row], "unchanged")


@golden("tstcc_ntxent")
def test_golden_tstcc_ntxent(case):
    arrays = case.arrays["in"]
    loss = lambda one, two: nt_xent(  # noqa: E731
        one, two, case.setting("temperature"), cosine=case.setting("cosine")
    ).mean()
    value, gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))(arrays["zis"], arrays["zjs"])
    assert_close(value, case.loss["value"], "value")
    for name, own in zip(("zis", "zjs"), gradient, strict=True):
        assert_close(own, case.grad[name], name)


def converted(weights, depth, timesteps):
    """The released `TC` in our layout: parameters and the head's statistics."""
    found = Weights(weights, "TS-TCC's TC")
    theirs = "seq_transformer"
    context = {"token": found.take(f"{theirs}.c_token", 3), "embedding": found.linear(f"{theirs}.patch_to_embedding")}
    for block in range(depth):
        layer = f"{theirs}.transformer.layers.{block}"
        for place in range(2):
            norm = {
                o: found.take(f"{layer}.{place}.fn.norm.{n}", 1) for o, n in (("scale", "weight"), ("bias", "bias"))
            }
            context[f"block_{block}_norm_{place}"] = norm
        context[f"block_{block}_query_key_value"] = {"kernel": found.take(f"{layer}.0.fn.fn.to_qkv.weight", 2).T}
        context[f"block_{block}_out"] = found.linear(f"{layer}.0.fn.fn.to_out.0")
        context[f"block_{block}_expand"] = found.linear(f"{layer}.1.fn.fn.net.0")
        context[f"block_{block}_contract"] = found.linear(f"{layer}.1.fn.fn.net.3")
    maps = [found.linear(f"Wk.{step}")["dense"] for step in range(timesteps)]
    dense = {name: np.concatenate([own[name] for own in maps], -1) for name in ("kernel", "bias")}
    context["predictions"] = {"dense": dense}
    head = {f"linear_{n}": found.linear(f"projection_head.{at}") for n, at in ((0, 0), (1, 3))}
    head["norm"] = {o: found.take(f"projection_head.1.{n}", 1) for o, n in (("scale", "weight"), ("bias", "bias"))}
    stats = {"norm": {name: found.take(f"projection_head.1.running_{name}", 1) for name in ("mean", "var")}}
    found.end()
    return {"context": context, "head": head}, stats


@golden("tstcc_tc")
def test_golden_tstcc_tc(case):
    sizes = {name: case.setting(name) for name in ("channels", "hidden", "timesteps", "heads", "depth", "mlp_dim")}
    params, stats = converted(case.w, sizes["depth"], sizes["timesteps"])
    summary = Context(
        sizes["timesteps"], sizes["hidden"], sizes["heads"], sizes["depth"], sizes["mlp_dim"], dropout=0.0
    )
    head = ProjectionHead(sizes["channels"] // 2, sizes["channels"] // 4, norm=True)
    features = [steps_first(case.arrays["in"][name]) for name in ("features1", "features2")]
    step, training = int(case.rand["t_sample"]), case.setting("mode").startswith("train")

    def loss(params, features):
        temporal, contextual, _ = contrast(
            (summary, head), params, stats, features, (step, step), (None, None), 0.2, None, training
        )
        return temporal + 0.7 * contextual, (temporal, contextual)

    (total, (temporal, contextual)), (by_params, by_features) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(
        params, features
    )
    assert_close(temporal, case.loss["nce12"] + case.loss["nce21"], "temporal")
    assert_close(contextual, case.loss["ntxent"], "contextual")
    assert_close(total, case.loss["total"], "total")
    for name, own in zip(("features1", "features2"), by_features, strict=True):
        assert_close(own.swapaxes(1, 2), case.grad[name], name)
    assert_close(by_params["context"]["token"], case.grad["w.seq_transformer.c_token"], "token")
    first = "seq_transformer.transformer.layers.0.0.fn.fn.to_qkv.weight"
    assert_close(by_params["context"]["block_0_query_key_value"]["kernel"].T, case.grad[f"w.{first}"], first)
    embedding = by_params["context"]["embedding"]["dense"]["kernel"].T
    assert_close(embedding, case.grad["w.seq_transformer.patch_to_embedding.weight"], "embedding")
    of_first = by_params["context"]["predictions"]["dense"]["kernel"][:, : sizes["channels"]].T
    assert_close(of_first, case.grad["w.Wk.0.weight"], "predictions")
    published = {
        "linear_0": {
            "dense": {
                "kernel": case.grad["w.projection_head.0.weight"].T,
                "bias": case.grad["w.projection_head.0.bias"],
            }
        },
        "norm": {"scale": case.grad["w.projection_head.1.weight"], "bias": case.grad["w.projection_head.1.bias"]},
        "linear_1": {
            "dense": {
                "kernel": case.grad["w.projection_head.3.weight"].T,
                "bias": case.grad["w.projection_head.3.bias"],
            }
        },
    }
    assert_trees_close(by_params["head"], published, "head")
