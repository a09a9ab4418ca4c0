"""Signs of collapse against slow versions, at their limits, and as a monitor of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from toy_methods import TOYS

from tsrl.errors import InputError
from tsrl.evaluate.health import alignment, dead_share, effective_rank, health, training_monitor, uniformity
from tsrl.types import as_batch

Z = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
OTHER = Z + np.random.default_rng(1).normal(size=Z.shape).astype(np.float32)
EMBEDDINGS = arrays(np.float64, (5, 3), elements=st.floats(-4, 4).map(lambda value: round(value, 2)))


def direction(row):
    return row / np.linalg.norm(row) if row.any() else row


def slow_alignment(z1, z2):
    return np.mean([np.sum((direction(a) - direction(b)) ** 2) for a, b in zip(z1, z2, strict=True)])


def slow_uniformity(z):
    pairs = [np.sum((direction(z[i]) - direction(z[j])) ** 2) for i in range(len(z)) for j in range(i)]
    return np.log(np.mean([np.exp(-2 * distance) for distance in pairs]))


def slow_effective_rank(z):
    values = np.linalg.svd(z - z.mean(0), compute_uv=False)
    shares = [value / values.sum() for value in values if value > 1e-9]
    return np.exp(-sum(share * np.log(share) for share in shares))


@settings(max_examples=25, deadline=None)
@given(EMBEDDINGS, EMBEDDINGS)
def test_equals_the_slow_versions(z1, z2):
    found = health(z1, z2)
    np.testing.assert_allclose(found["alignment"], slow_alignment(z1, z2), atol=1e-5)
    np.testing.assert_allclose(found["uniformity"], slow_uniformity(z1), atol=1e-5)
    rank = slow_effective_rank(z1) if np.ptp(z1, 0).any() else 0
    np.testing.assert_allclose(found["effective_rank"], rank, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["dead_share"], np.mean(np.ptp(z1, 0) == 0))
    assert found["width"] == 3


def test_numbers_by_hand():
    # Directions (1, 0), (0, 1), (-1, 0): squared distances 2, 2, 4.
    z = np.array([[2.0, 0], [0, 5], [-1, 0]])
    np.testing.assert_allclose(uniformity(z), np.log((2 * np.exp(-4) + np.exp(-8)) / 3), rtol=1e-6)
    np.testing.assert_allclose(alignment(z, -z), 4)
    # Opposite unit vectors along every axis: all singular values are the same.
    np.testing.assert_allclose(effective_rank(np.concatenate([np.eye(5), -np.eye(5)])), 5, rtol=1e-5)
    # One direction has three times the other's singular value.
    shares = np.array([0.75, 0.25])
    expected = np.exp(-(shares * np.log(shares)).sum())
    np.testing.assert_allclose(effective_rank(np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])), expected, rtol=1e-5)


@pytest.mark.parametrize("row", [[0.0, 0, 0], [0.1, -7, 3e4]])
def test_full_collapse(row):
    found = health(np.tile(np.float32(row), (50, 1)), np.tile(np.float32(row), (50, 1)))
    wanted = {"alignment": 0, "uniformity": 0, "effective_rank": 0, "dead_share": 1, "width": 3}
    assert {name: round(float(value), 5) for name, value in found.items()} == wanted


def test_an_offset_is_no_direction_and_the_unit_does_not_matter():
    line = np.outer(np.arange(20), [1.0, 2, 0]) + np.array([100, -50, 7])
    np.testing.assert_allclose(effective_rank(line), 1, rtol=1e-4)
    assert dead_share(line) == pytest.approx(1 / 3)
    base = health(Z, OTHER)
    for unit in (1e-30, 1e30):
        scaled = health(np.float32(unit) * Z, np.float32(unit) * OTHER)
        for name, value in base.items():
            np.testing.assert_allclose(scaled[name], value, rtol=1e-4, err_msg=name)


def test_dead_is_relative_to_the_root_mean_square():
    z = np.random.default_rng(3).normal(size=(100, 2)) * [1, 0.5e-4]
    assert dead_share(z) == 0.5
    assert dead_share(z * [1, 4]) == 0


def test_zero_vectors_stand_at_distance_one():
    z = np.array([[0.0, 0], [3, 4]])
    np.testing.assert_allclose(uniformity(z), -2, rtol=1e-6)
    np.testing.assert_allclose(alignment(z, np.array([[1.0, 0], [0, 0]])), 1)


def test_compiled_equals_eager_and_large_sets_are_thinned_evenly():
    compiled = jax.jit(health)(Z, OTHER)
    for name, value in health(Z, OTHER).items():
        np.testing.assert_allclose(compiled[name], value, rtol=1e-5)
    z = np.random.default_rng(2).normal(size=(5000, 3))
    kept = [row * 5000 // 2048 for row in range(2048)]
    assert float(health(z)["uniformity"]) == float(health(z[kept])["uniformity"])
    assert "alignment" not in health(z)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((Z[0],), r"z: found shape \(4,\), want \[N, D\]"),
        ((Z[:1],), r"z: found shape \(1, 4\)"),
        ((np.where(Z > 1, np.nan, Z),), "z: found NaN or infinity"),
        ((Z, np.inf * np.abs(Z)), "z_other: found NaN or infinity"),
        ((Z, Z[:5]), r"z_other: found shape \(5, 4\), want z's \(9, 4\)"),
    ],
)
def test_wrong_input_is_named(inputs, message):
    with pytest.raises(InputError, match=message):
        health(*inputs)


def model(name, data):
    make, _ = TOYS[name]
    method = make()
    return method, *method.init(jax.random.key(0), data.take(jnp.arange(1)))


def test_monitor_is_the_health_of_both_ends_of_a_fixed_sample():
    x = np.random.default_rng(4).normal(size=(100, 12, 2))
    data = as_batch(x)
    method, params, aux = model("queue", data)
    kept = [row * 100 // 64 for row in range(64)]
    first, last = (method.embed(params, aux, as_batch(x[kept, start : start + 9])) for start in (0, 3))
    found = jax.jit(training_monitor(method, data))(params, aux)
    for name, value in health(first, last).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
    assert found["alignment"] > 1e-3


def test_monitor_cuts_the_series_of_a_small_set_into_windows():
    x = np.random.default_rng(5).normal(size=(3, 100, 2))
    x[2, 90:] = np.nan
    data = as_batch(x)
    method, params, aux = model("queue", data)
    # 22 windows of 4 steps each of three series, 64 of the 66.
    windows = np.concatenate([series[:88].reshape(22, 4, 2) for series in x])[[row * 66 // 64 for row in range(64)]]
    found = jax.jit(training_monitor(method, data))(params, aux)
    expected = method.embed(params, aux, as_batch(windows[:, :3]))
    np.testing.assert_allclose(found["effective_rank"], effective_rank(expected), rtol=1e-4)


@pytest.mark.parametrize(("rows", "watched"), [(20, True), (3, False)])
def test_monitor_gives_whole_rows_to_a_method_of_one_length(rows, watched):
    x = np.random.default_rng(6).normal(size=(rows, 40, 2))
    data = as_batch(x)
    method, params, aux = model("queue", data)

    def embed(params, aux, batch):
        if batch.mask.shape[1] != 40:
            raise InputError("length: found another")
        return method.embed(params, aux, batch)

    found = jax.jit(training_monitor(method._replace(embed=embed), data))(params, aux)
    assert set(found) == ({"uniformity", "effective_rank", "dead_share", "width"} if watched else set())
    if watched:
        np.testing.assert_allclose(found["effective_rank"], effective_rank(method.embed(params, aux, data)), rtol=1e-4)


def test_monitor_takes_every_field_of_a_batch():
    _, data = TOYS["events"]
    method, params, aux = model("events", data)
    assert all(np.isfinite(value) for value in jax.jit(training_monitor(method, data))(params, aux).values())


def test_a_set_too_small_for_a_sample_is_not_monitored():
    data = as_batch(np.zeros((2, 12, 2)))
    assert training_monitor(model("queue", data)[0], data) is None
