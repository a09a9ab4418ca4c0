"""A temporal convolutional network trained end to end to forecast one horizon of a series.

Paper: Bai, Kolter, Koltun (2018), An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
  Modeling, arXiv 1803.01271. It forecasts none of these sets: the TCN of the tables of TS2Vec and CoST are two runs of
  others, whose sizes are not known.
Settings: ours: ten levels of 64 channels and a kernel of 3, as deep and wide as TS2Vec's encoder; 201 steps, as many as
  a representation sees there; the training of Informer, at ten times its rate. The best epoch on the validation part
  counts.
Command: python experiments/tcn.py --dataset ETTh1 --data-dir DIR
Overrides: --forecast.horizons 168 (one a run; 24 by default), --dataset Exchange, --forecast.univariate, --seeds 3,
  --encoder DilatedConv
"""

from dataclasses import replace

from tsrl.config import Config, Train, options
from tsrl.encoders import TCN
from tsrl.script import main
from tsrl.settings import Forecast


def settings(config: Config) -> Config:
    """The settings for a horizon."""
    horizon = (config.forecast.horizons or (24,))[0]
    return replace(
        config,
        method=options("tcn", horizon=horizon),
        forecast=replace(config.forecast, horizons=config.forecast.horizons or (horizon,)),
    )


CONFIG = settings(
    Config(
        task="forecast",
        dataset="ETTh1",
        method=options("tcn"),
        encoder=TCN(width=64, levels=10, kernel_size=3, dropout=0.1),
        train=Train(
            epochs=6,
            batch_size=32,
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=0.0,
            schedule="halving",
            window=201,
            checkpoint_every=0,
        ),
        forecast=Forecast(),
    )
)

if __name__ == "__main__":
    main(CONFIG, settings=settings)
