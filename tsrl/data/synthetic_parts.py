"""The parts that synthetic series are made of; each draws `[T, C]` values and says what they hold."""

from typing import Any, NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import lfilter

Random = np.random.Generator


class Part(NamedTuple):
    """What a part adds.

    Attributes:
      values: `[T, C]` float64.
      parameters: how they were drawn.
    """

    values: np.ndarray
    parameters: dict[str, Any]


def trend(random: Random, length: int, channels: int) -> Part:
    """A line, a broken line, a random walk or an autoregression, of unit deviation before its size."""
    form = str(random.choice(["linear", "piecewise", "walk", "autoregressive"]))
    time = np.arange(length)
    parameters: dict[str, Any] = {"form": form}
    if form == "linear":
        values = np.outer(time, random.choice([-1.0, 1.0], channels))
    elif form == "piecewise":
        knots = np.sort(random.choice(np.arange(1, length - 1), random.integers(1, 5), replace=False))
        slopes = random.normal(size=(len(knots) + 1, channels))
        values = np.cumsum(slopes[np.searchsorted(knots, time, side="right")], axis=0)
        parameters |= {"knots": knots}
    elif form == "walk":
        drift = random.normal(0.0, 0.2, channels)
        values = np.cumsum(random.normal(size=(length, channels)) + drift, axis=0)
    else:
        # Two roots within the unit circle: a real pair or a complex one, hence stationary.
        size, angle = random.uniform(0.3, 0.98), random.choice([0.0, random.uniform(0.1, np.pi - 0.1)])
        coefficients = np.array([2 * size * np.cos(angle), -(size**2)])
        # The first steps only fill the memory.
        warm = int(np.ceil(10 / (1 - size)))
        noise = random.normal(size=(warm + length, channels))
        values = lfilter([1.0], [1.0, *-coefficients], noise, axis=0)[warm:]
        parameters |= {"coefficients": coefficients}
    return Part(_sized(random, values), parameters)


def seasonal(random: Random, length: int, channels: int) -> Part:
    """One to three periods with harmonics and slowly changing amplitude; the first has most of the power."""
    time = np.arange(length)[:, None]
    periods = _log_uniform(random, 4.0, length / 3, size=random.integers(1, 4))
    modulation = random.uniform(0.0, 0.6)
    values = np.zeros((length, channels))
    for number, period in enumerate(periods):
        size = 1.0 if number == 0 else random.uniform(0.1, 0.4)
        for harmonic in range(1, random.integers(2, 6)):
            if period / harmonic > 2:
                phase = random.uniform(0, 2 * np.pi, channels)
                weight = size * random.uniform(0.2, 0.6) ** (harmonic - 1)
                values += weight * np.sin(2 * np.pi * harmonic * time / period + phase)
    slow = random.uniform(0.5, 2.0) * length
    values *= 1 + modulation * np.sin(2 * np.pi * time / slow + random.uniform(0, 2 * np.pi))
    return Part(_sized(random, values), {"periods": periods, "modulation": modulation})


def gaussian_process(random: Random, length: int, channels: int) -> Part:
    """Draws from a sum and product of one to four kernels.

    A product of stationary kernels is a stationary kernel. It is drawn in O(T log T) on a circle of at least twice the
    length, around which whole periods fit; where a long scale makes an eigenvalue negative there, it counts as zero. A
    linear kernel in a product multiplies the draw by a line.

    References:
      Ansari et al., Chronos (arXiv 2403.07815), KernelSynth. Dietrich & Newsam, Fast and exact simulation of stationary
      Gaussian processes through circulant embedding (SIAM J. Sci. Comput. 18, 1997).
    """
    size = next_fast_len(2 * length, real=True)
    lag = np.minimum(np.arange(size), size - np.arange(size))
    line = np.linspace(-1.0, 1.0, length)[:, None]
    # Each product: its stationary kernel by lag around the circle, and the line that multiplies the draw.
    products: list[tuple[np.ndarray, np.ndarray]] = []
    kernels, operators = [], []
    for number in range(random.integers(1, 5)):
        name = str(random.choice(["rbf", "periodic", "linear", "rational"]))
        parameters, stationary, factor = _kernel(random, name, lag, line)
        kernels.append({"name": name, **parameters})
        operator = "+" if number == 0 or random.random() < 0.5 else "*"
        operators += [operator] if number else []
        if operator == "+":
            products.append((stationary, factor))
        else:
            products = [(left * stationary, line_ * factor) for left, line_ in products]
    values = sum(
        (_stationary_draw(random, kernel, length, channels) * factor for kernel, factor in products),
        start=np.zeros((length, channels)),
    )
    return Part(_sized(random, values), {"kernels": kernels, "operators": operators})


def regimes(random: Random, length: int, channels: int) -> Part:
    """Mean, deviation or period that changes at one to three steps, at least an eighth of the length apart."""
    form = str(random.choice(["mean", "variance", "frequency"]))
    changes = change_points(random, length)
    count = len(changes)
    segment = np.searchsorted(changes, np.arange(length), side="right")
    # Neighbours always differ clearly: the states alternate.
    high = (np.arange(count + 1) + random.integers(2)) % 2 == 1
    size = random.uniform(0.8, 1.5)
    if form == "mean":
        states = size * np.where(high, 1.0, -1.0) * random.uniform(0.7, 1.3, count + 1)
        values = np.repeat(states[segment][:, None], channels, axis=1)
    elif form == "variance":
        states = size * np.where(high, random.uniform(0.9, 1.2, count + 1), random.uniform(0.1, 0.3, count + 1))
        values = states[segment][:, None] * random.normal(size=(length, channels))
    else:
        # Periods; the shortest stays above two steps.
        slow = max(length / 16, 6.0)
        states = np.where(high, slow / random.uniform(2.0, 2.7, count + 1), slow * random.uniform(0.8, 1, count + 1))
        phase = 2 * np.pi * np.cumsum(1 / states[segment])[:, None]
        values = size * np.sin(phase + random.uniform(0, 2 * np.pi, channels))
    return Part(values, {"form": form, "change_points": changes, "states": states})


def change_points(random: Random, length: int) -> np.ndarray:
    """One to three steps, ascending, at least an eighth of the length apart and from both ends."""
    gap = length // 8
    count = int(random.integers(1, 4))
    # Positions with room between them, by spreading those of a shorter series.
    free = np.sort(random.choice(np.arange(length - (count + 1) * gap), count, replace=False))
    found: np.ndarray = free + gap * np.arange(1, count + 1)
    return found


def noise(random: Random, length: int, channels: int) -> Part:
    """White noise whose deviation is constant, grows, comes and goes, bursts or drifts."""
    form = str(random.choice(["constant", "ramp", "periodic", "burst", "volatile"]))
    time = np.linspace(0.0, 1.0, length)
    if form == "constant":
        shape = np.ones(length)
    elif form == "ramp":
        first, last = random.permutation([1.0, random.uniform(3, 6)])
        shape = np.linspace(first, last, length)
    elif form == "periodic":
        shape = 1 + 0.8 * np.sin(2 * np.pi * (random.uniform(1, 8) * time + random.random()))
    elif form == "burst":
        start, stop = np.sort(random.choice(np.arange(1, length), 2, replace=False))
        shape = np.ones(length)
        shape[start:stop] = random.uniform(3, 6)
    else:
        shape = np.exp(lfilter([0.1], [1.0, -0.97], random.normal(size=length)))
    deviation = _log_uniform(random, 0.05, 0.4) * shape
    return Part(deviation[:, None] * random.normal(size=(length, channels)), {"form": form, "deviation": deviation})


def _kernel(random: Random, name: str, lag: np.ndarray, line: np.ndarray) -> tuple[dict[str, float], np.ndarray, Any]:
    """Its parameters in steps, the kernel by lag around the circle, and a line `[T, 1]` or 1 that multiplies a draw."""
    length = len(line)
    if name == "linear":
        offset = random.uniform(-0.5, 0.5)
        return {"offset": offset}, np.ones(len(lag)), line - offset
    scale = float(_log_uniform(random, max(2.0, length / 50), length / 2))
    if name == "rbf":
        return {"scale": scale}, np.exp(-0.5 * (lag / scale) ** 2), 1.0
    if name == "rational":
        alpha = random.uniform(0.1, 2.0)
        return {"scale": scale, "alpha": alpha}, (1 + (lag / scale) ** 2 / (2 * alpha)) ** -alpha, 1.0
    period = len(lag) / np.round(len(lag) / _log_uniform(random, 6.0, length / 2))
    width = random.uniform(0.5, 2.0)
    return {"period": period, "width": width}, np.exp(-2 * (np.sin(np.pi * lag / period) / width) ** 2), 1.0


def _stationary_draw(random: Random, kernel: np.ndarray, length: int, channels: int) -> np.ndarray:
    """Independent draws `[T, C]` of the Gaussian process with this kernel by lag around the circle."""
    power = np.maximum(rfft(kernel).real, 0.0)
    power *= kernel[0] / irfft(power, len(kernel))[0]
    white = rfft(random.normal(size=(len(kernel), channels)), axis=0)
    return irfft(np.sqrt(power)[:, None] * white, len(kernel), axis=0)[:length]


def _sized(random: Random, values: np.ndarray) -> np.ndarray:
    """Each channel centred, of unit deviation, times a size from 0.5 to 1.5."""
    centred = values - values.mean(axis=0)
    deviation = np.maximum(centred.std(axis=0), 1e-9 * (1 + np.abs(values).max()))
    return centred / deviation * random.uniform(0.5, 1.5, values.shape[1])


def _log_uniform(random: Random, low: float, high: float, size: Any = None) -> Any:
    return np.exp(random.uniform(np.log(low), np.log(high), size))
