"""What a run is: method, encoder, data set, training. Frozen, readable as flags, and as JSON beside the checkpoints."""

import dataclasses
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import docstring_parser
import flax.linen as nn
import tyro

from tsrl.data.tables.settings import Table
from tsrl.encoders import ENCODERS
from tsrl.errors import InputError, nearest
from tsrl.methods import METHODS
from tsrl.settings import Anomaly, Classify, Distributed, Forecast, Pretrain, Train
from tsrl.types import Method

# Parameters of a method's factory that the caller builds, not the user by a flag.
_BUILT = ("encoder", "front", "axis_name")


@dataclass(frozen=True)
class Options:
    """A method's name and settings; one subclass per method, made by `options` from its factory's signature."""

    factory: ClassVar[Callable[..., Method]]

    @property
    def name(self) -> str:
        """The method's name in `METHODS`."""
        return type(self).__name__

    def build(self, encoder: nn.Module, axis_name: str | None = None, front: nn.Module | None = None) -> Method:
        """The method with these settings; default front: the encoder's own.

        Equal settings give the very same functions, so that what is compiled for one seed's model serves all.
        """
        return _built(self, encoder, axis_name, front)


@lru_cache(maxsize=32)
def _built(options: Options, encoder: nn.Module, axis_name: str | None, front: nn.Module | None) -> Method:
    settings = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    given = {} if front is None else {"front": front}
    if given and "front" not in inspect.signature(type(options).factory).parameters:
        raise InputError(
            f"method: found {options.name}, which makes its own front, of series, want another"
            + ("; next_step with agreement=0.5 is after TimeDRL" if options.name == "timedrl" else "")
        )
    return type(options).factory(encoder, axis_name=axis_name, **given, **settings)


def options(name: str, **settings: Any) -> Options:
    """Settings of the method `name`: the defaults of its factory, which are the paper's, with some replaced.

    Raises:
      InputError: unknown method or setting.
    """
    if name not in METHODS:
        raise InputError(f"method: found {name!r}; {nearest(str(name), METHODS)}")
    made = _options_class(name, METHODS[name])
    known = [field.name for field in dataclasses.fields(made)]
    for setting in settings:
        if setting not in known:
            raise InputError(f"{setting}: not a setting of {name}; {nearest(setting, known)}")
    # A list, as JSON has it, could not be told apart from others by hash.
    return made(**{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})


# By the factory too: one that takes another's place in `METHODS`, as in a notebook, is not taken for it.
@cache
def _options_class(name: str, factory: Callable[..., Method]) -> type[Options]:
    documented = {entry.arg_name: entry.description for entry in docstring_parser.parse(factory.__doc__ or "").params}
    fields: list[Any] = [
        (
            parameter.name,
            Annotated[parameter.annotation, tyro.conf.arg(help=documented.get(parameter.name))],
            dataclasses.field(default=parameter.default),
        )
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.name not in _BUILT
    ]
    namespace = {"factory": staticmethod(factory)}
    return dataclasses.make_dataclass(name, fields, bases=(Options,), frozen=True, namespace=namespace)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How representations are judged.

    Attributes:
      task: what the representations are judged by.
      forecast: settings of the task `forecast`.
      classify: settings of the tasks on labelled series.
      anomaly: settings of the task `anomaly`.
    """

    task: Literal["classify", "regress", "cluster", "finetune", "forecast", "anomaly", "pretrain"] = "classify"
    forecast: Forecast = dataclasses.field(default_factory=Forecast)
    classify: Classify = dataclasses.field(default_factory=Classify)
    anomaly: Anomaly = dataclasses.field(default_factory=Anomaly)


@dataclass(frozen=True, kw_only=True)
class Config(Evaluation):
    """One run: pre-train on the training split, evaluate the frozen representations.

    Attributes:
      method: the method's settings.
      encoder: the encoder's sizes.
      train: how it is trained.
      init: a model to go on from, shipped with the package or in a folder, of the same method and encoder; default:
        random weights.
      dataset: a name (`tsrl datasets` lists them) or the path of a file.
      datasets: several, separated by commas: a run each, and a comparison of all.
      data_dir: folder searched for the data set's file; default: the environment variable TSRL_DATA_DIR.
      pretrain: settings of the task `pretrain`, which trains and scores nothing; its data set may be a folder of
        .parquet files with a series a row, larger than memory.
      table: what the columns mean, where the data set is a .csv, .csv.gz or .parquet file.
      controls: score an untrained encoder and methods without an encoder beside the trained one.
      selection: "paper" keeps every checkpoint and reports the one that is best on *test*, as some papers do; every
        output calls it optimistic.
      seed: first random seed.
      seeds: how many seeds, from `seed` on, are trained together.
      workdir: where the run is kept and resumed; default: a folder in runs/ named after method, task, data set, seeds.
      overwrite: start anew in a workdir that holds another run.
      quiet: no progress bar.
      json: print each report as a line of JSON instead of tables.
      tensorboard: write the numbers of metrics.jsonl to tensorboard/ as well (extra `tensorboard`).
      distributed: of several processes that train together. No part of what decides the result.
    """

    method: Options
    encoder: nn.Module
    train: Train = dataclasses.field(default_factory=Train)
    init: str = ""
    dataset: str = "BasicMotions"
    datasets: str = ""
    data_dir: Path | None = None
    pretrain: Pretrain = dataclasses.field(default_factory=Pretrain)
    table: Table = dataclasses.field(default_factory=Table)
    controls: bool = True
    selection: Literal["validation", "paper"] = "validation"
    seed: int = 0
    seeds: int = 1
    workdir: Path | None = None
    overwrite: bool = False
    quiet: bool = False
    json: bool = False
    tensorboard: bool = False
    distributed: Distributed = dataclasses.field(default_factory=Distributed)

    def seed_list(self) -> list[int]:
        """The seeds of this run."""
        return list(range(self.seed, self.seed + self.seeds))


def model_json(method: Options, encoder: nn.Module) -> dict[str, Any]:
    """What is needed to rebuild a model, as JSON values."""
    sizes = {f.name: getattr(encoder, f.name) for f in dataclasses.fields(encoder) if f.name not in ("name", "parent")}
    return {
        "method": {"name": method.name, **dataclasses.asdict(method)},
        "encoder": {"name": type(encoder).__name__, **sizes},
    }


def model_from_json(record: dict[str, Any]) -> tuple[Options, nn.Module]:
    """The inverse of `model_json`.

    Raises:
      InputError: a method, encoder or setting this version does not have.
    """
    try:
        method, encoder = dict(record["method"]), dict(record["encoder"])
        name = encoder.pop("name")
        if name not in ENCODERS:
            raise InputError(f"encoder: found {name!r}; {nearest(name, ENCODERS)}")
        return options(method.pop("name"), **method), ENCODERS[name](**encoder)
    except (KeyError, TypeError) as error:
        raise InputError(f"config.json: not a model of this version ({error})") from error


def config_json(config: Config) -> dict[str, Any]:
    """Everything that decides what is trained, as JSON values; not how it is judged, kept or shown.

    The data itself is recorded by a hash (`Dataset.fingerprint`), of the part and the columns that a task trains on by
    the settings here.
    """
    forecast: dict[str, Any] = {"univariate": config.forecast.univariate, "split": config.forecast.split}
    if "trained_probe" in config.forecast.protocols:
        # Its heads are trained beside the encoder.
        forecast["trained_probe"] = {
            "probe": dataclasses.asdict(config.forecast.probe),
            "horizons": None if config.forecast.horizons is None else list(config.forecast.horizons),
            "look_back": config.forecast.look_back,
            "covariates": config.forecast.covariates,
        }
    parts: dict[str, dict[str, Any]] = {
        "forecast": forecast,
        "anomaly": {"train_fraction": config.anomaly.train_fraction, "difference": config.anomaly.difference},
        # The rest is in the fingerprint of the store or of the drawn series.
        "pretrain": {"scale": config.pretrain.scale},
    }
    drawn: dict[str, Any] = {"split": config.classify.split}
    if config.classify.split in ("grouped", "random"):
        drawn["split_seed"] = config.classify.split_seed
    trained_on = parts.get(config.task, drawn)
    return {
        **model_json(config.method, config.encoder),
        "train": dataclasses.asdict(config.train),
        # Not there for random weights, as in the records of versions that knew no other.
        **({"init": Path(config.init).name} if config.init else {}),
        "task": config.task,
        "trained_on": trained_on,
        "dataset": Path(config.dataset).name,
        "seed": config.seed,
        "seeds": config.seeds,
        "selection": config.selection,
    }


def evaluation_json(config: Evaluation) -> dict[str, Any]:
    """How the representations are judged, as JSON values."""
    own = config.task if config.task in ("forecast", "anomaly") else "classify"
    record = {"task": config.task, own: dataclasses.asdict(getattr(config, own))}
    # Through JSON, where tuples become lists: the record is compared with one that was read.
    return dict(json.loads(json.dumps(record)))
