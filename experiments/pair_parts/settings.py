"""The settings of the comparison, its defaults among them."""

from dataclasses import dataclass, field
from pathlib import Path

import flax.linen as nn

from pair_parts.probes import Series
from tsrl.config import Options, Train, options
from tsrl.encoders import DilatedConv
from tsrl.pairs import RULES

# It has defects of released code: with it a reader would not compare constructions of pairs. `--rules` still takes it.
_LEFT_OUT = ("weak_strong_released",)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison.

    Attributes:
      rules: names of `tsrl.pairs.RULES`, separated by commas.
      datasets: labelled real sets, separated by commas; empty: none.
      synthetic: compare on synthetic series.
      method: settings of SimCLR; its pairs are those of the rules.
      encoder: the encoder's sizes.
      train: how each encoder is trained.
      series: the synthetic series.
      data_dir: folder searched for real sets; default: the environment variable TSRL_DATA_DIR.
      seed: first random seed; synthetic series are drawn by it too.
      seeds: how many, from `seed` on.
      workdir: where cells, results and pictures are kept.
      overwrite: start anew in a workdir that holds other settings.
      quiet: no line for each cell.
    """

    rules: str = ",".join(name for name in RULES if name not in _LEFT_OUT)
    datasets: str = "BasicMotions,ItalyPowerDemand"
    synthetic: bool = True
    method: Options = field(default_factory=lambda: options("simclr", pooling="max", jitter=0.1, scale=0.2, segments=5))
    encoder: nn.Module = field(default_factory=lambda: DilatedConv(width=16, features=32, depth=3))
    train: Train = field(default_factory=lambda: Train(steps=100, batch_size=32, learning_rate=3e-3))
    series: Series = field(default_factory=Series)
    data_dir: Path | None = None
    seed: int = 0
    seeds: int = 3
    workdir: Path = Path("runs/pair_construction")
    overwrite: bool = False
    quiet: bool = False
