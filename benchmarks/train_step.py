"""What a training step costs, beside the peer's, and what its parts and two choices of it cost.

The choices are how a convolution is computed and how seeds share a program. The parts are those of a step of 8 series
whose views are padded to 400 steps and overlap by 240. Whole steps draw new crops each time, as
in training; their median is over many of them. The operations a step needs are counted (`flops`) and set
beside the speed of a matrix product on this machine.

Command: python benchmarks/train_step.py [--repeats 7] [--updates 15] [--rounds 2] [--shapes 500x8 2000x2] [--json FILE]
Prints medians over interleaved repetitions and, with --json, writes them with machine and versions.
"""

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import training
from jax import lax
from timing import flags, measure, peer_available, show, timed, write

from tsrl.encoders import DilatedConv
from tsrl.encoders.layers import SameConv1d, gelu
from tsrl.losses import hierarchical_contrastive
from tsrl.methods import ts2vec
from tsrl.methods.ts2vec import view_sizes
from tsrl.train.devices import one_by_one, together
from tsrl.train.state import init_state, make_step
from tsrl.types import Plan, as_batch
from tsrl.views import dropout, overlapping_crops


def xla_conv(x: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
    """The same convolution by XLA's own operator."""
    padding = dilation * (len(kernel) // 2)
    dimensions = ("NWC", "WIO", "NWC")
    return lax.conv_general_dilated(
        x, kernel, (1,), [(padding, padding)], rhs_dilation=(dilation,), dimension_numbers=dimensions
    )


def shifted_product(x: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
    """The library's way."""
    params = {"kernel": kernel, "bias": jnp.zeros(kernel.shape[-1])}
    return SameConv1d(kernel.shape[-1], len(kernel), dilation).apply({"params": params}, x)


def convolution_cases(
    rows: int = 16, steps: int = 500, width: int = 64, depth: int = 8
) -> dict[str, Callable[[], object]]:
    """Value and gradient of a stack of dilated convolutions, at the top of a program and inside a branch."""
    x = jax.random.normal(jax.random.key(0), (rows, steps, width))
    kernels = jax.random.normal(jax.random.key(1), (depth, 3, width, width)) / width
    cases: dict[str, Callable[[], object]] = {}
    for conv in (xla_conv, shifted_product):

        def stack(kernels: jax.Array, x: jax.Array, conv: Callable[..., jax.Array] = conv) -> jax.Array:
            for level in range(depth):
                x = x + conv(gelu(x), kernels[level], 2**level)
            return jnp.square(x).mean()

        graded = jax.value_and_grad(stack)
        branched = jax.jit(
            lambda choice, kernels, x, graded=graded: lax.switch(choice, [graded, lambda k, x: (0.0, k)], kernels, x)
        )
        top = jax.jit(graded)
        cases[f"{conv.__name__}, top of the program"] = lambda top=top: top(kernels, x)
        cases[f"{conv.__name__}, inside a branch"] = lambda branched=branched: branched(jnp.int32(0), kernels, x)
    return cases


def seed_cases(seeds: int = 3, steps: int = 100, rows: int = 8) -> dict[str, Callable[[], object]]:
    """One update of several seeds of the published TS2Vec."""
    method, optimizer = ts2vec(DilatedConv()), optax.adamw(1e-3, weight_decay=0.01)
    data = as_batch(jax.random.normal(jax.random.key(0), (40, steps, 6)))
    numbers = jnp.arange(seeds, dtype=jnp.uint32)
    states = jax.jit(jax.vmap(lambda seed: init_state(method, optimizer, data, seed)))(numbers)
    index = jnp.tile(jnp.arange(rows, dtype=jnp.int32), (seeds, 1))
    step = make_step(method, optimizer, 200, None)
    cases: dict[str, Callable[[], object]] = {}
    for name, arrange in ((f"{seeds} seeds one by one", one_by_one), (f"{seeds} seeds under vmap", together)):
        compiled = jax.jit(arrange(step))
        cases[name] = lambda compiled=compiled: compiled(states, data, Plan(), index, numbers)
    return cases


def part_cases(rows: int = 8, size: int = 400, overlap: int = 240) -> dict[str, Callable[[], object]]:
    """Value and gradient of the parts of a step: two views of `rows` series padded to `size` steps."""
    encoder = DilatedConv(width=training.WIDTH, features=training.FEATURES, depth=training.DEPTH)
    keys = jax.random.split(jax.random.key(0), 4)
    h, seen = jax.random.normal(keys[0], (2 * rows, size, training.WIDTH)), jnp.ones((2 * rows, size), bool)
    z = jax.random.normal(keys[1], (2, rows, size, training.FEATURES)) / 10
    params, drop = encoder.init(keys[2], h, seen), jax.random.split(keys[3], 2 * rows)
    encoded = jax.jit(jax.value_and_grad(lambda params: jnp.square(encoder.apply(params, h, seen, seen)).sum()))

    def contrast(z: jax.Array, length: int, alpha: float) -> jax.Array:
        return hierarchical_contrastive(z[0], z[1], length=length, alpha=alpha).mean()

    graded = jax.jit(jax.value_and_grad(contrast), static_argnames="alpha")
    dropped = jax.jit(lambda z: dropout(drop, z.reshape(2 * rows, size, -1), 0.1))
    return {
        "encoder": lambda: encoded(params),
        "both contrasts": lambda: graded(z, overlap, alpha=0.5),
        "temporal contrast": lambda: graded(z, overlap, alpha=0.0),
        "instance contrast": lambda: graded(z, overlap, alpha=1.0),
        "dropout, forward": lambda: dropped(z),
    }


def padded_shares(steps: int, draws: int = 2000) -> dict[str, float]:
    """Mean lengths of views and overlaps, and of what they are padded to, as shares of the series."""
    keys = jax.random.split(jax.random.key(0), draws)
    crops = jax.vmap(lambda key: overlapping_crops(key, jnp.arange(1), steps))(keys)
    longer, overlap = np.maximum(crops.length1, crops.length2), np.asarray(crops.overlap)
    sizes = np.asarray(view_sizes(steps))
    fits = (sizes >= np.stack([longer, overlap], -1)[:, None]).all(-1)
    padded = sizes[fits.argmax(1)].mean(0) / steps
    view = np.stack([crops.length1, crops.length2]).mean() / steps
    return {
        "views": float(view),
        "overlaps": float(overlap.mean()) / steps,
        "views, padded": float(padded[0]),
        "overlaps, padded": float(padded[1]),
    }


def step_results(steps: int, rows: int, who: Sequence[str], updates: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Updates of the paper's model on series of `steps` steps, `rows` in a batch, new crops at every update.

    Each model has a process of its own, because torch's threads, waiting for work, would take the cores from the
    other's; the processes take turns.
    """
    found: dict[str, list[dict[str, Any]]] = {one: [] for one in who}
    for _ in range(rounds):
        for one in who:
            found[one].append(training.steps_in_child(one, steps, rows, updates))
    return {
        f"training step, T = {steps}, B = {rows}, {one}": timed(
            [value for part in parts for value in part["seconds"]],
            first_s=[part["first_s"] for part in parts],
            peak_bytes=max(part["peak_bytes"] for part in parts),
        )
        for one, parts in found.items()
    }


def flops(steps: int, rows: int, draws: int = 2000) -> float:
    """Floating-point operations that one training step cannot do without, the mean over its random crops.

    Two for a multiply-add, three times the forward pass. Counted are the projection, the convolutions (true lengths,
    without taps outside the series) and both contrasts' products of similarities on every scale; not counted are
    padding, GELU, softmax and the optimiser.
    """
    keys = jax.random.split(jax.random.key(0), draws)
    crops = jax.vmap(lambda key: overlapping_crops(key, jnp.arange(1), steps))(keys)
    products = _encoder_products(np.asarray(crops.length1)) + _encoder_products(np.asarray(crops.length2))
    overlap = np.asarray(crops.overlap, np.float64)
    while overlap.any():
        products += training.FEATURES * ((2 * overlap) ** 2 + 4 * rows * overlap)
        overlap //= 2
    return float(2 * 3 * rows * products.mean())


def _encoder_products(length: np.ndarray) -> np.ndarray:
    """Multiply-adds of the encoder on one series of each length."""
    products = length * float(training.CHANNELS * training.WIDTH + training.WIDTH * training.FEATURES)
    for block in range(training.DEPTH + 1):
        taps = length + 2 * np.maximum(0, length - 2**block)
        features = training.FEATURES if block == training.DEPTH else training.WIDTH
        products += taps * float(training.WIDTH * features + features * features)
    return products


def product_speed(size: int) -> float:
    """Floating-point operations a second of a float32 product of two square matrices, the best of five."""
    a = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(lambda a: a @ a)
    return 2 * size**3 / min(measure({"": lambda: product(a)}, 5)[""])


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=7)
    parser.add_argument("--updates", type=int, default=15, help="timed training steps a round, each with its own crops")
    parser.add_argument("--rounds", type=int, default=2, help="turns of the processes")
    parser.add_argument(
        "--shapes", type=training.shape, nargs="*", default=[(500, 8), (2000, 2)], help="TxB of these steps"
    )
    parser.add_argument("--product", type=int, default=4096, help="rows of the matrices whose product is the peak")
    asked = parser.parse_args()
    seconds = measure(convolution_cases(), asked.repeats) | measure(seed_cases(), asked.repeats)
    seconds |= measure(part_cases(), asked.repeats)
    shares = padded_shares(500)
    results = {name: timed(values) for name, values in seconds.items()}
    with_peer, peak, ratios = peer_available(), product_speed(asked.product), {}
    for steps, rows in asked.shapes:
        needed = flops(steps, rows)
        measured = step_results(steps, rows, training.MODELS if with_peer else ["ours"], asked.updates, asked.rounds)
        of_ours, *of_peers = measured.values()
        for name, result in measured.items():
            # Steps differ by their crops: the mean over steps belongs to the mean of operations.
            share = needed / mean(result["seconds"]) / peak
            results[name] = result | {"flops": needed, "share_of_peak": share}
        for one, result in zip(training.MODELS[1:], of_peers, strict=False):
            middle = result["median"] / of_ours["median"]
            ratios[f"{steps}x{rows}, {one}"] = {
                "medians": middle,
                "means": mean(result["seconds"]) / mean(of_ours["seconds"]),
            }
    show(results)
    print("of 500 steps, on average: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()))
    print(f"float32 product of {asked.product} x {asked.product}: {peak / 1e9:.0f} GFLOP/s")
    for name, result in results.items():
        if "flops" in result:
            print(f"{name}: {result['flops'] / 1e9:.0f} GFLOP on average, {result['share_of_peak']:.0%} of that speed")
    for name, ratio in ratios.items():
        print(f"{name} / ours: {ratio['medians']:.2f} of medians, {ratio['means']:.2f} of means")
    write(asked.json, results, product_flops_per_s=peak, peer_over_ours=ratios, shares_of_500_steps=shares)


if __name__ == "__main__":
    main()
