"""Next step: a causal encoder predicts what follows, and its frozen representations of whole series are judged.

Paper: Chung, Hsu, Tang, Glass (2019), An Unsupervised Autoregressive Model for Speech Representation Learning,
  arXiv 1904.03240, whose objective it is; of events, generative pre-training. `tsrl.behaviour` trains it on logs.
Settings: Ours: T-Loss's causal encoder, 600 updates of batches of 32, AdamW at 0.001. The paper predicts speech some
  steps ahead with recurrent layers.
Command: python experiments/next_step.py
Overrides: --dataset NATOPS, --method.pooling max, --seeds 3
"""

from tsrl.config import Config, Train, options
from tsrl.encoders import CausalConv
from tsrl.script import main

CONFIG = Config(
    dataset="BasicMotions",
    method=options("next_step"),
    encoder=CausalConv(width=40, features=160, depth=6),
    train=Train(steps=600, batch_size=32),
)

if __name__ == "__main__":
    main(CONFIG)
