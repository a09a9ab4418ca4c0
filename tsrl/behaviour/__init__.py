"""Users' actions: models of logs of events, trained without labels."""

from tsrl.behaviour.embedder import EventEmbedder, load
from tsrl.behaviour.pretraining import pretrain_events

__all__ = ["EventEmbedder", "load", "pretrain_events"]
