"""CCL: trains on one data set and judges its frozen representations of whole series, beside controls.

Paper: Sharma, Tapaswi, Sarfraz, Stiefelhagen (2020), Clustering based Contrastive Learning for Improving Face
  Representations, arXiv 2004.02195.
Settings: ours, no source gives them for series: TS-TCC's encoder, augmentations and optimiser, 40 epochs of batches
  of 128 where it has a configuration, a head of 128, FINCH's finest partition, a margin of 1.
Command: python experiments/ccl.py --dataset HAR --data-dir DIR (needs the extra `clusters`)
Overrides: --method.level 2, --method.margin 0.5, --seed 1 (one seed a run)
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
    method = options("ccl", level=1, margin=1.0, jitter=own.jitter, scale=own.scale, segments=own.segments)
    train = TRAIN if config.dataset in STRENGTHS else replace(TRAIN, batch_size=32)
    return replace(config, method=method, train=train)


CONFIG = settings(Config(dataset="BasicMotions", method=options("ccl"), encoder=PooledConv()))

if __name__ == "__main__":
    main(CONFIG, settings=settings)
