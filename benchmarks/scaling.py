"""A training step of TS2Vec on several devices: measured here, as formulas, and what follows for larger machines.

1. Seconds of a step on one device held to one core, and on two devices on two cores, at equal global batch. Each case
   runs in a fresh process whose host CPU XLA presents as that many devices.
2. The formulas of `scaling_model` beside what XLA says of the compiled program: operations, bytes that are gathered and
   averaged, bytes held.
3. By these formulas, a table for 8 to 256 TPU cores, and for the representations of 10^9 series.

Command: python benchmarks/scaling.py [--repeats 15] [--shapes 200x8 500x8 200x32] [--json FILE]
"""

import argparse
import json
import re
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scaling_model import CORE, Shape, embedding, extrapolated, load
from timing import flags, in_child, show, write
from training import CHANNELS, DEPTH, FEATURES, WIDTH, host_devices, job_of, series, shape, steps_in_child

_CORES = (8, 16, 32, 64, 128, 256)
# What XLA prints of one collective call: its results and its name. A tuple of results has `/*index=5*/` in it.
_COLLECTIVE = re.compile(r"= (.*?) (all-gather|all-reduce)(?:-start)?\(")
_ARRAY = re.compile(r"f32\[([\d,]*)\]")


def main() -> None:
    """Measures, compares, extrapolates, prints, writes."""
    parser = flags(__doc__, repeats=15)
    parser.add_argument("--child")
    parser.add_argument("--shapes", type=shape, nargs="*", default=[(200, 8), (500, 8), (200, 32)], help="TxB")
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(_of_program(**json.loads(asked.child))))
        return
    timed = {
        f"T = {steps}, B = {rows}, devices {count}, cores {count}": steps_in_child(
            "ours", steps, rows, asked.repeats, devices=count, cores=count
        )
        for steps, rows in asked.shapes
        for count in (1, 2)
    }
    show(timed)
    names = list(timed)
    for one, two in zip(names[::2], names[1::2], strict=True):
        print(f"{two}: {timed[one]['median'] / timed[two]['median']:.2f} times the throughput of one device")
    compared = _compared(asked)
    table = [extrapolated(_at(steps=1000, rows=8 * cores), cores)._asdict() for cores in _CORES]
    _print("On TPU cores, 8 series of 1,000 steps each", table)
    embedded = [embedding(_at(steps=1000, rows=1), 10**9, cores) for cores in _CORES]
    _print("Representations of 10^9 series of 1,000 steps", embedded)
    print(f"Assumed of a core: {CORE}")
    write(asked.json, timed, compared=compared, cores=table, embedding=embedded, assumed=CORE._asdict())


def _at(steps: int, rows: int) -> Shape:
    return Shape(rows, steps, steps, CHANNELS, WIDTH, FEATURES, DEPTH)


def _compared(asked: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    # Up to 256 steps a view has one size, so that the program has no branches: XLA adds up the operations of all.
    for steps, rows in [size for size in asked.shapes if size[0] <= 256]:
        for devices in (1, 2):
            xla = in_child("scaling.py", {"steps": steps, "rows": rows, "devices": devices}, host_devices(devices))
            own = load(_at(steps, rows), devices)
            formula = {
                "operations": own.encoder + own.temporal + own.instance,
                "gathered": own.gathered,
                "averaged": own.averaged,
                "held": own.held,
            }
            found += [
                {"T": steps, "B": rows, "devices": devices, "of": name, "formula": value, "xla": xla[name]}
                for name, value in formula.items()
            ]
    _print("Formulas and the compiled program, of each device", found)
    return found


def _of_program(steps: int, rows: int, devices: int) -> dict[str, float]:
    """What XLA says of the compiled step of each device."""
    import jax
    import jax.numpy as jnp

    from tsrl.parallel import AXIS
    from tsrl.train.devices import DeviceStep
    from tsrl.train.state import init_state, make_step
    from tsrl.types import Plan

    job = job_of(series(steps, rows))
    method, optimizer = job.method(AXIS), job.optimizer()
    step = DeviceStep(make_step(method, optimizer, job.steps, AXIS), jax.local_devices())
    init = jax.vmap(lambda seed, data: init_state(method, optimizer, data, seed), in_axes=(0, None))
    seeds, index = jnp.zeros(1, jnp.uint32), np.zeros((devices, 1, 1, rows // devices), np.int32)
    state = jax.eval_shape(init, seeds, job.data)
    program = step.compiled(state, job.data, Plan(), index, seeds)
    memory, sent = program.memory_analysis(), {"all-gather": 0, "all-reduce": 0}
    for line in program.as_text().splitlines():
        if call := _COLLECTIVE.search(line):
            arrays = _ARRAY.findall(call[1])
            sent[call[2]] += sum(4 * int(np.prod([int(n) for n in dims.split(",") if n])) for dims in arrays)
    return {
        "operations": program.cost_analysis()["flops"],
        "gathered": sent["all-gather"],
        "averaged": sent["all-reduce"],
        "held": memory.temp_size_in_bytes + memory.argument_size_in_bytes,
    }


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
