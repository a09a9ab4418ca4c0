"""What two choices of the training step cost: how a convolution is computed, and how seeds share a program.

Command: python benchmarks/train_step.py [--repeats 7] [--json FILE]
Prints medians over interleaved repetitions and, with --json, writes them with machine and versions.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import optax
from jax import lax
from rich.console import Console
from rich.table import Table

from tsrl.encoders import DilatedConv
from tsrl.encoders.layers import SameConv1d
from tsrl.experiment import hardware, versions
from tsrl.methods import ts2vec
from tsrl.train.devices import one_by_one, together
from tsrl.train.state import init_state, make_step
from tsrl.types import Plan, as_batch


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
                x = x + conv(jax.nn.gelu(x), kernels[level], 2**level)
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


def measure(cases: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each repetition, the cases in turn, after one run of each that compiles it."""
    for case in cases.values():
        jax.block_until_ready(case())
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.perf_counter()
            jax.block_until_ready(case())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    flags = parser.parse_args()
    seconds = measure(convolution_cases(), flags.repeats) | measure(seed_cases(), flags.repeats)
    table = Table("case", "median ms", "min", "max")
    for name, values in seconds.items():
        table.add_row(name, *(f"{1e3 * value:.0f}" for value in (median(values), min(values), max(values))))
    Console().print(table)
    if flags.json:
        record = {"repeats": flags.repeats, "seconds": seconds, "hardware": hardware(), "versions": versions()}
        flags.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
