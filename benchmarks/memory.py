"""The peak of resident memory of training steps, ours and the peer's, each in a fresh process.

The peak includes libraries, compilation and the data. Crops are random: it is that of the largest of the updates.
Ours also with a large batch, encoded at once and a few rows at a time.

Command: python benchmarks/memory.py [--repeats 8] [--shapes 500x8 2000x2 3000x2] [--large 500x64] [--micro-batch 16]
         [--json FILE]
"""

from timing import flags, peer_available, show, write
from training import shape, steps_in_child


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=8)
    parser.add_argument("--shapes", type=shape, nargs="*", default=[(500, 8), (2000, 2), (3000, 2)], help="TxB")
    parser.add_argument("--large", type=shape, nargs="*", default=[(500, 64)], help="TxB")
    parser.add_argument("--micro-batch", type=int, default=16)
    asked = parser.parse_args()
    models = ("ours", "peer") if peer_available() else ("ours",)
    results = {
        f"T = {steps}, B = {rows}, {who}": steps_in_child(who, steps, rows, asked.repeats)
        for steps, rows in asked.shapes
        for who in models
    }
    results |= {
        f"T = {steps}, B = {rows}, {'at once' if not part else f'{part} rows at a time'}": steps_in_child(
            "ours", steps, rows, asked.repeats, micro_batch=part
        )
        for steps, rows in asked.large
        for part in (0, asked.micro_batch)
    }
    show(results)
    for name, result in results.items():
        if "start_bytes" in result:
            print(f"{name}: {result['start_bytes'] / 1e6:.0f} MB before the first step")
    write(asked.json, results)


if __name__ == "__main__":
    main()
