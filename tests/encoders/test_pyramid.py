"""The pyramid against loops over outputs and taps, padding that changes nothing, missing steps, its sizes."""

import jax
import numpy as np
import pytest
from scipy.special import erf

from tsrl.encoders import Pyramid
from tsrl.encoders.pyramid import normalised
from tsrl.errors import InputError

SMALL = Pyramid(width=3, scales=4, depth=2, kernel_size=5)
X = np.random.default_rng(0).normal(size=(2, 23, 2)).astype(np.float32).cumsum(1) + 5
MASK = np.ones((2, 23), bool)
PARAMS = SMALL.init(jax.random.key(1), X, MASK)


def slow(x):
    """One series `[T, C]`, all observed: what every layer of every scale gives, and the output."""
    p = {name: np.asarray(leaf, "f8") for name, leaf in PARAMS["params"].items()}
    u = (x - x.mean(0)) / np.sqrt(x.astype("f8").var(0) + 1e-6)
    steps, blocks, side = len(x), [], []
    for scale in range(4):
        stride, lag = max(1, 2 ** (scale - 1)), 1 if scale == 0 else 2
        ends = range(stride - 1, steps, stride)
        size = 2**scale
        seen = np.array([np.mean([u[max(t, 0)] for t in range(end - size + 1, end + 1)], 0) for end in ends])
        if scale:
            # Before the series stands its first step.
            seen[0] = np.mean([*[u[0]] * stride, *u[:stride]], 0)
        if len(seen) < 4:
            blocks += [np.zeros((1, 3))] * 2
            side.append(np.zeros((steps, 3)))
            continue
        change = np.array([seen[i] - seen[max(i - lag, 0)] for i in range(len(seen))])
        z = np.hstack([seen, change / np.sqrt(change.var(0) + 1e-6)])
        for layer in range(2):
            kernel, bias = (p[f"scale_{scale}_layer_{layer}_{name}"] for name in ("kernel", "bias"))
            dilation, half = lag * 2**layer, len(kernel) // 2
            given = z * 0.5 * (1 + erf(z / np.sqrt(2))) if layer else z
            made = np.zeros((len(z), 3)) + bias
            for i in range(len(z)):
                for tap in range(len(kernel)):
                    at = i + (tap - half) * dilation
                    if 0 <= at < len(z):
                        made[i] += given[at] @ kernel[tap]
            z = z + made if layer else made
            blocks.append(z)
        side.append(np.array([z[min((t + stride // 2) // stride, len(z) - 1)] for t in range(steps)]))
    return blocks, np.hstack(side)


@pytest.mark.parametrize("steps", [23, 16, 9, 4])
def test_equals_loops(steps):
    z, sown = SMALL.apply(PARAMS, X[:, :steps], MASK[:, :steps], mutable=["intermediates"])
    assert z.shape == (2, steps, SMALL.features)
    for row in range(2):
        blocks, out = slow(X[row, :steps])
        np.testing.assert_allclose(z[row], out, rtol=1e-4, atol=1e-4)
        for found, wanted in zip(sown["intermediates"]["block"], blocks, strict=True):
            np.testing.assert_allclose(found[row], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [23, 17, 8, 5, 1])
def test_steps_that_do_not_exist_change_nothing(length):
    mask = np.random.default_rng(1).random((2, 23)) < 0.8
    mask[:, 0] = True
    cut = SMALL.apply(PARAMS, X[:, :length], mask[:, :length])
    padded = SMALL.apply(PARAMS, np.where(np.arange(23)[:, None] < length, X, np.nan), mask, np.arange(23) < length)
    np.testing.assert_allclose(padded[:, :length], cut, rtol=1e-4, atol=1e-4)


def test_wanted_takes_from_the_output():
    found = SMALL.apply(PARAMS, X, MASK, None, lambda z: z[:, 3:5])
    np.testing.assert_array_equal(found, SMALL.apply(PARAMS, X, MASK)[:, 3:5])


def test_a_missing_step_repeats_the_one_before_it_and_does_not_count():
    mask = np.array([[False, True, True, False, True, False]])
    x = np.array([[[9], [1], [4], [np.nan], [7], [8]]], np.float32)
    found = normalised(x, mask)[0, :, 0]
    scaled = (np.array([1, 1, 4, 4, 7, 7]) - 4) / np.sqrt(6)
    np.testing.assert_allclose(found, scaled, rtol=1e-4)
    np.testing.assert_array_equal(normalised(x, np.zeros_like(mask)), 0)


def test_scale_and_level_of_a_channel_do_not_matter():
    same = SMALL.apply(PARAMS, 3 * X - 7, MASK)
    np.testing.assert_allclose(same, SMALL.apply(PARAMS, X, MASK), atol=2e-3)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"width": 0}, "width: found 0"), ({"kernel_size": 4}, "kernel_size: found 4, want an odd number")],
)
def test_sizes_that_cannot_be(sizes, message):
    with pytest.raises(InputError, match=message):
        Pyramid(**sizes)
