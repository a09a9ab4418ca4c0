"""Recurrent cells against their equations a step at a time; padding, missing steps, sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import Recurrent
from tsrl.errors import InputError

X = jax.random.normal(jax.random.key(0), (3, 8, 2))
MASK = jnp.ones((3, 8), bool)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow(params, x, cell, directions, layers):
    h = np.asarray(x, float)
    for layer in range(layers):
        made = []
        for direction in directions:
            own = {n: np.asarray(params[f"block_{layer}_{direction}_{n}"], float) for n in ("input", "hidden")}
            bias = {n: np.asarray(params[f"block_{layer}_{direction}_{n}_bias"], float) for n in ("input", "hidden")}
            state = cells = np.zeros((len(h), len(own["hidden"])))
            outputs = np.zeros((*h.shape[:2], len(own["hidden"])))
            for t in range(h.shape[1]) if direction == "forward" else range(h.shape[1])[::-1]:
                a, b = h[:, t] @ own["input"] + bias["input"], state @ own["hidden"] + bias["hidden"]
                if cell == "gru":
                    (ar, az, an), (br, bz, bn) = np.split(a, 3, -1), np.split(b, 3, -1)
                    new = np.tanh(an + sigmoid(ar + br) * bn)
                    state = (1 - sigmoid(az + bz)) * new + sigmoid(az + bz) * state
                else:
                    i, f, g, o = np.split(a + b, 4, -1)
                    cells = sigmoid(f) * cells + sigmoid(i) * np.tanh(g)
                    state = sigmoid(o) * np.tanh(cells)
                outputs[:, t] = state
            made.append(outputs)
        h = np.concatenate(made, -1)
    return h @ np.asarray(params["output"]["dense"]["kernel"]) + np.asarray(params["output"]["dense"]["bias"])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize(("bidirectional", "layers"), [(True, 1), (False, 2)])
def test_cells_written_out(cell, bidirectional, layers):
    encoder = Recurrent(width=4, features=3, layers=layers, cell=cell, bidirectional=bidirectional)
    params = encoder.init(jax.random.key(1), X, MASK)["params"]
    ours = jax.jit(encoder.apply)({"params": params}, X, MASK)
    directions = ("forward", "backward") if bidirectional else ("forward",)
    np.testing.assert_allclose(ours, slow(params, X, cell, directions, layers), atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_padding_on_both_sides_changes_nothing(cell):
    encoder = Recurrent(width=4, features=3, cell=cell)
    variables = encoder.init(jax.random.key(1), X, MASK)
    padded = jnp.pad(X, ((0, 0), (2, 3), (0, 0)), constant_values=7.0)
    exists = (jnp.arange(13) >= 2) & (jnp.arange(13) < 10)
    made = encoder.apply(variables, padded, jnp.ones((3, 13), bool), exists)
    np.testing.assert_allclose(made[:, 2:10], encoder.apply(variables, X, MASK), atol=1e-6)


def test_missing_steps_enter_as_zeros_and_wanted_steps_are_taken():
    encoder = Recurrent(width=4, features=3)
    variables = encoder.init(jax.random.key(1), X, MASK)
    mask = MASK.at[1, 4].set(False)
    whole = encoder.apply(variables, X.at[1, 4].set(0), MASK)
    np.testing.assert_array_equal(encoder.apply(variables, X, mask), whole)
    taken = encoder.apply(variables, X, mask, None, lambda h: h[:, -1:])
    np.testing.assert_allclose(taken, whole[:, -1:], atol=1e-6)


@pytest.mark.parametrize("changed", [{"width": 0}, {"features": 1.5}, {"layers": -1}, {"cell": "rnn"}])
def test_wrong_sizes_are_refused(changed):
    with pytest.raises(InputError, match=f"{next(iter(changed))}: found"):
        Recurrent(**changed)
