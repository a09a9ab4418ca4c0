"""TS2Vec and its siblings as a scikit-learn transformer."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tsrl.embedder import Embedder
from tsrl.pretraining import pretrain


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


class EmbeddingTransformer(TransformerMixin, BaseEstimator):
    """Pre-trains an encoder in `fit`, embeds series in `transform`; for pipelines and cross-validation.

    Args:
      method: a name of `tsrl.methods.METHODS`.
      steps: optimiser updates; None = the method's rule.
      batch_size: series in a batch.
      scale: standardise each channel with statistics of the training series.
      encoder: an encoder module, or None for the published sizes.
      random_state: the seed; None or a `RandomState` draws one.
      settings: further arguments of `tsrl.pretrain`, the method's own among them.

    Attributes:
      embedder_: the trained `Embedder`.
    """

    def __init__(
        self,
        method: str = "ts2vec",
        *,
        steps: int | None = None,
        batch_size: int = 8,
        scale: bool = False,
        encoder: Any = None,
        random_state: Any = 0,
        settings: Mapping[str, Any] | None = None,
    ):
        self.method = method
        self.steps = steps
        self.batch_size = batch_size
        self.scale = scale
        self.encoder = encoder
        self.random_state = random_state
        self.settings = settings

    def fit(self, X: Any, y: Any = None) -> "EmbeddingTransformer":
        """Trains on `[N, T, C]` series, NaN = missing; y is not used."""
        del y
        self.embedder_: Embedder = pretrain(
            X,
            self.method,
            encoder=self.encoder,
            steps=self.steps,
            seed=_seed(self.random_state),
            batch_size=self.batch_size,
            scale=self.scale,
            **(self.settings or {}),
        )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Instance representations `[N, D]` of `[N, T, C]` series."""
        check_is_fitted(self)
        return self.embedder_.embed(X)
