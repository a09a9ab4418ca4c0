"""SimTS: trains on one data set and judges its frozen representations of each step by ridge forecasts.

Paper: Zheng et al. (2023), SimTS: Rethinking Contrastive Representation Learning for Time Series Forecasting, arXiv
2303.18205.
Settings: the released code's, as far as it has any: 201 steps of history, kernels 1 to 256 twice, SGD at 0.001 and at
1e-4 of that for the predictor, batches of 8. It comes without the paper's settings for each set, and its default of
3000 steps would make a future of 2799. The rest is ours: 201 steps of future; a training example begins at any step, as
the released code's random crops do; 200 updates for up to 100,000 values (there 300), else 600.
A step is represented by the window of 201 steps that ends there.
Command: python experiments/simts.py --dataset ETTh1
Overrides: --dataset WTH, --forecast.univariate, --method.history-step last (the paper's), --method.hierarchical
"""

from tsrl.config import Config, Train, options
from tsrl.encoders import MultiScaleConv
from tsrl.script import main
from tsrl.settings import Forecast

HISTORY, FUTURE = 201, 201

CONFIG = Config(
    task="forecast",
    dataset="ETTh1",
    method=options("simts", history=HISTORY, future=FUTURE, history_step="random", hierarchical=False, dropout=0.1),
    encoder=MultiScaleConv(width=320, features=320, kernels=(1, 2, 4, 8, 16, 32, 64, 128, 256) * 2, dropout=0.1),
    train=Train(
        batch_size=8,
        optimizer="sgd",
        learning_rate=1e-3,
        momentum=0.0,
        weight_decay=0.0,
        window=HISTORY + FUTURE,
    ),
    forecast=Forecast(context=HISTORY, protocols=("last_step_ridge",)),
)

if __name__ == "__main__":
    main(CONFIG)
