"""The triplet loss with semi-hard negatives against a loop."""

import jax
import numpy as np

from tsrl.losses.triplet import semi_hard_triplet

RANDOM = np.random.default_rng(0)


def test_it_takes_the_nearest_negative_beyond_the_positive():
    anchors, positives = RANDOM.normal(size=(2, 12, 3))
    candidates = RANDOM.normal(size=(9, 3))
    negative = RANDOM.random((12, 9)) < 0.5
    negative[0] = False
    # Nearer than the positive are all of the second's negatives.
    positives[1] = anchors[1] + 9
    wanted = []
    for a, p, own in zip(anchors, positives, negative, strict=True):
        near = np.sum((a - p) ** 2)
        far = [np.sum((a - c) ** 2) for c, used in zip(candidates, own, strict=True) if used]
        beyond = [d for d in far if d > near]
        chosen = min(beyond) if beyond else max(far, default=near + 0.5)
        wanted.append(max(near - chosen + 0.5, 0))
    found = semi_hard_triplet(anchors, positives, candidates, negative, 0.5)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert found[0] == 0
    assert found[1] > 0.5
    gradient = jax.grad(lambda a: semi_hard_triplet(a, positives, candidates, negative, 0.5).sum())(anchors)
    assert np.isfinite(gradient).all()
