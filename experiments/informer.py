"""Informer: trained end to end to forecast one horizon of a series, all steps of it at once.

Paper: Zhou et al. (2021), Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting,
  arXiv 2012.07436.
Settings: the released scripts' lengths, layers and factor for each set and horizon; a horizon without any has those of
  the next longer one that has, other sets those of ETTh1. Seven standardised calendar covariates stand for the released
  four. The best epoch on the validation part counts, of all six; the released code stops after three without a better.
Command: python experiments/informer.py --dataset ETTh1 --data-dir DIR
Overrides: --forecast.horizons 168 (one a run; 24 by default), --dataset WTH, --forecast.univariate, --seeds 5,
  --encoder.attention full, --encoder TCN (its steps are the decoder's memory)
"""

from dataclasses import replace
from typing import NamedTuple

from tsrl.config import Config, Train, options
from tsrl.encoders import Informer
from tsrl.script import main
from tsrl.settings import Forecast


class Sizes(NamedTuple):
    """What differs between the scripts' lines: steps the encoder and the decoder see, layers of both, the factor."""

    window: int
    label: int
    layers: int = 2
    decoder_layers: int = 1
    factor: int = 5


MULTIVARIATE = {
    "ETTh1": {
        24: Sizes(48, 48, factor=3),
        48: Sizes(96, 48),
        168: Sizes(168, 168),
        336: Sizes(168, 168),
        720: Sizes(336, 336),
    },
    "ETTh2": {
        24: Sizes(48, 48),
        48: Sizes(96, 96),
        168: Sizes(336, 336, 3, 2),
        336: Sizes(336, 168, 3, 2),
        720: Sizes(720, 336, 3, 2),
    },
    "ETTm1": {
        24: Sizes(672, 96),
        48: Sizes(96, 48),
        96: Sizes(384, 384),
        288: Sizes(672, 288),
        672: Sizes(672, 384),
    },
    "WTH": {
        24: Sizes(168, 168, 3, 2),
        48: Sizes(96, 96),
        168: Sizes(336, 168, 3, 2),
        336: Sizes(720, 168, 3, 2),
        720: Sizes(720, 336, 3, 2),
    },
}
UNIVARIATE = {
    "ETTh1": {
        24: Sizes(720, 168),
        48: Sizes(720, 168),
        168: Sizes(720, 336),
        336: Sizes(720, 336),
        720: Sizes(720, 336),
    },
    "ETTh2": {
        24: Sizes(48, 48, factor=3),
        48: Sizes(96, 96),
        168: Sizes(336, 336),
        336: Sizes(336, 168, 3, 2),
        720: Sizes(336, 336, 3, 2),
    },
    "ETTm1": {
        24: Sizes(96, 48),
        48: Sizes(96, 48),
        96: Sizes(384, 384),
        288: Sizes(384, 384),
        672: Sizes(384, 384),
    },
    "WTH": {
        24: Sizes(720, 168),
        48: Sizes(720, 168),
        168: Sizes(168, 168, 3, 2),
        336: Sizes(336, 336, 3, 2),
        720: Sizes(720, 336, 3, 2),
    },
}


def settings(config: Config) -> Config:
    """The released settings of a data set and horizon."""
    horizon = (config.forecast.horizons or (24,))[0]
    sets = UNIVARIATE if config.forecast.univariate else MULTIVARIATE
    lines = sets.get(config.dataset, sets["ETTh1"])
    own = lines[min((known for known in lines if known >= horizon), default=max(lines))]
    return replace(
        config,
        method=options("informer", horizon=horizon, label_length=own.label, decoder_layers=own.decoder_layers),
        encoder=Informer(layers=own.layers, factor=own.factor),
        train=Train(
            epochs=6,
            batch_size=32,
            optimizer="adam",
            learning_rate=1e-4,
            weight_decay=0.0,
            schedule="halving",
            window=own.window,
            checkpoint_every=0,
        ),
        forecast=replace(config.forecast, horizons=config.forecast.horizons or (horizon,), split="70/10/20"),
    )


CONFIG = settings(
    Config(task="forecast", dataset="ETTh1", method=options("informer"), encoder=Informer(), forecast=Forecast())
)

if __name__ == "__main__":
    main(CONFIG, settings=settings)
