"""What is asked about whole users: a label or a number, segments, look-alikes.

Frozen representations are arrays, `EventEmbedder.embed`, and go into anything that takes arrays, such as the probes of
`tsrl.evaluate`. Here is what needs more: the model trained on with the labels, and searches by the names of users.

References: fine-tuning as Babaev et al. (2022), CoLES, arXiv 2002.08232, section 4; silhouettes: Rousseeuw (1987).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from tsrl.behaviour.embedder import EventEmbedder
from tsrl.data.events import EventLog, whole_events
from tsrl.errors import InputError, check_whole
from tsrl.evaluate.finetune import Finetuned, fit_finetuned, predict_finetuned
from tsrl.evaluate.linear_head import Loss, Mode, statistics
from tsrl.types import Batch, as_batch

# Users whose silhouettes choose a number of segments; more hardly change the choice.
_JUDGED = 5000
_ROWS = 256


@dataclass(frozen=True, eq=False)
class TunedUsers:
    """A model of events with a head that says something of users.

    Attributes:
      model: its weights as far as they were trained on.
      tuned: the head, see `Finetuned`.
      most: events that are seen of a user, the last ones.
    """

    model: EventEmbedder
    tuned: Finetuned
    most: int

    def predict(self, log: EventLog) -> np.ndarray:
        """`[N]`: the likeliest class of each sequence, or its number.

        Raises:
          InputError: a log with other columns than were trained on.
        """
        made = self._outputs(log)
        return made[:, 0] if self.tuned.classes is None else self.tuned.classes[made.argmax(1)]

    def shares(self, log: EventLog) -> np.ndarray:
        """`[N, K]` probabilities of `tuned.classes`.

        Raises:
          InputError: the head gives numbers; a log with other columns than were trained on.
        """
        if self.tuned.classes is None:
            raise InputError("head: found one that gives numbers, want one of classes; predict gives its numbers")
        from scipy.special import softmax

        return np.asarray(softmax(self._outputs(log), axis=1))

    def _outputs(self, log: EventLog) -> np.ndarray:
        return predict_finetuned(self.model.method, self.tuned, user_events(self.model, log, self.most), _ROWS)


def finetune_users(
    model: EventEmbedder,
    log: EventLog,
    y: np.ndarray,
    *,
    mode: Mode = "full",
    loss: Loss = "cross_entropy",
    most: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> TunedUsers:
    """Trains a head on what is known of users, and the model with it.

    Args:
      model: of events; it stays as it is.
      log: the events of N users, as far as they may be known when the question is asked.
      y: `[N]` labels, or numbers for the squared loss.
      mode: see `fit_finetuned`; "probe" leaves the model as it is, "supervised" begins with initial weights, drawn by
        `seed`, instead of its own.
      loss: "cross_entropy" to classify, "squared" to regress.
      most: of a longer sequence its last events are seen; default: the model's context.
      seed: see `fit_finetuned`.
      **settings: further ones of `fit_finetuned`.

    Raises:
      InputError: as `fit_finetuned`; a log with other columns than were trained on.
      TrainingDiverged: a loss or weight is not finite.
    """
    most = model.context if most is None else most
    check_whole("most", most, 1)
    batch, params, aux = user_events(model, log, most), model.params, model.aux
    if mode == "supervised":
        params, aux = model.method.init(jax.random.key(seed), batch.take(np.zeros(1, np.int64)))
    tuned = fit_finetuned(model.method, params, aux, batch, y, mode=mode, loss=loss, seed=seed, **settings)
    trained = EventEmbedder(model.options, model.encoder, model.fields, tuned.params, tuned.aux, model.context)
    return TunedUsers(trained, tuned, most)


def user_events(model: EventEmbedder, log: EventLog, most: int) -> Batch:
    """The last events of each sequence as model inputs `[N, most, ...]`, on the host.

    Raises:
      InputError: no sequences; a log with other columns than were trained on.
    """
    if not len(log):
        raise InputError("log: found no sequences, want at least one")
    events = whole_events(log, model.fields, most)
    return as_batch(events.fields, mask=events.mask, on_host=True)


class LookAlikes:
    """A search for users whose behaviour is alike: by the cosine of standardised embeddings.

    Args:
      model: of events.
      log: the users among whom is searched, each with one sequence.

    Raises:
      InputError: fewer than two users, one with two sequences, a log with other columns than were trained on.
    """

    def __init__(self, model: EventEmbedder, log: EventLog):
        from sklearn.neighbors import NearestNeighbors

        if len(log) < 2:
            raise InputError(f"log: found {len(log)} users, want two or more to search among")
        self.model, self.users = model, _names(log.users)
        if len(set(self.users)) < len(self.users):
            raise InputError(f"log: found {len(self.users)} sequences of {len(set(self.users))} users, want one each")
        z = model.embed(log)
        self._statistics = statistics(z)
        self._z = self._standard(z)
        self._index = NearestNeighbors(metric="cosine").fit(self._z)

    def nearest(self, log: EventLog, count: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The users most like each of a log's, which itself is left out by its name.

        Returns:
          Names and cosines `[N, count]`, the most alike first.

        Raises:
          InputError: a count that is not 1 to the other users; a log with other columns than were trained on.
        """
        check_whole("count", count, 1)
        if count >= len(self.users):
            raise InputError(f"count: found {count}, want at most {len(self.users) - 1}, the other users")
        distance, place = self._index.kneighbors(self._standard(self.model.embed(log)), count + 1)
        own = self.users[place] == _names(log.users)[:, None]
        # Of one that is not among its own neighbours the farthest is left out.
        own[~own.any(1), -1] = True
        return self.users[place][~own].reshape(-1, count), 1 - distance[~own].reshape(-1, count)

    def audience(self, users: Sequence[Any], count: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The users most like a group of others, by the mean cosine with its members.

        Returns:
          Names and mean cosines `[count]`, none of the group, the most alike first.

        Raises:
          InputError: an unknown user, no user, a count above the users that are left.
        """
        check_whole("count", count, 1)
        names = _names(users)
        known = np.isin(self.users, names)
        if lacking := sorted(set(names.tolist()) - set(self.users.tolist())):
            raise InputError(f"users: found {lacking[0]!r}, want users of the log that is searched")
        if not known.any() or count > (~known).sum():
            raise InputError(f"users: found {known.sum()} and a count of {count} for {len(known)} users, want fewer")
        cosine = self._z @ self._z[known].mean(0)
        order = np.flatnonzero(~known)[np.argsort(-cosine[~known], kind="stable")[:count]]
        return self.users[order], cosine[order]

    def _standard(self, z: np.ndarray) -> np.ndarray:
        made = (z - self._statistics["mean"]) / self._statistics["scale"]
        return np.asarray(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9))


def _names(users: Sequence[Any] | np.ndarray) -> np.ndarray:
    return np.array([str(user) for user in users], dtype=str)


class Segments(NamedTuple):
    """Groups of users who behave alike.

    Attributes:
      label: `[N]` the segment of each sequence.
      silhouette: mean silhouette of the users, of at most 5,000, -1 to 1; near 0 there are no groups in the data.
      typical: `[K]` the user next to the centre of each segment.
      lift: `[K, A]` share of each action in the segment over its share among all; NaN where nobody does it.
      actions: `[A]` the names of the actions.
    """

    label: np.ndarray
    silhouette: float
    typical: np.ndarray
    lift: np.ndarray
    actions: tuple[str, ...]


def segment_users(model: EventEmbedder, log: EventLog, count: int | None = None, seed: int = 0) -> Segments:
    """Segments of users: k-means of standardised embeddings.

    Args:
      model: of events.
      log: one sequence for each user.
      count: K; default: of 2 to 10 the one with the highest mean silhouette.
      seed: of the starts.

    Raises:
      InputError: fewer users than segments; a log with other columns than were trained on.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    least = 2 if count is None else count
    if count is not None:
        check_whole("count", count, 2)
    if len(log) <= least:
        raise InputError(f"log: found {len(log)} users, want more than {least}, the segments")
    z = model.embed(log)
    own = statistics(z)
    z = (z - own["mean"]) / own["scale"]
    differing = len(np.unique(z, axis=0))
    if differing < least:
        raise InputError(f"log: found {differing} users who differ, want {least}, the segments, or more")
    tried = []
    for clusters in range(2, min(10, len(log) - 1, differing) + 1) if count is None else [count]:
        fitted = KMeans(clusters, n_init=10, random_state=seed).fit(z)
        # Two of each segment at least: a silhouette needs others of its own and of another one.
        order = np.random.default_rng(seed).permutation(len(z))
        rank = np.empty(len(z), np.int64)
        for cluster in range(clusters):
            own_rows = order[fitted.labels_[order] == cluster]
            rank[own_rows] = np.arange(len(own_rows))
        rows = order[np.argsort(rank[order] >= 2, kind="stable")][:_JUDGED]
        tried.append((float(silhouette_score(z[rows], fitted.labels_[rows])), fitted))
    silhouette, best = max(tried, key=lambda pair: pair[0])
    label = np.asarray(best.labels_)
    names = log.names[log.action]
    done = np.zeros((best.n_clusters, len(names.values)))
    seen = names.codes >= 0
    np.add.at(done, (label[log.owner[seen]], names.codes[seen]), 1)
    total = done.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = (done / done.sum(1, keepdims=True)) / (total / total.sum())
    typical = np.array([str(log.users[place]) for place in best.transform(z).argmin(0)])
    return Segments(label, silhouette, typical, lift, tuple(map(str, names.values)))
