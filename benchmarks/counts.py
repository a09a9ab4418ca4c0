"""Operations of the published training steps: multiplications and additions of their convolutions and linear maps.

A pass forward counts once, one with a gradient three times. `T` steps, `C` channels are those of the training series.
"""

from collections.abc import Callable
from math import ceil, log

from tsrl.config import Config


def conv(steps: float, inputs: float, outputs: float, taps: float = 1) -> float:
    """A convolution over `steps`, or with one tap a linear map of each."""
    return 2.0 * steps * inputs * outputs * taps


def dilated(steps: float, width: int, features: int, depth: int) -> float:
    """TS2Vec's encoder behind its front, kernel 3."""
    last = conv(steps, width, features, 3) + conv(steps, features, features, 3) + conv(steps, width, features)
    return depth * 2 * conv(steps, width, width, 3) + last


def ts2vec(config: Config, steps: int, channels: int) -> float:
    """Two views of 0.70 of the series, which is first cut to `max_train_length`; contrasts of an overlap of a half."""
    e, batch = config.encoder, min(config.train.batch_size, max(1, steps // config.train.max_train_length))
    length = min(steps, config.train.max_train_length)
    view, overlap = 0.7 * length, 0.5 * length
    encoder = conv(view, channels, e.width) + dilated(view, e.width, e.features, e.depth)
    # Over all scales, each half as long: temporal 4/3 of the first, instance 2.
    temporal = batch * 2 * (2 * overlap) ** 2 * e.features * 4 / 3
    instance = 2 * overlap * (2 * batch) ** 2 * e.features * 2
    return 3 * (2 * batch * encoder + temporal + instance)


def timedrl(config: Config, steps: int, channels: int) -> float:
    """Two passes of every channel's tokens."""
    m, e = config.method, config.encoder
    window = config.train.window or steps
    tokens = (window - m.patch_len) // m.stride + 3
    groups = channels if m.channel_independent else 1
    size = m.patch_len * channels / groups
    width = e.width
    block = 12 * conv(tokens, width, width) + 2 * conv(tokens, width, tokens)
    row = conv(tokens, size, width, m.kernel_size) + e.layers * block + conv(tokens, width, size)
    return 3 * 2 * config.train.batch_size * groups * row


def cost(config: Config, steps: int, channels: int) -> float:
    """Query, momentum and season passes; the trend's convolutions at every step, with a gradient in the first only."""
    e, m = config.encoder, config.method
    length, half = m.length, e.features // 2
    trunk = conv(length, channels, e.width) + dilated(length, e.width, e.features, e.depth)
    trend = conv(length, e.features, half, 2 * m.longest_kernel - 1)
    season = 4 * conv(length // 2 + 1, e.features, half)
    return config.train.batch_size * (7 * trunk + 5 * trend + 7 * season)


def simts(config: Config, steps: int, channels: int) -> float:
    """The history with a gradient, the future without one, every kernel at every step."""
    e, m = config.encoder, config.method
    length = min(steps, config.train.max_train_length)
    future = length - m.history
    width, features = e.width, e.features
    step = conv(1, channels, 2 * width) + conv(1, width, width) + conv(1, width, features, sum(e.kernels))
    predictor = conv(features, 1, future) + conv(future, features, features)
    return config.train.batch_size * ((3 * m.history + future) * step + 3 * predictor)


def tnc(config: Config, steps: int, channels: int) -> float:
    """Windows of anchors, neighbours and others through a bidirectional recurrent cell."""
    e, m = config.encoder, config.method
    gates = {"gru": 3, "lstm": 4}[e.cell]
    directions = 1 + e.bidirectional
    cell = directions * gates * (conv(1, channels, e.width) + conv(1, e.width, e.width))
    windows = config.train.batch_size * (1 + 2 * m.samples)
    return 3 * windows * m.window * cell


def tloss(config: Config, steps: int, channels: int) -> float:
    """Anchors of three quarters of the series, positives and negatives of a half, in the mean."""
    e, m = config.encoder, config.method
    first = conv(1, channels, e.width, e.kernel_size) + conv(1, channels, e.width)
    inner = (2 * e.depth - 1) * conv(1, e.width, e.width, e.kernel_size)
    last = conv(1, e.width + e.features, e.features, e.kernel_size) + conv(1, e.width, e.features)
    length = steps * (0.75 + 0.5 + 0.5 * m.negatives)
    return 3 * config.train.batch_size * length * (first + inner + last)


def tcn(config: Config, steps: int, channels: int) -> float:
    """All blocks over the window, the head on its last step."""
    e, m = config.encoder, config.method
    window = config.train.window
    width, taps = e.width, e.kernel_size
    first = conv(window, channels, width, taps) + conv(window, channels, width)
    blocks = first + (2 * e.levels - 1) * conv(window, width, width, taps)
    head = conv(1, width, m.horizon * (channels - m.covariates))
    return 3 * config.train.batch_size * (blocks + head)


def informer(config: Config, steps: int, channels: int) -> float:
    """Encoder layers, each over half the steps of the one before, and the decoder over label and horizon."""
    e, m = config.encoder, config.method
    window, width = config.train.window, e.width
    tokens = m.label_length + m.horizon

    def attention(queries: float, keys: float, sparse: bool) -> float:
        attended = min(queries, e.factor * ceil(log(queries))) if sparse else queries
        return 2 * conv(queries, width, width) + 2 * conv(keys, width, width) + 2 * conv(attended, width, keys)

    total, length = conv(window, channels, width, 3), float(window)
    for layer in range(e.layers):
        total += attention(length, length, True) + 2 * conv(length, width, e.feed_forward)
        if e.distil and layer < e.layers - 1:
            total += conv(length, width, width, 3)
            length = ceil(length / 2)
    layer_of_decoder = attention(tokens, tokens, True) + attention(tokens, length, False)
    layer_of_decoder += 2 * conv(tokens, width, e.feed_forward)
    total += conv(tokens, channels, width, 3) + m.decoder_layers * layer_of_decoder
    return 3 * config.train.batch_size * total


OPERATIONS: dict[str, Callable[[Config, int, int], float]] = {
    "ts2vec": ts2vec,
    "timedrl": timedrl,
    "simts": simts,
    "cost": cost,
    "tnc": tnc,
    "tloss": tloss,
    "tcn": tcn,
    "informer": informer,
}
