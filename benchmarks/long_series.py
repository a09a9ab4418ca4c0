"""Seconds of a training step and the peak of memory as series grow longer, each length in a fresh process.

Command: python benchmarks/long_series.py [--repeats 5] [--max-steps 20000] [--peer-max-steps 5000] [--json FILE]
A length that does not fit into memory is shown with the exit status of its process.
"""

from timing import flags, peer_available, show, write
from training import steps_in_child

LENGTHS = (1250, 2500, 5000, 10_000, 20_000)


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=5)
    parser.add_argument("--max-steps", type=int, default=max(LENGTHS), help="longest series")
    parser.add_argument("--peer-max-steps", type=int, default=5000, help="longest series of the peer")
    parser.add_argument("--rows", type=int, default=2, help="series in a batch")
    asked = parser.parse_args()
    # A longest series below all lengths is itself measured: a quick look at whether everything runs.
    lengths = [steps for steps in LENGTHS if steps <= asked.max_steps] or [asked.max_steps]
    limits = {"ours": asked.max_steps} | ({"peer": asked.peer_max_steps} if peer_available() else {})
    results = {
        f"T = {steps}, B = {asked.rows}, {who}": steps_in_child(who, steps, asked.rows, asked.repeats)
        for steps in lengths
        for who, limit in limits.items()
        if steps <= limit
    }
    show(results, "s")
    write(asked.json, results)


if __name__ == "__main__":
    main()
