"""Gated recurrent units over steps, the encoder of TNC."""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl.encoders.front import RawFront
from tsrl.encoders.layers import Linear, uniform_fan_in
from tsrl.errors import InputError, check_whole
from tsrl.types import Array

_GATES = {"gru": 3, "lstm": 4}


class Recurrent(nn.Module):
    """A GRU or LSTM and a linear map of its output at each step: `[B, T, C] -> [B, T, features]`.

    It takes the series as it is (`RawFront`). At the last step the backward direction has seen that step alone, as in
    TNC's released encoder, which reads no other. The output of every layer is sown as `block`.

    Attributes:
      width: of the state in one direction.
      features: of the representation.
      layers: one upon another.
      cell: gated recurrent unit, or long short-term memory.
      bidirectional: a second state runs from the last step to the first.

    Raises:
      InputError: a size below 1.

    References: TNC (arXiv 2106.00750), section 4; gates and biases as in PyTorch.
    """

    width: int = 100
    features: int = 10
    layers: int = 1
    cell: Literal["gru", "lstm"] = "gru"
    bidirectional: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "features", "layers"):
            check_whole(name, getattr(self, name), 1)
        if self.cell not in _GATES:
            raise InputError(f"cell: found {self.cell!r}, want gru or lstm")
        super().__post_init__()

    @property
    def causal(self) -> bool:
        """Whether no step sees later ones."""
        return not self.bidirectional

    @nn.nowrap
    def front(self) -> nn.Module:
        """The series as it is."""
        return RawFront(parent=None)

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes steps.

        Args:
          h: `[B, T, C]`.
          mask: `[B, T]` bool; where False the step enters as zeros.
          exists: `[T]` or `[B, T]` bool; steps that are False are padding, which the states pass unchanged.
          wanted: takes `[B, T, ...]` to the steps whose representation is asked for; default: all.

        Returns:
          `[B, T, features]`, or `[B, S, features]`.
        """
        h = jnp.where(mask[..., None], h, 0)
        inside = None if exists is None else jnp.broadcast_to(exists, mask.shape)[..., None]
        for layer in range(self.layers):
            made = [self._direction(h, inside, f"block_{layer}_forward", reverse=False)]
            if self.bidirectional:
                made.append(self._direction(h, inside, f"block_{layer}_backward", reverse=True))
            h = jnp.concatenate(made, -1)
            self.sow("intermediates", "block", h)
        h = h if wanted is None else wanted(h)
        return Linear(self.features, name="output")(h)

    def _direction(self, x: Array, inside: Array | None, name: str, reverse: bool) -> Array:
        size, init = _GATES[self.cell] * self.width, uniform_fan_in(self.width)
        kernel = self.param(f"{name}_input", init, (x.shape[-1], size))
        bias = self.param(f"{name}_input_bias", init, (size,))
        hidden = self.param(f"{name}_hidden", init, (self.width, size))
        hidden_bias = self.param(f"{name}_hidden_bias", init, (size,))
        # What does not depend on the state is one product over all steps.
        driven = x @ kernel + bias
        passed = jnp.zeros((*x.shape[:2], 1), bool) if inside is None else ~inside

        def step(state: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
            driven, passed = now
            made = (_gru if self.cell == "gru" else _lstm)(state, driven, state[0] @ hidden + hidden_bias)
            state = jax.tree.map(lambda new, old: jnp.where(passed, old, new), made, state)
            return state, state[0]

        start = jnp.zeros((x.shape[0], self.width))
        _, outputs = lax.scan(step, (start, start), (driven.swapaxes(0, 1), passed.swapaxes(0, 1)), reverse=reverse)
        return outputs.swapaxes(0, 1)


def _gru(state: tuple[Array, Array], driven: Array, remembered: Array) -> tuple[Array, Array]:
    reset, update, new = jnp.split(driven, 3, -1)
    own_reset, own_update, own_new = jnp.split(remembered, 3, -1)
    reset, update = jax.nn.sigmoid(reset + own_reset), jax.nn.sigmoid(update + own_update)
    new = jnp.tanh(new + reset * own_new)
    return (1 - update) * new + update * state[0], state[1]


def _lstm(state: tuple[Array, Array], driven: Array, remembered: Array) -> tuple[Array, Array]:
    enter, forget, new, leave = jnp.split(driven + remembered, 4, -1)
    cell = jax.nn.sigmoid(forget) * state[1] + jax.nn.sigmoid(enter) * jnp.tanh(new)
    return jax.nn.sigmoid(leave) * jnp.tanh(cell), cell
