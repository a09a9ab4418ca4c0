"""SimTS's loss: how far predicted representations of future steps point away from the encoded ones."""

from tsrl.losses.siamese import negative_cosine
from tsrl.types import Array


def latent_prediction(predicted: Array, encoded: Array) -> Array:
    """Negative cosine between the predicted and the encoded representation of each step.

    Args:
      predicted: `[B, T, D]`.
      encoded: `[B, T, D]`, the target; a method stops its gradient.

    Returns:
      `[B]`, the mean over steps, between -1 and 1.

    References: Zheng, Chen, Schürholz, Stockinger, Vogt (2023), SimTS: Rethinking Contrastive Representation Learning
    for Time Series Forecasting, arXiv 2303.18205.
    """
    return negative_cosine(predicted, encoded).mean(-1)


def hierarchical_latent_prediction(predicted: Array, encoded: Array) -> Array:
    """The mean of `latent_prediction` over scales, each max-pooled to half of the one before, down to two or three
    steps; arguments and returns as there, at least two steps.

    References: the released code of SimTS.
    """
    scales = []
    while predicted.shape[1] > 1:
        scales.append(latent_prediction(predicted, encoded))
        half = predicted.shape[1] // 2
        predicted, encoded = (z[:, : 2 * half].reshape(len(z), half, 2, -1).max(2) for z in (predicted, encoded))
    return sum(scales[1:], scales[0]) / len(scales)
