"""`tsrl bench`: how fast a method trains and encodes on this machine, of made-up series of a given shape."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import tyro
from rich.table import Table

from tsrl.config import Config, Options, model_json, options
from tsrl.embedder import Embedder
from tsrl.encoders import ENCODERS
from tsrl.errors import check_whole
from tsrl.experiment import hardware, versions
from tsrl.job import Job
from tsrl.methods import ENCODER_OF, METHODS
from tsrl.named_flags import named, named_encoder
from tsrl.parallel import AXIS
from tsrl.pretraining import prepare, untrained
from tsrl.settings import Train
from tsrl.terminal import Console, output
from tsrl.timing import cpu_name, measure, others_share, peak_bytes, random_walks, timed
from tsrl.train.devices import usable_devices
from tsrl.train.feed import fits
from tsrl.train.run import Run

# Batches in an epoch of the made-up training set.
_BATCHES = 4
# Share of the cores that other processes may use before the times are called into question.
_QUIET = 0.02
_DESCRIPTION = """Measures a training step and encoding, of random walks, with the method's default settings.

A step is a whole one, as the training loop makes it: rows read, loss, gradient, update. Compilation is timed once, from
the trace to the end of the first step, and without a cache of programs unless JAX_COMPILATION_CACHE_DIR names one.
Settings that give the length of the training series follow --shape; a supervised method sees windows of that length.

--method NAME: one of {}
--encoder NAME: one of {}; default: that of the method's paper"""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured.

    Attributes:
      method: the method's settings.
      encoder: the encoder's sizes.
      shape: steps and channels of a series.
      batch_size: series in a training step.
      repeats: timed steps, and timed passes of encoding.
      micro_batch: most rows that are encoded at a time, see `tsrl train`.
      json: print the result as JSON.
    """

    method: Options
    encoder: nn.Module
    shape: tuple[int, int] = (200, 7)
    batch_size: int = 8
    repeats: int = 5
    micro_batch: int = 0
    json: bool = False


def main(args: Sequence[str]) -> None:
    """`tsrl bench --method NAME --shape T C`; `--help` lists its flags.

    Raises:
      InputError: an unknown method or encoder, or settings that do not fit the shape.
    """
    encoder, rest = named_encoder(args)
    name, rest = named(rest, "method", METHODS)
    name = "ts2vec" if name is None else name
    before = Bench(method=_of_length(name, _steps_of(rest)), encoder=encoder or ENCODER_OF[name]())
    description = _DESCRIPTION.format(", ".join(METHODS), ", ".join(ENCODERS))
    asked = tyro.cli(Bench, default=before, args=rest, prog="tsrl bench", description=description)
    with output(asked.json) as write:
        found = bench(asked)
        write(found)
    if not asked.json:
        _show(found)


def bench(asked: Bench) -> dict[str, Any]:
    """Measures what is asked for.

    Returns:
      method and encoder with their settings, shape, batch_size, rows, parameters; compile_s; step, encode and embed,
      each with seconds of every repetition, median, min and max; steps_per_s (time steps encoded) and series_per_s
      (series embedded); peak_bytes of the process, device_peak_bytes where the device tells; hardware, versions, and
      others_share, the share of the cores that other processes used meanwhile.

    Raises:
      InputError: settings that do not fit the shape, or out of their range.
    """
    for name, number, least in (
        ("shape", asked.shape[0], 2),
        ("shape", asked.shape[1], 1),
        ("batch_size", asked.batch_size, 1),
        ("repeats", asked.repeats, 1),
    ):
        check_whole(name, number, least)
    steps, channels = asked.shape
    horizon = getattr(asked.method, "horizon", 0)
    train = Train(steps=10**6, batch_size=asked.batch_size, micro_batch=asked.micro_batch, max_train_length=steps)
    # A supervised method forecasts what follows its window.
    train = replace(train, window=steps) if horizon else train
    config = Config(method=asked.method, encoder=asked.encoder, train=train)
    x = random_walks(_BATCHES * asked.batch_size, steps + horizon, channels)
    began = time.perf_counter()
    job = prepare(config, x, None)
    step = stepper(job)
    step()
    compiled = time.perf_counter() - began
    seconds = []
    for _ in range(asked.repeats):
        began = time.perf_counter()
        count = step()
        seconds.append((time.perf_counter() - began) / count)
    model, series = untrained(job, 0), x[:, :steps]
    encoding = measure({"encode": lambda: model.encode(series), "embed": lambda: model.embed(series)}, asked.repeats)
    found = {name: timed(each) for name, each in encoding.items()}
    return {
        **model_json(asked.method, asked.encoder),
        "shape": [steps, channels],
        "batch_size": asked.batch_size,
        "rows": len(x),
        "parameters": _parameters(model),
        "compile_s": compiled,
        "cache": jax.config.values["jax_compilation_cache_dir"],
        "step": timed(seconds),
        **found,
        "steps_per_s": len(x) * steps / found["encode"]["median"],
        "series_per_s": len(x) / found["embed"]["median"],
        "peak_bytes": peak_bytes(),
        "device_peak_bytes": (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use"),
        "hardware": hardware() | {"cpu": cpu_name()},
        "versions": versions(),
        "others_share": others_share(),
    }


def stepper(job: Job, at_once: int | None = None) -> Callable[[], int]:
    """A function that trains as the loop does, reading its rows included, and waits for it.

    Args:
      job: made by `prepare`.
      at_once: most updates of a call; default: as many as the loop makes.

    Returns:
      A function without arguments that makes the updates of one call and returns their number.
    """
    devices = usable_devices(job.batch_size)
    run = Run(
        job.method(AXIS),
        job.data,
        job.optimizer(),
        job.steps,
        job.batch_size,
        [0],
        devices,
        AXIS,
        {},
        at_once,
        fits(job.data, devices),
    )
    run.begin(None)

    def step() -> int:
        count, metrics = run.advance(job.steps)
        jax.block_until_ready(metrics)
        return count

    return step


def _steps_of(args: Sequence[str]) -> int:
    """The steps that `--shape` gives, which decide defaults of other flags."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--shape", nargs="*", default=[])
    given = parser.parse_known_args(list(args))[0].shape
    return int(given[0]) if given and given[0].isdecimal() and int(given[0]) > 1 else Bench.shape[0]


def _of_length(name: str, steps: int) -> Options:
    """A method's settings, of which those that must equal the length of the training series do."""
    known = {setting.name for setting in fields(options(name))}
    given: dict[str, int] = {}
    if "length" in known:
        given["length"] = steps
    if "history" in known:
        given |= {"history": steps - steps // 2, "future": steps // 2}
    if "covariates" in known:
        given["covariates"] = 0
    if "label_length" in known:
        given["label_length"] = min(options(name).label_length, steps)  # type: ignore[attr-defined]
    return options(name, **given)


def _parameters(model: Embedder) -> int:
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(model.params))


def _show(found: dict[str, Any]) -> None:
    console, (steps, channels) = Console(), found["shape"]
    console.print(
        f"{found['method']['name']} over {found['encoder']['name']}, {found['parameters']:,} parameters; series of "
        f"{steps} steps and {channels} channels, {found['batch_size']} in a batch, {found['rows']} encoded",
        highlight=False,
    )
    table = Table("", "median ms", "min", "max", "")
    told = {
        "step": f"{found['batch_size'] / found['step']['median']:,.0f} series/s trained",
        "encode": f"{found['steps_per_s']:,.0f} steps/s",
        "embed": f"{found['series_per_s']:,.0f} series/s",
    }
    for name, rate in told.items():
        times = (f"{1e3 * found[name][key]:.1f}" for key in ("median", "min", "max"))
        table.add_row({"step": "training step"}.get(name, name), *times, rate)
    console.print(table)
    cached = f", with programs kept in {found['cache']}" if found["cache"] else ""
    lines = [f"compilation: {found['compile_s']:.1f} s to the end of the first step{cached}"]
    for name, where in (("peak_bytes", "the process"), ("device_peak_bytes", "the device")):
        if found[name] is not None:
            lines.append(f"peak of memory: {found[name] / 1e6:,.0f} MB of {where}")
    machine = found["hardware"]
    lines.append(
        f"{machine['devices']} x {machine['device']} ({machine['backend']}), {machine['cpu'] or machine['processor']}, "
        f"{machine['cores']} cores; " + ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    )
    if found["others_share"] is not None:
        advice = "; measure again on a quiet machine" if found["others_share"] > _QUIET else ""
        lines.append(f"other processes used {found['others_share']:.1%} of the cores meanwhile{advice}")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
