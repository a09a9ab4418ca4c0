"""TS2Vec in PyTorch, the peer of the benchmarks: same arithmetic as the released code, written from its description.

Layers of `torch.nn`, no `torch.compile`. Where the released code makes copies that the arithmetic does not need (the
similarities without their diagonal, windows cut one by one), the peer leaves them out: it is meant to be no slower.
Weights have the released names, so `tsrl.interop.torch.from_torch` reads them. Needs torch; imports neither jax nor
tsrl, whose memory would count as the peer's.

References: Yue et al. (2022), TS2Vec, arXiv 2106.10466.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel


class SameConv(nn.Module):
    """Dilated convolution that keeps the length: `[B, C, T] -> [B, features, T]`."""

    def __init__(self, channels: int, features: int, dilation: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, features, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T] -> [B, features, T]`."""
        return self.conv(x)


class Block(nn.Module):
    """GELU and convolution, twice, around a residual: `[B, C, T] -> [B, features, T]`."""

    def __init__(self, channels: int, features: int, dilation: int, last: bool):
        super().__init__()
        self.conv1 = SameConv(channels, features, dilation)
        self.conv2 = SameConv(features, features, dilation)
        self.projector = nn.Conv1d(channels, features, 1) if last or channels != features else None

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T] -> [B, features, T]`."""
        residual = x if self.projector is None else self.projector(x)
        return self.conv2(functional.gelu(self.conv1(functional.gelu(x)))) + residual


class Stack(nn.Module):
    """Blocks of dilation 1, 2, 4, ...; the last one widens to the features."""

    def __init__(self, width: int, features: int, depth: int):
        super().__init__()
        hidden = [Block(width, width, 2**level, last=False) for level in range(depth)]
        self.net = nn.Sequential(*hidden, Block(width, features, 2**depth, last=True))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, width, T] -> [B, features, T]`."""
        return self.net(x)


class Encoder(nn.Module):
    """Projection, mask, dilated convolutions, dropout: `[B, T, C] -> [B, T, features]`.

    Args:
      channels: C.
      width: of the hidden blocks.
      features: of the representation.
      depth: hidden blocks.
      dropout: rate on the representation in training.
    """

    def __init__(self, channels: int, width: int = 64, features: int = 320, depth: int = 10, dropout: float = 0.1):
        super().__init__()
        self.input_fc = nn.Linear(channels, width)
        self.feature_extractor = Stack(width, features, depth)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`x` `[B, T, C]`, NaN = missing step; `mask` `[B, T]` bool, True = visible, None = all."""
        hidden = x.isnan().any(-1, keepdim=True)
        h = self.input_fc(x.masked_fill(hidden, 0))
        hidden = hidden if mask is None else hidden | ~mask[..., None]
        z = self.feature_extractor(h.masked_fill(hidden, 0).transpose(1, 2))
        return self.dropout(z).transpose(1, 2)


def contrast(a: Tensor, b: Tensor, cut_diagonal: bool = False) -> Tensor:
    """Each of n vectors against the 2n - 1 others of its group; positive: its twin. `[G, n, D]` twice -> scalar.

    `cut_diagonal` copies the products without those of a vector with itself, as the released code does; otherwise
    these are overwritten in place, which is faster and gives the same.
    """
    count = a.shape[1]
    if count == 1:
        return a.new_zeros(())
    z = torch.cat([a, b], 1)
    similarity = torch.matmul(z, z.transpose(1, 2))
    if cut_diagonal:
        off_diagonal = similarity.tril(-1)[:, :, :-1] + similarity.triu(1)[:, :, 1:]
        log_p = functional.log_softmax(off_diagonal, -1)
        # The cut moves what stands right of the diagonal one column to the left.
        return -(log_p.diagonal(count - 1, 1, 2).mean() + log_p.diagonal(-count, 1, 2).mean()) / 2
    similarity.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    log_p = functional.log_softmax(similarity, -1)
    return -(log_p.diagonal(count, 1, 2).mean() + log_p.diagonal(-count, 1, 2).mean()) / 2


def temporal(z1: Tensor, z2: Tensor, cut_diagonal: bool = False) -> Tensor:
    """Contrast over the steps of each series, `[B, T, D]` twice -> scalar."""
    return contrast(z1, z2, cut_diagonal)


def instance(z1: Tensor, z2: Tensor, cut_diagonal: bool = False) -> Tensor:
    """Contrast over the series of the batch at each step, `[B, T, D]` twice -> scalar."""
    return contrast(z1.transpose(0, 1), z2.transpose(0, 1), cut_diagonal)


def hierarchical(
    z1: Tensor, z2: Tensor, alpha: float = 0.5, temporal_unit: int = 0, cut_diagonal: bool = False
) -> Tensor:
    """Both contrasts on every max-pooled scale, their mean over scales: `[B, T, D]` twice -> scalar."""
    total, scale = z1.new_zeros(()), 0
    while True:
        if alpha != 0:
            total = total + alpha * instance(z1, z2, cut_diagonal)
        if alpha != 1 and scale >= temporal_unit:
            total = total + (1 - alpha) * temporal(z1, z2, cut_diagonal)
        scale += 1
        if z1.shape[1] == 1:
            return total / scale
        z1, z2 = (functional.max_pool1d(z.transpose(1, 2), 2).transpose(1, 2) for z in (z1, z2))


class Crops(NamedTuple):
    """Two overlapping views: the last `overlap` steps of view 1 are the first of view 2.

    Attributes:
      start1: `[B]` first step of view 1.
      length1: its steps.
      start2: `[B]` first step of view 2.
      length2: its steps.
      overlap: shared steps.
    """

    start1: np.ndarray
    length1: int
    start2: np.ndarray
    length2: int
    overlap: int


def draw_crops(random: np.random.Generator, rows: int, steps: int, temporal_unit: int = 0) -> Crops:
    """The published distribution: overlap, its place, both extensions for the batch, a shift for each series."""
    overlap = int(random.integers(2 ** (temporal_unit + 1), steps + 1))
    start = int(random.integers(steps - overlap + 1))
    left = int(random.integers(start + 1))
    right = int(random.integers(start + overlap, steps + 1))
    shift = random.integers(-left, steps - right + 1, rows)
    return Crops(shift + left, start + overlap - left, shift + start, right - start, overlap)


def take(x: Tensor, start: np.ndarray, length: int) -> Tensor:
    """`length` steps from `start` `[B]`: `[B, T, C] -> [B, length, C]`."""
    steps = torch.from_numpy(start)[:, None] + torch.arange(length)
    return x[torch.arange(len(x))[:, None], steps]


class Peer:
    """A model in training: weights, their running average, AdamW.

    Args:
      encoder: to be trained.
      learning_rate: of AdamW, whose weight decay is 0.01.
      temporal_unit: finest scales without temporal contrast.
      max_train_length: a longer batch is cut to a random window of this many steps.
      seed: of crops and windows.
      cut_diagonal: see `contrast`.
    """

    def __init__(
        self,
        encoder: Encoder,
        learning_rate: float = 1e-3,
        temporal_unit: int = 0,
        max_train_length: int = 3000,
        seed: int = 0,
        cut_diagonal: bool = False,
    ):
        self.encoder, self.temporal_unit, self.max_train_length = encoder, temporal_unit, max_train_length
        self.cut_diagonal = cut_diagonal
        self.optimizer = torch.optim.AdamW(encoder.parameters(), lr=learning_rate, weight_decay=0.01)
        self.average = AveragedModel(encoder)
        # The initial weights count in the average.
        self.average.update_parameters(encoder)
        self.random = np.random.default_rng(seed)

    def step(self, x: Tensor) -> float:
        """One update on a batch `[B, T, C]` with new crops and binomial masks; returns the loss."""
        if x.shape[1] > self.max_train_length:
            first = int(self.random.integers(x.shape[1] - self.max_train_length + 1))
            x = x[:, first : first + self.max_train_length]
        rows, steps, _ = x.shape
        crops = draw_crops(self.random, rows, steps, self.temporal_unit)
        masks = [torch.rand(rows, length) < 0.5 for length in (crops.length1, crops.length2)]
        return self.update(x, crops, masks[0], masks[1])

    def update(self, x: Tensor, crops: Crops, mask1: Tensor, mask2: Tensor) -> float:
        """One update on given views; `mask1`, `mask2` `[B, length]` bool, True = visible. Returns the loss."""
        self.encoder.train()
        self.optimizer.zero_grad()
        z1 = self.encoder(take(x, crops.start1, crops.length1), mask1)[:, -crops.overlap :]
        z2 = self.encoder(take(x, crops.start2, crops.length2), mask2)[:, : crops.overlap]
        loss = hierarchical(z1, z2, temporal_unit=self.temporal_unit, cut_diagonal=self.cut_diagonal)
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.encoder)
        return loss.item()

    @torch.no_grad()
    def encode(self, x: Tensor, padding: int = 200, batch_size: int = 256, mask_last: bool = False) -> Tensor:
        """Each step from the window of itself and `padding` steps before it: `[N, T, C] -> [N, T, features]`.

        Args:
          x: `[N, T, C]`, NaN = missing.
          padding: steps of context; before the series they are missing.
          batch_size: windows at a time.
          mask_last: hide the last step of each window.
        """
        self.average.eval()
        visible = torch.arange(padding + 1) < padding if mask_last else torch.ones(padding + 1, dtype=torch.bool)
        windows = functional.pad(x, (0, 0, padding, 0), value=torch.nan).unfold(1, padding + 1, 1).transpose(2, 3)
        parts = [
            # A view of the last step would keep the outputs of all steps alive.
            [self.average(part, visible.expand(len(part), -1))[:, -1].clone() for part in series.split(batch_size)]
            for series in windows
        ]
        return torch.stack([torch.cat(each) for each in parts])

    def weights(self) -> dict[str, np.ndarray]:
        """The averaged weights by their released names."""
        return {name: value.numpy() for name, value in self.average.state_dict().items()}
