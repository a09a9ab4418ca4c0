"""TS-TCC: trains on one data set and judges its frozen representations of whole series, beside controls.

Paper: Eldele, Ragab, Chen, Wu, Kwoh, Li, Guan (2021), Time-Series Representation Learning via Temporal and Contextual
  Contrasting, arXiv 2106.14112.
Settings: the released configurations of HAR and of epileptic seizures: 40 epochs of batches of 128, Adam at 0.0003. For
  other sets ours: weaker augmentations, batches of 32, four representations predicted (of PenDigits one). Views
  are drawn anew at every step, where the released code draws them once.
Command: python experiments/tstcc.py --dataset HAR --data-dir DIR
Overrides: --dataset Epilepsy, --method.future 4, --method.temporal-weight 0, --seeds 3
"""

from dataclasses import replace

from tsrl.config import Config, Train, options
from tsrl.encoders import PooledConv
from tsrl.pairs import STRENGTHS, Strength
from tsrl.script import main

TRAIN = Train(epochs=40, batch_size=128, optimizer="adam", learning_rate=3e-4, weight_decay=3e-4, beta2=0.99)
# How many representations are predicted.
FUTURE = {"HAR": 6, "Epilepsy": 10, "EpilepsyEEG": 10, "PenDigits": 1}


def settings(config: Config) -> Config:
    """The released configuration of a data set."""
    own = STRENGTHS.get(config.dataset, Strength(0.1, 0.2, 5))
    method = options(
        "tstcc",
        future=FUTURE.get(config.dataset, 4),
        context=100,
        temperature=0.2,
        jitter=own.jitter,
        scale=own.scale,
        segments=own.segments,
    )
    train = TRAIN if config.dataset in STRENGTHS else replace(TRAIN, batch_size=32)
    return replace(config, method=method, train=train)


CONFIG = settings(Config(dataset="BasicMotions", method=options("tstcc"), encoder=PooledConv()))

if __name__ == "__main__":
    main(CONFIG, settings=settings)
