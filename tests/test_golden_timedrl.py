"""Every case of TimeDRL's golden files: tokens, representations, both losses, gradients, batch statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.config import options
from tsrl.encoders.patch import patches
from tsrl.interop.torch import embedder_from_torch, from_torch
from tsrl.losses.predictive import predictive_error
from tsrl.losses.siamese import negative_cosine
from tsrl.methods.timedrl import Predictor, grouped, tokenise
from tsrl.types import as_batch


def known(case):
    """What the weights do not say."""
    return {
        "patch_len": case.setting("patch_len"),
        "stride": case.setting("stride"),
        "channel_independent": case.setting("enable_channel_independence"),
        "instance": case.setting("get_i"),
        "heads": case.setting("n_heads"),
        "position": case.setting("pos_embed_type"),
        "activation": case.setting("activation"),
        "causal": case.setting("encoder_arch") == "transformer_decoder",
    }


def model(case):
    embedder = embedder_from_torch("timedrl", case.w, **known(case))
    return embedder, as_batch(case.arrays["in"]["x"])


def by_row(z, case):
    """Channels side by side `[B, ..., G * D]` as the rows `[B * G, ..., D]` of the released code."""
    groups = case.setting("C") if case.setting("enable_channel_independence") else 1
    z = z.reshape(*z.shape[:-1], groups, -1)
    return np.moveaxis(z, -2, 1).reshape(-1, *z.shape[1:-2], z.shape[-1])


@pytest.mark.parametrize("case", cases("timedrl_ci") + cases("timedrl_noci"), ids=label)
def test_golden_timedrl(case):
    embedder, batch = model(case)
    method, params, aux = embedder.method, embedder.params, embedder.aux
    settings = (case.setting("patch_len"), case.setting("stride"), case.setting("enable_channel_independence"))
    made = tokenise(batch, *settings)
    assert_close((batch.x - made.mean[:, None]) / made.scale[:, None], case.out["revin_x"], "normalised")
    raw = grouped(patches(batch.x, *settings[:2]), settings[2])
    assert_close(raw.reshape(-1, *raw.shape[2:]), case.out["patch_target"], "patches")
    encoded = method.encode(params, aux, batch)
    t, i = by_row(np.asarray(encoded.z), case), by_row(np.asarray(method.embed(params, aux, batch)), case)
    for view in ("1", "2"):
        assert_close(t, case.out[f"t_{view}"], "timestamps")
        assert_close(i, case.out[f"i_{view}"], "instances")
    # The published probes, of the flattened patches and of the instances.
    weights = {name: case.w[name] for name in case.w if name.startswith(("forecaster", "classifier"))}
    flat = t.reshape(len(batch.x), -1, t.shape[1] * t.shape[2])
    forecast = flat @ weights["forecaster.linear.weight"].T + weights["forecaster.linear.bias"]
    forecast = (
        forecast.reshape(len(batch.x), batch.x.shape[2], -1)
        if settings[2]
        else forecast.reshape(len(batch.x), -1, batch.x.shape[2]).swapaxes(1, 2)
    )
    assert_close(forecast.swapaxes(1, 2), case.out["forecast_norm"], "normalised forecast")
    back = np.asarray(made.mean)[..., None] + np.asarray(made.scale)[..., None] * forecast
    assert_close(back.swapaxes(1, 2), case.out["forecast"], "forecast")
    logits = i.reshape(len(batch.x), -1) @ weights["classifier.linear.weight"].T + weights["classifier.linear.bias"]
    assert_close(logits, case.out["class_logits"], "logits")
    if settings[2]:
        found = method.of_windows(params, aux, batch)
        assert_close(found.features, flat, "features of windows")
    check_losses(case, embedder, batch)


def check_losses(case, embedder, batch):
    """Both losses in evaluation mode, where the predictor's running statistics count, and their gradients."""
    method, aux = embedder.method, embedder.aux
    settings = (case.setting("patch_len"), case.setting("stride"), case.setting("enable_channel_independence"))
    raw = grouped(patches(batch.x, *settings[:2]), settings[2])
    raw = raw.reshape(-1, *raw.shape[2:])
    stop = (lambda i: i) if case.setting("disable_stop_gradient") else jax.lax.stop_gradient
    groups = raw.shape[0] // len(batch.x)

    def rows(z):
        split = jnp.moveaxis(z.reshape(*z.shape[:-1], groups, -1), -2, 1)
        return split.reshape(-1, *z.shape[1:-1], z.shape[-1] // groups)

    def losses(params):
        t = rows(method.encode(params, aux, batch).z)
        i = rows(method.embed(params, aux, batch))
        head = params["head"]["linear"]["dense"]
        guess = t @ head["kernel"] + head["bias"]
        variables = {"params": params["predictor"], "batch_stats": aux["stats"]["predictor"]}
        guessed = Predictor(0.0).apply(variables, i)
        predictive, contrastive = predictive_error(guess, raw).mean(), negative_cosine(guessed, stop(i)).mean()
        total = predictive + case.setting("contrastive_weight") * contrastive
        return total, {"predictive": predictive, "contrastive": contrastive, "guess": guess, "guessed": guessed}

    (total, parts), gradient = jax.jit(jax.value_and_grad(losses, has_aux=True))(embedder.params)
    assert_close(total, case.loss["total"], "total")
    for name in ("predictive", "contrastive"):
        assert_close(parts[name], case.loss[name], name)
    for view in ("1", "2"):
        assert_close(parts["guess"], case.out[f"x_pred_{view}"], "predicted patches")
        assert_close(parts["guessed"], case.out[f"i_{view}_pred"], "predicted instances")
    check_gradient(case, gradient)


def check_gradient(case, gradient):
    """The recorded gradients, which are those of some weights only."""
    recorded = case.starting("grad", "w.")
    missing = {name: np.zeros_like(value) for name, value in case.w.items() if name not in recorded}
    published = from_torch("timedrl", {**missing, **recorded}, **known(case))
    # Query, key and value are one product here: the parts that were recorded are compared.
    width = gradient["encoder"]["norm"]["scale"].shape[0]
    ours, theirs = gradient["encoder"]["block_0_query_key_value"], published["encoder"]["block_0_query_key_value"]
    kernel, bias = ours["dense"]["kernel"], ours["dense"]["bias"]
    assert_close(kernel[:, :width], theirs["dense"]["kernel"][:, :width], "query")
    assert_close(bias[2 * width :], theirs["dense"]["bias"][2 * width :], "value")
    places = {
        "cls_token": ("front", "cls"),
        "input_layer.token_embedding.weight": ("front", "kernel"),
        "input_layer.token_embedding.tokenConv.weight": ("front", "kernel"),
        "input_layer.position_embedding.pe": ("encoder", "positions"),
        "encoder.norm.weight": ("encoder", "norm", "scale"),
        "encoder.norm.bias": ("encoder", "norm", "bias"),
        "encoder.attn_layers.0.conv1.weight": ("encoder", "block_0_expand", "dense", "kernel"),
        "encoder.attn_layers.0.norm1.weight": ("encoder", "block_0_norm_0", "scale"),
    }
    for name, path in places.items():
        if name in recorded:
            assert_close(_at(gradient, path), _at(published, path), name)
    for part in ("head", "predictor"):
        assert_trees_close(gradient[part], published[part], part)
    untested = {
        name
        for name in recorded
        if name not in places
        and "predict" not in name
        and name.rpartition("attention.")[2] not in ("query_projection.weight", "value_projection.bias")
    }
    assert not untested


def _at(tree, path):
    for name in path:
        tree = tree[name]
    return tree


@pytest.mark.parametrize("case", cases("timedrl_train"), ids=label)
def test_golden_timedrl_train(case):
    """The library's own loss, with dropout 0: batch statistics, updated once for each view."""
    embedder, batch = model(case)
    settings = {name: getattr(embedder.options, name) for name in ("patch_len", "stride", "kernel_size", "instance")}
    method = options(
        "timedrl",
        **settings,
        channel_independent=case.setting("enable_channel_independence"),
        contrastive_weight=case.setting("contrastive_weight"),
        stop_gradient=not case.setting("disable_stop_gradient"),
        dropout=0.0,
    ).build(embedder.encoder.clone(dropout=0.0))
    graded = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    (total, (aux, metrics)), gradient = graded(embedder.params, embedder.aux, batch, jax.random.key(0))
    assert_close(total, case.loss["total"], "total")
    for name in ("predictive", "contrastive"):
        assert_close(metrics[name], case.loss[name], name)
    for name in ("mean", "var"):
        published = case.out[f"after.contrastive_predictor.1.running_{name}"]
        assert_close(aux["stats"]["predictor"]["norm"][name], published, name)
    check_gradient(case, gradient)


@pytest.mark.parametrize("case", cases("timedrl_parts"), ids=label)
def test_golden_timedrl_parts(case):
    """Patches and normalisation alone. The library has no affine normalisation: what it does, an affine map would do to
    the normalised series."""
    x = case.arrays["in"]["x"]
    batch = as_batch(x)
    size, stride = case.setting("patch_len"), case.setting("stride")
    for name, independent in (("patch_ci", True), ("patch_noci", False)):
        made = grouped(patches(batch.x, size, stride), independent)
        assert_close(made.reshape(-1, *made.shape[2:]), case.out[name], name)
    made = tokenise(batch, size, stride, True)
    mean, scale = np.asarray(made.mean)[:, None], np.asarray(made.scale)[:, None]
    norm = (x - mean) / scale
    weight, bias = case.w["affine_weight"], case.w["affine_bias"]
    z, z_affine = case.arrays["in"]["z"], case.arrays["in"]["z_affine"]
    ours = {
        "norm": norm,
        "mean": mean,
        "stdev": scale,
        "denorm": z * scale + mean,
        "norm_affine": norm * weight + bias,
        "mean_affine": mean,
        "stdev_affine": scale,
        "denorm_affine": (z_affine - bias) / (weight + 1e-5**2) * scale + mean,
    }
    for name, value in ours.items():
        assert_close(value, case.out[name], name)
    assert set(case.out) == set(ours) | {"patch_ci", "patch_noci"}
