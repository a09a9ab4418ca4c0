"""What moves in which mode, the head against a slow AdamW, early stopping, one program, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import DilatedConv
from tsrl.errors import InputError, TrainingDiverged
from tsrl.evaluate import finetune as module
from tsrl.evaluate.embed import embed_series
from tsrl.evaluate.finetune import finetune, fit_finetuned, predict_finetuned
from tsrl.evaluate.finetune_rows import held_out_rows
from tsrl.evaluate.linear_head import Fixed, Model, moving_leaves, start, statistics, update
from tsrl.methods import ts2vec
from tsrl.types import as_batch

METHOD = ts2vec(DilatedConv(width=4, features=6, depth=2))


def waves(count, seed):
    """Slow and fast waves; half of them lack their last steps."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = np.sin(6 * random.random((count, 1)) + np.arange(16) * np.where(y, 1.5, 0.5)[:, None])
    x[::3, 12:] = np.nan
    return x[..., None].astype(np.float32), np.array(["slow", "fast"])[y]


X, Y = waves(40, 0)
X_TEST, Y_TEST = waves(30, 1)
PARAMS, AUX = METHOD.init(jax.random.key(0), as_batch(X[:1]))
FAST = {"learning_rate": 0.02, "epochs": 30}
MODES = ["probe", "partial", "full", "supervised"]


def fit(mode, x=X, y=Y, **settings):
    return fit_finetuned(METHOD, PARAMS, AUX, x, y, mode=mode, **{"epochs": 2, **settings})


def changed(tuned):
    """Names of the weights that moved."""
    before, after = (jax.tree.leaves_with_path(tree) for tree in (AUX["average"], tuned.aux["average"]))
    return {
        jax.tree_util.keystr(path, simple=True, separator="/").split("/")[1]
        for (path, old), (_, new) in zip(before, after, strict=True)
        if not np.array_equal(old, new)
    }


def test_precision_and_recall_do_not_depend_on_what_the_logits_of_a_row_have_in_common(monkeypatch):
    scores = finetune(METHOD, PARAMS, AUX, X, Y, X_TEST, Y_TEST, mode="probe", **FAST)
    common = np.random.default_rng(0).normal(scale=50, size=(len(X_TEST), 1)).astype(np.float32)
    monkeypatch.setattr(module, "predict_finetuned", lambda *args: predict_finetuned(*args) + common)
    shifted = finetune(METHOD, PARAMS, AUX, X, Y, X_TEST, Y_TEST, mode="probe", **FAST)
    assert scores["auprc"] > 0.9
    np.testing.assert_allclose(shifted["auprc"], scores["auprc"], atol=1e-3)


BLOCKS = [
    {"block_0_conv_0", "block_0_conv_1"},
    {"block_1_conv_0", "block_1_conv_1"},
    {"block_2_conv_0", "block_2_conv_1", "block_2_projection"},
]


@pytest.mark.parametrize(
    ("mode", "blocks", "expected"),
    [
        ("probe", 1, set()),
        ("partial", 1, BLOCKS[2]),
        ("partial", 2, BLOCKS[1] | BLOCKS[2]),
        ("partial", 3, set.union(*BLOCKS)),
        ("full", 1, {"input"}.union(*BLOCKS)),
        ("supervised", 1, {"input"}.union(*BLOCKS)),
    ],
)
def test_only_the_weights_of_the_mode_move(mode, blocks, expected):
    tuned = fit(mode, blocks=blocks)
    assert changed(tuned) == expected
    assert tuned.head["kernel"].any()
    # TS2Vec encodes with the average; the parameters go with it.
    jax.tree.map(np.testing.assert_array_equal, tuned.params, tuned.aux["average"])


def slow_probe(z, y, size, epochs, rate, decay, seed):
    """Softmax regression by AdamW, written out."""
    z = (z - z.mean(0)) / z.std(0)
    design, wanted = np.c_[z, np.ones(len(z))], np.eye(2)[y]
    weights = np.zeros((design.shape[1], 2))
    mean, square, step = 0 * weights, 0 * weights, 0
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng((seed, epoch)).permutation(len(z))
        for first in range(0, len(z), size):
            rows = order[first : first + size]
            exponential = np.exp(design[rows] @ weights)
            share = exponential / exponential.sum(1, keepdims=True)
            gradient = design[rows].T @ (share - wanted[rows]) / len(rows)
            step += 1
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            scaled = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            weights = weights - rate * (scaled + decay * weights)
    return weights


@pytest.mark.parametrize("size", [5, 14, 100])
def test_probe_equals_a_slow_adamw_and_every_row_counts(size):
    # Four rows of one class: none validates. Batches of five leave four rows for the last.
    rows = [*range(0, 8, 2), *range(1, 21, 2)]
    tuned = fit("probe", X[rows], Y[rows], batch_size=size, epochs=7, learning_rate=0.05, weight_decay=0.3, seed=4)
    z = embed_series(METHOD, PARAMS, AUX, X[rows])
    slow = slow_probe(z, (Y[rows] == "slow").astype(int), size, 7, 0.05, 0.3, 4)
    assert (tuned.validated, tuned.epochs, tuned.classes.tolist()) == (False, 7, ["fast", "slow"])
    np.testing.assert_allclose(np.r_[tuned.head["kernel"], tuned.head["bias"][None]], slow, atol=1e-3)


def test_rates_of_encoder_and_head_have_the_ratio():
    # The first step of Adam is the rate wherever there is a gradient.
    model = Model(METHOD, moving_leaves(AUX["average"], "full", 1), "cross_entropy")
    fixed = Fixed(PARAMS, AUX, statistics(embed_series(METHOD, PARAMS, AUX, X)), 1e-3, 0.25, 0.0)
    before, state = start(model, fixed, 2)
    before["head"]["kernel"] = jax.random.normal(jax.random.key(1), (6, 2))
    after, *_ = update(
        model, fixed, before, state, as_batch(X), (Y == "fast").astype(np.int32), np.ones(40, np.float32)
    )
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), before, after)
    np.testing.assert_allclose(jax.tree.leaves(moved["head"]), 1e-3, rtol=1e-3)
    np.testing.assert_allclose(max(moved["encoder"]), 0.25e-3, rtol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_learns_an_easy_set(mode):
    scores = finetune(METHOD, PARAMS, AUX, X, Y, X_TEST, Y_TEST, mode=mode, **FAST)
    assert scores["accuracy"] > 0.9
    assert scores["auprc"] > 0.9
    assert set(scores) == {
        *("accuracy", "macro_f1", "kappa", "auprc"),
        *("n_train", "n_test", "mode", "epochs", "validated"),
    }
    assert (scores["n_train"], scores["n_test"], scores["mode"], scores["validated"]) == (40, 30, mode, True)


def test_squared_loss_finds_a_number_in_any_unit():
    wanted, wanted_test = (x[:, :12, 0].max(1) * (y == "fast").astype(float) for x, y in ((X, Y), (X_TEST, Y_TEST)))
    settings = {"loss": "squared", **FAST}
    assert finetune(METHOD, PARAMS, AUX, X, wanted, X_TEST, wanted_test, mode="full", **settings)["r2"] > 0.7
    plain = finetune(METHOD, PARAMS, AUX, X, wanted, X_TEST, wanted_test, mode="probe", **settings)
    scaled, scaled_test = 1e4 * wanted + 5e5, 1e4 * wanted_test + 5e5
    other = finetune(METHOD, PARAMS, AUX, X, scaled, X_TEST, scaled_test, mode="probe", **settings)
    assert other["rmse"] == pytest.approx(1e4 * plain["rmse"], rel=1e-3)
    assert other["r2"] == pytest.approx(plain["r2"], rel=1e-3)
    constant = finetune(METHOD, PARAMS, AUX, X, np.full(40, 7), X_TEST, np.full(30, 7), mode="probe", loss="squared")
    assert constant["rmse"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(constant["r2"])


def test_a_seed_gives_the_same_weights_and_another_gives_others():
    one, again, other = (fit("full", seed=seed) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, (one.aux, one.head), (again.aux, again.head))
    assert not np.array_equal(one.head["kernel"], other.head["kernel"])


def test_the_best_validation_epoch_counts_and_patience_ends_training():
    # Labels without a pattern: what helps the training rows harms the others sooner or later.
    labels = np.random.default_rng(3).integers(0, 2, 40)
    settings = {"learning_rate": 0.05, "patience": 5}
    long = fit("full", y=labels, epochs=200, **settings)
    assert long.validated
    assert long.epochs < 100
    short = fit("full", y=labels, epochs=long.epochs, **settings)
    assert short.epochs == long.epochs
    jax.tree.map(np.testing.assert_array_equal, (short.aux, short.head), (long.aux, long.head))


def test_a_fifth_of_each_class_validates_and_sets_no_statistics():
    group = np.repeat([0, 1, 2], [5, 10, 33])
    held_out = held_out_rows(group, seed=0)
    assert np.bincount(group[held_out]).tolist() == [1, 2, 7]
    assert not np.array_equal(held_out, held_out_rows(group, seed=1))
    rows = held_out_rows((Y == "slow").astype(int), seed=0)
    other = np.where(rows[:, None, None], 100 * X, X)
    for name in ("mean", "scale"):
        np.testing.assert_array_equal(fit("probe").head[name], fit("probe", other).head[name])


@pytest.mark.parametrize("counts", [(1, 20), (4, 20)])
def test_a_small_class_leaves_no_validation(counts):
    rows = np.r_[0 : 2 * counts[0] : 2, 1 : 2 * counts[1] : 2]
    scores = finetune(METHOD, PARAMS, AUX, X[rows], Y[rows], X_TEST, Y_TEST, mode="probe", epochs=3)
    assert (scores["validated"], scores["epochs"]) == (False, 3)


def test_one_training_and_one_embedding_program_whatever_the_rows():
    traced = []

    def embed(params, aux, batch):
        traced.append(batch.mask.shape)
        return METHOD.embed(params, aux, batch)

    counting = METHOD._replace(embed=embed)
    # 32 rows learn in batches of 12, 12 and 8; 8 validate; 30 are tested.
    for seed, ratio in enumerate((0.1, 0.5)):
        settings = {"batch_size": 12, "epochs": 3, "seed": seed, "encoder_rate_ratio": ratio}
        finetune(counting, PARAMS, AUX, X, Y, X_TEST, Y_TEST, mode="full", **settings)
    assert traced == [(12, 16), (12, 16)]


def test_prediction_applies_the_head_to_the_moved_encoder():
    tuned = fit("full")
    z = embed_series(METHOD, tuned.params, tuned.aux, X_TEST)
    expected = (z - tuned.head["mean"]) / tuned.head["scale"] @ tuned.head["kernel"] + tuned.head["bias"]
    np.testing.assert_allclose(predict_finetuned(METHOD, tuned, X_TEST, 7), expected, atol=1e-5)


def test_a_dimension_that_never_varies_gets_no_weight_from_rounding():
    z = np.tile(np.float32([0.1, 3e4, 0]), (50, 1)) + np.random.default_rng(0).normal(size=(50, 1)) * np.float32(
        [1, 0, 0]
    )
    found = statistics(z.astype(np.float32))
    assert found["scale"][0] > 0.5
    assert found["scale"][1:].tolist() == [1, 1]


def test_divergence_is_an_error():
    with pytest.raises(TrainingDiverged, match=r"epoch \d+: found a loss or weight that is not finite"):
        fit("full", learning_rate=1e30)


def test_weights_without_block_names_cannot_be_tuned_in_part():
    nameless = METHOD._replace(weights=lambda params, aux: ({"kernel": jnp.ones(3)}, lambda weights: (params, aux)))
    with pytest.raises(InputError, match="mode: found 'partial' for weights without names block_0_"):
        fit_finetuned(nameless, PARAMS, AUX, X, Y, mode="partial")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "head"}, "mode: found 'head', want one of probe, partial, full, supervised"),
        ({"loss": "hinge"}, "loss: found 'hinge'"),
        ({"mode": "partial", "blocks": 4}, "blocks: found 4, want 1 to 3"),
        ({"blocks": 0}, "blocks: found 0"),
        ({"epochs": 0}, "epochs: found 0"),
        ({"patience": 1.5}, r"patience: found 1\.5"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"learning_rate": 0}, "learning_rate: found 0"),
        ({"encoder_rate_ratio": np.nan}, "encoder_rate_ratio: found nan"),
        ({"x_train": X[..., 0]}, r"x_train: found shape \(40, 16\)"),
        ({"x_train": np.where(X > 0.9, np.inf, X)}, "x_train: found infinite"),
        ({"y_train": Y[:9]}, r"y_train: found shape \(9,\), want \[40\]"),
        ({"y_train": np.full(40, "slow"), "y_test": np.full(30, "slow")}, "y_train: found 1 class"),
        ({"y_train": Y, "loss": "squared"}, "y_train: found type <U4, want numbers"),
        ({"y_train": np.full(40, np.nan), "y_test": np.ones(30), "loss": "squared"}, "y_train: found NaN"),
        ({"y_test": np.full(30, "new")}, r"y_test: found labels \['new'\], want only labels of y_train"),
        ({"x_test": np.concatenate([X_TEST, X_TEST], -1)}, "x_test: found {'x': 2} channels"),
    ],
)
def test_wrong_input_is_named(change, message):
    inputs = {"x_train": X, "y_train": Y, "x_test": X_TEST, "y_test": Y_TEST, "mode": "probe", **change}
    with pytest.raises(InputError, match=message):
        finetune(METHOD, PARAMS, AUX, **inputs)
