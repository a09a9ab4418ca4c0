"""Four small real methods, each using another part of the contract: teacher, queue, epoch plan, dict of fields."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsrl import parallel, views
from tsrl.encoders import DilatedConv, LinearFront
from tsrl.types import Encoded, Method, Plan, as_batch, max_over_time

ENCODER = DilatedConv(width=8, features=8, depth=1)
SERIES = np.random.default_rng(0).normal(size=(22, 16, 2)).astype(np.float32).cumsum(1)


def _backbone(front=None):
    front = front or LinearFront(ENCODER.width)

    def init(key, batch):
        h, front_params = front.init_with_output(key, batch.fields)
        return {"front": front_params["params"], "encoder": ENCODER.init(key, h, batch.mask)["params"]}

    def encode(params, batch):
        h = front.apply({"params": params["front"]}, batch.fields)
        z = ENCODER.apply({"params": params["encoder"]}, h, batch.mask)
        return Encoded(z, jnp.arange(z.shape[1]), batch.mask)

    return init, encode


def _jittered(key, batch):
    """A view: per-example noise, keyed by row id."""
    keys = views.example_keys(key, batch.index)
    noise = jax.vmap(lambda k: jax.random.normal(k, batch.x.shape[1:]))(keys)
    return batch.replace(fields={"x": batch.x + 0.1 * noise})


def teacher(axis_name=None, momentum=0.9):
    """BYOL in small: an EMA teacher in `aux`, moved once per update."""
    init_backbone, encode = _backbone()
    head = nn.Dense(8)

    def init(key, batch):
        params = {"backbone": init_backbone(key, batch), "head": head.init(key, jnp.zeros((1, 8)))["params"]}
        return params, {"teacher": params["backbone"]}

    def loss(params, aux, batch, key):
        one, two = jax.random.split(key)
        online = head.apply(
            {"params": params["head"]}, max_over_time(encode(params["backbone"], _jittered(one, batch)))
        )
        target = jax.lax.stop_gradient(max_over_time(encode(aux["teacher"], _jittered(two, batch))))
        value = -optax.losses.cosine_similarity(online, target).mean()
        return value, (aux, {"teacher_norm": optax.tree.norm(aux["teacher"])})

    def after_step(params, aux, step, total_steps):
        rate = momentum + (1 - momentum) * step / total_steps
        return {"teacher": optax.incremental_update(params["backbone"], aux["teacher"], 1 - rate)}

    return Method(
        init,
        loss,
        lambda params, aux, batch: encode(params["backbone"], batch),
        lambda params, aux, batch: max_over_time(encode(params["backbone"], batch)),
        after_step=after_step,
    )


def queue(axis_name=None, size=24):
    """MoCo in small: negatives from a queue in `aux`, which takes up the whole batch on every device."""
    init_backbone, encode = _backbone()

    def embed(params, aux, batch):
        z = max_over_time(encode(params, batch))
        return z / jnp.linalg.norm(z, axis=-1, keepdims=True)

    def init(key, batch):
        keys = jax.random.normal(key, (size, 8))
        queue = keys / jnp.linalg.norm(keys, axis=-1, keepdims=True)
        return init_backbone(key, batch), {"queue": queue, "pointer": jnp.zeros((), jnp.int32)}

    def loss(params, aux, batch, key):
        one, two = jax.random.split(key)
        anchors = embed(params, aux, _jittered(one, batch))
        positives = jax.lax.stop_gradient(embed(params, aux, _jittered(two, batch)))
        logits = jnp.concatenate([jnp.sum(anchors * positives, -1, keepdims=True), anchors @ aux["queue"].T], 1) / 0.2
        value = optax.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.zeros(len(logits), int)).mean()
        entering = parallel.gather(positives, axis_name)
        place = (aux["pointer"] + jnp.arange(len(entering))) % size
        aux = {"queue": aux["queue"].at[place].set(entering), "pointer": (aux["pointer"] + len(entering)) % size}
        return value, (aux, {})

    return Method(init, loss, lambda params, aux, batch: encode(params, batch), embed)


def clusters(axis_name=None, count=3, batch_size=4):
    """Prototypes found anew every epoch; batches are filled cluster by cluster, and epochs differ in length."""
    init_backbone, encode = _backbone()

    def embed(params, aux, batch):
        return max_over_time(encode(params, batch))

    def loss(params, aux, batch, key):
        z = embed(params, aux, _jittered(key, batch))
        logits = -jnp.square(z[:, None] - batch.extra["prototypes"]).sum(-1)
        logits = jnp.where(batch.extra["counts"] > 0, logits, -jnp.inf)
        value = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch.extra["cluster"]).mean()
        return value, ({"seen": aux["seen"] + 1}, {"counted": batch.extra["counts"].sum().astype(jnp.float32)})

    def before_epoch(params, aux, data, key):
        z = np.asarray(embed(params, aux, data))
        random = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        prototypes = z[random.choice(len(z), count, replace=False)]
        cluster = np.square(z[:, None] - prototypes).sum(-1).argmin(1).astype(np.int32)
        counts = np.bincount(cluster, minlength=count)
        rows = np.argsort(cluster, kind="stable").astype(np.int32)
        steps = random.integers(2, len(z) // batch_size + 1)
        order = rows[: steps * batch_size].reshape(steps, batch_size)
        return Plan({"cluster": cluster}, {"prototypes": prototypes, "counts": counts}, order)

    return Method(
        lambda key, batch: (init_backbone(key, batch), {"seen": jnp.zeros((), jnp.int32)}),
        loss,
        lambda params, aux, batch: encode(params, batch),
        embed,
        before_epoch=before_epoch,
    )


class EventFront(nn.Module):
    """Embeds the action, projects the amount."""

    @nn.compact
    def __call__(self, fields):
        return nn.Embed(5, ENCODER.width)(fields["action"]) + nn.Dense(ENCODER.width)(fields["amount"])


def events(axis_name=None):
    """A batch is a dict of fields with a mask: each step predicts the next observed action."""
    init_backbone, encode = _backbone(EventFront())
    head = nn.Dense(5)

    def init(key, batch):
        return {"backbone": init_backbone(key, batch), "head": head.init(key, jnp.zeros((1, 8)))["params"]}, {}

    def loss(params, aux, batch, key):
        logits = head.apply({"params": params["head"]}, encode(params["backbone"], batch).z[:, :-1])
        per_step = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch.fields["action"][:, 1:])
        known = batch.mask[:, :-1] & batch.mask[:, 1:]
        # A device's share of the batch may hold more observed steps than another's: the mean is taken over all.
        value = jnp.sum(per_step, where=known) / parallel.mean(known.sum(), axis_name)
        return value, (aux, {})

    return Method(
        init,
        loss,
        lambda params, aux, batch: encode(params["backbone"], batch),
        lambda params, aux, batch: max_over_time(encode(params["backbone"], batch)),
    )


def event_data():
    random = np.random.default_rng(1)
    fields = {"action": random.integers(0, 5, (22, 12)), "amount": random.normal(size=(22, 12, 1)).astype(np.float32)}
    return as_batch(fields, mask=np.arange(12) < random.integers(3, 13, (22, 1)))


TOYS = {
    "teacher": (teacher, as_batch(SERIES)),
    "queue": (queue, as_batch(SERIES)),
    "clusters": (clusters, as_batch(SERIES)),
    "events": (events, event_data()),
}
