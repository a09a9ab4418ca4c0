"""SimCLR: trains on one data set and judges its frozen representations of whole series, beside controls.

Paper: Chen, Kornblith, Norouzi, Hinton (2020), A Simple Framework for Contrastive Learning of Visual Representations,
  arXiv 2002.05709; for time series as the baseline of TS-TCC (arXiv 2106.14112).
Settings: Encoder, augmentations, temperature and optimiser are TS-TCC's, 40 epochs of batches of 128 where it has a
  configuration; the head, 128 and 64 wide, and all of it for other sets, are ours. The paper's own settings are for
  images. Views are drawn anew at every step.
Command: python experiments/simclr.py --dataset HAR --data-dir DIR
Overrides: --method.pairs time_warp, --encoder DilatedConv --method.pooling max, --seeds 3
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
    method = options("simclr", temperature=0.2, jitter=own.jitter, scale=own.scale, segments=own.segments)
    train = TRAIN if config.dataset in STRENGTHS else replace(TRAIN, batch_size=32)
    return replace(config, method=method, train=train)


CONFIG = settings(Config(dataset="BasicMotions", method=options("simclr"), encoder=PooledConv()))

if __name__ == "__main__":
    main(CONFIG, settings=settings)
