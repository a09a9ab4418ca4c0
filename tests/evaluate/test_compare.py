"""Ranks, tests and groups against enumeration, scipy and numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from tsrl.errors import InputError
from tsrl.evaluate.compare import average_ranks, cliques, no_different, wilcoxon_holm

SCORES = np.array(
    [
        [0.90, 0.80, 0.80, 0.10],
        [0.70, 0.75, 0.60, 0.20],
        [0.95, 0.85, 0.85, 0.85],
    ]
)


def test_average_ranks_by_hand():
    # Rows: 1, 2.5, 2.5, 4; 2, 1, 3, 4; 1, 3, 3, 3.
    np.testing.assert_allclose(average_ranks(SCORES), [4 / 3, 6.5 / 3, 8.5 / 3, 11 / 3])
    np.testing.assert_allclose(average_ranks(SCORES, higher_is_better=False), [11 / 3, 8.5 / 3, 6.5 / 3, 4 / 3])


def test_rounding_errors_do_not_break_a_tie():
    scores = np.array([[0.1 + 0.2, 0.3], [-7e-20, -7.000000000000001e-20], [0, 0]])
    assert (scores[:2, 0] != scores[:2, 1]).all()
    np.testing.assert_array_equal(average_ranks(scores), 1.5)


def exact_p(difference):
    """Share of all sign patterns whose rank sum is at least as far from its mean; zeros keep their rank and no sign."""
    ranks = rankdata(np.abs(difference))[difference != 0]
    observed = abs(np.sum(ranks * np.sign(difference[difference != 0])))
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product([-1, 1], repeat=len(ranks))]
    return np.mean(np.array(sums) >= observed - 1e-9)


def test_p_values_are_those_of_all_sign_patterns():
    scores = np.random.default_rng(0).normal([0, 0.3, 1.5], 1, size=(9, 3))
    p = wilcoxon_holm(scores).p
    for a, b in itertools.combinations(range(3), 2):
        assert p[a, b] == p[b, a] == pytest.approx(exact_p(scores[:, a] - scores[:, b]))
    np.testing.assert_array_equal(np.diag(p), 1)


def test_p_values_of_large_tables_are_scipys():
    scores = np.random.default_rng(1).integers(0, 9, size=(40, 2)) / 8
    expected = wilcoxon(scores[:, 0] - scores[:, 1], zero_method="pratt").pvalue
    assert wilcoxon_holm(scores).p[0, 1] == expected
    assert expected != wilcoxon(scores[:, 0] - scores[:, 1], zero_method="wilcox").pvalue


def test_holm_by_hand(monkeypatch):
    # p-values .01, .04, .03 of three pairs: times 3, 1 and 2, and none below the one before it: .03, .06, .06.
    p = iter([0.01, 0.04, 0.03])
    monkeypatch.setattr("scipy.stats.wilcoxon", lambda *_, **__: type("Result", (), {"pvalue": next(p)}))
    found = wilcoxon_holm(np.random.default_rng(0).normal(size=(20, 3)))
    np.testing.assert_allclose(found.p, [[1, 0.01, 0.04], [0.01, 1, 0.03], [0.04, 0.03, 1]])
    np.testing.assert_allclose(found.adjusted, [[1, 0.03, 0.06], [0.03, 1, 0.06], [0.06, 0.06, 1]])
    assert found.different.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_adjusted_p_values_stay_below_one():
    found = wilcoxon_holm(np.random.default_rng(4).normal(size=(8, 5)))
    assert found.adjusted.max() == 1
    assert (found.adjusted >= found.p).all()


@pytest.mark.parametrize(("datasets", "significant"), [(1, False), (5, False), (6, True)])
def test_fewer_than_six_data_sets_cannot_tell_two_models_apart(datasets, significant):
    scores = np.array([0.5, 0.9]) + np.arange(datasets)[:, None] / 100
    found = wilcoxon_holm(scores)
    assert found.p[0, 1] == pytest.approx(2.0 ** (1 - datasets))
    assert found.different[0, 1] == significant


def test_p_values_never_fall_below_what_the_signs_allow(monkeypatch):
    # scipy 1.13 takes the normal approximation for five tied differences: 0.04.
    monkeypatch.setattr("scipy.stats.wilcoxon", lambda *_, **__: type("Result", (), {"pvalue": 0.04}))
    assert wilcoxon_holm(np.tile([0.5, 0.9], (5, 1))).p[0, 1] == 1 / 16


def test_models_that_are_equal_everywhere_are_not_different():
    scores = np.random.default_rng(0).random((12, 3))
    scores[:, 2] = scores[:, 0] * (1 + 1e-15)
    found = wilcoxon_holm(scores)
    assert found.p[0, 2] == found.adjusted[0, 2] == 1
    assert not found.different[0, 2]


def test_differences_tie_despite_rounding_errors():
    pairs = np.array([[0.9, 0.8], [0.8, 0.7], [0.3, 0.2], [0.5, 0.6], [0.1, 0.4], [0.0, 0.6]])
    assert len(set(np.abs(pairs[:4, 0] - pairs[:4, 1]))) > 1
    tied, torn = ([1, 1, 1, -1, -3, -6], [1.3, 1.2, 1.1, -1, -3, -6])
    assert wilcoxon_holm(pairs).p[0, 1] == pytest.approx(wilcoxon(tied).pvalue) != pytest.approx(wilcoxon(torn).pvalue)


def matrix(models, *pairs):
    different = np.zeros((models, models), bool)
    for a, b in pairs:
        different[a, b] = different[b, a] = True
    return different


@pytest.mark.parametrize(
    ("ranks", "pairs", "groups"),
    [
        ([1, 2, 3], [], [(0, 1, 2)]),
        ([1, 2, 3], [(0, 1), (0, 2), (1, 2)], []),
        ([1, 2, 3, 4], [(0, 2), (0, 3), (1, 3)], [(0, 1), (1, 2), (2, 3)]),
        ([4, 3, 1, 2], [(2, 0)], [(2, 3, 1), (3, 1, 0)]),
        # The outer two do not differ, but both differ from the one between them: no bar can join them.
        ([1, 2, 3], [(0, 1), (1, 2)], []),
        # The first does not differ from the last, and the two in the middle do: aeon's diagram would join all four.
        ([1, 2, 3, 4], [(1, 2)], [(0, 1), (2, 3)]),
        ([1.5, 1.5, 3], [(0, 2)], [(0, 1), (1, 2)]),
        ([1], [], []),
    ],
)
def test_groups_by_hand(ranks, pairs, groups):
    assert cliques(np.array(ranks), matrix(len(ranks), *pairs)) == groups


@settings(deadline=None)
@given(st.data(), st.integers(1, 7))
def test_groups_are_all_and_only_the_largest(data, models):
    ranks = np.array(data.draw(st.permutations(range(models))))
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=models**2, max_size=models**2))).reshape(models, models)
    different = np.triu(flags, 1) | np.triu(flags, 1).T
    order = np.argsort(ranks)
    spans = [order[a:b] for a, b in itertools.combinations(range(len(order) + 1), 2) if b - a > 1]
    alike = [tuple(s.tolist()) for s in spans if not different[np.ix_(s, s)].any()]
    largest = [s for s in alike if not any(set(s) < set(other) for other in alike)]
    assert cliques(ranks, different) == largest


def test_no_different_by_hand():
    # 0.8 lies within 0.9 ± 0.2, though 0.9 does not lie within 0.8 ± 0.05; 0.7 is at the edge of 0.8 ± 0.1 only if the
    # rounding error of 0.8 - 0.7 is forgiven.
    found = no_different([0.80, 0.90, 0.50], [0.05, 0.20, 0.0])
    assert found.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert no_different([0.8, 0.7], [0.1, 0.0]).all()
    assert not no_different([0.8, 0.7], [0.0999, 0.0]).all()


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((0, 2)), [[0.1, np.nan]], [[np.inf, 0.1]]])
def test_incomplete_tables_are_refused(scores):
    with pytest.raises(InputError, match="scores: found"):
        average_ranks(np.array(scores))
    with pytest.raises(InputError, match="scores: found"):
        wilcoxon_holm(np.array(scores))


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="alpha: found 0, want"):
        wilcoxon_holm(SCORES, alpha=0)
    with pytest.raises(InputError, match=r"different: found shape \(2, 2\)"):
        cliques(np.arange(3), np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"std: found shape \(1,\), want mean's \(2,\)"):
        no_different([1, 2], [1])
    with pytest.raises(InputError, match="mean, std: found"):
        no_different([1, 2], [0.1, -0.1])
