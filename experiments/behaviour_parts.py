"""The tasks of `behaviour`: data, splits, models, controls, scores."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.behaviour import EventEmbedder, pretrain_events
from tsrl.data.events import KINDS, EventFields, EventLog, sets, user_base
from tsrl.evaluate.next_action import markov, next_action_scores, popularity, repeats
from tsrl.monitor import Monitor, Settings
from tsrl.monitor.conformal import alarm_interval
from tsrl.monitor.evidence import pooled
from tsrl.monitor.periods import units_of


class Asked(NamedTuple):
    """What the command line says."""

    data_dir: Path | None
    steps: int | None
    seed: int


Found = tuple[list[dict[str, Any]], list[str]]


def stackoverflow(asked: Asked) -> Found:
    """Which badge a user gets next, after each badge of the users of fold 0's test part."""
    data = sets.stackoverflow(asked.data_dir)
    test = data.in_test[:, 0]
    learned = data.log.take(~test)
    # Of the training users a tenth is kept to choose among the numbers of updates.
    held = np.random.default_rng(asked.seed).permutation(len(learned)) < len(learned) // 10
    train, valid, judged = learned.take(~held), learned.take(held), data.log.take(test)
    fields = EventFields.learn(train, min_count=1)
    tried = (asked.steps,) if asked.steps else (500, 1000, 2000)
    scored = {steps: (made := _next(train, fields, steps, asked.seed), _ranked(made, valid)["mrr"]) for steps in tried}
    steps = max(scored, key=lambda steps: scored[steps][1])
    model = scored[steps][0]
    size, codes = fields.sizes()["action"], fields.codes(judged, "action")
    sequences = np.split(fields.codes(train, "action"), train.starts[1:-1])
    history, came = _pairs(judged, codes)
    common = popularity(sequences, size)
    # `repeats` looks at whole histories: their last 32 badges.
    windows, mask = _histories(judged, codes, 32)
    rows = [
        {"model": f"next_step, {steps} updates", **_ranked(model, judged)},
        {"model": "Markov chain", **next_action_scores(markov(sequences, history, size), came)},
        {"model": "popularity", **next_action_scores(np.tile(common, (len(came), 1)), came)},
        {"model": "repeats, latest first", **next_action_scores(repeats(windows, mask, common), came)},
    ]
    chosen = ", ".join(f"{steps}: {mrr:.4f}" for steps, (_, mrr) in scored.items())
    return rows, [f"MRR of a tenth of the training users, by updates: {chosen}", f"{len(came):,} badges were predicted"]


def _next(log: EventLog, fields: EventFields, steps: int, seed: int) -> EventEmbedder:
    return pretrain_events(log, fields=fields, steps=steps, seed=seed, length=128)


def _pairs(log: EventLog, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The actions before and after, of every event but the first of a sequence."""
    later = np.ones(log.events, bool)
    later[log.starts[:-1][log.lengths > 0]] = False
    rows = np.flatnonzero(later)
    return codes[rows - 1], codes[rows]


def _ranked(model: EventEmbedder, log: EventLog) -> dict[str, float]:
    codes = model.fields.codes(log, log.action)
    expected = model.next_action(log, every=True)
    later = np.ones(log.events, bool)
    later[log.starts[:-1][log.lengths > 0]] = False
    rows = np.flatnonzero(later)
    return next_action_scores(expected[rows - 1], codes[rows])


def _histories(log: EventLog, codes: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last actions before every event but the first of a sequence, the latest last."""
    place = np.arange(log.events) - log.starts[:-1][log.owner]
    rows = np.flatnonzero(place > 0)
    back = np.arange(length, 0, -1)
    mask = back <= place[rows, None]
    return np.where(mask, codes[np.maximum(rows[:, None] - back, 0)], 0), mask


def bpic2012(asked: Asked) -> Found:
    """How an application ends, from its first 5 and 10 events; of cases that are decided later than these."""
    data = sets.bpic2012(asked.data_dir)
    # In time: the first 60 % of the cases, the next 20 % to choose by, the last 20 % to judge.
    part = np.searchsorted(np.quantile(data.start, (0.6, 0.8)), data.start, side="right")
    fields = EventFields.learn(data.log.take(part == 0))
    model = _next(data.log.take(part == 0), fields, asked.steps or 1000, asked.seed)
    rows, notes = [], []
    for count in (5, 10):
        long_enough = data.log.lengths >= count
        log, y, own = data.log.take(long_enough).heads(count), data.outcome[long_enough], part[long_enough]
        amount = np.log1p(log.numbers["amount"][log.starts[:-1]])[:, None]
        bag = np.hstack([_bag(log, fields), amount])
        z = np.hstack([_history_features(model, log), amount])
        found = {
            "next_step": _best({"logistic": _logistic, "boosting": _boosting}, z, y, own),
            "next_step and bag": _best({"boosting": _boosting}, np.hstack([z, bag]), y, own),
            "bag of activities, amount; boosting": _best({"boosting": _boosting}, bag, y, own),
            "untrained": _best({"logistic": _logistic, "boosting": _boosting}, _untrained(model, log, amount), y, own),
        }
        rows += [{"model": f"{name}, {count} events", **scores} for name, (scores, _) in found.items()]
        notes += [f"{name}, {count} events: {chosen}" for name, (_, chosen) in found.items()]
        sizes = [int((own == place).sum()) for place in range(3)]
        notes.append(f"{count} events: {sizes} cases, of the last {np.bincount(y[own == 2]).tolist()} {sets.OUTCOMES}")
    return rows, notes


def cdnow(asked: Asked) -> Found:
    """Who buys nothing in the next quarter: learned at the end of 1997, judged three months later."""
    log = sets.cdnow(asked.data_dir)
    moments = [np.datetime64(day) for day in ("1998-01-01", "1998-04-01", "1998-07-01")]
    fields = EventFields.learn(log.before(moments[0]))
    model = _next(log.before(moments[0]), fields, asked.steps or 1000, asked.seed)
    z, rfm, y = [], [], []
    for now, end in zip(moments[:2], moments[1:], strict=True):
        past, coming = log.before(now), log.since(now).before(end)
        days = (np.datetime64(now, "us").astype(np.int64) - past.time[past.starts[1:] - 1]) / 86_400e6
        spent = np.add.reduceat(past.numbers["dollars"], past.starts[:-1])
        simple = np.stack([np.log1p(days), np.log(past.lengths), np.log1p(spent / past.lengths)], -1)
        rfm.append(simple)
        # The history ends with a purchase: how long ago that was, and of how many, no event says.
        z.append(np.hstack([_history_features(model, past), simple[:, :2]]))
        y.append((coming.lengths == 0).astype(int))
    # Of the customers a fifth is kept at the first moment to choose by; all are judged at the second.
    held = np.random.default_rng(asked.seed).permutation(len(log)) < len(log) // 5
    own = np.concatenate([np.where(held, 1, 0), np.full(len(log), 2)])
    y, z, rfm = np.concatenate(y), np.concatenate(z), np.concatenate(rfm)
    heads = {"logistic": _logistic, "boosting": _boosting}
    found = {
        "next_step": _best(heads, z, y, own),
        "recency, frequency, spending; logistic": _best({"logistic": _logistic}, rfm, y, own),
        "recency, frequency, spending; boosting": _best({"boosting": _boosting}, rfm, y, own),
    }
    rows = [{"model": name, **scores} for name, (scores, _) in found.items()]
    return rows, [f"{name}: {chosen}" for name, (_, chosen) in found.items()] + [
        f"{y[own == 2].mean():.3f} buy nothing"
    ]


def _history_features(model: EventEmbedder, log: EventLog) -> np.ndarray:
    """The model's own representation of each history, and that of its last event."""
    return np.hstack([model.embed(log), model.encode(log)[log.starts[1:] - 1]])


def _untrained(model: EventEmbedder, log: EventLog, amount: np.ndarray) -> np.ndarray:
    import jax

    from tsrl.data.events import whole_events
    from tsrl.types import as_batch

    events = whole_events(log.take([0]), model.fields)
    params, aux = model.method.init(jax.random.key(0), as_batch(events.fields, mask=events.mask))
    blank = EventEmbedder(model.options, model.encoder, model.fields, params, aux, model.context)
    return np.hstack([_history_features(blank, log), amount])


def _bag(log: EventLog, fields: EventFields) -> np.ndarray:
    """How often each action comes in each sequence, `[N, A]`."""
    size = fields.sizes()["action"]
    keys = log.owner * size + fields.codes(log, "action")
    return np.bincount(keys, minlength=len(log) * size).reshape(-1, size).astype(float)


def _logistic(setting: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=setting, max_iter=2000))


def _boosting(setting: float) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(learning_rate=setting, max_iter=200, max_leaf_nodes=15, random_state=0)


_SETTINGS = {"logistic": (1e-3, 1e-2, 1e-1, 1.0), "boosting": (0.02, 0.05, 0.1)}


def _best(heads: dict[str, Any], x: np.ndarray, y: np.ndarray, part: np.ndarray) -> tuple[dict[str, float], str]:
    """The head and its setting that are best on part 1, by the area under the curve; scored on part 2."""
    tried = {
        (name, setting): _auc(made(setting).fit(x[part == 0], y[part == 0]), x[part == 1], y[part == 1])
        for name, made in heads.items()
        for setting in _SETTINGS[name]
    }
    name, setting = max(tried, key=tried.__getitem__)
    fitted = heads[name](setting).fit(x[part < 2], y[part < 2])
    accuracy = float((fitted.predict(x[part == 2]) == y[part == 2]).mean())
    return {"auc": _auc(fitted, x[part == 2], y[part == 2]), "accuracy": accuracy}, f"{name}, {setting:g}"


def _auc(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    shares = model.predict_proba(x)
    if shares.shape[1] == 2:
        return float(roc_auc_score(y, shares[:, 1]))
    return float(roc_auc_score(y, shares, multi_class="ovr", average="macro"))


def unix(asked: Asked) -> Found:
    """Which segments of 100 commands a masquerader typed: the ten users all of whose segments are labelled.

    Everything is learned from the 50 clean segments of all 40 users; what is weighed how, from other users' clean
    segments as impostors. No label is read but to score.
    """
    from sklearn.metrics import roc_auc_score

    data = sets.unix_masquerade(asked.data_dir)
    clean = data.log.heads(5000)
    judged = np.flatnonzero((data.labels >= 0).all(1))
    monitor = Monitor.fit(clean, settings=Settings(every=100, seed=asked.seed), steps=asked.steps or 1000, length=128)
    scores = monitor.score(data.log, since=50)
    users = [f"user {number}" for number in judged]
    found = {f"monitor, {name}": values for name, values in scores.evidence.items()}
    found["monitor, all evidence"] = -np.log(scores.p_value)
    fields = monitor.model.fields
    codes, units = fields.codes(data.log, "action"), units_of(data.log, 100)
    late = units.take(units.start >= 50)
    found["Markov chain of each user"] = _markov_surprise(clean, data.log, fields, codes, late)
    found["counts of each user"] = _count_surprise(clean, fields, codes, late)
    areas = {}
    for name, values in found.items():
        by_user = [values[scores.user == user] for user in users]
        areas[name] = np.array(
            [roc_auc_score(data.labels[number, 50:], own) for number, own in zip(judged, by_user, strict=True)]
        )
    rows = [{"model": name, "auc": float(area.mean()), "worst": float(area.min())} for name, area in areas.items()]
    best, control = areas["monitor, identity"], areas["Markov chain of each user"]
    drawn = np.random.default_rng(asked.seed).integers(0, len(judged), (10_000, len(judged)))
    low, high = np.quantile((best - control)[drawn].mean(1), (0.025, 0.975))
    clean_units = np.concatenate([scores.p_value[scores.user == user][data.labels[number, 50:] == 0]
                                  for user, number in zip(users, judged, strict=True)])  # fmt: skip
    notes = [
        f"identity minus Markov chain: {(best - control).mean():.3f}, 95 % interval over users {low:.3f} to {high:.3f}",
        f"users: {', '.join(users)}; areas of identity: {', '.join(f'{area:.3f}' for area in best)}",
        f"alarms among their own later segments at 1 % and 5 %: {(clean_units <= 0.01).mean():.3f}, "
        f"{(clean_units <= 0.05).mean():.3f} of {len(clean_units)}",
    ]
    return rows, notes


def _markov_surprise(clean: EventLog, log: EventLog, fields: EventFields, codes: np.ndarray, units: Any) -> np.ndarray:
    """The control: minus the mean log-probability of a segment's commands under each user's own Markov chain."""
    size, own = fields.sizes()["action"], fields.codes(clean, "action")
    surprise = np.zeros(log.events)
    for number in range(len(log)):
        sequence = own[clean.starts[number] : clean.starts[number + 1]]
        rows = np.arange(log.starts[number] + 1, log.starts[number + 1])
        # Backed off to the user's own frequencies, and these to all commands alike.
        shares = markov([sequence], np.arange(size), size) + 1e-4 / size
        surprise[rows] = -np.log(shares[codes[rows - 1], codes[rows]])
    return pooled(surprise[:, None], units)[:, 0]


def _count_surprise(clean: EventLog, fields: EventFields, codes: np.ndarray, units: Any) -> np.ndarray:
    """The control of Maxion and Townsend (2002): naive Bayes of each user's commands against all others'."""
    size, own = fields.sizes()["action"], fields.codes(clean, "action")
    counts = np.bincount(clean.owner * size + own, minlength=len(clean) * size).reshape(-1, size) + 0.01
    self_log = np.log(counts / counts.sum(1, keepdims=True))
    others = counts.sum(0) - counts
    other_log = np.log(others / others.sum(1, keepdims=True))
    owner = np.repeat(units.user, units.end - units.first)
    made = np.zeros((len(codes), 1))
    rows = units.events()
    made[rows, 0] = (other_log - self_log)[owner, codes[rows]]
    return pooled(made, units)[:, 0]


def simulator(asked: Asked, users: int = 1000) -> Found:
    """A made-up user base: false alarms of regular weeks, and how soon four kinds of misbehaviour are found."""
    base = user_base(users, 32, asked.seed)
    # Twelve weeks are learned from and calibrate; the next twenty are judged.
    judged_from = np.datetime64("2026-01-05") + np.timedelta64(12, "W")
    known = base.log.before(judged_from)
    monitor = Monitor.fit(known, settings=Settings(seed=asked.seed), steps=asked.steps or 600, length=128)
    began = time.perf_counter()
    regular = monitor.score(base.log, since=judged_from)
    speed = base.log.events / (time.perf_counter() - began)
    rows, notes = [], [f"{base.log.events:,} events were scored at {speed:,.0f} a second"]
    for rate in (0.001, 0.01, 0.05):
        low, high = alarm_interval(len(monitor.calibration), len(regular.p_value), rate)
        share = float(regular.alarms(rate).mean())
        notes.append(
            f"regular weeks, alarms at {rate:.1%}: {share:.3%} of {len(regular.p_value):,}, {len(monitor.calibration):,} "
            f"calibrated; 99 % interval {low:.3%} to {high:.3%}, {'inside' if low <= share <= high else 'OUTSIDE'}"
        )
    # The same people; half of them misbehave in one of the judged weeks.
    bad = user_base(users, 32, asked.seed, misbehaving=0.5, clean_weeks=12)
    scores, thresholds = monitor.score(bad.log, since=judged_from), monitor.thresholds(0.01)
    events, owner = scores.units.events(), scores.units.owner()
    fired = np.any([values > thresholds[name] for name, values in scores.running.items()], 0)
    alarms, user, kind = scores.alarms(0.01), bad.log.owner[events], bad.kind[events]
    guilty_units = np.zeros(len(alarms), bool)
    guilty_units[owner[kind > 0]] = True
    for number, name in enumerate(KINDS, 1):
        delays, found = [], []
        for who in np.unique(user[kind == number]):
            own = np.flatnonzero(user == who)
            first = own[kind[own] == number][0]
            after = own[own >= first]
            hits = np.flatnonzero(fired[after])
            # Of the misbehaviour's own events: how many had come when the alarm was raised, this one included.
            delays.append((kind[after[: hits[0] + 1]] == number).sum() if len(hits) else np.inf)
            found.append(alarms[np.unique(owner[own[kind[own] == number]])].any())
        rows.append(
            {
                "model": name,
                "incidents": len(found),
                "found": float(np.mean(found)),
                "median_delay": float(np.median(delays)),
            }
        )
    precision = guilty_units[alarms].mean()
    notes.append(f"alarms at 1 %: {int(alarms.sum())}, of units with misbehaviour {precision:.3f}")
    return rows, notes
