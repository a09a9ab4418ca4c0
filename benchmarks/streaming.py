"""What a step costs that arrives by itself: its representation from the window of 201 steps that ends there.

For one stream and for several that advance together, step by step, and for a block of steps at once, with the paper's
encoder. A large 99th percentile beside a small median says that other processes were in the way. The steps' outputs are
compared with those of encoding the series at once.

Command: python benchmarks/streaming.py [--repeats 200] [--streams 1 8 64] [--block 256] [--json FILE]
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import training
from rich.console import Console
from rich.table import Table
from timing import flags, measure, others_share, timed, write

from tsrl.config import options
from tsrl.embedder import Embedder
from tsrl.encoders import DilatedConv
from tsrl.streaming import StreamingEncoder
from tsrl.types import as_batch

WINDOW = 201
# A block takes as long as many steps: it is timed on fewer repetitions.
_BLOCK_SHARE = 10
_COMPARED = 30


def main() -> None:
    """Measures, compares, prints, writes."""
    parser = flags(__doc__, repeats=200)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 64], help="streams that advance together")
    parser.add_argument("--block", type=int, default=256, help="steps of one stream pushed at once")
    asked = parser.parse_args()
    x = training.series(2 * WINDOW, max(asked.streams))
    method = options("ts2vec")
    encoder = DilatedConv(width=training.WIDTH, features=training.FEATURES, depth=training.DEPTH)
    params, aux = method.build(encoder).init(jax.random.key(0), as_batch(x[:1, :2]))
    model = Embedder(method, encoder, params, aux, training.CHANNELS)

    def step_of(streams: int) -> Callable[[], np.ndarray]:
        stream = StreamingEncoder(model, WINDOW, streams)
        count = 0

        def step() -> np.ndarray:
            nonlocal count
            count += 1
            return stream.push(x[:streams, count % x.shape[1]].reshape(-1, training.CHANNELS))

        return step

    results: dict[str, dict[str, Any]] = {}
    for streams in asked.streams:
        name = f"a step of {streams} stream{'s' * (streams > 1)}"
        seconds = measure({name: step_of(streams)}, asked.repeats, warm=3)[name]
        results[name] = timed(seconds, p99=float(np.percentile(seconds, 99)))
    whole, block = StreamingEncoder(model, WINDOW), training.series(asked.block, 1)[0]
    name = f"a block of {asked.block} steps"
    seconds = measure({name: lambda: whole.push(block)}, max(1, asked.repeats // _BLOCK_SHARE))[name]
    results[name] = timed(seconds, p99=float(np.percentile(seconds, 99)))

    stream = StreamingEncoder(model, WINDOW)
    pushed = np.stack([stream.push(step) for step in x[0, :_COMPARED]])
    at_once = model.encode(x[:1, :_COMPARED], sliding_length=1, sliding_padding=WINDOW - 1, causal=True)[0]
    difference = float(np.abs(pushed - at_once).max())

    table = Table("case", "median ms", "99th percentile", "max", "repetitions")
    for name, result in results.items():
        table.add_row(
            name, *(f"{1e3 * result[key]:.2f}" for key in ("median", "p99", "max")), str(len(result["seconds"]))
        )
    Console().print(table)
    print(f"largest difference from encoding the series at once: {difference:.1e}")
    share = others_share()
    if share is not None:
        print(f"Other processes used {share:.1%} of the cores meanwhile.")
    write(asked.json, results, difference=difference)


if __name__ == "__main__":
    main()
