"""T-Loss: trains on one data set and judges its frozen representations of whole series, beside controls.

Paper: Franceschi, Dieuleveut, Jaggi (2019), Unsupervised Scalable Representation Learning for Multivariate Time Series,
  arXiv 1901.10738.
Settings: the released code's, for all sets: ten blocks of 40 channels and one of 160, 320 features, Adam at 0.001,
  batches of 10, 1,500 updates, 10 negatives. Series are scaled by statistics of the training split; the released code
  took those of training and test split together.
Command: python experiments/tloss.py --dataset GunPoint --data-dir DIR
Overrides: --method.negatives 5, --datasets GunPoint,ECG200 --seeds 3, --task forecast --dataset ETTh1
"""

from tsrl.config import Config, Train, options
from tsrl.encoders import CausalConv
from tsrl.script import main

CONFIG = Config(
    dataset="BasicMotions",
    method=options("tloss", negatives=10, negative_penalty=1.0, output=320),
    encoder=CausalConv(width=40, features=160, depth=10, kernel_size=3),
    train=Train(steps=1500, batch_size=10, optimizer="adam", learning_rate=1e-3, weight_decay=0.0),
)

if __name__ == "__main__":
    main(CONFIG)
