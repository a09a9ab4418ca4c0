"""Losses: pure functions of representations; each returns `[B]`, and the method takes the mean."""

from tsrl.losses.hierarchical import hierarchical_contrastive, instance_contrastive, temporal_contrastive

__all__ = ["hierarchical_contrastive", "instance_contrastive", "temporal_contrastive"]
