"""Every case of every golden file against the library: outputs, losses, gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from golden_files import FOLDER, PENDING, assert_close, assert_trees_close, cases, label

from tsrl import views
from tsrl.config import options
from tsrl.data.series import centre, pad_to, split_sections
from tsrl.encoders import DilatedConv, LinearFront
from tsrl.evaluate.embed import encode_series
from tsrl.interop.torch import embedder_from_torch, from_torch
from tsrl.losses import hierarchical_contrastive, instance_contrastive, temporal_contrastive
from tsrl.methods.ts2vec import Views, contextual_loss
from tsrl.train.state import State
from tsrl.types import as_batch
from tsrl.views import take_crop

TESTED = {"ts2vec_losses", "ts2vec_encoder", "ts2vec_encode", "ts2vec_train", "ts2vec_utils"}
TESTED |= {"ts2vec_anomaly", "ts2vec_ad_metrics"}  # in test_golden_anomaly.py
TESTED |= {"informer_attention", "informer_conv", "informer_encoder", "informer_model"}  # in test_golden_informer.py
TESTED |= {"tcn"}  # in test_golden_tcn.py

TESTED |= {"timedrl_ci", "timedrl_noci", "timedrl_train", "timedrl_parts"}  # in test_golden_timedrl.py
TESTED |= {"cost_fourier", "cost_encoder", "cost_loss", "cost_convert_coeff", "cost_encode"}  # in test_golden_cost.py
TESTED |= {"tloss_encoder", "tloss_triplet"}  # in test_golden_tloss.py
TESTED |= {"tnc_encoder", "tnc_loss", "tnc_neighbourhood"}  # in test_golden_tnc.py
TESTED |= {"simts"}  # in test_golden_simts.py
TESTED |= {"tstcc_augment", "tstcc_backbone", "tstcc_ntxent", "tstcc_tc"}  # in test_golden_tstcc.py
TESTED |= {"byol_ults", "simclr_ults"}  # in test_golden_views.py
TESTED |= {"mhccl"}  # in test_golden_mhccl.py


def test_golden_files_are_all_tested():
    found = {path.stem for path in FOLDER.glob("*.npz")}
    assert found, f"no golden file in {FOLDER}"
    assert found <= TESTED | PENDING, f"no test for {sorted(found - TESTED - PENDING)}"
    assert not TESTED & PENDING


def golden(file):
    return pytest.mark.parametrize("case", cases(file), ids=label)


@golden("ts2vec_losses")
def test_golden_ts2vec_losses(case):
    settings = {"alpha": case.setting("alpha"), "temporal_unit": case.setting("temporal_unit")}
    losses = {
        "instance": instance_contrastive,
        "temporal": temporal_contrastive,
        "hierarchical": partial(hierarchical_contrastive, **settings),
    }
    z1, z2 = jnp.asarray(case.arrays["in"]["z1"]), jnp.asarray(case.arrays["in"]["z2"])
    for name, loss in losses.items():
        graded = jax.jit(jax.value_and_grad(lambda a, b, loss=loss: loss(a, b).mean(), argnums=(0, 1)))
        value, gradients = graded(z1, z2)
        assert_close(value, case.loss[name], name)
        for view, gradient in zip(("z1", "z2"), gradients, strict=True):
            assert_close(gradient, case.grad[f"{name}.{view}"], f"gradient of {name} for {view}")


def modules(case):
    encoder = DilatedConv(width=case.setting("hidden"), features=case.setting("output"), depth=case.setting("depth"))
    return LinearFront(encoder.width), encoder


def represent(front, encoder, params, fields, mask, exists=None, wanted=None, key=None):
    h = front.apply({"params": params["front"]}, fields)
    return encoder.apply({"params": params["encoder"]}, h, mask, exists, wanted)


@golden("ts2vec_encoder")
def test_golden_ts2vec_encoder(case):
    params = from_torch("ts2vec", case.w)
    apply = jax.jit(partial(represent, *modules(case)))
    batch = as_batch(case.arrays["in"]["x"])
    steps = batch.mask.shape[1]
    keys = views.example_keys(jax.random.key(0), batch.index)
    masks = {name: views.time_step_mask(name, keys, steps) for name in ("all_true", "all_false", "mask_last")}
    masks |= {"mask_none": masks["all_true"], "explicit": jnp.asarray(case.arrays["in"]["mask"])}
    for name, published in case.out.items():
        assert_close(apply(params, batch.fields, batch.mask & masks[name]), published, name)
    if "grad" in case.arrays:
        cotangent = case.arrays["in"]["cotangent"]
        loss = lambda p: (apply(p, batch.fields, batch.mask & masks["explicit"]) * cotangent).sum()  # noqa: E731
        published = from_torch("ts2vec", case.starting("grad", "w."))
        assert_trees_close(jax.jit(jax.grad(loss))(params), published, "gradient")


def calls(case):
    """The recorded calls of `encode`: name -> keyword arguments in our names."""
    names = {"encoding_window": "pooling", "sliding_length": "sliding_length", "sliding_padding": "sliding_padding"}
    names |= {"causal": "causal", "mask": "mask", "batch_size": "batch_size"}
    found = {name: {} for name in case.out}
    for key in case.cfg:
        call, _, argument = key.rpartition(".")
        if call:
            value = case.setting(key)
            found[call][names[argument]] = "max" if value == "full_series" else value
    return found


@golden("ts2vec_encode")
def test_golden_ts2vec_encode(case):
    embedder = embedder_from_torch("ts2vec", case.w)
    x = case.arrays["in"]["x"]
    for name, arguments in calls(case).items():
        published = case.out[name]
        if arguments.get("pooling") == "max" and published.ndim == 3:
            # The published code leaves a time axis of one step in its sliding mode: [N, D, 1].
            published = published[..., 0]
        # A batch size asks for windows one by one; without it a method may take its shortcut.
        for method in (embedder.method, embedder.method._replace(last_of_windows=None)):
            for batch_size in {arguments.get("batch_size"), None}:
                chosen = arguments | {"batch_size": batch_size}
                ours = encode_series(method, embedder.params, embedder.aux, x, **chosen)
                assert_close(ours, published, name)
        if arguments.get("pooling") == "max" and len(arguments) == 1:
            assert_close(embedder.embed(x), published, "embed")


@golden("ts2vec_train")
def test_golden_ts2vec_train(case):
    """Recorded crops and masks through the loss, AdamW and the running average of the library."""
    front, encoder = modules(case)
    method = options("ts2vec").build(encoder)
    params = jax.tree.map(jnp.asarray, from_torch("ts2vec", case.starting("w", "init.")))
    optimizer = optax.adamw(case.setting("lr"), weight_decay=0.01)
    state = State(jnp.zeros((), jnp.int32), params, optimizer.init(params), {"average": params})
    steps = case.setting("steps")

    @jax.jit
    def update(state, gradient):
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(state.step + 1, params, opt_state, method.after_step(params, state.aux, state.step, steps))

    for step in range(steps):
        drawn = case.starting("rand", f"s{step}.")
        batch = as_batch(drawn["batch"])
        length = batch.mask.shape[1]
        masks = [np.pad(drawn[m], ((0, 0), (0, length - drawn[m].shape[1]))) for m in ("mask1", "mask2")]
        crops = views.Crops(*(jnp.asarray(drawn[name]) for name in ("start1", "len1", "start2", "len2", "crop_l")))
        value, gradient = jax.jit(
            jax.value_and_grad(
                lambda params, batch, drawn: contextual_loss(
                    partial(represent, front, encoder),
                    drawn.mask1.shape[1],
                    drawn.mask1.shape[1],
                    params,
                    batch,
                    drawn,
                    alpha=0.5,
                    temporal_unit=case.setting("temporal_unit"),
                    dropout=0.0,
                    axis_name=None,
                )[0]
            )
        )(state.params, batch, Views(crops, *map(jnp.asarray, masks), None))
        assert_close(value, case.loss["steps"][step], f"loss of step {step}")
        if step == 0:
            assert_trees_close(gradient, from_torch("ts2vec", case.starting("grad", "step0.")), "gradient")
        state = update(state, gradient)
    assert_trees_close(state.params, from_torch("ts2vec", case.starting("out", "final.")), "final")
    assert_trees_close(state.aux["average"], from_torch("ts2vec", case.starting("out", "swa.")), "average")


@golden("ts2vec_utils")
def test_golden_ts2vec_utils(case):
    x = case.arrays["in"]["x"]
    for name, published in case.out.items():
        what, _, last = name.rpartition("_")
        if name == "centerize":
            ours = centre(x)
        elif name.startswith("split"):
            ours = split_sections(x, int(name.removeprefix("split")))
        elif what == "take_per_row":
            ours = take_crop(jnp.asarray(x), jnp.asarray(case.arrays["in"]["start"]), int(last.removeprefix("len")))
        elif what == "pad_nan_to_target":
            ours = pad_to(x, int(last))
        elif what == "pad_nan_both":
            ours = pad_to(x, int(last), both_sides=True)
        else:
            before, after = (int(part[1:]) for part in name.removeprefix("torch_pad_nan_").split("_"))
            ours = np.pad(x, ((0, 0), (before, after), (0, 0)), constant_values=np.nan)
        assert_close(ours, published, name)
