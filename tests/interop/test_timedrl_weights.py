"""TimeDRL's released weights: what they do not say must be given, and what does not fit is refused by name."""

import numpy as np
import pytest
from golden_files import cases

from tsrl.errors import InputError
from tsrl.interop import embedder_from_torch, from_torch

CASES = {case.name: case for case in cases("timedrl_noci")}
pytestmark = pytest.mark.skipif(not CASES, reason="the golden folder has no timedrl_noci.npz")
KNOWN = {"patch_len": 8, "stride": 4, "channel_independent": False, "heads": 2, "position": "fixed"}


def weights(name="noci_cls"):
    return dict(CASES[name].w)


@pytest.mark.parametrize("name", KNOWN)
def test_what_the_weights_do_not_say_has_no_default(name):
    known = {other: value for other, value in KNOWN.items() if other != name}
    with pytest.raises(InputError, match=f"{name}: not given; the weights of timedrl do not say it"):
        embedder_from_torch("timedrl", weights(), **known)


@pytest.mark.parametrize(
    ("change", "known", "message"),
    [
        ({}, {"patch_len": 7}, "patch_len: found 7 for a head that makes 24 values, want a divisor of it"),
        ({}, {"heads": 3}, "heads: found 3 for a width of 8, want a divisor of it"),
        ({}, {"patches": 3}, "patches: not a setting of timedrl's weights"),
        ({}, {"position": "learnable"}, r"input_layer\.position_embedding\.pe: found no such weight"),
        ({"encoder.norm.weight": None}, {}, r"encoder\.norm\.weight: found no such weight"),
        ({"encoder.extra": np.zeros(2)}, {}, r"weights that TimeDRL's model does not have: encoder\.extra"),
    ],
)
def test_what_does_not_fit_is_refused(change, known, message):
    arrays = {name: value for name, value in (weights() | change).items() if value is not None}
    with pytest.raises(InputError, match=message):
        from_torch("timedrl", arrays, **(KNOWN | known))


def test_blocks_have_no_gap():
    arrays = {name: value for name, value in weights().items() if "attn_layers.0" not in name}
    with pytest.raises(InputError, match=r"found blocks \[1\] of encoder\.attn_layers"):
        from_torch("timedrl", arrays, **KNOWN)


def test_a_learnt_table_is_not_passed_over():
    with pytest.raises(InputError, match="position: found fixed for weights with a table of positions"):
        from_torch("timedrl", weights("noci_gap_learnpos"), **KNOWN)


def test_heads_change_the_representation():
    """Why they have no default."""
    x = CASES["noci_cls"].arrays["in"]["x"]
    two, one = (embedder_from_torch("timedrl", weights(), **(KNOWN | {"heads": heads})).embed(x) for heads in (2, 1))
    assert np.abs(one - two).max() > 1e-2
