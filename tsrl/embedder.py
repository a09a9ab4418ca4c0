"""A trained model as users hold it: encode, embed, save, load."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.config import Options, model_from_json, model_json
from tsrl.data.scaling import Scaler
from tsrl.data.series import check_series
from tsrl.errors import InputError, check_whole
from tsrl.evaluate.embed import (
    EncodeMask,
    Pooling,
    Readout,
    embed_series,
    encode_series,
    predict_windows,
    readout_series,
)
from tsrl.model_files import read_config, read_model, save_model
from tsrl.types import Array, Aux, Batch, Params, WindowFeatures, as_batch


class Embedder:
    """A frozen model of one seed.

    Args:
      method: the method's settings.
      encoder: the encoder module.
      params: the method's parameters.
      aux: the method's auxiliary pytree.
      channels: C of the series it was trained on.
      scaler: applied to every series before it is encoded, or None.
      length: steps of the training series, for encoders whose parameters depend on it.
    """

    def __init__(
        self,
        method: Options,
        encoder: Any,
        params: Params,
        aux: Aux,
        channels: int,
        scaler: Scaler | None = None,
        length: int = 2,
    ):
        self.options, self.encoder, self.params, self.aux = method, encoder, params, aux
        self.channels, self.scaler, self.length = channels, scaler, length
        self.method = method.build(encoder)

    def __repr__(self) -> str:
        count = sum(np.size(leaf) for leaf in jax.tree.leaves(self.params))
        channels = "any" if self.any_channels else self.channels
        return f"Embedder({self.options.name}, {channels} channels, {count:,} parameters)"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by settings and arrays: a method's functions are made again."""
        arrays = jax.tree.map(np.asarray, (self.params, self.aux))
        return _rebuilt, (model_json(self.options, self.encoder), *arrays, self.channels, self.scaler, self.length)

    def encode(
        self,
        x: Any,
        *,
        pooling: Pooling = None,
        mask: EncodeMask = "all_true",
        sliding_length: int | None = None,
        sliding_padding: int = 0,
        causal: bool = False,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """One representation per time step.

        Args:
          x: `[N, T, C]` floats; a step with NaN in any channel is missing.
          pooling: a number w: the maximum over the w steps around each step; "multiscale": windows of 3, 5, 9, ...
            steps side by side; None: none.
          mask: "mask_last" hides the last step.
          sliding_length: encode windows that advance by this many steps instead of the whole series.
          sliding_padding: steps of context before (and, unless causal, after) the kept ones.
          causal: no context after the kept steps.
          batch_size: series or windows at a time.

        Returns:
          `[N, T, D]` float32; with sliding windows T is rounded up to a multiple of `sliding_length`.

        Raises:
          InputError: another rank or channel count, infinite values, no values, settings out of range.
        """
        return encode_series(
            self.method,
            self.params,
            self.aux,
            self._prepare(x),
            pooling=pooling,
            mask=mask,
            sliding_length=sliding_length,
            sliding_padding=sliding_padding,
            causal=causal,
            batch_size=batch_size,
        )

    def embed(self, x: Any, *, pooling: Pooling = "max", batch_size: int | None = None) -> np.ndarray:
        """One representation per series.

        Args:
          x: `[N, T, C]` floats, NaN = missing.
          pooling: "max": the method's own instance representation, for TS2Vec the maximum over all steps; a window or
            "multiscale": one embedding per step, pooled over the steps around it, as `encode` with the same pooling.
          batch_size: series at a time.

        Returns:
          `[N, D]` float32; `[N, T, D']` for a window or "multiscale".

        Raises:
          InputError: another rank or channel count, infinite values, no values, settings out of range.
        """
        if pooling != "max":
            return self.encode(x, pooling=pooling, batch_size=batch_size)
        return embed_series(self.method, self.params, self.aux, self._prepare(x), batch_size)

    def window_features(self, x: Any, *, batch_size: int | None = None) -> tuple[np.ndarray, ...]:
        """Each channel of each series represented by itself, with what it was normalised by.

        Args:
          x: `[N, T, C]` floats, NaN = missing.
          batch_size: series at a time.

        Returns:
          Features `[N, C, F]`, mean and scale `[N, C]` in scaled units.

        Raises:
          InputError: the method has no such representation; or wrong input as for `embed`.
        """
        of_windows = self.method.of_windows
        if of_windows is None:
            raise InputError(f"method: found {self.options.name}, which does not represent channels by themselves")
        x = self._prepare(x)
        parts = embed_series(
            self.method._replace(embed=_side_by_side(of_windows)), self.params, self.aux, x, batch_size
        )
        return parts[..., :-2], parts[..., -2], parts[..., -1]

    def predict(self, x: Any, known: Any = None) -> np.ndarray:
        """Forecasts of a supervised model.

        Args:
          x: `[N, L, K + C]` floats, the window before the forecast; the first K channels are known in advance.
          known: `[N, H, K]` these channels after the window; default: nothing is known in advance, K = 0.

        Returns:
          `[N, H, C]` in the units of x.

        Raises:
          InputError: a method that does not forecast; another horizon than it was trained for; missing values.
        """
        if self.method.predict is None:
            raise InputError(f"method: found {self.options.name}, which does not forecast, want one with `predict`")
        x, horizon = self._prepare(x), self.options.horizon  # type: ignore[attr-defined]
        known = np.zeros((len(x), horizon, 0), np.float32) if known is None else np.asarray(known, np.float32)
        if known.ndim != 3 or known.shape[:2] != (len(x), horizon) or known.shape[2] >= x.shape[2]:
            raise InputError(f"known: found shape {known.shape}, want [{len(x)}, {horizon}, K], K below {x.shape[2]}")
        if np.isnan(x).any() or np.isnan(known).any():
            raise InputError("x, known: found missing values, want none")
        count = known.shape[2]
        if self.scaler is None:
            return predict_windows(self.method, self.params, self.aux, x, known)
        mean, std = (np.asarray(part) for part in (self.scaler.mean, self.scaler.std))
        known = (known - mean[:count]) / std[:count]
        return predict_windows(self.method, self.params, self.aux, x, known) * std[count:] + mean[count:]

    def read_out(self, x: Any, readout: Readout, *, batch_size: int | None = None) -> np.ndarray:
        """One vector per series, made of the outputs of all blocks of the encoder.

        Args:
          x: `[N, T, C]` floats, NaN = missing.
          readout: `(layers: list of [n, S, D_i], mask [n, S]) -> [n, F]`, for example `tsrl.readout.rich_readout`.
          batch_size: series at a time.

        Returns:
          `[N, F]` float32.

        Raises:
          InputError: another rank or channel count, infinite values, no values.
        """
        return readout_series(self.method, self.params, self.aux, self._prepare(x), readout, batch_size)

    def _prepare(self, x: Any) -> np.ndarray:
        x = check_series(x, min_length=1)
        if x.shape[2] != self.channels and not self.any_channels:
            raise InputError(f"x: found {x.shape[2]} channels in shape {x.shape}, want {self.channels} as in training")
        return x if self.scaler is None else self.scaler.apply(x)

    @property
    def any_channels(self) -> bool:
        """Whether series of any number of channels are represented, each channel by itself."""
        return self.method.any_channels and self.scaler is None

    def with_channels(self, channels: int) -> "Embedder":
        """The same model for series of so many channels, where that has to be known before: streams, files, exports.

        Args:
          channels: at least 1.

        Raises:
          InputError: a model of a fixed number of channels.
        """
        check_whole("channels", channels, 1)
        if channels != self.channels and not self.any_channels:
            why = "its scaler is" if self.method.any_channels else f"{self.options.name}'s parameters are"
            raise InputError(f"channels: found {channels}, want {self.channels}, for which {why} made")
        return Embedder(self.options, self.encoder, self.params, self.aux, channels, self.scaler, self.length)

    def save(self, folder: Path | str) -> None:
        """Writes the model to a new folder, for `tsrl.load`.

        Raises:
          InputError: the folder exists and is not empty.
        """
        meta = model_meta(self.channels, self.length, self.scaler)
        save_model(Path(folder), self.params, self.aux, meta, model_json(self.options, self.encoder))


# One object for each function, so that it is compiled once.
@cache
def _side_by_side(
    of_windows: Callable[[Params, Aux, Batch], WindowFeatures],
) -> Callable[[Params, Aux, Batch], Array]:
    """Features, mean and scale in one array `[B, C, F + 2]`."""

    def joined(params: Params, aux: Aux, batch: Batch) -> Array:
        found = of_windows(params, aux, batch)
        return jnp.concatenate([found.features, found.mean[..., None], found.scale[..., None]], -1)

    return joined


def _rebuilt(record: dict[str, Any], params: Params, aux: Aux, *rest: Any) -> Embedder:
    return Embedder(*model_from_json(record), params, aux, *rest)


def model_meta(channels: int, length: int, scaler: Scaler | None) -> dict[str, Any]:
    """What a checkpoint records beside the arrays, so that `load` can rebuild the model."""
    scaling = (
        None if scaler is None else {"mean": np.asarray(scaler.mean).tolist(), "std": np.asarray(scaler.std).tolist()}
    )
    return {"channels": channels, "length": length, "scaler": scaling}


def load(folder: Path | str, seed: int | None = None, step: int | None = None) -> Embedder:
    """A model that comes with the package, or from a folder that `Embedder.save` wrote or a training run worked in.

    Args:
      folder: holds config.json and checkpoints/; or a name of `tsrl.shipped.shipped_models`, such as "tsrl-small", of
        which no folder exists here.
      seed: which of the seeds that were trained together; default the first.
      step: the checkpoint after this many updates; default the newest readable one.

    Raises:
      InputError: no model there, a damaged one, or a seed it does not hold.
    """
    if not Path(folder).exists():
        # Imported here: it is made of models, and so imports this file.
        from tsrl.shipped import load_shipped, shipped_models

        if str(folder) in shipped_models():
            return load_shipped(str(folder))
    if (Path(folder) / "export.json").is_file():
        raise InputError(f"folder: found an export in {folder}, want a saved model; tsrl.export.load_exported reads it")
    record = read_config(Path(folder))
    if "events" in record:
        raise InputError(
            f"folder: found a model of events in {folder}, want one of series; tsrl.behaviour.load reads it"
        )
    options, encoder = model_from_json(record)
    method = options.build(encoder)

    def example(meta: dict[str, Any]) -> Batch:
        return as_batch(np.zeros((1, meta["length"], meta["channels"]), np.float32))

    params, aux, meta = read_model(Path(folder), method, example, seed, step)
    scaling = meta["scaler"]
    scaler = None if scaling is None else Scaler(**{name: np.asarray(v, np.float32) for name, v in scaling.items()})
    return Embedder(options, encoder, params, aux, meta["channels"], scaler, meta["length"])
