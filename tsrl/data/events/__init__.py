"""Logs of events: who did what when, as sequences of actions."""

from tsrl.data.events.batches import event_columns, event_windows, next_events, stretches, whole_events
from tsrl.data.events.fields import EventFields
from tsrl.data.events.log import EventColumns, EventLog
from tsrl.data.events.read import read_events
from tsrl.data.events.synthetic import KINDS, Incident, UserBase, user_base

__all__ = [
    "KINDS",
    "EventColumns",
    "EventFields",
    "EventLog",
    "Incident",
    "UserBase",
    "event_columns",
    "event_windows",
    "next_events",
    "read_events",
    "stretches",
    "user_base",
    "whole_events",
]
