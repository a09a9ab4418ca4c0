"""Every case of the golden files of SimCLR and BYOL, which the ULTS library computed."""

import jax
import jax.numpy as jnp
import pytest
from golden_files import assert_close, cases, label

from tsrl.encoders.heads import ProjectionHead
from tsrl.interop.weights import Weights
from tsrl.losses.nt_xent import nt_xent
from tsrl.losses.siamese import negative_cosine


def golden(file):
    return pytest.mark.parametrize("case", cases(file), ids=label)


@golden("simclr_ults")
def test_golden_simclr(case):
    """QUIRK: the released code takes a row's similarity with itself for 1, which holds for rows of unit length only."""
    arrays, tau = case.arrays["in"], case.setting("tau")
    cosine = case.setting("normalize")
    assert cosine or case.setting("unit_inputs")
    loss = lambda one, two: nt_xent(one, two, tau, cosine=cosine).mean()  # noqa: E731
    value, gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))(arrays["xi"], arrays["xj"])
    assert_close(value, case.loss["value"], "value")
    for name, own in zip(("xi", "xj"), gradient, strict=True):
        published = case.grad[name]
        if not cosine:
            # Theirs has the gradient of the row's similarity with itself, which ours leaves out: along the row alone,
            # so that what remains of both across the row is the same.
            x = arrays[name]
            across = lambda g, x=x: g - (g * x).sum(-1, keepdims=True) * x  # noqa: E731
            own, published = across(own), across(published)
        assert_close(own, published, name)


def head_of(arrays):
    """A released `MLPHead` in our layout: parameters, statistics."""
    found = Weights(arrays, "an MLPHead")
    params = {f"linear_{n}": found.linear(f"net.{at}") for n, at in ((0, 0), (1, 3))}
    params["norm"] = {o: found.take(f"net.1.{n}", 1) for o, n in (("scale", "weight"), ("bias", "bias"))}
    return params, {"norm": {name: found.take(f"net.1.running_{name}", 1) for name in ("mean", "var")}}


@golden("byol_ults")
def test_golden_byol(case):
    made = {name: head_of(case.starting("w", f"{name}.")) for name in ("online", "target", "predictor")}
    params = {name: own[0] for name, own in made.items()}
    stats = {name: own[1] for name, own in made.items()}
    head = ProjectionHead(10, 6, norm=True)
    mutable = ["batch_stats"] if case.setting("mode").startswith("train") else []

    def apply(name, params, x):
        return head.apply({"params": params[name], "batch_stats": stats[name]}, x, mutable=mutable)[0]

    def loss(params, one, two):
        guesses = [
            ProjectionHead(10, 6, norm=True).apply(
                {"params": params["predictor"], "batch_stats": stats["predictor"]},
                apply("online", params, x),
                mutable=mutable,
            )[0]
            for x in (one, two)
        ]
        targets = [jax.lax.stop_gradient(apply("target", params, x)) for x in (two, one)]
        return sum(2 + 2 * negative_cosine(*pair) for pair in zip(guesses, targets, strict=True)).mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(params, case.arrays["in"]["view1"], case.arrays["in"]["view2"])
    assert_close(value, case.loss["value"], "value")
    regression = 2 + 2 * negative_cosine(jnp.asarray(case.arrays["in"]["p"]), jnp.asarray(case.arrays["in"]["z"]))
    assert_close(regression, case.out["regression_loss"], "regression")
    for name in ("online", "predictor"):
        published = case.starting("grad", f"w.{name}.")
        ours = gradient[name]
        for n, at in ((0, 0), (1, 3)):
            assert_close(ours[f"linear_{n}"]["dense"]["kernel"].T, published[f"net.{at}.weight"], name)
            assert_close(ours[f"linear_{n}"]["dense"]["bias"], published[f"net.{at}.bias"], name)
        assert_close(ours["norm"]["scale"], published["net.1.weight"], name)
        assert_close(ours["norm"]["bias"], published["net.1.bias"], name)
    m = case.setting("m")
    moved = jax.tree.map(lambda mean, new: m * mean + (1 - m) * new, params["target"], params["online"])
    published = case.starting("out", "target_after.net.0.")
    assert_close(moved["linear_0"]["dense"]["kernel"].T, published["weight"], "target")
