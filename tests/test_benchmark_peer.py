"""The benchmarks' peer against the golden arrays: a benchmark beside a wrong peer says nothing."""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from golden_files import assert_close, cases, label

torch = pytest.importorskip("torch", reason="torch is not installed: only the benchmarks' peer needs it")


def load_peer():
    path = Path(__file__).parents[1] / "benchmarks" / "peer.py"
    spec = importlib.util.spec_from_file_location("peer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


peer = load_peer()


def golden(file):
    return pytest.mark.parametrize("case", cases(file), ids=label)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Workers share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def encoder_of(case, prefix=""):
    """The peer's encoder with a case's weights, without dropout."""
    weights = {name: torch.tensor(value) for name, value in case.starting("w", prefix).items()}
    width, channels = weights["input_fc.weight"].shape
    encoder = peer.Encoder(channels, width, case.setting("output"), case.setting("depth"), dropout=0.0)
    encoder.load_state_dict(weights)
    return encoder


@pytest.mark.parametrize("cut_diagonal", [False, True])
@golden("ts2vec_losses")
def test_losses_and_gradients(case, cut_diagonal):
    settings = {"alpha": case.setting("alpha"), "temporal_unit": case.setting("temporal_unit")}
    losses = {
        "instance": peer.instance,
        "temporal": peer.temporal,
        "hierarchical": partial(peer.hierarchical, **settings),
    }
    for name, loss in losses.items():
        z = [torch.tensor(case.arrays["in"][view], requires_grad=True) for view in ("z1", "z2")]
        value = loss(*z, cut_diagonal=cut_diagonal)
        assert_close(value.detach(), case.loss[name], name)
        assert value.requires_grad == case.setting(f"{name}_has_grad")
        if value.requires_grad:
            value.backward()
            for view, one in zip(("z1", "z2"), z, strict=True):
                assert_close(one.grad, case.grad[f"{name}.{view}"], f"gradient of {name} for {view}")


@golden("ts2vec_encoder")
def test_encoder(case):
    encoder = encoder_of(case)
    x, explicit = (torch.tensor(case.arrays["in"][name]) for name in ("x", "mask"))
    seen = torch.ones_like(explicit)
    last = torch.arange(x.shape[1]) == x.shape[1] - 1
    masks = {"all_true": seen, "all_false": ~seen, "mask_last": seen & ~last, "mask_none": None, "explicit": explicit}
    for name, published in case.out.items():
        assert_close(encoder(x, masks[name]).detach(), published, name)
    gradients = case.starting("grad", "w.")
    if gradients:
        (encoder(x, explicit) * torch.tensor(case.arrays["in"]["cotangent"])).sum().backward()
        assert {name for name, _ in encoder.named_parameters()} == gradients.keys()
        for name, parameter in encoder.named_parameters():
            assert_close(parameter.grad, gradients[name], f"gradient of {name}")


CALLS = {
    "causal1_p20": {"padding": 20},
    "causal1_p20_masklast": {"padding": 20, "mask_last": True},
    "causal1_p3": {"padding": 3, "batch_size": 7},
}


@pytest.mark.parametrize(
    "case", [case for case in cases("ts2vec_encode") if CALLS.keys() <= case.out.keys()], ids=label
)
def test_causal_sliding_encoding(case):
    model = peer.Peer(encoder_of(case))
    for name, settings in CALLS.items():
        assert_close(model.encode(torch.tensor(case.arrays["in"]["x"]), **settings), case.out[name], name)


@golden("ts2vec_train")
def test_training_steps(case):
    encoder = encoder_of(case, "init.")
    model = peer.Peer(encoder, case.setting("lr"), case.setting("temporal_unit"))
    for step in range(case.setting("steps")):
        drawn = case.starting("rand", f"s{step}.")
        crops = peer.Crops(
            drawn["start1"], int(drawn["len1"]), drawn["start2"], int(drawn["len2"]), int(drawn["crop_l"])
        )
        masks = [torch.tensor(drawn[name]) for name in ("mask1", "mask2")]
        loss = model.update(torch.tensor(drawn["batch"]), crops, *masks)
        assert_close(loss, case.loss["steps"][step], f"loss of step {step}")
        if step == 0:
            gradients = case.starting("grad", "step0.")
            for name, parameter in encoder.named_parameters():
                assert_close(parameter.grad, gradients[name], f"gradient of {name}")
    for name, value in encoder.state_dict().items():
        assert_close(value, case.out[f"final.{name}"], f"final {name}")
        assert_close(model.weights()[f"module.{name}"], case.out[f"swa.{name}"], f"average of {name}")


def test_crops_have_the_published_ranges():
    """Views lie inside the series, share the overlap, and reach both ends of every range."""
    random, steps, rows = np.random.default_rng(0), 6, 3
    drawn = [peer.draw_crops(random, rows, steps) for _ in range(3000)]
    for crops in drawn:
        assert crops.start1.shape == crops.start2.shape == (rows,)
        assert (crops.start1 >= 0).all()
        assert (crops.start2 + crops.length2 <= steps).all()
        np.testing.assert_array_equal(crops.start1 + crops.length1, crops.start2 + crops.overlap)
    assert {crops.overlap for crops in drawn} == set(range(2, steps + 1))
    assert {crops.length1 for crops in drawn} == {crops.length2 for crops in drawn} == set(range(2, steps + 1))
    shares = np.bincount([crops.overlap for crops in drawn])[2:] / len(drawn)
    np.testing.assert_allclose(shares, 1 / (steps - 1), atol=0.03)


def test_a_long_batch_is_cut_to_a_window():
    """The window has the largest trained length: crops beyond it would index outside of it."""
    torch.manual_seed(0)
    model = peer.Peer(peer.Encoder(2, 4, 6, 2), max_train_length=8)
    seen = []
    model.update = lambda x, crops, *masks: seen.append((x.shape, crops, masks))
    model.step(torch.randn(3, 20, 2))
    (shape, crops, masks) = seen[0]
    assert shape == (3, 8, 2)
    assert [mask.shape for mask in masks] == [(3, crops.length1), (3, crops.length2)]
