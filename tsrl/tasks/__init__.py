"""Tasks by name: thin runners that join data, models and the pure protocols of `tsrl.evaluate`."""

from tsrl.tasks.anomaly import TASK as ANOMALY
from tsrl.tasks.base import Task
from tsrl.tasks.classify import TASK as CLASSIFY
from tsrl.tasks.cluster import TASK as CLUSTER
from tsrl.tasks.finetune import TASK as FINETUNE
from tsrl.tasks.forecast import TASK as FORECAST
from tsrl.tasks.pretrain import TASK as PRETRAIN
from tsrl.tasks.regress import TASK as REGRESS

TASKS: dict[str, Task] = {
    "classify": CLASSIFY,
    "regress": REGRESS,
    "cluster": CLUSTER,
    "finetune": FINETUNE,
    "forecast": FORECAST,
    "anomaly": ANOMALY,
    "pretrain": PRETRAIN,
}

__all__ = ["TASKS", "Task"]
