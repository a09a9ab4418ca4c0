"""From ETTh1's file to the test errors of five horizons, as TS2Vec's paper does: seconds of each phase, peak of memory.

Phases: load, train, encode (a representation per step from its window of 201), ridge. Each side runs in a fresh
process; ours compiles everything anew. The peer trains for fewer steps, their seconds scaled up, and reads its
representations with scikit-learn's Ridge, one fit for each horizon and penalty. Ours also scores anchored targets.

Command: TSRL_DATA_DIR=... python benchmarks/end_to_end.py [--steps 600] [--peer-steps 30] [--json FILE]
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import flags, in_child, killed_first, peak_bytes, peer_available, show, timed, write

CONTEXT = 200
HORIZONS = (24, 48, 168, 336, 720)


class Phases:
    """Seconds of each phase and the peak of memory up to its end, in the order they were run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_bytes: dict[str, int] = {}

    def run(self, name: str, phase: Callable[[], Any]) -> Any:
        """Runs and times a phase; returns what it returns."""
        start = time.perf_counter()
        found = phase()
        self.seconds[name], self.peak_bytes[name] = time.perf_counter() - start, peak_bytes()
        return found


def load(end: int | None) -> tuple[np.ndarray, Any]:
    """ETTh1 `[T, 7 + 7]`, standardised by its training part, calendar first; its splits, cut at `end` steps."""
    from tsrl.data.forecasting import calendar_covariates, load_forecast
    from tsrl.data.scaling import Scaler
    from tsrl.evaluate.origins import Splits

    data = load_forecast("ETTh1")
    train, valid, test = data.borders() if end is None else (int(0.6 * end), int(0.8 * end), end)
    x = np.concatenate([calendar_covariates(data.time), data.values], -1)[:test]
    splits = Splits(slice(0, train), slice(train, valid), slice(valid, test))
    return Scaler.of(x[None, :train]).apply(x), splits


def ours(steps: int, horizons: list[int], end: int | None) -> dict[str, Any]:
    """The library's way, as a user calls it."""
    phases = Phases()
    x, splits = phases.run("load", lambda: load(end))

    def train() -> Any:
        from tsrl import pretrain

        return pretrain(x[None, splits.train], steps=steps)

    def ridge() -> dict[int, float]:
        from tsrl.evaluate.forecast import last_step_ridge

        found = last_step_ridge(z, x[:, 7:], splits, horizons, skip=CONTEXT)
        return {one.horizon: one.scores["mse"] for one in found if not one.anchored}

    model = phases.run("train", train)
    z = phases.run("encode", lambda: model.encode(x[None], sliding_length=1, sliding_padding=CONTEXT, causal=True)[0])
    mse = phases.run("ridge", ridge)
    return {"phases": phases.seconds, "peak_bytes": phases.peak_bytes, "steps": steps, "mse": mse}


def peer(steps: int, horizons: list[int], end: int | None) -> dict[str, Any]:
    """The peer's way, on the same arrays."""
    phases = Phases()
    x, splits = phases.run("load", lambda: load(end))

    def train() -> Any:
        import torch
        from peer import Encoder, Peer

        from tsrl.data.series import prepare_train

        torch.manual_seed(0)
        sections = torch.from_numpy(prepare_train(x[None, splits.train], 3000))
        model = Peer(Encoder(x.shape[1]))
        rows = min(8, len(sections))
        for _ in range(steps):
            model.step(sections[torch.randperm(len(sections))[:rows]])
        return model

    def encode() -> np.ndarray:
        import torch

        return model.encode(torch.from_numpy(x[None]), CONTEXT)[0].numpy()

    def ridge() -> dict[int, float]:
        from ridge import published_loop

        return published_loop(z, x[:, 7:].astype(np.float64), splits, tuple(horizons))

    model = phases.run("train", train)
    z = phases.run("encode", encode)
    mse = phases.run("ridge", ridge)
    return {"phases": phases.seconds, "peak_bytes": phases.peak_bytes, "steps": steps, "mse": mse}


def main() -> None:
    """Measures, prints, writes."""
    parser = flags(__doc__, repeats=1)
    parser.add_argument("--steps", type=int, default=600, help="training steps")
    parser.add_argument("--peer-steps", type=int, default=30, help="the peer's; its seconds are scaled up to --steps")
    parser.add_argument("--horizons", type=int, nargs="*", default=list(HORIZONS))
    parser.add_argument("--end", type=int, help="use only this many steps of the set, split 60/20/20: a quick look")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        killed_first()
        settings = json.loads(asked.child)
        print(json.dumps((ours if settings.pop("who") == "ours" else peer)(**settings)))
        return
    if not os.environ.get("TSRL_DATA_DIR"):
        parser.error("TSRL_DATA_DIR names no data folder")
    sides = {"ours": asked.steps} | ({"peer": min(asked.peer_steps, asked.steps)} if peer_available() else {})
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in sides}
    for _ in range(asked.repeats):
        for who, steps in sides.items():
            settings = {"who": who, "steps": steps, "horizons": asked.horizons, "end": asked.end}
            # With the user's cache a second run would not compile.
            runs[who].append(in_child("end_to_end.py", settings, {"JAX_ENABLE_COMPILATION_CACHE": "false"}))
    results: dict[str, Any] = {}
    for who, found in runs.items():
        results |= _results(who, found, asked.steps)
    show(results, "s")
    for who, found in runs.items():
        if all(one.get("steps") == asked.steps for one in found):
            print(f"test MSE, {who}: " + ", ".join(f"{h} {mse:.3f}" for h, mse in found[0]["mse"].items()))
    write(asked.json, results, runs=runs)


def _results(who: str, found: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    """A result per phase and one for all of them, training scaled up to `steps`."""
    failed = [one for one in found if "error" in one]
    if failed:
        return {who: failed[0]}
    results, total = {}, [0.0] * len(found)
    for phase in found[0]["phases"]:
        scale = steps / found[0]["steps"] if phase == "train" else 1.0
        words = f", scaled up from {found[0]['steps']} steps" if scale != 1 else ""
        seconds = [scale * one["phases"][phase] for one in found]
        total = [whole + part for whole, part in zip(total, seconds, strict=True)]
        peak = max(one["peak_bytes"][phase] for one in found)
        results[f"{who}: {phase}{words}"] = timed(seconds, peak_bytes=peak, scale=scale)
    return results | {f"{who}: all": timed(total, peak_bytes=max(r["peak_bytes"] for r in results.values()))}


if __name__ == "__main__":
    main()
