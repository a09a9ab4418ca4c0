"""Looks at the models while they train, and says so when they collapse."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from tsrl.train.state import State
from tsrl.types import Array, Aux, Params

log = logging.getLogger("tsrl")

Monitor = Callable[[Params, Aux], dict[str, Array]]

# Below and above these a representation has collapsed, whatever the method.
LEAST_RANK = 2.0
MOST_DEAD = 0.9


class Watch:
    """Runs a monitor on every seed in turn, in one program.

    Args:
      monitor: pure function of one seed's params and aux, or None to see nothing.
      seeds: of the stacked state.
    """

    def __init__(self, monitor: Monitor | None, seeds: Sequence[int]):
        self._monitor = None if monitor is None else jax.jit(monitor)
        self._seeds = list(seeds)
        self._warned = False

    def __call__(self, step: int, state: State) -> dict[str, Any]:
        """What the monitor says as `{"health": {name: number}}`, lists over seeds when there are several.

        A number that is not finite is None. The first sign of collapse is logged as a warning.
        """
        if self._monitor is None:
            return {}
        # On host arrays the program, and so every bit of its result, is the same for any number of devices.
        model = jax.device_get((state.params, state.aux))
        found = [
            jax.device_get(self._monitor(*jax.tree.map(lambda leaf, row=row: leaf[row], model)))
            for row in range(len(self._seeds))
        ]
        for seed, health in zip(self._seeds, found, strict=True):
            self._warn(step, seed, health)
        numbers = {name: [_finite(health[name]) for health in found] for name in found[0]}
        return {"health": {name: row if len(row) > 1 else row[0] for name, row in numbers.items()}}

    def _warn(self, step: int, seed: int, health: dict[str, np.ndarray]) -> None:
        rank, dead = float(health.get("effective_rank", math.inf)), float(health.get("dead_share", 0))
        if self._warned or not (rank < LEAST_RANK or dead > MOST_DEAD):
            return
        self._warned = True
        log.warning(
            "representations have collapsed: effective rank %.1f, %.0f %% dead dimensions at step %d of seed %d",
            rank,
            100 * dead,
            step,
            seed,
        )


def _finite(value: np.ndarray) -> float | None:
    return number if math.isfinite(number := value.item()) else None
