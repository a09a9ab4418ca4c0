"""Bridges to other libraries: published PyTorch weights; `tsrl.interop.sklearn` holds the scikit-learn transformer."""

from tsrl.interop.torch import embedder_from_torch, from_torch

__all__ = ["embedder_from_torch", "from_torch"]
