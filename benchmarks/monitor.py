"""How fast a monitor judges events: whole logs, and one event after another.

The monitor is fitted on a made-up user base with the default model and a few updates, which change no time. The batch
figure is `Monitor.score` of a log, model and habits included; the other the time of each `MonitorStream.push`.

Command: python benchmarks/monitor.py [--repeats 3] [--users 500] [--pushes 2000] [--json FILE]
"""

import time
from typing import Any

import numpy as np
from timing import flags, show, timed, write


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=3)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--pushes", type=int, default=2000)
    asked = parser.parse_args()
    from tsrl.data.events import user_base
    from tsrl.monitor import Monitor, MonitorStream

    log = user_base(users=asked.users, weeks=16).log
    monitor = Monitor.fit(log.before("2026-03-30"), steps=20, length=128)
    monitor.score(log)
    seconds = []
    for _ in range(asked.repeats):
        began = time.perf_counter()
        monitor.score(log)
        seconds.append(time.perf_counter() - began)
    stream, pushes = MonitorStream(monitor), []
    for event in _in_time(log, asked.pushes + 50):
        began = time.perf_counter()
        stream.push(event)
        pushes.append(time.perf_counter() - began)
    results = {
        f"a log of {log.events:,} events": timed(seconds),
        # The first ones compile.
        "one event": timed(pushes[50:]),
    }
    show(results)
    speed = log.events / results[next(iter(results))]["median"]
    high = float(np.quantile(pushes[50:], 0.99))
    print(f"{speed:,.0f} events/s in batch; one event 99 % below {1e3 * high:.2f} ms")
    write(asked.json, results, events=log.events, events_per_s=speed, push_p99_s=high)


def _in_time(log: Any, count: int) -> list[dict[str, Any]]:
    """The first events of a log, by time."""
    owner, made = log.owner, []
    for row in np.argsort(log.time, kind="stable")[:count]:
        event = {"user": log.users[owner[row]], "time": np.datetime64(int(log.time[row]), "us")}
        event |= {name: str(held.values[held.codes[row]]) for name, held in log.names.items()}
        made.append(event | {name: float(values[row]) for name, values in log.numbers.items()})
    return made


if __name__ == "__main__":
    main()
