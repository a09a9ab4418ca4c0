"""CoST: trains on one data set and judges its frozen representations of each step by ridge forecasts.

Paper: Woo et al. (2022), CoST: Contrastive Learning of Disentangled Seasonal-Trend Representations for Time Series
Forecasting, arXiv 2202.01575.
Settings: those of the released code's scripts, the same for all sets: kernels 1 to 128, alpha 0.0005, sections of 201
steps, batches of 128 (rows are repeated until there are as many), SGD with a cosine schedule, 200 updates for up to
100,000 values, else 600. A step is represented by the window of 201 steps that ends there.
Of one thing the library does otherwise: both views are cut from a longer section at the same place.
Command: python experiments/cost.py --dataset ETTh1
Overrides: --dataset WTH, --forecast.univariate, --seeds 5
"""

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv
from tsrl.script import main
from tsrl.settings import Forecast

LENGTH = 201

CONFIG = Config(
    task="forecast",
    dataset="ETTh1",
    method=options("cost", alpha=5e-4, length=LENGTH, longest_kernel=128, queue=256, temperature=0.07, momentum=0.999),
    encoder=DilatedConv(width=64, features=320, depth=10, kernel_size=3),
    train=Train(
        batch_size=128,
        fill_batch=True,
        optimizer="sgd",
        learning_rate=1e-3,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="cosine",
        max_train_length=LENGTH,
    ),
    # The other protocol needs windows of its own length, which the season has no weights for.
    forecast=Forecast(context=LENGTH, protocols=("last_step_ridge",)),
)

if __name__ == "__main__":
    main(CONFIG)
