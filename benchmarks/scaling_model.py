"""What a training step of TS2Vec computes, holds and sends on each of several devices, as formulas.

The batch of B rows is split over P devices; each contrasts its rows against all. `scaling.py` checks the formulas
against what XLA says of the compiled program, and extrapolates them.
"""

from typing import NamedTuple

from counts import conv

from tsrl.losses.log_normaliser import layout

_FLOAT = 4
# Arrays that the contrast holds at once, by XLA's plan for CPUs: as large as a device's own representations of both
# views, and as those of all devices.
_OWN, _GATHERED = 7, 6


class Core(NamedTuple):
    """What is assumed of an accelerator core: a TPU v5e chip has one.

    Attributes:
      flops: operations per second in bfloat16, as its maker states.
      share: of these that a step reaches. Assumed, not measured.
      memory: bytes.
      link: bytes per second to other cores, as its maker states.
      disk: bytes per second that a core's share of the storage delivers. Assumed.
    """

    flops: float = 197e12
    share: float = 0.2
    memory: float = 16e9
    link: float = 200e9
    disk: float = 200e6


CORE = Core()


class Shape(NamedTuple):
    """A step's sizes.

    Attributes:
      rows: B, of the global batch.
      view: steps of a view, padded.
      overlap: steps that are contrasted, padded.
      channels: of the series.
      width: of the encoder's blocks.
      features: of a representation.
      depth: blocks but the last.
    """

    rows: int
    view: int
    overlap: int
    channels: int
    width: int
    features: int
    depth: int


class Load(NamedTuple):
    """Of each device in a step.

    Attributes:
      encoder: operations of both views, forward and backward.
      temporal: operations of the contrast over steps.
      instance: operations of the contrast over rows, which grows with the global batch.
      gathered: bytes that arrive for the contrast over rows: representations of all scales side by side, with the
        padding between them, their log-normalisers and the cotangents of these.
      averaged: bytes of gradients that are averaged over devices.
      held: bytes of activations, weights and what the optimiser keeps.
    """

    encoder: float
    temporal: float
    instance: float
    gathered: float
    averaged: float
    held: float


def parameters(shape: Shape) -> int:
    """Numbers in front and encoder."""
    c, w, d = shape.channels, shape.width, shape.features
    return c * w + w + shape.depth * 2 * (3 * w * w + w) + (3 * w * d + d) + (3 * d * d + d) + (w * d + d)


def load(shape: Shape, devices: int) -> Load:
    """The load of each of `devices`, which share the batch evenly."""
    own = shape.rows / devices
    c, w, d, depth = shape.channels, shape.width, shape.features, shape.depth
    # Taps that see padding only are left out; the input of the front needs no gradient.
    taps = [3 if 2**block < shape.view else 1 for block in range(depth + 1)]
    blocks = sum(2 * conv(shape.view, w, w, of_block) for of_block in taps[:-1])
    last = conv(shape.view, w, d, taps[-1]) + conv(shape.view, d, d, taps[-1]) + conv(shape.view, w, d)
    encoder = 2 * own * (2 * conv(shape.view, c, w) + 3 * (blocks + last))
    # Similarities are computed once forward and once more in the backward pass, which takes two products of them.
    # Over all scales, each half as long: temporal 4/3 of the first, half of it by symmetry; instance 2.
    temporal = 4 * own * 2 * (2 * shape.overlap) ** 2 * d * 4 / 3 / 2
    instance = 4 * 2 * own * 2 * shape.rows * shape.overlap * d * 2 * 2
    scales = [2 * (shape.overlap >> halvings) for halvings in range(shape.overlap.bit_length())]
    gathered = shape.rows * layout(scales).total * (d + 2) * _FLOAT
    size = 2 * shape.rows * shape.overlap * d * _FLOAT
    weights = parameters(shape) * _FLOAT
    # A convolution keeps its input, the activation before it what it was computed from.
    steps = 2 * own * shape.view
    activations = steps * (depth * 2 * 2 * w + 2 * (w + d)) * _FLOAT
    # Weights, gradients, two moments, the running average.
    held = activations + 5 * weights + (_OWN / devices + _GATHERED) * size
    alone = devices == 1
    return Load(encoder, temporal, instance, 0 if alone else gathered, 0 if alone else weights, held)


class Extrapolated(NamedTuple):
    """A row of the table of machines; times in milliseconds, memory in GB."""

    cores: int
    batch: int
    compute: float
    of_it_instance: float
    gather: float
    average: float
    step: float
    held: float
    fits: bool


def extrapolated(shape: Shape, cores: int, core: Core = CORE) -> Extrapolated:
    """A step on many cores: computing and sending are taken to follow each other."""
    own = load(shape, cores)
    speed = core.flops * core.share
    compute = (own.encoder + own.temporal + own.instance) / speed
    # A ring: all but one share pass every link; a mean of gradients passes twice.
    passed = (cores - 1) / cores
    gather, average = own.gathered * passed / core.link, 2 * own.averaged * passed / core.link
    ms = [1e3 * seconds for seconds in (compute, own.instance / speed, gather, average, compute + gather + average)]
    return Extrapolated(cores, shape.rows, *ms, own.held / 1e9, own.held < core.memory)


def embedding(shape: Shape, count: int, cores: int, core: Core = CORE) -> dict[str, float]:
    """Hours to represent `count` series, each by one vector, and the bytes that are read and written."""
    # Forward only, one pass of the whole series.
    operations = load(shape._replace(rows=1), 1).encoder / 3 / 2
    compute = count * operations / (core.flops * core.share * cores)
    read, written = count * shape.view * shape.channels * _FLOAT, count * shape.features * _FLOAT
    disk = (read + written) / (core.disk * cores)
    return {
        "cores": cores,
        "compute, hours": compute / 3600,
        "read, TB": read / 1e12,
        "written, TB": written / 1e12,
        "read and write, hours": disk / 3600,
    }
