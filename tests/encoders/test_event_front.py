"""Events through any encoder and method."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsrl.data.events import EventColumns, EventFields, read_events, whole_events
from tsrl.encoders import CausalConv, DilatedConv, EventFront
from tsrl.errors import InputError
from tsrl.methods import simclr, ts2vec
from tsrl.parallel import AXIS
from tsrl.train.loop import fit
from tsrl.types import as_batch

KEY = jax.random.key(0)


def habits(count=12):
    """Users with a habit each, one of two: a table of events."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(count):
        action, moment = 0, 0.0
        for _ in range(int(random.integers(8, 15))):
            action = (action + 1 + user % 2) % 5
            moment += float(random.exponential(3600))
            rows.append((f"u{user}", f"a{action}", moment, float(random.normal())))
    user, action, time, amount = map(list, zip(*rows, strict=True))
    table = {"user": user, "action": action, "time": time, "amount": amount}
    return read_events(table, EventColumns(numeric=("amount",)))


LOG = habits()
FIELDS = EventFields.learn(LOG)
EVENTS = whole_events(LOG, FIELDS, 16)
BATCH = as_batch(EVENTS.fields, mask=EVENTS.mask)


def test_it_is_embeddings_and_numbers_side_by_side():
    front = EventFront(6, tuple(FIELDS.sizes().items()))
    z, variables = front.init_with_output(KEY, BATCH.fields)
    params = variables["params"]
    table = np.asarray(params["embed_action"]["embedding"])
    assert table.shape == (8, 5)
    own = np.concatenate([table[EVENTS.fields["action"]], EVENTS.fields["numbers"]], -1)
    linear = params["input"]["dense"]
    np.testing.assert_allclose(z, own @ np.asarray(linear["kernel"]) + np.asarray(linear["bias"]), rtol=1e-5, atol=1e-5)


def test_padding_reaches_no_representation():
    front, encoder = EventFront(4, tuple(FIELDS.sizes().items())), CausalConv(width=4, features=6, depth=1)
    method = simclr(encoder, front=front, hidden=4, output=3, pooling="mean", pairs="jitter")
    params, aux = method.init(KEY, BATCH)

    def disturbed(field):
        return jnp.where(BATCH.mask.reshape(BATCH.mask.shape + (1,) * (field.ndim - 2)), field, 1)

    one, other = (
        method.embed(params, aux, BATCH.replace(fields=fields))
        for fields in (BATCH.fields, jax.tree.map(disturbed, BATCH.fields))
    )
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_ts2vec_trains_on_events():
    encoder, front = DilatedConv(width=8, features=8, depth=2), EventFront(8, tuple(FIELDS.sizes().items()))
    method = ts2vec(encoder, front=front, axis_name=AXIS)
    settings = {"steps": 80, "batch_size": 6, "devices": jax.local_devices()[:1], "axis_name": AXIS}
    made = fit(method, BATCH, optax.adam(3e-3), **settings)
    losses = [row["loss"] for row in made.history]
    assert np.mean(losses[-15:]) < np.mean(losses[:15])
    params, aux = jax.tree.map(lambda leaf: leaf[0], (made.state.params, made.state.aux))
    z = np.asarray(method.embed(params, aux, BATCH))
    assert z.shape == (len(LOG), 8)
    assert np.linalg.matrix_rank(z - z.mean(0)) > 2
    # What was done matters, and when: no field is left out.
    for name, field in BATCH.fields.items():
        other = method.embed(params, aux, BATCH.replace(fields={**BATCH.fields, name: field[::-1]}))
        assert (np.abs(other - z).max(1) > 1e-4).mean() > 0.5


def test_bad_fields():
    with pytest.raises(InputError, match="fields: found numbers, want action as well"):
        EventFront(4, (("action", 5),)).init(KEY, {"numbers": BATCH.fields["numbers"]})
    with pytest.raises(InputError, match="sizes: found no columns and no numbers"):
        EventFront(4, (), "").init(KEY, BATCH.fields)
