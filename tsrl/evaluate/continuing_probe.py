"""A linear forecasting head that is trained on, epoch of pre-training after epoch: TimeDRL's own protocol.

After every epoch of pre-training the encoder is frozen and the head trained by AdamW for up to `epochs` passes over the
windows of the training part, starting from where it stood, with the optimiser's state of then. The released code
reports the least test error of all pairs of a pre-training and a probe epoch; here the pair is chosen on the validation
part unless that is asked for.

Kept from the released code: the rate's schedule starts anew after every epoch of pre-training, the first probe epoch of
which still has the rate that was left; patience is shared, so that once it has run out every later epoch of
pre-training gets one probe epoch, at the rate of the one that patience ran out in; dropout acts on the head's input in
the first probe epoch of each.

References: Chang et al. (2024), TimeDRL, arXiv 2312.04142; official code blacksnail789521/TimeDRL, `exp_forecasting`.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.errors import InputError, check_rate, check_whole
from tsrl.evaluate.forecast_scores import Forecast, Selection, choose, scores
from tsrl.evaluate.origins import Splits, check_series
from tsrl.evaluate.probe_heads import Heads, Program, Target, errors, start, update
from tsrl.types import Aux, Method, Params

# Epochs of pre-training whose heads are kept.
KEPT = 3

# Factors of the learning rate after probe epoch e = 1, 2, ...
_AFTER = {
    "constant": lambda e: 1.0,
    "halving": lambda e: 0.5 ** (e - 1),
    "decay": lambda e: 0.9 ** max(e - 3, 0),
    "warmup": lambda e: (e + 1) / 5 if e < 5 else 0.9 ** (e - 5),
}


@dataclass(frozen=True)
class Probe:
    """A linear forecasting head that is trained on after every epoch of pre-training: the protocol `trained_probe`.

    Attributes:
      learning_rate: of AdamW, before the schedule.
      weight_decay: of AdamW.
      schedule: by probe epochs, see `tsrl.settings.Train`; it starts anew after every epoch of pre-training.
      epochs: passes over the training windows after every epoch of pre-training, at most.
      patience: probe epochs without a lower validation error, after which an epoch of pre-training gets only one.
      batch_size: windows.
      dropout: rate on the head's input, in the first probe epoch after an epoch of pre-training.

    Raises:
      InputError: a setting out of its range.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    schedule: Literal["constant", "halving", "decay", "warmup"] = "constant"
    epochs: int = 30
    patience: int = 5
    batch_size: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size"):
            check_whole(f"forecast.probe.{name}", getattr(self, name), 1)
        check_rate("forecast.probe.dropout", self.dropout)
        for name in ("learning_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"forecast.probe.{name}: found {getattr(self, name)}, want a finite number from 0 up")
        if self.schedule not in _AFTER:
            raise InputError(f"forecast.probe.schedule: found {self.schedule!r}, want one of {', '.join(_AFTER)}")


class Stopper(NamedTuple):
    """Early stopping of one head.

    Attributes:
      best: least validation error so far.
      waited: probe epochs since then.
      stopped: whether patience has ever run out.
      rate: learning rate of the next probe epoch.
    """

    best: float
    waited: int
    stopped: bool
    rate: float


class ContinuingProbe:
    """The heads of all horizons and seeds; to be called after every epoch of pre-training.

    Args:
      method: made for a single device, with `of_windows`.
      probe: how the heads are trained.
      x_in: `[T, C_in]` what windows are cut from, as the method is given it.
      x: `[T, C]` what is forecast, scaled; the last channels of `x_in`.
      splits: see `origins.Splits`.
      horizons: steps ahead.
      look_back: steps of a window.
      seeds: of the training that calls it.
      folder: where the heads are kept, so that a run can be resumed; None = in memory.

    Raises:
      InputError: series that do not fit, or a method without `of_windows`.
    """

    def __init__(
        self,
        method: Method,
        probe: Probe,
        x_in: np.ndarray,
        x: np.ndarray,
        splits: Splits,
        horizons: Sequence[int],
        look_back: int,
        seeds: Sequence[int],
        folder: Path | None = None,
    ):
        check_series(x, splits, horizons, look_back=look_back)
        if method.of_windows is None:
            raise InputError(
                "forecast.protocols: found trained_probe for a method that does not represent each channel of a "
                "window by itself; want last_step_ridge or window_linear"
            )
        self._program = Program(method, tuple(horizons), look_back, probe.weight_decay)
        self._target = Target(jnp.asarray(x_in, jnp.float32), jnp.asarray(x, jnp.float32))
        self._probe, self._splits, self._seeds, self._folder = probe, splits, list(seeds), folder
        self._held: dict[tuple[int, int], dict[str, Any]] = {}

    def __call__(self, epoch: int, state: Any, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Trains the heads on after epoch `epoch` of pre-training.

        Args:
          epoch: counted from 0.
          state: of all seeds.
          stopping: whether to give up; asked after every update.

        Returns:
          Whether all heads were trained and kept.
        """
        for row, seed in enumerate(self._seeds):
            params, aux = jax.tree.map(lambda leaf, row=row: leaf[row], (state.params, state.aux))
            if not self._train(epoch, seed, params, aux, stopping):
                return False
        return True

    def forecasts(self, seed: int, selection: Selection, scale: np.ndarray | None) -> list[Forecast]:
        """The chosen pair of epochs for each horizon, with its scores on test.

        Args:
          seed: of the training.
          selection: "validation" or "paper".
          scale: `[C]` that x was divided by, or None.
        """
        records = self._load(seed, None)["records"]
        judged = "test" if selection == "paper" else "valid"
        found = []
        for horizon in self._program.horizons:
            own = [record for record in records if record["horizon"] == horizon]
            best, chosen = choose(np.stack([np.array(record[judged]) for record in own], 1), selection)
            at = {name: own[best][name] for name in ("pretrain_epoch", "probe_epoch")}
            found.append(Forecast(horizon, False, scores(np.array(own[best]["test"]), scale), at | chosen))
        return found

    def _train(self, epoch: int, seed: int, params: Params, aux: Aux, stopping: Callable[[], bool]) -> bool:
        program, probe, horizons = self._program, self._probe, self._program.horizons
        key = jax.random.fold_in(jax.random.key(seed + 2**30), epoch)
        if epoch == 0:
            heads, states = start(program, params, aux, self._target, key)
            stoppers = {horizon: Stopper(np.inf, 0, False, probe.learning_rate) for horizon in horizons}
            records: list[dict[str, Any]] = []
        else:
            held = self._load(seed, epoch - 1)
            heads, states, stoppers, records = (held[name] for name in ("heads", "states", "stoppers", "records"))
        train = self._splits.train
        asked = np.arange(train.start + program.look_back - 1, train.stop - min(horizons))
        ends = jnp.asarray([train.stop - horizon for horizon in horizons])
        running = set(horizons)
        for number in range(1, probe.epochs + 1):
            order = np.random.default_rng([seed, epoch, number]).permutation(asked)
            rates = jnp.asarray([stoppers[horizon].rate if horizon in running else 0.0 for horizon in horizons])
            size = min(probe.batch_size, len(order))
            for batch in range(len(order) // size):
                if stopping():
                    return False
                origins = jnp.asarray(order[batch * size : (batch + 1) * size])
                step_key = jax.random.fold_in(key, number * len(order) + batch)
                dropout = probe.dropout if number == 1 else 0.0
                heads, states = update(
                    program, heads, states, params, aux, self._target, origins, ends, rates, step_key, dropout
                )
            parts = {"valid": self._splits.valid, "test": self._splits.test}
            found = {name: errors(program, heads, params, aux, self._target, part) for name, part in parts.items()}
            for horizon in sorted(running):
                at = {"horizon": horizon, "pretrain_epoch": epoch + 1, "probe_epoch": number}
                records.append(at | {name: part[horizon].tolist() for name, part in found.items()})
                rate = probe.learning_rate * _AFTER[probe.schedule](number)
                stoppers[horizon] = _stop(stoppers[horizon], found["valid"][horizon][0].mean(), probe.patience, rate)
                if stoppers[horizon].stopped:
                    running.discard(horizon)
            if not running:
                break
        self._save(seed, epoch, {"heads": heads, "states": states, "stoppers": stoppers, "records": records})
        return True

    def _file(self, seed: int, epoch: int) -> Path:
        assert self._folder is not None
        return self._folder / f"probe-{seed}-{epoch}.npz"

    def _save(self, seed: int, epoch: int, held: dict[str, Any]) -> None:
        self._held[seed, epoch] = held
        # A run that is resumed from the older of its two checkpoints goes through the last two epochs again.
        self._held.pop((seed, epoch - KEPT), None)
        if self._folder is None:
            return
        leaves = jax.tree.leaves((held["heads"], held["states"]))
        arrays = {f"leaf_{number}": np.asarray(leaf) for number, leaf in enumerate(leaves)}
        text = json.dumps({"stoppers": held["stoppers"], "records": held["records"]})
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(seed, epoch)
        fresh = file.with_name("fresh.tmp.npz")
        np.savez(fresh, record=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        os.replace(fresh, file)
        if epoch >= KEPT:
            self._file(seed, epoch - KEPT).unlink(missing_ok=True)

    def _load(self, seed: int, epoch: int | None) -> dict[str, Any]:
        """What was kept after an epoch; None = the last."""
        if epoch is None:
            epochs = {own for of, own in self._held if of == seed}
            if self._folder is not None:
                epochs |= {int(file.stem.rpartition("-")[2]) for file in self._folder.glob(f"probe-{seed}-*.npz")}
            epoch = max(epochs, default=0)
        if (seed, epoch) in self._held:
            return self._held[seed, epoch]
        if self._folder is None or not self._file(seed, epoch).is_file():
            raise InputError(f"workdir: found no heads of the probe after epoch {epoch}; start anew: --overwrite")
        with np.load(self._file(seed, epoch), allow_pickle=False) as file:
            record = json.loads(file["record"].tobytes())
            leaves = [jnp.asarray(file[f"leaf_{number}"]) for number in range(len(file.files) - 1)]
        stoppers = {int(horizon): Stopper(*own) for horizon, own in record["stoppers"].items()}
        blank: Heads = {horizon: {"kernel": jnp.zeros(()), "bias": jnp.zeros(())} for horizon in self._program.horizons}
        states = {horizon: self._program.optimizer().init(head) for horizon, head in blank.items()}
        heads, states = jax.tree.unflatten(jax.tree.structure((blank, states)), leaves)
        return {"heads": heads, "states": states, "stoppers": stoppers, "records": record["records"]}


def _stop(stopper: Stopper, error: float, patience: int, rate: float) -> Stopper:
    """The rule after one more probe epoch."""
    waited = 0 if error <= stopper.best else stopper.waited + 1
    stopped = stopper.stopped or waited >= patience
    return Stopper(min(stopper.best, float(error)), waited, stopped, stopper.rate if stopped else rate)
