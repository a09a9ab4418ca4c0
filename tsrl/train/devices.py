"""The only place that says pmap: one replica of the state per device, the batch split over them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax import lax

from tsrl.errors import InputError
from tsrl.parallel import AXIS
from tsrl.train import hosts
from tsrl.train.state import State, Step
from tsrl.types import Array, Batch, Metrics, Plan

# As many as between two reports of the loop, which ends a call to make one.
_AT_ONCE = 10


def usable_devices(batch_size: int, available: Sequence[jax.Device] | None = None) -> list[jax.Device]:
    """The most local devices that divide the batch evenly: every row counts once, whatever the device count.

    Of several processes each gives as many; they stand side by side, in the order of the processes.

    Raises:
      InputError: a batch that the processes cannot share evenly, or processes that `hosts.join` has not joined.
    """
    devices = list(jax.local_devices() if available is None else available)
    processes = 1 if available is not None else hosts.count()
    if available is None and processes == 1 < jax.process_count():
        raise InputError(
            f"distributed: found {jax.process_count()} processes joined by other code, want them joined by `hosts.join`"
        )
    if batch_size % processes:
        raise InputError(f"batch_size: found {batch_size}, want a multiple of the {processes} processes")
    count = max(n for n in range(1, len(devices) + 1) if batch_size // processes % n == 0)
    if processes == 1:
        return devices[:count]
    return [device for process in range(processes) for device in jax.local_devices(process_index=process)[:count]]


def together(step: Step) -> Step:
    """A step of several seeds under `vmap`; state, row ids and seeds are stacked."""
    return jax.vmap(step, in_axes=(0, None, None, 0, 0))


def one_by_one(step: Step) -> Step:
    """A step of several seeds in turn inside one program; arguments as for `together`."""

    def stepped(state: State, data: Batch, plan: Plan, index: Array, seeds: Array) -> tuple[State, Metrics]:
        return lax.map(lambda own: step(own[0], data, plan, own[1], own[2]), (state, index, seeds))

    return stepped


def repeated(step: Step, most: int) -> Callable[..., tuple[State, Metrics]]:
    """Up to `most` steps in one program.

    Args:
      step: of several seeds, as `together` makes it.
      most: K; with 1 the program is the step itself, without a loop around it.

    Returns:
      `(state, data, plan, index [K, S, B], seeds, count) -> (state, metrics [K, S])`: the first `count` steps are made,
      the metrics of the others are zeros. The count is a traced number: one program serves all.
    """
    # Its trace is kept, so that asking for the shapes of the metrics does not trace the step a second time.
    kept = jax.jit(step)

    def steps(state: State, data: Batch, plan: Plan, index: Array, seeds: Array, count: Array) -> tuple[State, Metrics]:
        if most == 1:
            state, metrics = step(state, data, plan, index[0], seeds)
            return state, jax.tree.map(lambda metric: metric[None], metrics)

        def body(at: Array, carry: tuple[State, Metrics]) -> tuple[State, Metrics]:
            state, metrics = kept(carry[0], data, plan, index[at], seeds)
            return state, jax.tree.map(lambda all_steps, own: all_steps.at[at].set(own), carry[1], metrics)

        _, shapes = jax.eval_shape(kept, state, data, plan, index[0], seeds)
        empty = jax.tree.map(lambda metric: jax.numpy.zeros((most, *metric.shape), metric.dtype), shapes)
        return lax.fori_loop(0, count, body, (state, empty))

    return steps


class DeviceStep:
    """Training steps compiled for several devices and seeds, several steps in a call.

    The state is stacked over seeds, `[S, ...]`, and replicated over devices; row ids come as `[K, S, B]`, the global
    batches of K steps and each seed, and are split over devices in order. Each of several processes feeds its own
    devices, and holds a whole state.

    Args:
      step: of one seed.
      devices: devices to use; of several processes, those of each side by side.
      at_once: K, the most steps in a call; default: 1 on CPUs, where a loop in the program gains nothing and takes
        longer to compile, else 10.
      fed: the data and the plan's columns come as each device's own rows, `[devices, rows, ...]`; otherwise whole.
    """

    def __init__(self, step: Step, devices: Sequence[jax.Device], at_once: int | None = None, fed: bool = False):
        self.devices = list(devices)
        self.local = [device for device in self.devices if device.process_index == jax.process_index()]
        self._alone = len(self.local) == len(self.devices)
        on_cpu = self.devices[0].platform == "cpu"
        self.at_once = at_once or (1 if on_cpu else _AT_ONCE)
        # On CPUs one by one is faster (benchmarks/train_step.py), and vmap's batched products round differently from a
        # solo run's.
        over_seeds = one_by_one if on_cpu else together
        own = 0 if fed else None
        steps = repeated(over_seeds(step), self.at_once)
        plan = Plan(own, None, None)  # type: ignore[arg-type]
        axes: Any = {"axis_name": AXIS, "in_axes": (None, own, plan, 0, None, None)}
        self._steps = jax.pmap(steps, out_axes=None, devices=self.devices, donate_argnums=0, **axes)
        # A program of several processes cannot be lowered from the arrays of one: its shapes are checked without them.
        self._emulated = jax.vmap(steps, **axes)
        self._lowered: dict[Any, jax.stages.Lowered] = {}
        self._compiled: dict[Any, Future[jax.stages.Compiled]] = {}

    def trace(self, state: State, data: Batch, plan: Plan, index: Any, seeds: Any) -> None:
        """Traces the steps of arrays like these, which raises what does not fit; arguments as for a call, or shapes."""
        key = _forms(data, plan, index)
        if not self._alone:
            jax.eval_shape(self._emulated, *_like((state, data, plan, index, seeds, np.int32(0))))
        elif key not in self._lowered:
            self._lowered[key] = self._steps.lower(*_like((state, data, plan, index, seeds, np.int32(0))))

    def compile(self, state: State, data: Batch, plan: Plan, index: Any, seeds: Any) -> None:
        """Starts to compile in a thread of its own; a call waits for it. Arguments as for `trace`.

        The program of several processes is compiled when it is called.
        """
        key = _forms(data, plan, index)
        if self._alone and key not in self._compiled:
            self.trace(state, data, plan, index, seeds)
            with_one = ThreadPoolExecutor(1)
            self._compiled[key] = with_one.submit(self._lowered.pop(key).compile)
            with_one.shutdown(wait=False)

    def __call__(
        self, state: State, data: Batch, plan: Plan, index: Array, seeds: Array, count: int = 1
    ) -> tuple[State, Metrics]:
        """Makes `count` steps with the row ids `index`, as `split` returns them; returns the state and `[K, S]`."""
        if not self._alone:
            return self._steps(state, data, plan, index, seeds, np.int32(count))
        return self.compiled(state, data, plan, index, seeds)(state, data, plan, index, seeds, np.int32(count))

    def compiled(self, state: State, data: Batch, plan: Plan, index: Any, seeds: Any) -> jax.stages.Compiled:
        """The program of arrays like these, once it is ready; arguments as for `trace`."""
        self.compile(state, data, plan, index, seeds)
        key = _forms(data, plan, index)
        try:
            return self._compiled[key].result()
        except BaseException:
            # The next run of these programs tries again.
            del self._compiled[key]
            raise

    def by_device(self, index: np.ndarray) -> np.ndarray:
        """Row ids of up to K steps, `[steps, S, B]` int32, as `[local devices, K, S, B / devices]`.

        The ids of steps that are not there are 0.
        """
        steps, seeds, _ = index.shape
        own = self.own_rows(index)
        filled = np.zeros((self.at_once, seeds, own.shape[2]), np.int32)
        filled[:steps] = own
        shares = filled.reshape(self.at_once, seeds, len(self.local), own.shape[2] // len(self.local))
        return np.moveaxis(shares, 2, 0)

    def own_rows(self, index: np.ndarray) -> np.ndarray:
        """Those of global batches `[..., B]` that go to the devices of this process: their global ids as they are."""
        share, before = index.shape[-1] // len(self.devices), self.devices.index(self.local[0])
        return index[..., before * share : (before + len(self.local)) * share]

    def replicate(self, tree: Any) -> Any:
        """Puts a host pytree on every local device once, so that steps do not transfer it again."""
        return self._put(tree, jax.sharding.PartitionSpec())

    def split(self, tree: Any) -> Any:
        """Puts the rows of host arrays `[local devices, ...]` on their devices."""
        return self._put(tree, jax.sharding.PartitionSpec(AXIS))

    def _put(self, tree: Any, spec: jax.sharding.PartitionSpec) -> Any:
        mesh = jax.sharding.Mesh(np.asarray(self.local), (AXIS,))
        return jax.device_put(tree, jax.sharding.NamedSharding(mesh, spec))


def _like(tree: Any) -> Any:
    return jax.tree.map(_form, tree)


def _form(leaf: Any) -> jax.ShapeDtypeStruct:
    """Shape and type of an array once it is on a device, where 64 bits become 32."""
    return jax.ShapeDtypeStruct(leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype))


def _forms(*tree: Any) -> Any:
    """What tells one compiled program from another; the state's shapes follow from the method and the data's."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple(map(_form, leaves))
