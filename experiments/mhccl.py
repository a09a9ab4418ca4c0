"""MHCCL: trains on one data set and judges its frozen representations of whole series, beside controls.

Paper: Meng, Qian, Liu, Cui, Xu, Shen (2023), MHCCL: Masked Hierarchical Cluster-Wise Contrastive Learning for
  Multivariate Time Series, arXiv 2212.01141.
Settings: the released code's where they fit two cores: SGD at 0.03, a momentum of 0.9, a decay of 1e-4 and a cosine,
  batches of 128, three levels, three positives and four negatives. Ours: 40 epochs instead of 200, and TS-TCC's encoder
  with a head of 128 instead of a ResNet-18 for images; batches of 32 for other sets.
Command: python experiments/mhccl.py --dataset HAR --data-dir DIR (needs the extra `clusters`)
Overrides: --train.epochs 200, --method.temperature 0.2, --method.farthest 0.7, --seed 1 (one seed a run)
"""

from dataclasses import replace

from tsrl.config import Config, Train, options
from tsrl.encoders import PooledConv
from tsrl.pairs import STRENGTHS, Strength
from tsrl.script import main

TRAIN = Train(
    epochs=40, batch_size=128, optimizer="sgd", learning_rate=0.03, momentum=0.9, weight_decay=1e-4, schedule="cosine"
)


def settings(config: Config) -> Config:
    """The strength of the augmentations, and smaller batches of what is not one of TS-TCC's sets."""
    own = STRENGTHS.get(config.dataset, Strength(0.1, 0.2, 5))
    method = options(
        "mhccl", levels=3, positives=3, negatives=4, jitter=own.jitter, scale=own.scale, segments=own.segments
    )
    train = TRAIN if config.dataset in STRENGTHS else replace(TRAIN, batch_size=32)
    return replace(config, method=method, train=train)


CONFIG = settings(Config(dataset="BasicMotions", method=options("mhccl"), encoder=PooledConv()))

if __name__ == "__main__":
    main(CONFIG, settings=settings)
