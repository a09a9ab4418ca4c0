"""Fine-tuning: how much of the labels' worth the pre-training saves, on the encoder itself."""

from tsrl.config import Config
from tsrl.data.dataset import Dataset
from tsrl.embedder import Embedder
from tsrl.evaluate.finetune import Mode, finetune
from tsrl.report.schema import Row
from tsrl.tasks import classify
from tsrl.tasks.base import Scored, Source, Task, scored_row

_HOW = "; AdamW, best epoch of a stratified fifth of train"
PROTOCOLS = {
    "probe": f"a linear layer on the frozen embedding{_HOW}",
    "partial": f"a linear layer and the encoder's last blocks{_HOW}",
    "full": f"a linear layer and the whole encoder{_HOW}",
    "supervised": f"the same encoder from its initial weights, no pre-training{_HOW}",
}


def score(config: Config, dataset: Dataset, embedder: Embedder, source: Source) -> Scored:
    """Every mode on one model: of an untrained one the probe, and supervised training from it."""
    modes: tuple[Mode, ...] = ("probe", "partial", "full") if source.role == "method" else ("probe", "supervised")
    split, model = classify.prepared(config, dataset), (embedder.method, embedder.params, embedder.aux)
    rows = [scored_row(source, mode, finetune(*model, *split, mode=mode, seed=source.seed or 0)) for mode in modes]
    return Scored(rows, classify.embed(dataset, embedder))


def controls(config: Config, dataset: Dataset) -> list[Row]:
    """None: the same encoder trained with labels alone is the control here, `supervised`."""
    return []


TASK = Task(
    load=classify.load_labelled,
    fingerprint=Dataset.fingerprint,
    training=classify.training,
    dataset=classify.describe,
    protocols=PROTOCOLS,
    headline="accuracy",
    compared=("probe", "partial", "full", "supervised"),
    score=score,
    controls=controls,
    labels=classify.labels,
)
