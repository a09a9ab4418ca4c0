"""TNC: trains on one data set and judges its frozen representations of windows and series.

Paper: Tonekaboni, Eytan, Goldenberg (2021), Unsupervised Representation Learning for Time Series with Temporal
  Neighborhood Coding, arXiv 2106.00750.
Settings: Adam at 0.001 with an L2 penalty of 1e-5, batches of 10, a recurrent encoder of 100 and 10, a weight of 0.05,
  as the released code has them for its simulated data, there with windows of 50 and 40 pairs. Ours: windows of 24
  steps, 20 pairs, 4 anchors of each series in a batch, 50 passes; a long series is cut into sections of 500 steps, and
  forecasts read a step's window. How the tables of TS2Vec and CoST ran TNC is not known.
Command: python experiments/tnc.py --dataset BasicMotions (needs the extra `stationarity`)
Overrides: --method.window 12 --dataset HAR --data-dir DIR, --task forecast --dataset ETTh1, --encoder DilatedConv
"""

from dataclasses import replace

from tsrl.config import Config, Train, options
from tsrl.encoders import Recurrent
from tsrl.script import main

WINDOW = 24

CONFIG = Config(
    dataset="BasicMotions",
    method=options("tnc", window=WINDOW, samples=20, anchors=4, weight=0.05, dropout=0.5),
    encoder=Recurrent(width=100, features=10, layers=1, cell="gru", bidirectional=True),
    train=Train(
        epochs=50, batch_size=10, optimizer="adam", learning_rate=1e-3, weight_decay=1e-5, max_train_length=500
    ),
)


def settings(config: Config) -> Config:
    """A step of a forecast is represented by its window."""
    return replace(config, forecast=replace(config.forecast, context=WINDOW, protocols=("last_step_ridge",)))


if __name__ == "__main__":
    main(CONFIG, settings=settings)
