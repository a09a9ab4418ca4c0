"""Every case of T-Loss's golden files: the encoder, and the triplet loss for recorded stretches."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.encoders.layers import CausalConv1d
from tsrl.interop.torch import embedder_from_torch, from_torch
from tsrl.methods.tloss import Stretches, triplet_loss, within
from tsrl.types import as_batch


def weights(case):
    """The checkpoint's own: the folded kernels stand beside them."""
    return {name: value for name, value in case.w.items() if not name.endswith("folded")}


def steps_last(x):
    """Our `[B, T, C]` of the released code's `[B, C, T]`."""
    return np.ascontiguousarray(x.swapaxes(1, 2))


@pytest.mark.parametrize("case", cases("tloss_encoder"), ids=label)
def test_golden_tloss_encoder(case):
    embedder = embedder_from_torch("tloss", weights(case))
    batch = as_batch(steps_last(case.arrays["in"]["x"]))
    method, params, aux = embedder.method, embedder.params, embedder.aux
    z = embedder.encoder.apply({"params": params["encoder"]}, batch.x, batch.mask)
    assert_close(z, steps_last(case.out["causal_cnn"]), "steps")
    assert_close(method.embed(params, aux, batch), case.out["repr"], "embed")
    assert_close(method.encode(params, aux, batch).z[:, -1], case.out["repr"], "the last step of encode")
    loss = lambda p: (method.embed(p, aux, batch) * case.arrays["in"]["cotangent"]).sum()  # noqa: E731
    gradient = jax.jit(jax.grad(loss))(params)
    assert_trees_close(gradient, from_torch("tloss", case.starting("grad", "w.")), "gradient")


@pytest.mark.parametrize("case", cases("tloss_encoder"), ids=label)
def test_golden_tloss_weights_with_the_norm_folded_in(case):
    params = from_torch("tloss", weights(case))["encoder"]
    for name, folded in case.w.items():
        if not name.endswith("folded"):
            continue
        block, number = name.split(".")[3], name.split(".")[5]
        own = params[f"block_{block}_conv_{0 if number == '0' else 1}"]
        taps, inputs, outputs = own["kernel"].shape
        # The response to a single one at each channel is the kernel itself.
        x = np.zeros((inputs, taps, inputs), np.float32)
        x[np.arange(inputs), 0, np.arange(inputs)] = 1
        made = CausalConv1d(outputs, taps, weight_norm=True).apply({"params": own | {"bias": np.zeros(outputs)}}, x)
        assert_close(np.asarray(made)[:, ::-1].transpose(2, 0, 1), folded, name)


def stretches(case):
    """The recorded draws."""
    rand, rows = case.rand, len(case.arrays["in"]["batch"])
    whole = lambda value, shape: jnp.broadcast_to(jnp.asarray(value), shape)  # noqa: E731
    count = len(rand["samples"])
    varying = case.setting("varying")
    positive = rand["lengths_pos"] if varying else whole(rand["length_pos_neg"], (rows,))
    negative = rand["lengths_neg"].T if varying else whole(rand["length_pos_neg"], (rows, count))
    np.testing.assert_array_equal(rand["end_positive"] - rand["beginning_positive"], positive)
    return Stretches(
        (jnp.asarray(rand["beginning_batches"]), whole(rand["random_length"], (rows,))),
        (jnp.asarray(rand["beginning_positive"]), jnp.asarray(positive)),
        (jnp.asarray(rand["beginning_samples_neg"].T), jnp.asarray(negative)),
    )


@pytest.mark.parametrize("case", cases("tloss_triplet"), ids=label)
def test_golden_tloss_triplet(case):
    embedder = embedder_from_torch("tloss", weights(case))
    encoder, output = embedder.encoder, embedder.params["output"]["dense"]
    train, batch = (as_batch(steps_last(case.arrays["in"][name])) for name in ("train", "batch"))
    rows = jnp.asarray(case.rand["samples"].T)
    drawn = train.take(rows)
    others = {"fields": drawn.fields, "mask": drawn.mask, "complete": jnp.asarray(not case.setting("varying"))}
    batch = batch.replace(extra={"negatives": others})

    def pooled(params, fields, mask, key=None):
        z = encoder.apply({"params": params["encoder"]}, fields["x"], mask, within(mask))
        z = jnp.where(mask[..., None], z, -jnp.inf).max(1)
        return z @ params["output"]["dense"]["kernel"] + params["output"]["dense"]["bias"]

    steps = batch.mask.shape[1]
    for size in (int(max(stretches(case).negative[1].max(), stretches(case).positive[1].max())), steps):
        loss = partial(triplet_loss, pooled, float(case.setting("negative_penalty")), size)
        graded = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (value, _), gradient = graded(embedder.params, batch, stretches(case), None)
        assert_close(value, case.loss["value"], "loss")
        assert_trees_close(gradient, from_torch("tloss", case.starting("grad", "w.")), "gradient")
    for name, (start, length) in zip(("anchor", "positive"), stretches(case)[:2], strict=True):
        own = [
            embedder.embed(np.asarray(batch.x)[row : row + 1, s : s + n])[0]
            for row, (s, n) in enumerate(zip(start.tolist(), length.tolist(), strict=True))
        ]
        assert_close(np.stack(own), case.out[f"{name}_repr"], name)
    start, length = (np.asarray(part)[:, -1] for part in stretches(case).negative)
    own = [
        embedder.embed(np.asarray(train.x)[n : n + 1, s : s + size])[0]
        for n, s, size in zip(case.rand["samples"][-1], start, length, strict=True)
    ]
    assert_close(np.stack(own), case.out["last_negative_repr"], "last negative")
    assert output["kernel"].shape[1] == case.setting("out_channels")
