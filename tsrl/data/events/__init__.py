"""Logs of events: who did what when, as sequences of actions."""

from tsrl.data.events.batches import event_windows, next_events, whole_events
from tsrl.data.events.fields import EventFields
from tsrl.data.events.log import EventColumns, EventLog
from tsrl.data.events.read import read_events

__all__ = [
    "EventColumns",
    "EventFields",
    "EventLog",
    "event_windows",
    "next_events",
    "read_events",
    "whole_events",
]
