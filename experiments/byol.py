"""BYOL: trains on one data set and judges its frozen representations of whole series, beside controls.

Paper: Grill et al. (2020), Bootstrap Your Own Latent, arXiv 2006.07733.
Settings: Encoder, augmentations and optimiser are TS-TCC's (arXiv 2106.14112), 40 epochs of batches of 128 where it has
  a configuration; the heads, 256 and 64 wide, and all of it for other sets, are ours: no source for time series gives
  them whole. The average's momentum rises from the paper's 0.996 along its cosine.
Command: python experiments/byol.py --dataset HAR --data-dir DIR
Overrides: --method.momentum 0.99, --method.pairs jitter, --encoder DilatedConv --method.pooling max, --seeds 3
"""

from dataclasses import replace

from tsrl.config import Config, Train, options
from tsrl.encoders import PooledConv
from tsrl.pairs import STRENGTHS, Strength
from tsrl.script import main

TRAIN = Train(epochs=40, batch_size=128, optimizer="adam", learning_rate=3e-4, weight_decay=3e-4, beta2=0.99)


def settings(config: Config) -> Config:
    """The strength of the augmentations, and smaller batches of what is not one of TS-TCC's sets."""
    own = STRENGTHS.get(config.dataset, Strength(0.1, 0.2, 5))
    method = options("byol", momentum=0.996, jitter=own.jitter, scale=own.scale, segments=own.segments)
    train = TRAIN if config.dataset in STRENGTHS else replace(TRAIN, batch_size=32)
    return replace(config, method=method, train=train)


CONFIG = settings(Config(dataset="BasicMotions", method=options("byol"), encoder=PooledConv()))

if __name__ == "__main__":
    main(CONFIG, settings=settings)
