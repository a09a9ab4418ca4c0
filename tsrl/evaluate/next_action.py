"""The next action: how well it is ranked, and what ranks it without a model."""

from collections.abc import Sequence

import numpy as np

from tsrl.errors import InputError, check_whole

# Weight of the frequencies against what followed the last action, in events.
_BACKED_OFF = 1.0


def next_action_scores(ranked: np.ndarray, target: np.ndarray, ks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """Hit rates, mean reciprocal rank, and normalised discounted cumulative gain.

    The rank of an action is the number of those with a score as high or higher, itself among them: whoever ranks all
    alike has ranked none.

    Args:
      ranked: `[M, A]` floats, a score of each action; the highest comes first.
      target: `[M]` ints, the action that came.
      ks: of hit@k and ndcg@k.

    Returns:
      Name -> mean over histories.

    Raises:
      InputError: shapes that do not fit, scores that are NaN, actions that are none, no histories.
    """
    ranked, target = np.asarray(ranked), np.asarray(target)
    if ranked.ndim != 2 or target.shape != ranked.shape[:1] or not len(target):
        raise InputError(
            f"ranked, target: found shapes {ranked.shape} and {target.shape}, want [M, A] and [M], M above 0"
        )
    if target.min() < 0 or target.max() >= ranked.shape[1]:
        raise InputError(f"target: found {target.min()} to {target.max()}, want 0 to {ranked.shape[1] - 1}")
    if np.isnan(ranked).any():
        raise InputError("ranked: found NaN, want a score of every action")
    for k in ks:
        check_whole("ks", k, 1)
    rank = (ranked >= np.take_along_axis(ranked, target[:, None], 1)).sum(1)
    gain = 1 / np.log2(1 + rank)
    hits = {f"hit@{k}": float((rank <= k).mean()) for k in ks}
    gains = {f"ndcg@{k}": float(np.where(rank <= k, gain, 0).mean()) for k in ks}
    return {**hits, "mrr": float((1 / rank).mean()), **gains}


def popularity(sequences: Sequence[np.ndarray], actions: int) -> np.ndarray:
    """The control that ranks actions by how often they come in training.

    Args:
      sequences: of training, each `[T]` ints.
      actions: A.

    Returns:
      `[A]` counts.

    Raises:
      InputError: an action that is none of them.
    """
    together = np.concatenate([np.zeros(0, np.int64), *sequences])
    if len(together) and not 0 <= together.min() <= together.max() < actions:
        raise InputError(f"sequences: found {together.min()} to {together.max()}, want 0 to {actions - 1}")
    return np.bincount(together, minlength=actions).astype(np.float64)


def markov(sequences: Sequence[np.ndarray], last: np.ndarray, actions: int) -> np.ndarray:
    """The control that ranks actions by what followed the last one in training.

    Args:
      sequences: of training, each `[T]` ints.
      last: `[M]` ints, the last action of each history.
      actions: A.

    Returns:
      `[M, A]` shares, a little of each from `popularity`, so that what never followed is ranked too.
    """
    common = popularity(sequences, actions)
    follows = np.zeros((actions, actions))
    for sequence in sequences:
        np.add.at(follows, (sequence[:-1], sequence[1:]), 1)
    follows += _BACKED_OFF * common / max(1.0, common.sum())
    return (follows / np.maximum(follows.sum(1, keepdims=True), np.finfo(float).tiny))[last]


def repeats(histories: np.ndarray, mask: np.ndarray, common: np.ndarray) -> np.ndarray:
    """The control that ranks the actions of the history first, the latest before earlier ones.

    Args:
      histories: `[M, T]` ints.
      mask: `[M, T]` bool, where an action is.
      common: `[A]` counts, see `popularity`, which ranks the others.

    Returns:
      `[M, A]`.
    """
    made = np.tile(common / max(1.0, common.sum() + 1), (len(histories), 1))
    rows, steps = np.nonzero(mask)
    # Later steps are written last.
    made[rows, histories[rows, steps]] = 1 + steps
    return made
