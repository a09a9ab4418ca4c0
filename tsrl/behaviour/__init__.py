"""Users' actions: models of logs of events, trained without labels, and what is asked of them about users."""

from tsrl.behaviour.embedder import EventEmbedder, load
from tsrl.behaviour.pretraining import pretrain_events
from tsrl.behaviour.users import LookAlikes, Segments, TunedUsers, finetune_users, segment_users

__all__ = [
    "EventEmbedder",
    "LookAlikes",
    "Segments",
    "TunedUsers",
    "finetune_users",
    "load",
    "pretrain_events",
    "segment_users",
]
