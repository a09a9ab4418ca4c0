"""The parts of a run's configuration: how a method is trained, and the settings of each task."""

import math
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal

from tsrl.data.dataset import Split
from tsrl.errors import InputError, check_rate
from tsrl.evaluate.continuing_probe import Probe


@dataclass(frozen=True)
class Train:
    """How a method is trained.

    Attributes:
      steps: optimiser updates; by default TS2Vec's rule: 200 for up to 100,000 training values, else 600.
      epochs: passes over the training examples, instead of `steps`.
      batch_size: rows in the global batch, whatever the device count; at most the rows there are.
      micro_batch: most rows of a device's batch that are encoded at a time; the loss still sees the whole batch. Saves
        memory, takes about a third more time; 0 = all at once.
      accumulate: parts of a device's batch whose gradients are added up, decoder and loss included; of methods that do
        not compare the rows of a batch.
      fill_batch: repeat the rows until there are as many as in a batch.
      optimizer: with PyTorch's defaults.
      learning_rate: before the schedule.
      weight_decay: on all parameters; decoupled for adamw, added to the gradient for adam and sgd.
      momentum: of sgd.
      beta2: decay of the average of squared gradients, of adamw and adam.
      schedule: of the learning rate. cosine: to 0 over all updates. The others go by epochs e = 0, 1, 2, ... and leave
        the first alone: halving: 0.5^(e-1); decay: 1, 1, 1, then 0.9^(e-3); warmup: (e+1)/5 up to 1, then 0.9^(e-5).
      batches: shuffled; contextual: filled at every epoch from clusters of the model's own representations, so that the
        other series of a batch are hard to tell apart.
      same_above: with contextual batches: series whose representations have a larger cosine are not each other's
        negatives, in SimCLR and TS-TCC; default: they always are.
      window: examples are the windows of this many steps; 0 = the series, or sections of them.
      window_step: steps between the starts of these windows.
      max_train_length: longer series are cut into sections, and what is still longer to random windows of this length.
      checkpoint_every: updates between checkpoints.
    """

    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 8
    micro_batch: int = 0
    accumulate: int = 1
    fill_batch: bool = False
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    momentum: float = 0.0
    beta2: float = 0.999
    schedule: Literal["constant", "cosine", "halving", "decay", "warmup"] = "constant"
    batches: Literal["shuffled", "contextual"] = "shuffled"
    same_above: float | None = None
    window: int = 0
    window_step: int = 1
    max_train_length: int = 3000
    checkpoint_every: int = 100


def check_train(train: Train) -> None:
    """Refuses settings out of their range.

    Raises:
      InputError: names the setting, what was found and what is wanted.
    """
    for name, number, least in [
        ("batch_size", train.batch_size, 1),
        ("micro_batch", train.micro_batch, 0),
        ("accumulate", train.accumulate, 1),
        ("steps", 1 if train.steps is None else train.steps, 1),
        ("epochs", 1 if train.epochs is None else train.epochs, 1),
        ("checkpoint_every", train.checkpoint_every, 0),
        ("window", train.window, 0),
        ("window_step", train.window_step, 1),
        ("max_train_length", train.max_train_length, 2),
    ]:
        if not isinstance(number, Integral) or number < least:
            raise InputError(f"train.{name}: found {number!r}, want a whole number from {least} up")
    if train.steps is not None and train.epochs is not None:
        raise InputError(f"train.epochs: found {train.epochs} beside train.steps {train.steps}, want one of them")
    for name in ("learning_rate", "weight_decay", "momentum"):
        rate = getattr(train, name)
        if not isinstance(rate, Real) or not 0 <= float(rate) < math.inf:
            raise InputError(f"train.{name}: found {rate!r}, want a finite number from 0 up")
    check_rate("train.beta2", train.beta2)
    if train.batches not in ("shuffled", "contextual"):
        raise InputError(f"train.batches: found {train.batches!r}, want shuffled or contextual")
    if train.same_above is not None and (train.batches == "shuffled" or not -1 <= train.same_above <= 1):
        found = f"{train.same_above} with {train.batches} batches"
        raise InputError(f"train.same_above: found {found}, want a cosine, -1 to 1, with contextual ones")


@dataclass(frozen=True)
class Forecast:
    """The task `forecast`.

    Attributes:
      horizons: steps ahead; default: those the field reports for the set.
      univariate: forecast the target column alone.
      split: of sets other than ETT, whose split is 12, 4 and 4 months.
      covariates: put seven calendar covariates before the values, as TS2Vec does.
      context: steps that a time step's representation sees, itself included; default: 201, or half of a training part
        that is shorter than twice that.
      look_back: steps of the window of `window_linear`, `trained_probe` and the linear controls; default:
        `train.window`, or without one 336, for Exchange 96, or half of a short training part.
      protocols: how the representations are read; a supervised forecaster's own forecasts are scored instead.
      probe: settings of `trained_probe`.
    """

    horizons: tuple[int, ...] | None = None
    univariate: bool = False
    split: Literal["60/20/20", "70/10/20"] = "60/20/20"
    covariates: bool = True
    context: int | None = None
    look_back: int | None = None
    protocols: tuple[Literal["last_step_ridge", "window_linear", "trained_probe"], ...] = (
        "last_step_ridge",
        "window_linear",
    )
    probe: Probe = field(default_factory=Probe)


@dataclass(frozen=True)
class Classify:
    """The tasks on labelled series: `classify`, `cluster`, `finetune`, and the split of a table to `regress` on.

    Attributes:
      split: the published one, or another of about the same sizes: "grouped" keeps the rows of a recording or subject
        together, for sets that name them; "time" tests on the rows that begin last, for sets that say when; "random".
      split_seed: of a split that is drawn, the same for all seeds of a run.
      few_labels: score a classifier on 10 % and 1 % of the labels too, where the set is large enough.
      protocols: of `classify`: how the embeddings are read.
    """

    split: Split = "published"
    split_seed: int = 0
    few_labels: bool = True
    protocols: tuple[Literal["svc", "logistic", "nearest", "rich"], ...] = ("svc", "logistic", "nearest", "rich")


@dataclass(frozen=True)
class Anomaly:
    """The task `anomaly`.

    Attributes:
      delay: steps after the start of an anomaly within which a detection counts; TS2Vec has 7 for KPI, 3 for Yahoo.
      train_fraction: share of each series to train on, where the set does not say.
      window: steps that a time step's representation sees, itself included.
      difference: difference each series until its training part has no unit root, as TS2Vec does with KPI and Yahoo.
    """

    delay: int = 7
    train_fraction: float = 0.5
    window: int = 201
    difference: bool = False


@dataclass(frozen=True)
class Distributed:
    """Several processes that train one model, each started with the same command and its own rank.

    Attributes:
      auto: jax finds the others, as it can under Slurm, Open MPI, Kubernetes and on TPUs; `--distributed` for short.
      address: HOST:PORT where rank 0 listens for the others.
      processes: how many there are.
      rank: of this one, from 0.
      timeout: seconds to wait for rank 0, and for all to come; after as many without a sign of life one counts as gone.
    """

    auto: bool = False
    address: str = ""
    processes: int = 0
    rank: int = -1
    timeout: float = 60.0


@dataclass(frozen=True)
class Pretrain:
    """The task `pretrain`.

    Attributes:
      scale: standardise each channel, by statistics of all series.
      channels: of a store whose files hold flat lists and do not say how many channels; 0 = they do.
      memory_mb: of a store: most MB of decoded series in memory, which also bounds how far apart the series lie that
        are shuffled together.
      series: of the data set `synthetic`: how many are drawn.
      length: of the data set `synthetic`: steps.
      sets: labelled sets, separated by commas, of each of which `per_set` training series are resampled and put beside
        those of the data set `synthetic`, without labels.
      per_set: series of each of `sets`.
      corpus_seed: of all these draws.
    """

    scale: bool = True
    channels: int = 0
    memory_mb: int = 64
    series: int = 8192
    length: int = 512
    sets: str = ""
    per_set: int = 128
    corpus_seed: int = 0
