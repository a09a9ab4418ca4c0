"""From an array to a trained model: what the command line, the experiments and `tsrl.pretrain` share."""

import signal
from collections.abc import Sequence
from dataclasses import asdict, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from tsrl.config import Config, Train, options
from tsrl.data.scaling import Scaler
from tsrl.data.series import check_series
from tsrl.data.store import Store, store_scaler
from tsrl.embedder import Embedder, load, model_meta
from tsrl.errors import InputError
from tsrl.evaluate.health import monitored_rows, training_monitor
from tsrl.examples import rows_of, whole_series, windows
from tsrl.job import Job
from tsrl.methods import ENCODER_OF
from tsrl.methods.continued import Start
from tsrl.parallel import AXIS
from tsrl.settings import check_train
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.devices import usable_devices
from tsrl.train.feed import Rows, count_of, fits, for_init
from tsrl.train.loop import EveryEpoch, Fitted, check, fit
from tsrl.train.metrics import MetricsFile
from tsrl.train.progress import progress_bar
from tsrl.train.run import enable_compilation_cache, programs, trace
from tsrl.train.state import State
from tsrl.train.tensorboard import EventFiles, check_tensorboard
from tsrl.types import Batch


def check_config(config: Config) -> None:
    """Refuses settings out of their range, whatever the data.

    Raises:
      InputError: names the setting, what was found and what is wanted.
    """
    check_train(config.train)
    for name, number, least in (("seed", config.seed, 0), ("seeds", config.seeds, 1)):
        if not isinstance(number, Integral) or number < least:
            raise InputError(f"{name}: found {number!r}, want a whole number from {least} up")
    if config.tensorboard:
        check_tensorboard()
    if config.seed + config.seeds > 2**32:
        raise InputError(f"seed: found {config.seed}, want all seeds below {2**32}")
    if not isinstance(config.encoder, nn.Module):
        raise InputError(f"encoder: found {config.encoder!r}, want a module of tsrl.encoders")


def check_start(config: Config, start: Embedder) -> None:
    """Refuses to go on from a model of another method or encoder.

    Raises:
      InputError: names both.
    """
    pairs = (
        ("method", config.method.name, start.options.name),
        ("encoder", config.encoder, start.encoder),
    )
    for name, asked, found in pairs:
        if asked != found:
            raise InputError(f"init: found a model of {name} {found}, want {asked}, which is to be trained")


def prepare(config: Config, x: Any, scaler: Scaler | None, start: Embedder | None = None) -> Job:
    """Checks and prepares everything a run needs.

    Args:
      config: method, encoder and training settings.
      x: `[N, T, C]` training series, NaN = missing; or a store, whose series are scaled and centred as they are read
        and, however long, not split into sections: a step sees a random window of `max_train_length` of them.
      scaler: applied to x first, or None.
      start: the model to go on from; default: the one that `config.init` names.

    Returns:
      A job for `run`.

    Raises:
      InputError: wrong input or settings that do not fit it.
    """
    train = config.train
    check_config(config)
    if isinstance(x, Store):
        if train.window or train.fill_batch:
            raise InputError("train.window, train.fill_batch: found one for a store, want neither")
        size, length, channels = len(x) * x.length * x.channels, x.length, x.channels
        data: Batch | Rows = rows_of(x, scaler)
    else:
        x = check_series(x)
        size, channels = x.size, x.shape[2]
        x = x if scaler is None else scaler.apply(x)
        horizon = getattr(config.method, "horizon", 0)
        if horizon and not train.window:
            raise InputError(f"train.window: found 0 for {config.method.name}, want the steps it forecasts from")
        data = windows(x, train, horizon) if train.window else whole_series(x, train)
        length = train.window or data.mask.shape[1]  # type: ignore[union-attr]
    return job_of(config, data, length, channels, scaler, size, start=start)


def job_of(
    config: Config,
    data: Batch | Rows,
    length: int,
    channels: int,
    scaler: Scaler | None,
    size: int,
    front: nn.Module | None = None,
    start: Embedder | None = None,
) -> Job:
    """A job on data that is ready, its settings checked against it.

    Args:
      config: of the run.
      data: see `Job`, as the next three.
      length: T.
      channels: C.
      scaler: that was applied.
      size: values in the training set, by which the default number of steps goes.
      front: see `Job`.
      start: the model to go on from; default: the one that `config.init` names.

    Raises:
      InputError: settings that do not fit the data, or the model to go on from.
    """
    train = config.train
    if start is None and config.init:
        start = load(config.init)
    if start is not None:
        check_start(config, start)
    batch_size = min(train.batch_size, count_of(data))
    in_epochs = None if train.epochs is None else train.epochs * (count_of(data) // batch_size)
    steps = train.steps or in_epochs or (200 if size <= 100_000 else 600)
    begun = None if start is None else Start(start.params, start.aux)
    job = Job(config, data, length, channels, scaler, steps, batch_size, front, begun)
    method, seeds, devices = job.method(AXIS), config.seed_list(), usable_devices(batch_size)
    check(method, job.data, steps, batch_size, seeds, devices, fits(job.data, devices))
    if method.before_epoch is None:
        # Finds settings that do not fit the shapes before anything is written; what is traced here is compiled later.
        sizes: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "seeds": seeds, "devices": devices}
        trace(method, job.data, job.optimizer(), **sizes, axis_name=AXIS)
    else:
        jax.eval_shape(method.init, jax.random.key(0), for_init(job.data, resident=False))
    return job


def run(job: Job, workdir: Path | None = None, quiet: bool = True, every_epoch: Sequence[EveryEpoch] = ()) -> Fitted:
    """Trains; with a workdir it saves checkpoints and metrics there and resumes from them.

    Args:
      job: made by `prepare`.
      workdir: of the run, or None.
      quiet: no progress bar.
      every_epoch: see `fit`.

    Raises:
      TrainingDiverged: a loss is not finite.
    """
    enable_compilation_cache()
    sample = job.data if isinstance(job.data, Batch) else job.data.take(monitored_rows(job.data.count))
    # The best of all checkpoints can only be told at the end; of a forecaster, that on the validation part.
    every = job.config.selection == "paper" or job.method(None).predict is not None
    keep = None if every else 2
    checkpoints = None if workdir is None else Checkpoints(workdir / "checkpoints", keep)
    events = None
    if workdir is not None and job.config.tensorboard:
        events = EventFiles(workdir / "tensorboard", job.config.seed_list())
    try:
        with progress_bar(job.steps, quiet) as report:
            return fit(
                job.method(AXIS),
                job.data,
                job.optimizer(),
                steps=job.steps,
                batch_size=job.batch_size,
                seeds=job.config.seed_list(),
                devices=usable_devices(job.batch_size),
                axis_name=AXIS,
                checkpoints=checkpoints,
                checkpoint_every=job.checkpoint_every,
                metrics_file=None if workdir is None else MetricsFile(workdir / "metrics.jsonl", events),
                meta=model_meta(job.channels, job.length, job.scaler),
                report=report,
                monitor=training_monitor(job.method(None), sample),
                every_epoch=every_epoch,
            )
    finally:
        if events is not None:
            events.close()
        if checkpoints is not None:
            checkpoints.close()


def untrained(job: Job, seed: int) -> Embedder:
    """The model of a seed with random weights: the control that says what training adds.

    Args:
      job: of the run.
      seed: the weights are those from which `run` trains this seed, unless it goes on from another model.
    """
    job = replace(job, start=None)
    devices = usable_devices(job.batch_size)
    resident = fits(job.data, devices)
    method, optimizer = job.method(AXIS), job.optimizer()
    found = programs(method, optimizer, job.steps, tuple(devices), AXIS, None, resident)
    states = found.init(np.asarray([seed], np.uint32), for_init(job.data, resident))
    return _embedder(job, jax.tree.map(lambda leaf: leaf[0], states))


def _embedder(job: Job, state: State) -> Embedder:
    config = job.config
    return Embedder(config.method, config.encoder, state.params, state.aux, job.channels, job.scaler, job.length)


def pretrain(
    x: Any,
    method: str | None = None,
    *,
    init: Embedder | Path | str | None = None,
    encoder: nn.Module | None = None,
    steps: int | None = None,
    seed: int = 0,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    max_train_length: int = 3000,
    train_window: int = 0,
    scale: bool = False,
    quiet: bool = True,
    **settings: Any,
) -> Embedder:
    """Trains a model on unlabelled series.

    Args:
      x: `[N, T, C]` floats; NaN = missing; shorter series are padded with NaN. Or a store of more series
        than memory holds (`tsrl.data.store.open_store`): about twice its `cache_bytes` of them are in memory.
      method: a name of `tsrl.methods.METHODS`; default: that of `init`, or else "ts2vec".
      init: a model to go on from: one of `tsrl.load`, or what that takes, such as "tsrl-small"; default: random
        weights.
      encoder: an encoder module of `tsrl.encoders`; default: that of `init`, or of the paper, in its size.
      steps: optimiser updates; default 200 for up to 100,000 values, else 600.
      seed: of the initial weights and every draw.
      batch_size: series in a batch.
      learning_rate: AdamW's rate.
      weight_decay: AdamW's decay.
      max_train_length: longer series are cut.
      train_window: train on windows of so many steps instead, from all starts; what supervised forecasters need.
      scale: standardise each channel with its mean and standard deviation over x; the model keeps them. A model to go
        on from that has such numbers keeps its own.
      quiet: no progress bar.
      **settings: the method's own.

    Returns:
      The trained model.

    Raises:
      InputError: wrong input or settings, naming the argument, what was found and what is wanted.
      TrainingDiverged: the loss stopped being finite.
    """
    train = Train(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        max_train_length=max_train_length,
        window=train_window,
    )
    start = init if init is None or isinstance(init, Embedder) else load(init)
    if start is None:
        chosen = options(method or "ts2vec", **settings)
    elif method in (None, start.options.name):
        chosen = options(start.options.name, **{**asdict(start.options), **settings})
    else:
        chosen = options(str(method), **settings)
    encoder = encoder or (ENCODER_OF[chosen.name]() if start is None else start.encoder)
    config = Config(method=chosen, encoder=encoder, train=train, seed=seed)
    scaler = None if start is None else start.scaler
    if scale and scaler is None:
        scaler = store_scaler(x) if isinstance(x, Store) else Scaler.of(check_series(x))
    job = prepare(config, x, scaler, start)
    fitted = run(job, quiet=quiet)
    raise_stopped(fitted)
    return _embedder(job, jax.tree.map(lambda leaf: np.asarray(leaf[0]), fitted.state))


def raise_stopped(fitted: Fitted) -> None:
    """Stops the caller as any other code would be stopped, if a signal ended the training."""
    if fitted.stopped is None:
        return
    # The loop caught it to end in an orderly way; nothing was saved.
    signal.raise_signal(fitted.stopped)
    # Reached where that signal is ignored, as in background jobs of a shell: the loop has ended all the same.
    raise KeyboardInterrupt
