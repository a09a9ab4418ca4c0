"""Every method at a size at which a step takes milliseconds, with the data that its contract is tested on."""

from functools import cache

import jax.numpy as jnp
from toy_methods import SERIES, TOYS

from tsrl.encoders import (
    TCN,
    CausalConv,
    DilatedConv,
    Informer,
    MultiScaleConv,
    PooledConv,
    Pyramid,
    Recurrent,
    Transformer,
)
from tsrl.methods import (
    byol,
    ccl,
    cost,
    foundation,
    informer,
    mhccl,
    next_step,
    simclr,
    simts,
    tcn,
    timedrl,
    tloss,
    tnc,
    ts2vec,
    tstcc,
)
from tsrl.types import as_batch

SMALL = DilatedConv(width=8, features=8, depth=1)


def small_ts2vec(axis_name=None):
    return ts2vec(SMALL, dropout=0.1, axis_name=axis_name)


def small_timedrl(axis_name=None):
    # Dropout is drawn by each device for itself: without any, the devices can be compared.
    encoder = Transformer(width=8, heads=2, dropout=0.0)
    return timedrl(encoder, patch_len=4, stride=4, dropout=0.0, axis_name=axis_name)


def small_cost(axis_name=None):
    # Batches of 4 go over the end of the queue; the momentum is seen to move.
    return cost(SMALL, alpha=3e-3, length=16, longest_kernel=4, queue=10, momentum=0.8, axis_name=axis_name)


def small_simts(axis_name=None):
    encoder = MultiScaleConv(width=8, features=8, kernels=(1, 4, 4), dropout=0)
    return simts(encoder, history=10, future=6, axis_name=axis_name)


def small_informer(axis_name=None):
    encoder = Informer(width=8, heads=2, feed_forward=8, factor=1, dropout=0.0)
    return informer(encoder, horizon=4, label_length=8, covariates=1, axis_name=axis_name)


def small_tcn(axis_name=None):
    return tcn(TCN(width=4, levels=2, dropout=0.0), horizon=4, covariates=1, axis_name=axis_name)


FORECASTS = as_batch(SERIES[:, :12], target=jnp.asarray(SERIES[:, 12:]))


def small_tloss(axis_name=None):
    return tloss(CausalConv(width=4, features=6, depth=1), negatives=3, output=5, axis_name=axis_name)


def small_tnc(axis_name=None):
    return tnc(Recurrent(width=4, features=3), window=3, samples=2, anchors=2, dropout=0.0, axis_name=axis_name)


POOLED = PooledConv(width=4, features=24, layers=2, kernel_size=3, later_kernel_size=2, dropout=0.0)


def small_simclr(axis_name=None):
    return simclr(POOLED, hidden=8, output=4, axis_name=axis_name)


def small_byol(axis_name=None):
    return byol(POOLED, hidden=8, output=4, momentum=0.8, jitter=0.1, scale=0.1, axis_name=axis_name)


def small_tstcc(axis_name=None):
    return tstcc(POOLED, future=2, context=8, context_layers=1, dropout=0.0, axis_name=axis_name)


def small_ccl(axis_name=None):
    return ccl(POOLED, hidden=8, output=4, jitter=0.1, scale=0.1, axis_name=axis_name)


def small_next_step(axis_name=None):
    return next_step(CausalConv(width=4, features=6, depth=1), axis_name=axis_name)


def small_agreeing(axis_name=None):
    return next_step(CausalConv(width=4, features=6, depth=1), agreement=0.5, dropout=0, axis_name=axis_name)


def small_foundation(axis_name=None):
    encoder = Pyramid(width=3, scales=2, depth=2, kernel_size=3)
    # Many episodes and a soft choice among the classes: a step's loss then says more than which episodes were drawn.
    sizes = {"episodes": 8, "rows": 9, "classes": 3, "lengths": (12, 16), "temperature": 0.5, "neighbours": 0.02}
    return foundation(encoder, **sizes, axis_name=axis_name)


def small_mhccl(axis_name=None):
    return mhccl(POOLED, hidden=8, output=4, momentum=0.8, farthest=2.0, jitter=0.1, scale=0.1, axis_name=axis_name)


METHODS = {
    **TOYS,
    "ts2vec": (small_ts2vec, TOYS["teacher"][1]),
    "cost": (small_cost, TOYS["teacher"][1]),
    "simts": (small_simts, TOYS["teacher"][1]),
    "timedrl": (small_timedrl, TOYS["teacher"][1]),
    "informer": (small_informer, FORECASTS),
    "tcn": (small_tcn, FORECASTS),
    "tloss": (small_tloss, TOYS["teacher"][1]),
    "tnc": (small_tnc, TOYS["teacher"][1]),
    "next_step": (small_next_step, TOYS["teacher"][1]),
    "next_step with agreement": (small_agreeing, TOYS["teacher"][1]),
    "simclr": (small_simclr, TOYS["teacher"][1]),
    "byol": (small_byol, TOYS["teacher"][1]),
    "tstcc": (small_tstcc, TOYS["teacher"][1]),
    "foundation": (small_foundation, TOYS["teacher"][1]),
    "ccl": (small_ccl, TOYS["teacher"][1]),
    "mhccl": (small_mhccl, TOYS["teacher"][1]),
}
# Equal functions share their compiled programs.
METHODS = {name: (cache(make), data) for name, (make, data) in METHODS.items()}
