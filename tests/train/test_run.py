"""What is traced and compiled for a run, and what is kept of it."""

import jax
import numpy as np

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv
from tsrl.pretraining import prepare, run, untrained
from tsrl.train import state

X = np.random.default_rng(0).normal(size=(9, 15, 2)).astype(np.float32)


def test_the_step_that_prepare_checked_is_compiled_and_serves_equal_runs(monkeypatch):
    traced, step_key = [], state.step_key
    monkeypatch.setattr(state, "step_key", lambda *arguments: (traced.append(arguments), step_key(*arguments))[1])
    encoder = DilatedConv(width=4, features=6, depth=1)
    config = Config(method=options("ts2vec", alpha=0.25), encoder=encoder, train=Train(steps=2, batch_size=4))
    job = prepare(config, X, None)
    once = len(traced)
    assert once > 0
    first, again = run(job), run(prepare(config, X, None))
    assert len(traced) == once
    assert first.history == again.history
    prepare(config, X[:, 1:], None)
    assert len(traced) == 2 * once
    other = [leaf.shape for leaf in jax.tree.leaves(untrained(job, 3).params)]
    assert other == [leaf.shape[1:] for leaf in jax.tree.leaves(first.state.params)]
