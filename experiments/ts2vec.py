"""TS2Vec: trains on one data set and judges its frozen representations, as the paper does and beside controls.

Paper: Yue et al. (2022), TS2Vec: Towards Universal Representation of Time Series, arXiv 2106.10466.
Settings: the released code's, for all tasks and sets.
Command: python experiments/ts2vec.py
Overrides: --dataset GunPoint --data-dir DIR, --seeds 5, --task forecast --dataset ETTh1, --task anomaly --dataset NAB
"""

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv
from tsrl.script import main

CONFIG = Config(
    dataset="BasicMotions",
    method=options("ts2vec", alpha=0.5, temporal_unit=0, mask="binomial", dropout=0.1),
    encoder=DilatedConv(width=64, features=320, depth=10, kernel_size=3),
    train=Train(batch_size=8, learning_rate=1e-3, weight_decay=0.01, max_train_length=3000),
)

if __name__ == "__main__":
    main(CONFIG)
