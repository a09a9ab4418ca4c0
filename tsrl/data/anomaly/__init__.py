"""Series with labelled anomalies: published archives and the user's own files."""

from tsrl.data.anomaly.load import ARCHIVES, found_archives, load_anomaly
from tsrl.data.anomaly.series import AnomalySeries, AnomalySet, ranges

__all__ = ["ARCHIVES", "AnomalySeries", "AnomalySet", "found_archives", "load_anomaly", "ranges"]
