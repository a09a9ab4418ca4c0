"""Every case of MHCCL's golden file.

QUIRK: the released code turns candidates `[B, M, D]` into `[B, D, M]` by a reshape, which scrambles all products; ours
are the products themselves, which the file holds too, and with its arrangement our losses and gradients are its own.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, cases, label

from tsrl.losses.clusters import binary_contrastive
from tsrl.losses.nt_xent import unit
from tsrl.methods.mhccl import both_of, contrast_instances, contrast_prototypes


def linear(weights, x):
    return unit(x @ weights["weight"].T + weights["bias"])


@pytest.mark.parametrize("case", cases("mhccl"), ids=label)
def test_golden_mhccl(case):
    arrays, rand = case.arrays["in"], case.rand
    rows, levels = len(arrays["index"]), case.setting("layers")
    used = case.setting("usetemp")
    tau, tau_prototypes = (case.setting("tempi"), case.setting("tempp")) if used else (1.0, 1.0)
    m, own = case.setting("m"), jnp.arange(rows)
    weights, averaged = case.starting("w", "encoder_q."), case.starting("w", "encoder_k.")
    moved = {name: m * averaged[name] + (1 - m) * weights[name] for name in weights}
    assert_close(moved["weight"], case.out["encoder_k_after.weight"], "momentum")
    k = linear(moved, arrays["x_k"])
    assert_close(k, case.out["k"], "k")
    place = {int(row): at for at, row in enumerate(arrays["index"])}
    near, far = (np.vectorize(place.__getitem__)(rand[name]) for name in ("pos_ids", "neg_ids"))
    places = np.concatenate([near, far], 1)

    def scrambled(q, candidates, tau):
        return jnp.einsum("bd,bdm->bm", q, candidates.reshape(rows, candidates.shape[2], -1)) / tau

    def loss(weights):
        q = linear(weights, arrays["x_q"])
        logits = scrambled(q, both_of(q, k, own, places), tau)
        labels = jnp.arange(logits.shape[1]) < 2 * near.shape[1]
        instance = binary_contrastive(logits, labels, jnp.ones_like(logits, bool)).mean()
        found = []
        for level in range(levels):
            chosen = np.concatenate([rand[f"pos_proto{level}"], rand[f"neg_proto{level}"]], 1)
            of_level = scrambled(q, arrays[f"centroids{level}"][chosen], tau_prototypes)
            positive = jnp.arange(of_level.shape[1]) < case.setting("posp")
            found.append((of_level, binary_contrastive(of_level, positive, jnp.ones_like(of_level, bool)).mean()))
        prototype = jnp.stack([value for _, value in found]).mean()
        return instance + prototype, (q, logits, instance, prototype, [of_level for of_level, _ in found])

    (total, (q, logits, instance, prototype, of_levels)), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        weights
    )
    assert_close(q, case.out["q"], "q")
    assert_close(logits, case.out["logits"], "logits")
    for level, found in enumerate(of_levels):
        assert_close(found, case.out[f"proto_logits{level}"], f"level {level}")
    assert_close(instance, case.loss["instance"], "instance")
    assert_close(prototype, case.loss["proto"], "prototype")
    assert_close(total, case.loss["total"], "total")
    for name, own_gradient in gradient.items():
        assert_close(own_gradient, case.grad[f"w.encoder_q.{name}"], name)

    # What the library does: the products themselves.
    every = lambda chosen: (jnp.asarray(chosen), jnp.ones(chosen.shape, bool))  # noqa: E731
    right = np.asarray(case.arrays["aux"]["logits_transpose"])
    labels = np.arange(right.shape[1]) < 2 * near.shape[1]
    cross_entropy = lambda logits, labels: np.logaddexp(0, np.where(labels, -logits, logits)).mean(1)  # noqa: E731
    ours = contrast_instances(q, q, k, own, every(near), every(far), tau)
    assert_close(ours, cross_entropy(right, labels), "instances")
    for level in range(levels):
        right = case.arrays["aux"][f"proto_logits_transpose{level}"]
        chosen = [every(rand[f"{kind}_proto{level}"]) for kind in ("pos", "neg")]
        ours = contrast_prototypes(q, jnp.asarray(arrays[f"centroids{level}"]), *chosen, tau_prototypes)
        assert_close(ours, cross_entropy(right, np.arange(right.shape[1]) < case.setting("posp")), "prototypes")
