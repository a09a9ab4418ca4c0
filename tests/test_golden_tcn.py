"""Every case of the golden file of the TCN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.encoders import TCN
from tsrl.encoders.tcn import TemporalBlock
from tsrl.interop.tcn import block
from tsrl.interop.weights import Weights


def blocks(case, arrays):
    weights = Weights(arrays, "a TemporalConvNet")
    return {f"block_{level}": block(weights, f"network.{level}") for level in range(len(case.setting("channels")))}


@pytest.mark.parametrize("case", cases("tcn"), ids=label)
def test_golden_tcn(case):
    widths, taps = case.setting("channels").tolist(), case.setting("kernel_size")
    params = jax.tree.map(jnp.asarray, blocks(case, case.w))
    x, cotangent = (np.moveaxis(case.arrays["in"][name], 1, 2) for name in ("x", "cotangent"))

    def composed(params, x):
        sown = []
        for level, width in enumerate(widths):
            module = TemporalBlock(width, taps, 2**level, 0.2)
            x = module.apply({"params": params[f"block_{level}"]}, x)
            sown.append(x)
        return x, sown

    def encoder(params, x):
        module = TCN(width=widths[0], levels=len(widths), kernel_size=taps)
        z, sown = module.apply({"params": params}, x, jnp.ones(x.shape[:2], bool), mutable=["intermediates"])
        return z, sown["intermediates"]["block"]

    # One case has levels of several widths, which the encoder does not offer.
    for apply in (composed, encoder) if len(set(widths)) == 1 else (composed,):
        z, sown = jax.jit(apply)(params, x)
        assert_close(np.moveaxis(z, 1, 2), case.out["y"], "y")
        assert_close(np.moveaxis(sown[0], 1, 2), case.out["block0"], "block 0")
        graded = jax.jit(jax.grad(lambda params, x, apply=apply: (apply(params, x)[0] * cotangent).sum(), (0, 1)))
        ours, for_x = graded(params, x)
        assert_close(np.moveaxis(for_x, 1, 2), case.grad["x"], "gradient of x")
        assert_trees_close(ours, blocks(case, case.starting("grad", "w.")), "gradient")


@pytest.mark.parametrize("case", cases("tcn"), ids=label)
def test_golden_tcn_folded_weights(case):
    params = blocks(case, case.w)
    for level, own in enumerate(params.values()):
        for place in range(2):
            conv = own[f"conv_{place}"]
            folded = conv["scale"] * conv["kernel"] / np.sqrt(np.square(conv["kernel"]).sum((0, 1)))
            published = case.w[f"network.{level}.conv{place + 1}.weight_folded"]
            assert_close(folded.transpose(2, 1, 0), published, f"level {level}")
            # The scale of the published weights is not their norm: folding does something.
            assert abs(conv["kernel"].transpose(2, 1, 0) - published).max() > 1e-2
