"""Models of users' actions on real logs and on a made-up user base, each beside what needs no model.

Papers: Babaev et al. (2022), CoLES, arXiv 2002.08232 (users by random slices of theirs); Radford et al. (2018),
  generative pre-training (what comes next); Schonlau et al. (2001), masquerades among UNIX users.
Settings: Causal convolutions 64 wide over 125 events, trained to predict the next event by AdamW at 0.001 on batches of
  32 stretches; heads and penalties are chosen on a validation part, never on test. Series: TS2Vec, 64 wide. See
  `behaviour_parts`.
Command: python experiments/behaviour.py stackoverflow --data-dir DIR [--json FILE]
Overrides: bpic2012, cdnow, unix, simulator, nab, smap, msl instead of stackoverflow; --steps 2000, --seed 1,
  --users 10500
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from behaviour_parts import histories, monitored, series
from behaviour_parts.asked import Asked
from rich.console import Console
from rich.table import Table

from tsrl.errors import InputError
from tsrl.experiment import hardware, nan_as_null, versions

TASKS = {
    "stackoverflow": histories.stackoverflow,
    "bpic2012": histories.bpic2012,
    "cdnow": histories.cdnow,
    "unix": monitored.unix,
    "simulator": monitored.simulator,
    "nab": series.nab,
    "smap": series.smap,
    "msl": series.msl,
}


def main(args: Sequence[str] | None = None, program: str | None = None) -> None:
    """Runs a task, prints its table, writes its rows."""
    parser = argparse.ArgumentParser(prog=program, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--data-dir", type=Path, help="default: the environment variable TSRL_DATA_DIR")
    parser.add_argument("--steps", type=int, help="optimiser updates; default: the task's own")
    parser.add_argument("--users", type=int, default=1100, help="of the simulator's user base")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all rows, versions and machine")
    asked = parser.parse_args(args)
    began = time.perf_counter()
    try:
        rows, notes = TASKS[asked.task](Asked(asked.data_dir, asked.steps, asked.seed, asked.users))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    names = list(dict.fromkeys(name for row in rows for name in row if name != "model"))
    table = Table("model", *names)
    for row in rows:
        table.add_row(row["model"], *(f"{row[name]:.3f}" if name in row else "" for name in names))
    Console(width=140).print(table)
    for note in notes:
        print(note)
    if asked.json is not None:
        record = {
            "command": f"python experiments/behaviour.py {asked.task} --seed {asked.seed}"
            + (f" --steps {asked.steps}" if asked.steps else "")
            + (f" --users {asked.users}" if asked.task == "simulator" else ""),
            "task": asked.task,
            "seed": asked.seed,
            "rows": rows,
            "notes": notes,
            "wall_s": time.perf_counter() - began,
            "versions": versions(),
            "hardware": hardware(),
        }
        asked.json.write_text(json.dumps(nan_as_null(record), indent=1) + "\n")


if __name__ == "__main__":
    main()
