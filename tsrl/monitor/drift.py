"""Whether recent units come from another distribution than those of the reference: a classifier two-sample test.

Reference: Lopez-Paz and Oquab 2017, Revisiting Classifier Two-Sample Tests, ICLR, arXiv 1610.06545.
"""

from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError, check_whole
from tsrl.monitor.units import checked_units, checked_users

_FOLDS = 5
# Weight of the fit against the squared coefficients of standardised dimensions: embeddings have as many dimensions as
# there are units in a small fold.
_FIT_WEIGHT = 0.01


class Drift(NamedTuple):
    """What `drift` found.

    Attributes:
      auc: how well a classifier tells recent units from reference ones, on users that it has not seen: the probability
        that it finds a recent unit the more recent of two; 0.5 = not at all.
      p_value: probability of so good a classifier where nothing drifts.
      refit: whether the reference should be fitted anew.
      importances: `[D]` the classifier's coefficients, of standardised dimensions: above 0 where recent units are
        higher.
    """

    auc: float
    p_value: float
    refit: bool
    importances: np.ndarray


def drift(
    reference: np.ndarray,
    recent: np.ndarray,
    *,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    permutations: int = 200,
    most: int = 10_000,
    level: float = 0.01,
    margin: float = 0.6,
) -> Drift:
    """Tests whether a logistic regression can tell recent units from reference ones.

    The area under the curve is that of cross-validation. Its p-value is another matter: the classifiers of two folds
    are each scored on what the other has learned, so the folds' scores are nearly the same evidence, and permuting
    labels of held-out units as if it were twice as much rejects too often; fitting all classifiers again for each
    permutation is valid, and costs 200 times the cross-validation. Here a classifier that has learned from the folds
    before is tested on the next. Given what came before, that fold's labels are exchangeable and cost nothing to
    permute; its p-value is independent of earlier ones, and Fisher's rule joins them. Each pair of folds is used once.

    With `groups`, users and not units are held out and exchanged: the units of a user depend on each other. Of a user
    on both sides as many units are drawn from either, and the sides swapped as wholes. A user on one side exchanges
    with those on the other; as many units are drawn of each such user, and who has fewer is left out, because a user
    of many units can stand for no user of few.

    Args:
      reference: `[U, D]` embeddings.
      recent: `[M, D]` embeddings.
      groups: users `[U]` and `[M]`, ints from 0 up; default: units are independent.
      seed: of draws, folds and permutations.
      permutations: of each fold's labels; a fold's p-value is at least `1 / (permutations + 1)`.
      most: units that are used, half of them from each side; of more, so many are drawn.
      level: of the test, for `refit`.
      margin: the least area under the curve for `refit`: with many units the test finds differences too small to
        matter; 0.6 is what a shift of 0.36 standard deviations in one direction gives.

    Returns:
      Area, p-value, advice (`p_value <= level` and `auc >= margin`), what differs.

    Raises:
      InputError: shapes that do not fit, values that are not finite, fewer than five users (without groups: units)
        that can swap sides or exchange with another, settings out of range.

    References: Fisher's rule: `scipy.stats.combine_pvalues`. Testing a fold by what came before it: Dawid 1984, The
      prequential approach, JRSS A 147(2).
    """
    from scipy.stats import combine_pvalues
    from sklearn.metrics import roc_auc_score

    x, side, user = _pooled(reference, recent, groups)
    check_whole("seed", seed, 0)
    check_whole("permutations", permutations, 1)
    check_whole("most", most, 2 * _FOLDS)
    for name, value in (("level", level), ("margin", margin)):
        if not 0 < value < 1:
            raise InputError(f"{name}: found {value}, want a number between 0 and 1")
    random = np.random.default_rng(seed)
    kept = _balanced(side, user, most, random)
    x, side, user = x[kept], side[kept], user[kept]
    fold = _folds(side, user, random)
    areas, coefficients = [], []
    for held in range(_FOLDS):
        model = _classifier().fit(x[fold != held], side[fold != held])
        areas.append(roc_auc_score(side[fold == held], model.decision_function(x[fold == held])))
        coefficients.append(model[-1].coef_[0])
    p = []
    for held in range(1, _FOLDS):
        model = _classifier().fit(x[fold < held], side[fold < held])
        now = fold == held
        p.append(_held_out(model.decision_function(x[now]), side[now], user[now], permutations, random))
    auc, p_value = float(np.mean(areas)), float(combine_pvalues(p, method="fisher").pvalue)
    return Drift(auc, p_value, p_value <= level and auc >= margin, np.mean(coefficients, axis=0))


def _pooled(
    reference: np.ndarray, recent: np.ndarray, groups: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both samples as one: embeddings `[N, D]`, side `[N]` (1 = recent), users `[N]` numbered from 0."""
    reference, recent = checked_units("reference", reference), checked_units("recent", recent)
    if reference.shape[1] != recent.shape[1]:
        raise InputError(f"recent: found {recent.shape[1]} dimensions, want {reference.shape[1]}, those of reference")
    x = np.concatenate([reference, recent]).astype(np.float64)
    side = np.repeat([0, 1], [len(reference), len(recent)])
    if groups is None:
        return x, side, np.arange(len(x))
    if len(groups) != 2:
        raise InputError(f"groups: found {len(groups)} arrays, want the users of reference and of recent")
    users = [checked_users("groups", user, len(z)) for user, z in zip(groups, (reference, recent), strict=True)]
    return x, side, np.unique(np.concatenate(users), return_inverse=True)[1]


def _sides(side: np.ndarray, user: np.ndarray) -> np.ndarray:
    """`[G, 2]`: units of each user on each side."""
    counts = np.zeros((user.max(initial=-1) + 1, 2), np.int64)
    np.add.at(counts, (user, side), 1)
    return counts


def _balanced(side: np.ndarray, user: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Places of the units that are used, rising: those that can be exchanged, and not too many."""
    counts = _sides(side, user)
    both = counts.min(1) > 0
    alone = [np.flatnonzero((counts[:, s] > 0) & ~both) for s in (0, 1)]
    budget = most // 2
    wanted = np.zeros(len(counts), np.int64)
    pairs = random.permutation(np.flatnonzero(both))
    wanted[pairs] = np.minimum(counts[pairs].min(1), budget // _FOLDS)
    wanted[pairs[np.cumsum(wanted[pairs]) > budget]] = 0
    budget -= wanted.sum()
    if len(alone[0]) and len(alone[1]) and budget:
        # The smaller median: at least half of the users of either side have so many.
        each = min(np.sort(counts[a, s])[(len(a) - 1) // 2] for s, a in enumerate(alone))
        each = max(1, min(each, budget // _FOLDS))
        for s, users in enumerate(alone):
            enough = random.permutation(users[counts[users, s] >= each])
            wanted[enough[: budget // each]] = each
    order = random.permutation(len(user))
    order = order[np.argsort(2 * user[order] + side[order], kind="stable")]
    key = 2 * user[order] + side[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    place = np.arange(len(key)) - np.repeat(first, np.diff(first, append=len(key)))
    return np.sort(order[place < wanted[user[order]]])


def _folds(side: np.ndarray, user: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """`[N]`: the fold of each unit; users are whole, and every fold has both sides."""
    counts = _sides(side, user)
    both = counts.min(1) > 0
    pairs = random.permutation(np.flatnonzero(both))
    alone = [random.permutation(np.flatnonzero((counts[:, s] > 0) & ~both)) for s in (0, 1)]
    exchanged = len(pairs) + min(map(len, alone))
    if exchanged < _FOLDS:
        raise InputError(f"reference, recent: found {exchanged} users or units to exchange, want at least {_FOLDS}")
    fold = np.full(len(counts), -1)
    for users, start in ((pairs, 0), (alone[0], len(pairs)), (alone[1], len(pairs))):
        fold[users] = (start + np.arange(len(users))) % _FOLDS
    return np.asarray(fold[user])


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=_FIT_WEIGHT, class_weight="balanced", max_iter=1000))


def _held_out(
    scores: np.ndarray, side: np.ndarray, user: np.ndarray, permutations: int, random: np.random.Generator
) -> float:
    """The p-value of the area under the curve, when users swap sides or exchange with each other."""
    from scipy.stats import rankdata

    user = np.unique(user, return_inverse=True)[1]
    counts = _sides(side, user)
    both = counts.min(1) > 0
    swapped = random.random((permutations, len(counts))) < 0.5
    drawn = np.tile(counts[:, 1] > 0, (permutations, 1))
    drawn[:, ~both] = random.permuted(drawn[:, ~both], axis=1)
    labels = np.where(both[user], side ^ swapped[:, user], drawn[:, user])
    # Each permutation has as many recent units, so the sum of their ranks orders as the area does; halves are exact.
    ranks = rankdata(scores)
    return float((1 + (labels @ ranks >= side @ ranks).sum()) / (1 + permutations))
