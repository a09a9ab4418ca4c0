"""Models compared over data sets and seeds: average ranks, Wilcoxon tests with Holm's correction, groups, intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError


class Wilcoxon(NamedTuple):
    """What `wilcoxon_holm` found; all three are symmetric.

    Attributes:
      p: `[M, M]` two-sided p-values of the pairs; 1 on the diagonal.
      adjusted: `[M, M]` the same after Holm's correction.
      different: `[M, M]` whether the pair differs: `adjusted <= alpha`.
    """

    p: np.ndarray
    adjusted: np.ndarray
    different: np.ndarray


def average_ranks(scores: np.ndarray, higher_is_better: bool = True) -> np.ndarray:
    """The mean rank of each model over data sets; 1 is the best, equal scores (to 12 digits) share their mean rank.

    Args:
      scores: `[datasets, models]`.
      higher_is_better: whether it is, of these scores.

    Returns:
      `[models]`.

    Raises:
      InputError: `scores` is not `[datasets, models]` with at least one of each, or has values that are not finite: a
        data set that a model was not scored on must be left out for all.

    References:
      Demšar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7.
    """
    from scipy.stats import rankdata

    table = _table(scores)
    table = _rounded(table, np.abs(table).max(axis=1, keepdims=True))
    return rankdata(-table if higher_is_better else table, axis=1).mean(axis=0)


def wilcoxon_holm(scores: np.ndarray, alpha: float = 0.05) -> Wilcoxon:
    """Which pairs of models differ over data sets, by Wilcoxon's signed-rank test corrected for the number of pairs.

    A data set with equal scores is ranked and then dropped (Pratt's rule, as in the published code); a pair that is
    equal everywhere has p = 1. Scores are taken as equal, and differences as tied, when they agree to 12 digits.
    p-values are exact, or by the normal approximation where scipy has no exact ones (ties among many data sets).
    N data sets have only `2**N` patterns of signs, so no p-value is below `2**(1 - N)`: with fewer than six data sets
    no pair can differ at 0.05, and with more models, whose p-values are multiplied, it takes still more data sets.

    Args:
      scores: `[datasets, models]`.
      alpha: probability of any false difference among all pairs.

    Returns:
      p-values, raw and adjusted, and which pairs differ.

    Raises:
      InputError: as `average_ranks`; alpha outside (0, 1).

    References:
      Demšar 2006, JMLR 7; Benavoli, Corani and Mangili 2016, Should We Really Use Post-Hoc Tests Based on Mean-Ranks?,
      JMLR 17: pairwise tests in place of rank differences; Ismail Fawaz et al. 2019, Deep learning for time series
      classification: a review, arXiv 1809.04356, and its hfawaz/cd-diagram (which first asks Friedman's test).
    """
    from scipy.stats import wilcoxon

    table = _table(scores)
    if not 0 < alpha < 1:
        raise InputError(f"alpha: found {alpha}, want a number between 0 and 1")
    models = table.shape[1]
    first, second = np.triu_indices(models, 1)
    p = np.ones((models, models))
    for a, b in zip(first, second, strict=True):
        difference = _rounded(table[:, a] - table[:, b], np.abs(table[:, [a, b]]).max())
        if difference.any():
            # Where scipy approximates a handful of tied differences it can go below what their signs allow.
            value = max(wilcoxon(difference, zero_method="pratt").pvalue, 2.0 ** (1 - len(table)))
            p[a, b] = p[b, a] = value
    raw = p[first, second]
    order = np.argsort(raw, kind="stable")
    adjusted = np.ones_like(p)
    # Holm: the smallest p-value counts for all pairs, the next for one fewer; none may fall below the one before.
    stepped = np.minimum(1, np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)))
    adjusted[first[order], second[order]] = adjusted[second[order], first[order]] = stepped
    return Wilcoxon(p, adjusted, adjusted <= alpha)


def cliques(ranks: np.ndarray, different: np.ndarray) -> list[tuple[int, ...]]:
    """The groups that a critical-difference diagram joins with a bar.

    Args:
      ranks: `[M]` average ranks.
      different: `[M, M]` which pairs differ.

    Returns:
      Every group of at least two models that are neighbours in rank, of which no two differ, and that is not within a
      larger one; model numbers from the best rank up, the groups in order of their best.

    Raises:
      InputError: shapes that do not fit.

    References:
      Demšar 2006, JMLR 7, figure 1.
    """
    ranks, different = np.asarray(ranks), np.asarray(different, bool)
    if ranks.ndim != 1 or different.shape != (len(ranks), len(ranks)):
        raise InputError(f"different: found shape {different.shape}, want [M, M] for ranks' {ranks.shape}, [M]")
    order = np.argsort(ranks, kind="stable")
    apart = different[np.ix_(order, order)]
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and not apart[start:end, end].any():
            end += 1
        if end > max(reached, start + 1):
            groups.append(tuple(order[start:end].tolist()))
            reached = end
    return groups


def no_different(mean: Sequence[float] | np.ndarray, std: Sequence[float] | np.ndarray) -> np.ndarray:
    """Which models a table must not call different: the mean of one lies within the other's mean ± std.

    Args:
      mean: `[M]` over seeds.
      std: `[M]` over seeds; 0 for a model without seeds.

    Returns:
      `[M, M]`, symmetric, true on the diagonal.

    Raises:
      InputError: shapes that differ, values that are not finite, a negative std.
    """
    means, stds = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    if means.ndim != 1 or means.shape != stds.shape:
        raise InputError(f"std: found shape {stds.shape}, want mean's {means.shape}, [M]")
    if not (np.isfinite(means) & np.isfinite(stds) & (stds >= 0)).all():
        raise InputError("mean, std: found NaN, infinity or a negative std, want finite numbers")
    within = np.abs(_rounded(means[:, None] - means, np.abs(means).max(initial=0))) <= stds
    return within | within.T


def _table(scores: np.ndarray) -> np.ndarray:
    """The scores as float64 `[datasets, models]`, checked."""
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise InputError(f"scores: found shape {table.shape}, want [datasets, models] with at least one of each")
    if not np.isfinite(table).all():
        rows = np.flatnonzero(~np.isfinite(table).all(axis=1)).tolist()
        raise InputError(f"scores: found NaN or infinity in data sets {rows[:5]}, want a score of every model")
    return table


def _rounded(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The values to 12 digits of the scale: 0.9 - 0.8 and 0.8 - 0.7 are one difference, not two."""
    factor = 10.0 ** (12 - np.ceil(np.log10(np.where(scale > 0, scale, 1))))
    return np.rint(values * factor) / factor
