"""Every method with every encoder: it trains, or is refused with the reason."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from tsrl.config import Config, Train, options
from tsrl.encoders import ENCODERS
from tsrl.errors import InputError
from tsrl.methods import METHODS
from tsrl.pretraining import prepare, untrained
from tsrl.types import as_batch

ENCODER = {
    "CausalConv": {"width": 8, "features": 8, "depth": 1},
    "DilatedConv": {"width": 8, "features": 8, "depth": 1},
    "Informer": {"width": 8, "heads": 2, "feed_forward": 8, "factor": 1},
    "MultiScaleConv": {"width": 8, "features": 8, "kernels": (1, 2)},
    "PooledConv": {"width": 4, "features": 8, "kernel_size": 3},
    "Pyramid": {"width": 4, "scales": 3, "depth": 2, "kernel_size": 3},
    "Recurrent": {"width": 8, "features": 8},
    "TCN": {"width": 8, "levels": 2},
    "Transformer": {"width": 8, "heads": 2},
}
WINDOWS = Train(steps=1, batch_size=2, window=16)
PLAIN = Train(steps=1, batch_size=2)
METHOD = {
    "byol": ({"hidden": 8, "output": 4}, PLAIN),
    "ccl": ({"hidden": 8, "output": 4}, PLAIN),
    "cost": ({"length": 16, "longest_kernel": 4, "queue": 8}, WINDOWS),
    "foundation": ({"rows": 8, "classes": 2, "lengths": (16,)}, PLAIN),
    "informer": ({"horizon": 3, "label_length": 4, "covariates": 1}, WINDOWS),
    "mhccl": ({"hidden": 8, "output": 4}, PLAIN),
    "next_step": ({}, PLAIN),
    "simclr": ({"hidden": 8, "output": 4}, PLAIN),
    "simts": ({"history": 10, "future": 6}, WINDOWS),
    "tcn": ({"horizon": 3, "covariates": 1}, WINDOWS),
    "timedrl": ({"patch_len": 4, "stride": 4}, WINDOWS),
    "tloss": ({"negatives": 2, "output": 6}, PLAIN),
    "tnc": ({"window": 4, "samples": 2}, PLAIN),
    "ts2vec": ({}, PLAIN),
    "tstcc": ({"future": 2, "context": 8, "context_layers": 1}, PLAIN),
}
SHORTENS = "which shortens the series"
REFUSED = {
    (method, encoder): SHORTENS
    for method in ("cost", "next_step", "simts", "tcn", "timedrl", "tloss", "ts2vec")
    for encoder in ("Informer", "PooledConv")
} | {
    ("next_step", encoder): "whose steps see later ones"
    for encoder in ("DilatedConv", "MultiScaleConv", "Pyramid", "Recurrent", "Transformer")
}
REFUSED |= {("foundation", encoder): "takes batch statistics" for encoder in ("Informer", "PooledConv")}
X = np.random.default_rng(0).normal(size=(4, 24, 2)).astype(np.float32).cumsum(1)


def test_every_method_and_encoder_is_in_the_matrix():
    assert set(METHOD) == set(METHODS)
    assert set(ENCODER) == set(ENCODERS)


@pytest.mark.parametrize("encoder", ENCODER)
@pytest.mark.parametrize("method", METHOD)
def test_a_method_with_an_encoder(method, encoder):
    settings, train = METHOD[method]
    config = Config(method=options(method, **settings), encoder=ENCODERS[encoder](**ENCODER[encoder]), train=train)
    if reason := REFUSED.get((method, encoder)):
        with pytest.raises(InputError, match=reason):
            prepare(config, X, None)
        return
    # `prepare` traces the whole training step, gradient and update included, but of methods that plan their epochs.
    made = prepare(config, X, None).method(None)

    @jax.jit
    def represented(batch):
        params, aux = made.init(jax.random.key(0), batch)
        return made.encode(params, aux, batch).z, made.embed(params, aux, batch)

    z, one = represented(as_batch(X[:, : train.window or 24]))
    assert z.shape[0] == one.shape[0] == len(X)
    assert np.isfinite(z).all()
    assert np.isfinite(one).all()
    # Series are told apart.
    assert np.abs(one[0] - one[1]).max() > 1e-6


def test_an_encoder_that_is_refused_serves_without_distilling():
    encoder = ENCODERS["Informer"](**ENCODER["Informer"], distil=False, attention="full")
    for method in ("ts2vec", "simts", "timedrl"):
        settings, train = METHOD[method]
        config = Config(method=options(method, **settings), encoder=encoder, train=replace(train, steps=1))
        assert np.isfinite(untrained(prepare(config, X, None), 0).embed(X[:, : train.window or 24])).all()
