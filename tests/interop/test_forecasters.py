"""Released weights of Informer and of a TCN: sizes read off them, forecasts, every weight that does not fit."""

import numpy as np
import pytest
from golden_files import cases

from tsrl.errors import InputError
from tsrl.interop import embedder_from_torch, from_torch

MODELS = {case.name: case for case in cases("informer_model")}
TCNS = {case.name: case for case in cases("tcn")}
pytestmark = pytest.mark.skipif(not MODELS or not TCNS, reason="the golden folder lacks informer_model.npz or tcn.npz")


def informer_weights():
    return dict(MODELS["prob_mix_timeF"].w)


def tcn_weights(name="k2", outputs=6):
    found = {name: value for name, value in TCNS[name].w.items() if not name.endswith("folded")}
    width = len(found["network.0.conv1.bias"])
    random = np.random.default_rng(0)
    head = {"linear.weight": random.normal(size=(outputs, width)), "linear.bias": random.normal(size=outputs)}
    return found | {name: value.astype(np.float32) for name, value in head.items()}


LENGTHS = {"horizon": 24, "label_length": 48}


def test_an_informer_is_read_with_its_sizes_and_statistics():
    weights = informer_weights()
    # What a released checkpoint holds beside its weights.
    weights["enc_embedding.position_embedding.pe"] = np.zeros((1, 64, 8), np.float32)
    weights["encoder.conv_layers.0.norm.num_batches_tracked"] = np.zeros((), np.int64)
    model = embedder_from_torch("informer", weights, **LENGTHS)
    assert (model.encoder.width, model.encoder.layers, model.encoder.feed_forward) == (8, 2, 12)
    assert model.encoder.distil
    assert (model.options.covariates, model.options.decoder_layers, model.channels) == (4, 1, 6)
    statistics = model.aux["stats"]["encoder"]["distil_0"]["norm"]
    np.testing.assert_array_equal(statistics["var"], weights["encoder.conv_layers.0.norm.running_var"])
    x = np.random.default_rng(0).normal(size=(2, 60, 6)).astype(np.float32)
    forecast = model.predict(x, np.ones((2, 24, 4), np.float32))
    assert forecast.shape == (2, 24, 2)
    weights["encoder.conv_layers.0.norm.running_var"] = 9 * weights["encoder.conv_layers.0.norm.running_var"]
    other = embedder_from_torch("informer", weights, **LENGTHS).predict(x, np.ones((2, 24, 4), np.float32))
    assert abs(other - forecast).max() > 1e-4


def test_what_an_informers_weights_do_not_say_is_asked_for():
    with pytest.raises(InputError, match="horizon: not given; the weights of informer do not say it"):
        embedder_from_torch("informer", informer_weights())
    model = embedder_from_torch(
        "informer", informer_weights(), horizon=3, label_length=10, heads=2, factor=1, attention="full", mix=False
    )
    assert (model.encoder.heads, model.encoder.factor, model.encoder.attention) == (2, 1, "full")
    assert (model.options.horizon, model.options.label_length, model.options.mix) == (3, 10, False)
    assert model.predict(np.zeros((1, 10, 6)), np.ones((1, 3, 4))).shape == (1, 3, 2)


def test_an_informer_without_distilling_keeps_steps():
    weights = {name: value for name, value in informer_weights().items() if "conv_layers" not in name}
    model = embedder_from_torch("informer", weights, **LENGTHS)
    assert not model.encoder.distil
    assert not model.aux["stats"]


@pytest.mark.parametrize("prefix", ["", "tcn."])
def test_a_tcn_is_read_with_its_head(prefix):
    weights = tcn_weights()
    found = {name if name.startswith("linear") else prefix + name: value for name, value in weights.items()}
    for part in ("bias", "weight_g", "weight_v"):
        found[f"{prefix}network.0.net.0.{part}"] = found[f"{prefix}network.0.conv1.{part}"]
    model = embedder_from_torch("tcn", found)
    assert (model.encoder.width, model.encoder.levels, model.encoder.kernel_size) == (8, 3, 2)
    assert (model.options.horizon, model.options.covariates, model.channels) == (2, 0, 3)
    case = TCNS["k2"]
    last = case.out["y"][..., -1]
    expected = last @ weights["linear.weight"].T + weights["linear.bias"]
    forecast = model.predict(np.moveaxis(case.arrays["in"]["x"], 1, 2))
    np.testing.assert_allclose(forecast, expected.reshape(2, 2, 3), atol=1e-4)


def without(weights, *parts):
    return {name: value for name, value in weights.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize(
    ("method", "make", "message"),
    [
        ("informer", lambda: without(informer_weights(), "encoder.attn_layers"), r"layers \[\] of encoder.attn_layers"),
        ("informer", lambda: without(informer_weights(), "projection.bias"), "bias: found no such weight"),
        ("informer", lambda: informer_weights() | {"more": np.zeros(1)}, "more"),
        (
            "informer",
            lambda: dict(MODELS["full_nomix_fixed"].w),
            "found tables for hours and days, want the linear map",
        ),
        ("tcn", lambda: without(tcn_weights(), "network.1"), r"found levels \[0, 2\] of network"),
        ("tcn", lambda: tcn_weights() | {"more": np.zeros(1)}, "more"),
        ("tcn", lambda: without(tcn_weights(), "linear"), "linear.weight: found no such weight"),
        ("tcn", lambda: tcn_weights(outputs=5), "linear.weight: found 5 outputs, want a multiple of the 3 channels"),
        ("tcn", lambda: tcn_weights("k7"), "left over|missing|found shape"),
    ],
)
def test_weights_that_do_not_fit_are_refused(method, make, message):
    with pytest.raises(InputError, match=message):
        from_torch(method, make(), **(LENGTHS if method == "informer" else {}))
