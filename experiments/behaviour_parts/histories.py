"""Tasks on histories: what comes next, how a case ends, who stays away."""

from itertools import pairwise
from typing import Any

import numpy as np

from behaviour_parts.asked import Asked, Found
from behaviour_parts.heads import auc, best, best_regression, boosted_regression, boosting, logistic, ridge
from tsrl.behaviour import EventEmbedder, TunedUsers, finetune_users, pretrain_events
from tsrl.data.events import EventFields, EventLog, sets
from tsrl.evaluate.next_action import markov, next_action_scores, popularity, repeats


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


# What else trains on events, beside `next_step`: the same with TimeDRL's agreement of two passes, stretches of one
# sequence as positives (CoLES), TS2Vec's crops and masks.
_OTHERS: dict[str, dict[str, Any]] = {
    "next_step with agreement": {"method": "next_step", "agreement": 0.5},
    "simclr of slices": {"method": "simclr", "pairs": "slices", "pooling": "max"},
    "ts2vec": {"method": "ts2vec"},
}


def _others(log: EventLog, fields: EventFields, steps: int, seed: int) -> dict[str, EventEmbedder]:
    return {
        name: pretrain_events(log, fields=fields, steps=steps, seed=seed, length=128, **settings)
        for name, settings in _OTHERS.items()
    }


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
    train, steps = data.log.take(part == 0), asked.steps or 1000
    model, others = _next(train, fields, steps, asked.seed), _others(train, fields, steps, asked.seed)
    rows, notes, heads = [], [], {"logistic": logistic, "boosting": boosting}
    for count in (5, 10):
        long_enough = data.log.lengths >= count
        log, y, own = data.log.take(long_enough).heads(count), data.outcome[long_enough], part[long_enough]
        amount = np.log1p(log.numbers["amount"][log.starts[:-1]])[:, None]
        bag = np.hstack([_bag(log, fields), amount])
        z = np.hstack([_history_features(model, log), amount])
        found = {
            "next_step": best(heads, z, y, own),
            **{
                name: best(heads, np.hstack([_history_features(other, log), amount]), y, own)
                for name, other in others.items()
            },
            "next_step, fine-tuned": _tuned(model, log, y, own, asked.seed),
            "next_step and bag": best({"boosting": boosting}, np.hstack([z, bag]), y, own),
            "bag of activities, amount; boosting": best({"boosting": boosting}, bag, y, own),
            "untrained": best(heads, _untrained(model, log, amount), y, own),
        }
        rows += [{"model": f"{name}, {count} events", **scores} for name, (scores, _) in found.items()]
        notes += [f"{name}, {count} events: {chosen}" for name, (_, chosen) in found.items()]
        sizes = [int((own == place).sum()) for place in range(3)]
        notes.append(f"{count} events: {sizes} cases, of the last {np.bincount(y[own == 2]).tolist()} {sets.OUTCOMES}")
    return rows, notes


def _tuned(
    model: EventEmbedder, log: EventLog, y: np.ndarray, part: np.ndarray, seed: int
) -> tuple[dict[str, float], str]:
    """The model and a head trained with the labels; the rate that is best on part 1, trained anew on parts 0 and 1 and
    scored on part 2. A fifth of what it is trained on says when to stop; the amount is a field of the events."""

    def tuned(rate: float, rows: np.ndarray) -> TunedUsers:
        return finetune_users(model, log.take(rows), y[rows], epochs=20, patience=3, learning_rate=rate, seed=seed)

    tried = {rate: auc(y[part == 1], tuned(rate, part == 0).shares(log.take(part == 1))) for rate in (1e-3, 3e-3)}
    rate = max(tried, key=tried.__getitem__)
    made = tuned(rate, part < 2)
    shares = made.shares(log.take(part == 2))
    accuracy = float((made.tuned.classes[shares.argmax(1)] == y[part == 2]).mean())
    return {"auc": auc(y[part == 2], shares), "accuracy": accuracy}, f"rate {rate:g}"


def cdnow(asked: Asked) -> Found:
    """Who buys nothing in the next quarter, and how much each customer spends: learned at the end of 1997, judged three
    months later."""
    log = sets.cdnow(asked.data_dir)
    moments = [np.datetime64(day) for day in ("1998-01-01", "1998-04-01", "1998-07-01")]
    fields, steps = EventFields.learn(log.before(moments[0])), asked.steps or 1000
    model = _next(log.before(moments[0]), fields, steps, asked.seed)
    models = {"next_step": model, **_others(log.before(moments[0]), fields, steps, asked.seed)}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*models, "rfm", "stays away", "spends")}
    for now, end in pairwise(moments):
        past, coming = log.before(now), log.since(now).before(end)
        days = (np.datetime64(now, "us").astype(np.int64) - past.time[past.starts[1:] - 1]) / 86_400e6
        spent = np.add.reduceat(past.numbers["dollars"], past.starts[:-1])
        simple = np.stack([np.log1p(days), np.log(past.lengths), np.log1p(spent / past.lengths)], -1)
        parts["rfm"].append(simple)
        # The history ends with a purchase: how long ago that was, and of how many, no event says.
        for name, each in models.items():
            parts[name].append(np.hstack([_history_features(each, past), simple[:, :2]]))
        parts["stays away"].append((coming.lengths == 0).astype(int))
        parts["spends"].append(np.log1p(np.bincount(coming.owner, coming.numbers["dollars"], len(log))))
    # Of the customers a fifth is kept at the first moment to choose by; all are judged at the second.
    held = np.random.default_rng(asked.seed).permutation(len(log)) < len(log) // 5
    own = np.concatenate([np.where(held, 1, 0), np.full(len(log), 2)])
    x = {name: np.concatenate(values) for name, values in parts.items()}
    away, spends = x.pop("stays away"), x.pop("spends")
    named = "recency, frequency, spending"
    heads = {"logistic": logistic, "boosting": boosting}
    lines = {"ridge": ridge, "boosting": boosted_regression}
    found = {name: best(heads, x[name], away, own) for name in models}
    found |= {f"{named}; {name}": best({name: head}, x["rfm"], away, own) for name, head in heads.items()}
    found |= {f"spending, {name}": best_regression(lines, x[name], spends, own) for name in models}
    found |= {
        f"spending, {named}; {name}": best_regression({name: line}, x["rfm"], spends, own)
        for name, line in lines.items()
    }
    rows = [{"model": name, **scores} for name, (scores, _) in found.items()]
    return rows, [f"{name}: {chosen}" for name, (_, chosen) in found.items()] + [
        f"{away[own == 2].mean():.3f} buy nothing; spending: the logarithm of 1 and the dollars of that quarter, of all"
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
