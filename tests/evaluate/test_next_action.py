"""Ranks against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, top_k_accuracy_score

from tsrl.errors import InputError
from tsrl.evaluate.next_action import markov, next_action_scores, popularity, repeats


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(1, 20))
def test_scores_are_those_of_scikit_learn(seed, actions, count):
    random = np.random.default_rng(seed)
    ranked, target = random.normal(size=(count, actions)), random.integers(0, actions, count)
    found = next_action_scores(ranked, target, ks=(1, 2))
    came = np.arange(actions) == target[:, None]
    for k in (1, 2):
        wanted = top_k_accuracy_score(target, ranked, k=k, labels=np.arange(actions))
        np.testing.assert_allclose(found[f"hit@{k}"], wanted)
        np.testing.assert_allclose(found[f"ndcg@{k}"], ndcg_score(came, ranked, k=k))
    np.testing.assert_allclose(found["mrr"], label_ranking_average_precision_score(came, ranked))


def test_whoever_ranks_all_alike_has_ranked_none():
    found = next_action_scores(np.zeros((4, 5)), np.arange(4), ks=(1, 5))
    assert found == {"hit@1": 0.0, "hit@5": 1.0, "mrr": 0.2, "ndcg@1": 0.0, "ndcg@5": pytest.approx(1 / np.log2(6))}


SEQUENCES = [np.array([0, 1, 2, 1]), np.array([1, 2]), np.array([3])]


def test_popularity_counts():
    assert popularity(SEQUENCES, 5).tolist() == [1, 3, 2, 1, 0]
    assert popularity([], 2).tolist() == [0, 0]


def test_markov_is_what_followed():
    made = markov(SEQUENCES, np.array([1, 4]), 5)
    common = np.array([1, 3, 2, 1, 0]) / 7
    np.testing.assert_allclose(made[0], (np.array([0, 0, 2, 0, 0]) + common) / 3)
    # Nothing followed an action that never came: as often as anywhere.
    np.testing.assert_allclose(made[1], common)
    np.testing.assert_allclose(markov(SEQUENCES, np.arange(5), 5).sum(1), 1)


def test_repeats_the_latest_first():
    histories = np.array([[2, 0, 2, 1], [4, 0, 0, 0]])
    mask = np.array([[True] * 4, [True, False, False, False]])
    made = repeats(histories, mask, popularity(SEQUENCES, 5))
    assert (-made).argsort(1, kind="stable").tolist() == [[1, 2, 0, 3, 4], [4, 1, 2, 0, 3]]
    nothing = repeats(histories[:1], np.zeros((1, 4), bool), popularity(SEQUENCES, 5))
    assert (-nothing).argsort(1, kind="stable").tolist() == [[1, 2, 0, 3, 4]]


def test_actions_that_are_none():
    for call in (lambda: popularity([np.array([0, 5])], 5), lambda: markov([np.array([-1])], np.array([0]), 5)):
        with pytest.raises(InputError, match=r"sequences: found .* want 0 to 4"):
            call()


@pytest.mark.parametrize(
    ("ranked", "target", "message"),
    [
        (np.zeros((2, 3)), np.zeros(3, int), "want .M, A. and .M., M above 0"),
        (np.zeros((0, 3)), np.zeros(0, int), "M above 0"),
        (np.zeros((1, 3)), np.array([3]), "target: found 3 to 3, want 0 to 2"),
        (np.full((1, 3), np.nan), np.array([1]), "ranked: found NaN"),
    ],
)
def test_bad_input(ranked, target, message):
    with pytest.raises(InputError, match=message):
        next_action_scores(ranked, target)
    with pytest.raises(InputError, match="ks: found 0"):
        next_action_scores(np.zeros((1, 3)), np.array([1]), ks=(0,))
