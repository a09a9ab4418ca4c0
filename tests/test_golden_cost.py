"""Every case of CoST's golden files: outputs, losses, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, cases, label

from tsrl.encoders.disentangle import Disentangle
from tsrl.encoders.fourier import BandedFourier, coefficients
from tsrl.encoders.heads import ProjectionHead
from tsrl.evaluate.embed import encode_series
from tsrl.interop import ts2vec
from tsrl.interop.torch import embedder_from_torch, from_torch
from tsrl.interop.weights import Weights
from tsrl.losses import instance_contrastive
from tsrl.losses.frequency import amplitude_phase
from tsrl.methods.backbone import Backbone
from tsrl.methods.cost_contrast import Parts, Views, compared, contrast
from tsrl.types import Batch, as_batch


def golden(file):
    return pytest.mark.parametrize("case", cases(file), ids=label)


@golden("cost_fourier")
def test_golden_cost_fourier(case):
    layer = BandedFourier(
        case.out["y"].shape[-1], case.setting("length"), case.setting("band"), case.setting("num_bands")
    )
    params = {name.replace(".", "_"): value for name, value in case.w.items()}
    x, cotangent = case.arrays["in"]["x"], case.arrays["in"]["cotangent"]
    y, back = jax.vjp(jax.jit(lambda params, x: layer.apply({"params": params}, x)), params, x)
    assert_close(y, case.out["y"], "y")
    assert_close(layer.apply({"params": params}, x, True), case.out["y"][:, -1], "last")
    gradient, for_x = back(jnp.asarray(cotangent))
    assert_close(for_x, case.grad["x"], "gradient of x")
    for name, published in case.starting("grad", "w.").items():
        assert_close(gradient[name.replace(".", "_")], published, f"gradient of {name}")


def converted(arrays, kernels):
    """Our parameters, and the parts they belong to; the cases' kernels are not all 1, 2, 4, ..."""
    weights = Weights(arrays, "CoST")
    front, encoder, module = ts2vec.backbone(weights)
    trend = {f"conv_{i}": weights.conv(f"tfd.{i}") for i in range(len(kernels))}
    season = {
        f"{n}_{p}": weights.take(f"sfd.0.{n}.{p}", r) for n, r in (("weight", 3), ("bias", 2)) for p in ("re", "im")
    }
    weights.end()
    return {"front": front, "encoder": encoder, "branches": {"trend": trend, "season": season}}, module


def parts_of(case, module):
    kernels = tuple(int(taps) for taps in case.setting("kernels"))
    return Parts(Backbone(module), Disentangle(case.setting("length"), kernels), ProjectionHead())


def published_layout(tree, name):
    """The part of a tree of our parameters that has this published name, in PyTorch's layout."""
    *path, kind = name.split(".")
    if path[0] == "input_fc":
        array = tree["front"]["input"]["dense"]["kernel" if kind == "weight" else "bias"]
    elif path[0] == "head_q":
        array = tree["head"][f"linear_{int(path[1]) // 2}"]["dense"]["kernel" if kind == "weight" else "bias"]
    elif path[0] == "feature_extractor":
        array = tree["encoder"][f"block_{path[2]}_conv_{int(path[3][-1]) - 1}"]["kernel"]
    elif path[0] == "tfd":
        array = tree["branches"]["trend"][f"conv_{path[1]}"]["kernel" if kind == "weight" else "bias"]
    else:
        return tree["branches"]["season"][f"{path[2]}_{kind}"]
    return array.transpose(*range(array.ndim)[::-1])


@golden("cost_encoder")
def test_golden_cost_encoder(case):
    params, module = converted(case.w, case.setting("kernels"))
    ours = from_torch("cost", case.w)
    jax.tree.map(np.testing.assert_array_equal, ours, params)
    parts, batch = parts_of(case, module), as_batch(case.arrays["in"]["x"])
    half = case.setting("output") // 2

    @jax.jit
    def apply(params, mask):
        z, _ = parts.backbone(params, {}, batch.fields, mask)
        return z, parts.branches.apply({"params": params["branches"]}, z, "both")

    z, found = apply(params, batch.mask)
    assert_close(z, case.out["tcn"], "tcn")
    assert_close(found[..., :half], case.out["trend"], "trend")
    assert_close(found[..., half:], case.out["season"], "season")
    _, hidden = apply(params, batch.mask.at[:, -1].set(False))
    assert_close(hidden[..., :half], case.out["trend_masklast"], "trend_masklast")
    assert_close(hidden[..., half:], case.out["season_masklast"], "season_masklast")
    cotangent = np.concatenate([case.arrays["in"]["cot_trend"], case.arrays["in"]["cot_season"]], -1)
    gradient = jax.grad(lambda params: (apply(params, batch.mask)[1] * cotangent).sum())(params)
    published = case.starting("grad", "w.")
    assert len(published) > 10
    for name, value in published.items():
        assert_close(published_layout(gradient, name), value, f"gradient of {name}")


def head(arrays, prefix):
    weights = Weights({n: a for n, a in arrays.items() if n.startswith(prefix)}, "CoST's head")
    return {f"linear_{i}": weights.linear(f"{prefix}.{2 * i}") for i in range(2)}


def loss_of(case):
    """Parts, parameters and aux of a recorded step, and its views."""
    params, module = converted(case.starting("w", "encoder_q."), case.setting("kernels"))
    momentum, _ = converted(case.starting("w", "encoder_k."), case.setting("kernels"))
    params["head"], momentum["head"] = head(case.w, "head_q"), head(case.w, "head_k")
    aux = {
        "momentum": compared(momentum),
        "queue": case.w["queue"].T,
        "pointer": jnp.asarray(case.w["queue_ptr"][0], jnp.int32),
        "stats": {},
    }
    query, key = (as_batch(case.arrays["in"][name]) for name in ("x_q", "x_k"))
    return parts_of(case, module), *jax.tree.map(jnp.asarray, (params, aux)), query, key


def total(case, parts, aux, key_of_season, query, key):
    """The published loss: the season's contrast may see other steps of the key's view than the trend's."""
    settings = {name: case.setting(name) for name in ("alpha", "temperature")}
    settings |= {"momentum": case.setting("m"), "dropout": 0.1, "axis_name": None}
    step = jnp.asarray(case.rand["time_index"], jnp.int32)

    def loss(params):
        value, (after, metrics) = contrast(parts, params, aux, Views(query, key, step), **settings)
        _, (_, other) = contrast(parts, params, aux, Views(query, key_of_season, step), **settings)
        published = metrics["trend"] + settings["alpha"] * other["season"]
        return published, (value, after, {"trend": metrics["trend"], "season": other["season"]})

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


@golden("cost_loss")
def test_golden_cost_loss(case):
    parts, params, aux, query, key = loss_of(case)
    # The released code's first pass over the key's view fills missing steps with zeros in place, so that its second
    # takes them for observed.
    all_seen = Batch(key.fields, jnp.ones_like(key.mask), key.index)
    (published, (value, after, metrics)), gradient = total(case, parts, aux, all_seen, query, key)(params)
    assert_close(published, case.loss["total"], "total")
    assert_close(metrics["trend"], case.loss["trend"], "trend")
    of_season = (case.loss["season_amp"] + case.loss["season_phase"]) / 2
    assert_close(metrics["season"], of_season, "season")
    assert_close(after["queue"].T, case.out["queue_after"], "queue")
    assert_close(after["pointer"][None], case.out["queue_ptr_after"], "pointer")
    moved = after["momentum"]
    assert_close(moved["head"]["linear_0"]["dense"]["kernel"].T, case.out["head_k_after.0.weight"])
    assert_close(moved["front"]["input"]["dense"]["kernel"].T, case.out["encoder_k_after.input_fc.weight"])
    for name, array in case.starting("grad", "w.").items():
        assert_close(published_layout(gradient, name.removeprefix("encoder_q.")), array, f"gradient of {name}")
    if case.name == "nan":
        # Here they are missing in both passes.
        assert abs(value - published) > 1e-4
        right, _ = total(case, parts, aux, key, query, key)(params)
        assert_close(right[0], value)
    else:
        assert_close(value, published)


@golden("cost_loss")
def test_golden_cost_loss_in_full(case):
    """What the loss does not show: every step's trend, season, amplitude and phase."""
    parts, params, aux, query, key = loss_of(case)
    all_seen = jnp.ones_like(key.mask)
    represent = jax.jit(lambda params, batch, mask: parts.backbone(params, {}, batch.fields, mask)[0])
    branches = jax.jit(parts.branches.apply, static_argnums=2)
    step = int(case.rand["time_index"])
    moved = jax.tree.map(
        lambda k, q: case.setting("m") * k + (1 - case.setting("m")) * q, aux["momentum"], compared(params)
    )
    for name, weights, batch in (("q_t", params, query), ("k_t", moved, key)):
        # At the step itself the trend of the series cut after it is the same.
        z = represent(weights, batch, batch.mask)[:, : step + 1]
        trend = branches({"params": weights["branches"]}, z, "trend_last")
        headed = parts.head.apply({"params": weights["head"]}, trend)
        assert_close(headed / np.linalg.norm(headed, axis=-1, keepdims=True), case.out[name], name)
    for name, batch, mask in (("q_s", query, query.mask), ("k_s", key, all_seen)):
        season = branches({"params": params["branches"]}, represent(params, batch, mask), "season")
        season /= np.linalg.norm(season, axis=-1, keepdims=True)
        assert_close(season, case.out[name], name)
        re, im = coefficients(season)
        if name == "q_s":
            np.testing.assert_array_equal(im[:, 0], case.out["q_s_fft_dc_imag"])
        for part, ours in zip(("amp", "phase"), amplitude_phase(re, im), strict=True):
            assert_close(ours, case.out[f"{name}_{part}"], f"{name}_{part}")
    for part in ("amp", "phase"):
        z1, z2 = (jnp.asarray(case.out[f"{name}_s_{part}"]) for name in "qk")
        assert_close(instance_contrastive(z1, z2).mean(), case.loss[f"season_{part}"], part)


@golden("cost_convert_coeff")
def test_golden_cost_convert_coeff(case):
    given = case.arrays["in"]
    for name, ours in zip(("amp", "phase"), amplitude_phase(given["re"], given["im"]), strict=True):
        assert_close(ours, case.out[name], name)
    loss = jax.value_and_grad(lambda z1, z2: instance_contrastive(z1, z2).mean(), (0, 1))
    value, gradients = loss(jnp.asarray(given["z1"]), jnp.asarray(given["z2"]))
    assert_close(value, case.loss["instance"], "instance")
    for name, gradient in zip(("z1", "z2"), gradients, strict=True):
        assert_close(gradient, case.grad[name], name)


@golden("cost_encode")
def test_golden_cost_encode(case):
    embedder = embedder_from_torch("cost", case.w)
    assert embedder.length == case.setting("length")
    x = case.arrays["in"]["x"]
    chosen = {"sliding_length": 1, "sliding_padding": case.setting("sliding_padding"), "causal": True}
    for batch_size in (None, 7):
        assert_close(embedder.encode(x, **chosen, batch_size=batch_size), case.out["repr"], f"{batch_size} at a time")
    method = embedder.method._replace(last_of_windows=None)
    assert_close(encode_series(method, embedder.params, embedder.aux, x, **chosen), case.out["repr"], "one by one")
    # The representation of a series is that of its last step.
    embed = jax.jit(method.embed)
    for steps in (x.shape[1], 5):
        found = embed(embedder.params, embedder.aux, as_batch(x[:, :steps]))
        assert_close(found, case.out["repr"][:, steps - 1], f"embed {steps} steps")
