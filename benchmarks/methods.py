"""What a training step of each method costs at its default shape, beside the operations of its published step.

The operations are those of the published algorithm, multiplications and additions of its convolutions and linear maps,
forward and back (twice the forward pass where there is a gradient), whether ours makes them or not: a fraction above 1
of a large product's speed means work that was left out without changing a number.

Command: python benchmarks/methods.py [--repeats 7] [--only timedrl cost] [--json FILE]
Prints medians, with --json writes every repetition with machine and versions.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
from counts import OPERATIONS
from rich.console import Console
from rich.table import Table
from timing import flags, measure, others_share, timed, write

from tsrl.bench import stepper
from tsrl.config import Config
from tsrl.pretraining import prepare
from tsrl.timing import random_walks


class Shape(NamedTuple):
    """A training set: `[rows, steps, channels]`, and the data set that has it."""

    dataset: str
    rows: int
    steps: int
    channels: int


# ETTh1's training part has 8,640 steps; seven values, and seven calendar covariates where the method has them.
SHAPES = {
    "ts2vec": Shape("ETTh1", 1, 8640, 14),
    "timedrl": Shape("ETTh1", 1, 8640, 7),
    "simts": Shape("ETTh1", 1, 8640, 14),
    "cost": Shape("ETTh1", 1, 8640, 14),
    "tnc": Shape("HAR", 100, 561, 3),
    "tloss": Shape("GunPoint", 50, 150, 1),
    "tcn": Shape("ETTh1", 1, 8640, 14),
    "informer": Shape("ETTh1", 1, 8640, 14),
}


def config_of(name: str, shape: Shape) -> Config:
    """The settings of the method's script for the data set."""
    path = Path(__file__).parents[1] / "experiments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"experiment_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    task: Any = "forecast" if shape.dataset.startswith("ETT") else "classify"
    config = replace(module.CONFIG, dataset=shape.dataset, task=task)
    return module.settings(config) if hasattr(module, "settings") else config


def gemm_speed(repeats: int) -> float:
    """Operations per second of a large product."""
    a = jax.random.normal(jax.random.key(0), (2048, 2048))
    product = jax.jit(lambda a: a @ a)
    seconds = measure({"product": lambda: product(a)}, repeats, warm=2)["product"]
    return 2 * 2048**3 / min(seconds)


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, 7)
    parser.add_argument("--only", nargs="*", default=list(SHAPES))
    arguments = parser.parse_args()
    peak = gemm_speed(arguments.repeats)
    results: dict[str, Any] = {"product": {"operations_per_second": peak}}
    table = Table(
        "method", "data set", "batch", "median ms", "min", "max", "published GFLOP", "share of a product's speed"
    )
    for name in arguments.only:
        shape = SHAPES[name]
        config, x = config_of(name, shape), random_walks(shape.rows, shape.steps, shape.channels)
        seconds = measure({name: stepper(prepare(config, x, None), at_once=1)}, arguments.repeats)
        operations = OPERATIONS[name](config, shape.steps, shape.channels)
        found = timed(seconds[name], operations=operations, batch_size=config.train.batch_size)
        results[name] = found
        times = [f"{1e3 * found[key]:.0f}" for key in ("median", "min", "max")]
        share = operations / found["median"] / peak
        table.add_row(
            name, shape.dataset, str(config.train.batch_size), *times, f"{operations / 1e9:.1f}", f"{share:.0%}"
        )
        jax.clear_caches()
    Console().print(table)
    print(f"A large product makes {peak / 1e9:.0f} GFLOP/s here. Others used {others_share() or 0:.1%} of the cores.")
    write(arguments.json, results)


if __name__ == "__main__":
    main()
