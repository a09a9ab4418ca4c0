"""The only place that says pmap: one replica of the state per device, the batch split over them."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from tsrl.parallel import AXIS
from tsrl.train.state import State, Step
from tsrl.types import Array, Batch, Metrics, Plan


def usable_devices(batch_size: int, available: Sequence[jax.Device] | None = None) -> list[jax.Device]:
    """The most local devices that divide the batch evenly: every row counts once, whatever the device count."""
    devices = list(jax.local_devices() if available is None else available)
    count = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return devices[:count]


def together(step: Step) -> Step:
    """A step of several seeds under `vmap`; state, row ids and seeds are stacked."""
    return jax.vmap(step, in_axes=(0, None, None, 0, 0))


def one_by_one(step: Step) -> Step:
    """A step of several seeds in turn inside one program; arguments as for `together`."""

    def stepped(state: State, data: Batch, plan: Plan, index: Array, seeds: Array) -> tuple[State, Metrics]:
        return lax.map(lambda own: step(own[0], data, plan, own[1], own[2]), (state, index, seeds))

    return stepped


class DeviceStep:
    """A training step compiled for several devices and seeds.

    The state is stacked over seeds, `[S, ...]`, and replicated over devices; row ids come as `[S, B]`, the global batch
    of each seed, and are split over devices in order.
    """

    def __init__(self, step: Step, devices: Sequence[jax.Device]):
        self.devices = list(devices)
        # On CPUs one by one is faster (benchmarks/train_step.py), and vmap's batched products round differently from a
        # solo run's.
        over_seeds = one_by_one if self.devices[0].platform == "cpu" else together
        self._step = jax.pmap(
            over_seeds(step),
            axis_name=AXIS,
            in_axes=(None, None, None, 0, None),
            out_axes=None,
            devices=self.devices,
            donate_argnums=0,
        )

    def __call__(self, state: State, data: Batch, plan: Plan, index: np.ndarray, seeds: Array) -> tuple[State, Metrics]:
        """`index` is `[S, B]` int32; returns the state and metrics `[S]`."""
        count, batch = index.shape
        sharded = index.reshape(count, len(self.devices), batch // len(self.devices)).swapaxes(0, 1)
        return self._step(state, data, plan, sharded, seeds)

    def replicate(self, tree: Any) -> Any:
        """Puts a host pytree on every device once, so that steps do not transfer it again."""
        mesh = jax.sharding.Mesh(np.asarray(self.devices), (AXIS,))
        return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))
