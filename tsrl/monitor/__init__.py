"""A monitor of behaviour: what is regular for everyone and for each user, and what is not."""

from tsrl.monitor.explain import Cause, Explanation, explain
from tsrl.monitor.folder import load, save
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.scores import Evidence, Scores, Settings
from tsrl.monitor.series import SeriesMonitor, SeriesScores
from tsrl.monitor.stream import MonitorStream, Verdict
from tsrl.monitor.stream_file import load_stream, save_stream

__all__ = [
    "Cause",
    "Evidence",
    "Explanation",
    "Monitor",
    "MonitorStream",
    "Scores",
    "SeriesMonitor",
    "SeriesScores",
    "Settings",
    "Verdict",
    "explain",
    "load",
    "load_stream",
    "save",
    "save_stream",
]
