"""Models of events: trained on a log, they represent, predict and are surprised; what is computed in parts is exact."""

import dataclasses

import jax
import numpy as np
import pytest

from tsrl.behaviour import EventEmbedder, load, pretrain_events
from tsrl.behaviour.embedder import event_front
from tsrl.behaviour.pretraining import training_stretches
from tsrl.config import options
from tsrl.data.events import EventFields, read_events, user_base, whole_events
from tsrl.encoders import CausalConv, DilatedConv, Recurrent, Transformer
from tsrl.errors import InputError
from tsrl.train.feed import Rows
from tsrl.types import as_batch

LOG = user_base(users=12, weeks=3, seed=1, actions=8).log
FIELDS = EventFields.learn(LOG)
SMALL = CausalConv(width=8, features=8, depth=1)


def model_of(encoder=SMALL, method="next_step", context=16, **settings):
    made = options(method, **settings).build(encoder, None, event_front(encoder, FIELDS))
    events = whole_events(LOG, FIELDS, 4)
    params, aux = made.init(jax.random.key(0), as_batch(events.fields, mask=events.mask))
    return EventEmbedder(options(method, **settings), encoder, FIELDS, params, aux, context)


MODEL = model_of()


def one_by_one(model, function):
    """Whole sequences, one at a time, without padding."""
    found = []
    for number in range(len(LOG)):
        alone = LOG.take([number])
        events = whole_events(alone, FIELDS)
        found.append(np.asarray(function(model.params, model.aux, as_batch(events.fields, mask=events.mask))[0]))
    return np.concatenate(found)


def test_an_events_representation_does_not_depend_on_how_the_log_is_cut():
    """Nine events are seen; the context has more, and the sequences are longer than both."""
    assert LOG.lengths.max() > 3 * MODEL.context
    wanted = one_by_one(MODEL, lambda *given: MODEL.method.encode(*given).z)
    np.testing.assert_allclose(MODEL.encode(LOG), wanted, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(LOG))
    shuffled = LOG.take(order)
    rows = np.concatenate([np.arange(LOG.starts[n], LOG.starts[n + 1]) for n in order])
    np.testing.assert_allclose(MODEL.encode(shuffled), wanted[rows], atol=1e-5)


@pytest.mark.parametrize("encoder", [DilatedConv(width=8, features=8, depth=1), Recurrent(width=4, features=8)])
def test_no_event_sees_a_later_one(encoder):
    model = model_of(encoder, "ts2vec", context=6) if isinstance(encoder, DilatedConv) else model_of(encoder, "tnc", 6)
    short = LOG.heads(9)
    cut = LOG.heads(5)
    rows = short.keep(np.arange(short.events) - short.starts[short.owner] < 5)
    np.testing.assert_array_equal(rows.starts, cut.starts)
    kept = np.arange(short.events) - short.starts[short.owner] < 5
    np.testing.assert_allclose(model.encode(short)[kept], model.encode(cut), atol=1e-6)


def test_sequences_are_embedded_as_the_method_does():
    found = MODEL.embed(LOG)
    for number in (0, 5):
        events = whole_events(LOG.take([number]), FIELDS)
        batch = as_batch(events.fields, mask=events.mask)
        wanted = MODEL.method.embed(MODEL.params, MODEL.aux, batch)[0]
        np.testing.assert_allclose(found[number], wanted, atol=1e-5)
    last = MODEL.embed(LOG, most=3)
    events = whole_events(LOG, FIELDS, 3)
    wanted = MODEL.method.embed(MODEL.params, MODEL.aux, as_batch(events.fields, mask=events.mask))
    np.testing.assert_allclose(last, wanted, atol=1e-5)


def test_surprise_is_what_was_expected_against_what_came():
    found = MODEL.surprise(LOG)
    assert list(found) == ["action", "device", "amount", "since previous", "calendar"]
    first = LOG.starts[:-1]
    events = whole_events(LOG.take([3]), FIELDS)
    expected = MODEL.method.expect(MODEL.params, MODEL.aux, as_batch(events.fields, mask=events.mask))
    begin, end = LOG.starts[3], LOG.starts[4]
    for name in ("action", "device"):
        logs = jax.nn.log_softmax(expected[name])[0]
        wanted = [-logs[t - 1, events.fields[name][0, t]] for t in range(1, end - begin)]
        np.testing.assert_allclose(found[name][begin + 1 : end], wanted, rtol=1e-4)
    numbers, guess = events.fields["numbers"][0], np.asarray(expected["numbers"][0])
    for place, name in enumerate(FIELDS.scales):
        wanted = (guess[:-1, 2 * place] - numbers[1:, 2 * place]) ** 2 / 2 * numbers[1:, 2 * place + 1]
        np.testing.assert_allclose(found[name][begin + 1 : end], wanted, rtol=1e-4, atol=1e-6)
    for values in found.values():
        assert np.isnan(values[first]).all()
        assert np.isnan(values).sum() == len(LOG)


def test_the_next_action_is_ranked_after_the_last_event_and_after_every_one():
    every, last = MODEL.next_action(LOG, every=True), MODEL.next_action(LOG)
    assert every.shape == (LOG.events, FIELDS.sizes()["action"])
    np.testing.assert_allclose(np.exp(every).sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(last, every[LOG.starts[1:] - 1], atol=1e-4)
    codes = FIELDS.codes(LOG, "action")
    row = LOG.starts[2] + 7
    assert -every[row - 1, codes[row]] == pytest.approx(MODEL.surprise(LOG)["action"][row], rel=1e-4)


def test_histories_without_events_have_defined_results():
    cut = LOG.keep(LOG.owner != 4)
    assert cut.lengths[4] == 0
    np.testing.assert_array_equal(MODEL.embed(cut)[4], 0)
    np.testing.assert_allclose(MODEL.next_action(cut)[4], -np.log(FIELDS.sizes()["action"]), rtol=1e-6)
    nothing = LOG.keep(np.zeros(LOG.events, bool))
    assert MODEL.encode(nothing).shape == (0, 8)
    assert MODEL.surprise(nothing)["action"].shape == (0,)


def test_training_learns_habits():
    """What follows what is known better than how often it comes."""
    model = pretrain_events(LOG, length=64, encoder=SMALL, steps=150, learning_rate=1e-2, hide=0.0)
    codes = FIELDS.codes(LOG, "action")
    share = np.bincount(codes) / len(codes)
    popular = -(share[share > 0] * np.log(share[share > 0])).sum()
    assert np.nanmean(model.surprise(LOG)["action"]) < 0.8 * popular


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("ts2vec", {}),
        ("simclr", {"pairs": "slices", "pooling": "mean"}),
        ("byol", {"pairs": "slices", "pooling": "max"}),
        ("tnc", {"window": 4, "samples": 2}),
    ],
)
def test_methods_of_series_train_on_events(method, settings):
    encoder = Recurrent(width=4, features=8) if method == "tnc" else SMALL
    model = pretrain_events(LOG, method, length=32, encoder=encoder, steps=2, batch_size=4, **settings)
    made = model.embed(LOG)
    assert made.shape[0] == len(LOG)
    assert np.isfinite(made).all()
    with pytest.raises(InputError, match=f"method: found {method}, which predicts no events, want next_step"):
        model.surprise(LOG)


def test_methods_that_need_a_series_say_so():
    with pytest.raises(InputError, match="fields: found action, device, numbers, want the one series x for tcn"):
        pretrain_events(LOG, "tcn", encoder=SMALL, steps=1)
    with pytest.raises(InputError, match=r"found timedrl, which makes its own front, of series.*agreement"):
        pretrain_events(LOG, "timedrl", encoder=Transformer(width=8, heads=2), steps=1)
    with pytest.raises(InputError, match="want a causal encoder"):
        pretrain_events(LOG, encoder=DilatedConv(width=8, features=8, depth=1), steps=1)


def test_a_larger_log_is_cut_as_it_is_needed(monkeypatch):
    kept = training_stretches(LOG, FIELDS, 32)
    monkeypatch.setattr("tsrl.behaviour.pretraining._AT_ONCE", 0)
    rows = training_stretches(LOG, FIELDS, 32)
    assert isinstance(rows, Rows)
    some = np.array([3, 0, rows.count - 1])
    jax.tree.map(np.testing.assert_array_equal, rows.take(some), kept.take(some))
    # Every event is in a stretch.
    events = whole_events(LOG, FIELDS)
    assert kept.mask.sum() >= events.mask.sum()
    one = pretrain_events(LOG, length=32, encoder=SMALL, steps=2)
    monkeypatch.undo()
    other = pretrain_events(LOG, length=32, encoder=SMALL, steps=2)
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    MODEL.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.fields == MODEL.fields
    assert again.context == MODEL.context
    np.testing.assert_array_equal(again.encode(LOG), MODEL.encode(LOG))
    others = [model_of(context=15), model_of(CausalConv(width=8, features=8, depth=2)), model_of(pooling="max")]
    assert again.fingerprint() == MODEL.fingerprint() not in [other.fingerprint() for other in others]
    with pytest.raises(InputError, match="want a new or empty"):
        MODEL.save(tmp_path / "model")
    import tsrl

    with pytest.raises(InputError, match="found a model of events"):
        tsrl.load(tmp_path / "model")


def test_logs_that_do_not_fit():
    other = read_events({"user": [1, 1], "time": [1, 2], "action": ["a", "b"]})
    with pytest.raises(InputError, match="device"):
        MODEL.encode(other)
    with pytest.raises(InputError, match="sequences of at most one event"):
        pretrain_events(LOG.heads(1), steps=1)
    with pytest.raises(InputError, match="length: found 1"):
        pretrain_events(LOG, length=1)
    lacking = dataclasses.replace(LOG, numbers={})
    with pytest.raises(InputError, match="amount"):
        MODEL.surprise(lacking)
