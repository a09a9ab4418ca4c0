"""A small monitor, fitted once: of users' weeks up to the eighth, without the last three users."""

import numpy as np
import pytest
from small_monitor import KNOWN, LATER

from tsrl.data.events import user_base
from tsrl.encoders import CausalConv
from tsrl.monitor import Monitor


@pytest.fixture(scope="session")
def clean():
    return user_base(users=60, weeks=12, seed=0)


@pytest.fixture(scope="session")
def bad():
    """The same users with the same habits and sessions; half of them misbehave from the ninth week on."""
    return user_base(users=60, weeks=12, seed=0, misbehaving=0.5, kinds=("takeover", "burst"), clean_weeks=8)


@pytest.fixture(scope="session")
def monitor(clean):
    log = clean.log.take(np.arange(KNOWN)).before(LATER)
    # 29 events are seen, fewer than the context.
    return Monitor.fit(log, encoder=CausalConv(width=16, features=16, depth=2), steps=60, length=32)
