"""Foundation encoder: pre-trained once, on episodes made of synthetic series, to be used on any series afterwards.

Paper: Bertinetto et al. (2019), Meta-learning with differentiable closed-form solvers, arXiv 1805.08136, for the ridge
  regression inside the loss; all else is ours, see docs/methods/foundation.md.
Settings: those of the model "tsrl-small", which comes with the package.
Command: python experiments/foundation.py
Overrides: --pretrain.sets GunPoint,ECG200 (training series of these beside the synthetic ones, without labels),
  --train.steps 500, --encoder.width 128, --seeds 2
"""

from tsrl.config import Config, Train, options
from tsrl.encoders import Pyramid
from tsrl.script import main
from tsrl.settings import Pretrain

CONFIG = Config(
    task="pretrain",
    dataset="synthetic",
    method=options("foundation", episodes=2, rows=64, classes=10, lengths=(64, 128, 256)),
    encoder=Pyramid(width=64, scales=7, depth=3, kernel_size=9),
    train=Train(
        steps=3000, batch_size=64, learning_rate=1e-3, weight_decay=0.0, schedule="cosine", checkpoint_every=250
    ),
    pretrain=Pretrain(scale=False, series=8192, length=512),
)

if __name__ == "__main__":
    main(CONFIG)
