"""Tasks about whole users: fine-tuned heads, look-alikes and segments find who was made to differ."""

import jax
import numpy as np
import pytest

from tsrl.behaviour import pretrain_events
from tsrl.behaviour.embedder import event_front
from tsrl.behaviour.users import LookAlikes, finetune_users, segment_users, user_events
from tsrl.config import options
from tsrl.data.events import EventColumns, EventFields, read_events, whole_events
from tsrl.encoders import CausalConv
from tsrl.errors import InputError
from tsrl.types import as_batch

KINDS, EACH = 3, 12


def made_log(seed=0, prefix="user"):
    """Users of three kinds, who mostly do their kind's two actions of six."""
    random = np.random.default_rng(seed)
    rows = {"user": [], "time": [], "action": [], "amount": []}
    for number in range(KINDS * EACH):
        kind = number % KINDS
        for step in range(random.integers(10, 25)):
            own = random.random() < 0.9
            action = 2 * kind + random.integers(2) if own else random.integers(2 * KINDS)
            rows["user"].append(f"{prefix} {number}")
            rows["time"].append(1.0 * step)
            rows["action"].append(f"action {action}")
            rows["amount"].append(kind + random.random())
    return read_events(rows, EventColumns(numeric=("amount",)))


LOG = made_log()


@pytest.fixture(scope="module")
def model():
    encoder = CausalConv(width=16, features=16, depth=1)
    return pretrain_events(LOG, encoder=encoder, length=16, steps=60, batch_size=16, learning_rate=5e-3)


def kinds(log):
    return np.array([int(str(user).split()[1]) % KINDS for user in log.users])


@pytest.mark.parametrize("mode", ["probe", "full", "supervised"])
def test_a_head_learns_kinds_and_tells_those_of_other_users(model, mode):
    before = jax.tree.map(np.array, model.params)
    names = np.array(["reader", "buyer", "seller"])
    tuned = finetune_users(model, LOG, names[kinds(LOG)], mode=mode, epochs=30, learning_rate=0.02)
    jax.tree.map(np.testing.assert_array_equal, model.params, before)
    same = jax.tree.map(lambda one, other: bool((np.asarray(one) == other).all()), tuned.model.params, before)
    assert all(jax.tree.leaves(same)) == (mode == "probe")
    other = made_log(1, "stranger")
    found = tuned.predict(other)
    assert (found == names[kinds(other)]).mean() > 0.9
    shares = tuned.shares(other)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(tuned.tuned.classes[shares.argmax(1)], found)
    # What is said of a user does not depend on who is asked about beside.
    np.testing.assert_allclose(tuned.shares(other.take([5, 2])), shares[[5, 2]], rtol=1e-4, atol=1e-6)


def test_supervised_begins_anew(model):
    """What the model has learned has no part in it; that is the control."""
    encoder, fields = model.encoder, model.fields
    other = pretrain_events(made_log(3), fields=fields, encoder=encoder, length=16, steps=2, seed=4)
    found = [finetune_users(one, LOG, kinds(LOG), mode="supervised", epochs=2, seed=1) for one in (model, other)]
    jax.tree.map(np.testing.assert_array_equal, found[0].model.params, found[1].model.params)
    np.testing.assert_array_equal(found[0].shares(LOG), found[1].shares(LOG))
    different = finetune_users(model, LOG, kinds(LOG), mode="supervised", epochs=2, seed=2)
    assert not np.array_equal(different.shares(LOG), found[0].shares(LOG))


def test_a_probe_is_the_head_on_frozen_embeddings(model):
    tuned = finetune_users(model, LOG, kinds(LOG), mode="probe", most=16, epochs=5)
    z = model.embed(LOG, most=16)
    head = tuned.tuned.head
    outputs = (z - head["mean"]) / head["scale"] @ head["kernel"] + head["bias"]
    np.testing.assert_array_equal(tuned.predict(LOG), tuned.tuned.classes[outputs.argmax(1)])


def test_a_number_is_learned(model):
    y = 10.0 + 5.0 * kinds(LOG)
    tuned = finetune_users(model, LOG, y, loss="squared", epochs=40, learning_rate=0.02)
    assert np.abs(tuned.predict(LOG) - y).mean() < 1.5
    with pytest.raises(InputError, match="head: found one that gives numbers"):
        tuned.shares(LOG)


def test_look_alikes_are_of_the_same_kind_and_never_oneself(model):
    search = LookAlikes(model, LOG)
    users, cosine = search.nearest(LOG, count=3)
    assert users.shape == cosine.shape == (KINDS * EACH, 3)
    assert (np.diff(cosine, axis=1) <= 1e-6).all()
    assert not (users == LOG.users.astype(str)[:, None]).any()
    of = dict(zip(LOG.users.astype(str), kinds(LOG), strict=True))
    same = np.array([[of[name] == of[str(own)] for name in row] for own, row in zip(LOG.users, users, strict=True)])
    assert same.mean() > 0.9
    # By brute force.
    z = model.embed(LOG)
    z = (z - z.mean(0)) / z.std(0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    wanted = z @ z.T - 3 * np.eye(len(z))
    np.testing.assert_allclose(cosine, -np.sort(-wanted, axis=1)[:, :3], atol=1e-5)
    strangers, _ = search.nearest(made_log(1, "stranger"), count=5)
    assert strangers.shape == (KINDS * EACH, 5)


def test_an_audience_is_like_its_seeds(model):
    search = LookAlikes(model, LOG)
    seeds = [f"user {n}" for n in (0, 3, 6)]
    users, cosine = search.audience(seeds, count=5)
    assert {int(name.split()[1]) % KINDS for name in users} == {0}
    assert not set(users) & set(seeds)
    assert (np.diff(cosine) <= 0).all()
    for asked, message in (
        ((["nobody"], 3), "users: found 'nobody', want users of the log"),
        (([], 3), "users: found 0 and a count of 3"),
        ((seeds, KINDS * EACH - 2), "users: found 3 and a count of 34 for 36 users, want fewer"),
    ):
        with pytest.raises(InputError, match=message):
            search.audience(*asked)
    with pytest.raises(InputError, match="count: found 36, want at most 35"):
        search.nearest(LOG, count=36)
    with pytest.raises(InputError, match="log: found 1 users"):
        LookAlikes(model, LOG.take([0]))
    with pytest.raises(InputError, match="log: found 4 sequences of 2 users, want one each"):
        LookAlikes(model, LOG.take([0, 0, 0, 1]))


def test_segments_are_the_kinds(model):
    found = segment_users(model, LOG, count=KINDS)
    for segment in range(KINDS):
        assert np.bincount(kinds(LOG)[found.label == segment]).max() >= 0.9 * (found.label == segment).sum()
        kind = np.bincount(kinds(LOG)[found.label == segment]).argmax()
        # Its two actions are what it does more than others.
        most = {found.actions[place] for place in np.argsort(-found.lift[segment])[:2]}
        assert most == {f"action {2 * kind}", f"action {2 * kind + 1}"}
        place = [str(user) for user in LOG.users].index(found.typical[segment])
        assert found.label[place] == segment
    again = segment_users(model, LOG, count=KINDS)
    np.testing.assert_array_equal(again.label, found.label)
    chosen = segment_users(model, LOG)
    assert chosen.silhouette >= found.silhouette
    with pytest.raises(InputError, match="log: found 3 users, want more than 3, the segments"):
        segment_users(model, LOG.take([0, 1, 2]), count=3)
    with pytest.raises(InputError, match="count: found 1, want a whole number from 2 up"):
        segment_users(model, LOG, count=1)
    with pytest.raises(InputError, match="log: found 1 users who differ, want 3"):
        segment_users(model, LOG.take([0] * 6), count=3)


def test_a_silhouette_of_many_users_has_some_of_each_segment(model, monkeypatch):
    """One who is like nobody else is a segment of one, of which a sample has to know."""
    monkeypatch.setattr("tsrl.behaviour.users._JUDGED", 8)
    z = np.random.default_rng(0).normal(size=(len(LOG), 16))
    z[5] = 100.0
    monkeypatch.setattr(type(model), "embed", lambda self, log: z)
    found = segment_users(model, LOG, count=2)
    assert np.bincount(found.label).min() == 1
    assert 0 < found.silhouette <= 1


def test_a_user_without_events_is_defined(model):
    empty = LOG.keep(LOG.owner != 0)
    batch = user_events(model, empty, 8)
    assert not batch.mask[0].any()
    tuned = finetune_users(model, LOG, kinds(LOG), mode="probe", epochs=3)
    assert np.isfinite(tuned.shares(empty)).all()
    with pytest.raises(InputError, match="log: found no sequences"):
        user_events(model, LOG.take([]), 8)
    with pytest.raises(InputError, match="most: found 0"):
        finetune_users(model, LOG, kinds(LOG), most=0)


def test_agreement_adds_the_other_pass_to_what_is_predicted():
    fields = EventFields.learn(LOG)
    encoder = CausalConv(width=8, features=8, depth=1)
    events = whole_events(LOG, fields, 16)
    batch, losses = as_batch(events.fields, mask=events.mask), {}
    for agreement in (0.5, 2.0):
        method = options("next_step", agreement=agreement).build(encoder, None, event_front(encoder, fields))
        params, aux = method.init(jax.random.key(0), batch)
        value, (after, metrics) = method.loss(params, aux, batch, jax.random.key(1))
        losses[agreement] = float(value)
        assert value == pytest.approx(float(metrics["predictive"] + agreement * metrics["contrastive"]), rel=1e-6)
        assert -1 <= metrics["contrastive"] <= 1
        # The predictor's statistics have moved by both predictions.
        assert not np.array_equal(
            after["stats"]["predictor"]["norm"]["mean"], aux["stats"]["predictor"]["norm"]["mean"]
        )
    # The same draws, another weight.
    assert losses[2.0] - losses[0.5] == pytest.approx(1.5 * float(metrics["contrastive"]), rel=1e-4)
    made = pretrain_events(LOG, "next_step", agreement=0.5, fields=fields, encoder=encoder, length=16, steps=3)
    assert np.isfinite(made.embed(LOG)).all()
    with pytest.raises(InputError, match="hide: found 0 with an encoder without dropout"):
        pretrain_events(LOG, "next_step", agreement=0.5, hide=0.0, encoder=encoder, steps=1)
