"""TimeDRL: trains on one data set and judges the representations of its patches, or of whole series.

Paper: Chang et al. (2024), TimeDRL: Disentangled Representation Learning for Multivariate Time-Series,
  arXiv 2312.04142.
Settings: the released configuration of each set; other sets have those of ETTh1, or of HAR, at a quarter of its size.
Command: python experiments/timedrl.py --dataset ETTh1 --data-dir DIR
Overrides: --dataset Exchange, --seeds 3, --forecast.univariate, --task classify --dataset HAR,
  --forecast.protocols window_linear (in closed form, without the trained head), --selection paper (the best on test)
"""

from dataclasses import replace
from typing import Literal, NamedTuple

from tsrl.config import Config, Train, options
from tsrl.encoders import Transformer
from tsrl.script import main
from tsrl.settings import Forecast, Probe

Schedule = Literal["constant", "halving", "decay", "warmup"]


class Set(NamedTuple):
    """A released configuration; the probe's learning rate is ten times that of pre-training in all of them."""

    rate: float
    schedule: Schedule
    decay: float
    weight: float
    probe_schedule: Schedule
    probe_decay: float
    position: Literal["none", "fixed", "learnable"]
    kernel: int
    dropout: float
    head_width: int
    heads: int
    layers: int
    patch: int
    stride: int
    length: int = 0


MULTIVARIATE = {
    "ETTh1": Set(2.135e-5, "halving", 5.55e-3, 0.5, "warmup", 1.64e-5, "learnable", 3, 0.2, 64, 2, 1, 16, 16, 512),
    "ETTh2": Set(5.062e-5, "halving", 1.24e-4, 0.25, "halving", 6.44e-4, "none", 5, 0.2, 8, 2, 1, 16, 16, 336),
    "ETTm1": Set(2.135e-5, "halving", 5.55e-3, 0.5, "warmup", 1.64e-5, "learnable", 3, 0.2, 64, 2, 1, 16, 16, 512),
    "ETTm2": Set(1.201e-4, "constant", 7.17e-5, 0.5, "constant", 3.56e-3, "learnable", 7, 0.05, 16, 2, 2, 16, 16, 336),
    "Exchange": Set(4.313e-4, "halving", 2.53e-5, 0.5, "halving", 5.93e-3, "fixed", 5, 0.05, 32, 1, 2, 16, 16, 168),
    "Weather": Set(9.968e-5, "decay", 2.34e-5, 0.25, "decay", 2.95e-4, "none", 3, 0.2, 64, 1, 1, 16, 16, 512),
}
UNIVARIATE = {
    "ETTh1": Set(1.146e-5, "constant", 1.41e-3, 5, "warmup", 1.69e-3, "fixed", 3, 0.3, 128, 1, 2, 16, 16, 168),
    "ETTh2": Set(1.209e-5, "decay", 2.66e-4, 0.25, "constant", 2.22e-5, "learnable", 7, 0.15, 128, 1, 1, 16, 16, 512),
    "ETTm1": Set(3.851e-4, "constant", 4.95e-4, 0.1, "decay", 9.16e-5, "fixed", 7, 0.05, 8, 1, 2, 16, 16, 512),
    "ETTm2": Set(9.246e-5, "constant", 2.08e-4, 2.5, "warmup", 1.35e-5, "none", 5, 0.05, 16, 2, 2, 16, 16, 168),
    "Exchange": Set(1.164e-5, "warmup", 1.50e-4, 1, "decay", 5.37e-4, "fixed", 7, 0.05, 16, 2, 2, 16, 8, 96),
    "Weather": Set(2.810e-3, "halving", 8.74e-3, 5, "constant", 6.02e-4, "none", 3, 0.2, 16, 2, 2, 16, 8, 512),
}
CLASSIFICATION = {
    "EpilepsyEEG": Set(1.274e-4, "decay", 1.73e-5, 0.5, "constant", 2.16e-3, "none", 3, 0.1, 128, 8, 3, 24, 12),
    "FingerMovements": Set(1.896e-3, "halving", 8.10e-3, 0.1, "warmup", 6.11e-5, "none", 3, 0.2, 64, 3, 8, 16, 8),
    "HAR": Set(1.569e-4, "warmup", 4.85e-3, 0.1, "decay", 1.72e-3, "fixed", 3, 0.2, 128, 6, 9, 8, 4),
    "PenDigits": Set(1.001e-4, "halving", 1.05e-4, 0.25, "warmup", 2.64e-3, "learnable", 3, 0.05, 128, 9, 5, 2, 1),
    "WISDM": Set(1.408e-4, "constant", 8.71e-5, 0.1, "constant", 1.75e-4, "learnable", 5, 0.2, 128, 11, 8, 4, 4),
}  # fmt: skip
# Of a set without a published configuration: the width and depth of HAR's would take a GPU.
OTHER_SERIES = CLASSIFICATION["HAR"]._replace(head_width=32, layers=2)


def settings(config: Config) -> Config:
    """The released configuration of a data set."""
    if config.task == "forecast":
        table = UNIVARIATE if config.forecast.univariate else MULTIVARIATE
        own = table.get(config.dataset, table["ETTh1"])
    else:
        own = CLASSIFICATION.get(config.dataset, OTHER_SERIES)
    method = options(
        "timedrl",
        patch_len=own.patch,
        stride=own.stride,
        kernel_size=own.kernel,
        channel_independent=config.task == "forecast",
        contrastive_weight=float(own.weight),
        dropout=own.dropout,
    )
    encoder = Transformer(
        width=own.head_width * own.heads,
        heads=own.heads,
        layers=own.layers,
        dropout=own.dropout,
        position=own.position,
    )
    train = Train(
        epochs=10 if config.task == "forecast" else 30,
        batch_size=32,
        learning_rate=own.rate,
        schedule=own.schedule,
        weight_decay=own.decay,
        window=own.length,
        checkpoint_every=0,
    )
    forecast = replace(
        config.forecast,
        split="70/10/20" if config.dataset in ("Exchange", "Weather") else config.forecast.split,
        covariates=False,
        protocols=("window_linear", "trained_probe"),
        probe=Probe(
            learning_rate=10 * own.rate,
            schedule=own.probe_schedule,
            weight_decay=own.probe_decay,
            dropout=own.dropout,
        ),
    )
    return replace(config, method=method, encoder=encoder, train=train, forecast=forecast)


CONFIG = settings(
    Config(task="forecast", dataset="ETTh1", method=options("timedrl"), encoder=Transformer(), forecast=Forecast())
)

if __name__ == "__main__":
    main(CONFIG, settings=settings)
