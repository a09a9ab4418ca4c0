"""Seconds of a training step as the cores are divided into more devices and as more seeds are trained together.

Each case runs in a fresh process whose host CPU XLA presents as that many devices. A device splits off part of the
batch; all devices share the machine's cores, so more of them than cores cannot help.

Command: python benchmarks/scaling.py [--repeats 15] [--shape 500x8] [--devices 1 2] [--seeds 1 2 4] [--json FILE]
"""

from timing import flags, show, write
from training import shape, steps_in_child


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=15)
    parser.add_argument("--shape", type=shape, default=(500, 8), help="TxB")
    parser.add_argument("--devices", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 4])
    asked = parser.parse_args()
    steps, rows = asked.shape
    results = {
        f"T = {steps}, B = {rows}, devices {devices}, seeds {seeds}": steps_in_child(
            "ours", steps, rows, asked.repeats, seeds=seeds, devices=devices
        )
        for seeds in asked.seeds
        for devices in asked.devices
    }
    show(results)
    write(asked.json, results)


if __name__ == "__main__":
    main()
