"""Evidence against loops, sums of probabilities and integrals."""

import datetime
import math
import statistics
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from tsrl.data.events import EventColumns, EventFields, read_events
from tsrl.errors import InputError
from tsrl.monitor.evidence import Bins, Norms, changes, habit_columns, mean_at_changes, pooled, running, volume
from tsrl.monitor.habits import Column
from tsrl.monitor.periods import Units

LOG = read_events(
    {
        "user": ["a"] * 5 + ["b"] * 3,
        "time": [f"2026-01-0{day}T{hour:02}:30" for day, hour in
                 ((1, 0), (1, 23), (4, 12), (5, 0), (5, 1), (2, 3), (3, 4), (6, 5))],
        "action": ["in", "buy", "in", "out", "in", "in", "buy", "buy"],
        "amount": [None, 1.0, 2.0, None, 4.0, 8.0, 16.0, 32.0],
    },
    EventColumns(numeric=("amount",)),
)  # fmt: skip


@given(st.lists(st.lists(st.floats(-50, 50), min_size=1, max_size=8), max_size=8))
def test_running_sums_against_a_loop(units):
    wanted, unit = [], []
    for number, values in enumerate(units):
        total = 0.0
        for value in values:
            total = max(0.0, total + value)
            wanted.append(total)
            unit.append(number)
    values = np.array([value for values in units for value in values])
    np.testing.assert_allclose(running(values, np.array(unit, int)), wanted, atol=1e-9)


def test_running_sums_of_a_long_log_are_as_exact():
    """Units are pushed apart by the largest path there is: of many units, and of one that is far out."""
    random = np.random.default_rng(0)
    unit = np.repeat(np.arange(20_000), random.integers(1, 5, 20_000))
    values = random.normal(-0.3, 1, len(unit))
    values[777] = 1e4
    total, wanted = 0.0, np.zeros(len(unit))
    for place, value in enumerate(values):
        total = max(0.0, (total if place and unit[place] == unit[place - 1] else 0.0) + value)
        wanted[place] = total
    np.testing.assert_allclose(running(values, unit), wanted, atol=1e-6)


def test_pooled_is_the_mean_of_each_units_events():
    z = np.random.default_rng(0).normal(size=(9, 3))
    units = Units(np.array([1, 0, 1]), np.array([4, 0, 7]), np.array([7, 1, 9]), np.zeros(3, int))
    np.testing.assert_allclose(pooled(z, units), [z[4:7].mean(0), z[0], z[7:9].mean(0)])
    assert pooled(z, units.take(np.zeros(0, int))).shape == (0, 3)


# Events and users of reference units; of user 2 there are none.
PAST = (np.array([10, 12, 11, 30, 26, 3]), np.array([0, 0, 0, 1, 1, 3]))


def prior(counts, user):
    """Shape and rate of the gamma distribution of the users' rates, by moments."""
    rates, lengths = [], []
    for who in sorted(set(user.tolist())):
        own = [count for count, owner in zip(counts.tolist(), user.tolist(), strict=True) if owner == who]
        rates.append(sum(own) / len(own))
        lengths.append(len(own))
    mean = sum(rates) / len(rates)
    spread = sum((rate - mean) ** 2 for rate in rates) / len(rates)
    # Of the mean of n units of a user a part is what counts vary by themselves.
    spread -= sum(rate / n for rate, n in zip(rates, lengths, strict=True)) / len(rates)
    spread = max(spread, 1e-3 * mean**2)
    return mean**2 / spread, mean / spread


def density_of_so_many(rate, count, rates):
    return stats.poisson.sf(count - 1, rate) * rates.pdf(rate)


def test_volume_is_minus_the_log_of_so_many_or_more():
    counts, user = np.array([11, 40, 1, 28, 9, 60]), np.array([0, 0, 1, 1, 2, 7])
    shape, rate = prior(*PAST)
    for count, who, found in zip(counts, user, volume(counts, user, PAST), strict=True):
        own = PAST[0][PAST[1] == who]
        a, b = shape + own.sum(), rate + len(own)
        wanted = 1 - sum(stats.nbinom.pmf(k, a, b / (b + 1)) for k in range(count))
        assert found == pytest.approx(-math.log(wanted), rel=1e-6, abs=1e-12)
        # The same as an integral: the rate is gamma-distributed given the past, the events are Poisson given the rate.
        integral = integrate.quad(density_of_so_many, 0, 120, (count, stats.gamma(a, scale=1 / b)), limit=200)[0]
        assert found == pytest.approx(-math.log(integral), rel=1e-4, abs=1e-6)
    # More events of a user are more unusual, and those of a user without a past are judged by everyone's.
    several = volume(np.arange(1, 60), np.zeros(59, int), PAST)
    assert (np.diff(several) > 0).all()
    assert volume(np.array([30]), np.array([2]), PAST) == volume(np.array([30]), np.array([500]), PAST)


def test_volume_of_few_users_is_defined():
    """Of one user nothing is known about how users differ."""
    for past in ((np.array([5, 7]), np.array([0, 0])), (np.array([4]), np.array([3]))):
        found = volume(np.array([1, 6, 500, 10**7]), np.array([0, 3, 0, 9]), past)
        assert np.isfinite(found).all()
        assert (np.diff(found[[0, 1, 2]]) > 0).all()
    assert volume(np.zeros(0, int), np.zeros(0, int), PAST).shape == (0,)


def test_volume_stays_finite_and_rising_beyond_the_smallest_float():
    """A program may act a hundred thousand times a week; such a unit among those that calibrate must not spoil them."""
    counts = np.array([500, 5_000, 20_000, 22_000, 24_000, 26_000, 100_000, 10**7])
    found = volume(counts, np.zeros(len(counts), int), PAST)
    assert (np.diff(found) > 0).all()
    shape, rate = prior(*PAST)
    own = PAST[0][PAST[1] == 0]
    a, b = shape + own.sum(), rate + len(own)
    for count, minus in zip(counts[:-1], found[:-1], strict=True):
        terms = stats.nbinom.logpmf(np.arange(count, count + 5_000), a, b / (b + 1))
        assert minus == pytest.approx(-(terms.max() + math.log(np.exp(terms - terms.max()).sum())), rel=1e-2)


def test_numbers_fall_into_the_references_deciles():
    bins = Bins.of(LOG)
    codes = bins.codes(LOG)
    for name, values in (("amount", LOG.numbers["amount"]), ("since previous", LOG.since_previous())):
        known = sorted(value for value in values.tolist() if not math.isnan(value))
        edges = []
        for tenth in range(1, 10):
            place = tenth / 10 * (len(known) - 1)
            low = known[int(place)]
            edges.append(low + (place - int(place)) * (known[min(int(place) + 1, len(known) - 1)] - low))
        np.testing.assert_allclose(bins.edges[name], edges)
        wanted = [10 if math.isnan(v) else sum(edge < v for edge in edges) for v in values.tolist()]
        assert codes[name].tolist() == wanted
    assert codes["amount"][0] == codes["since previous"][0] == 10
    # What is above or below all of the reference is in the outer bins.
    far = LOG.keep(np.ones(LOG.events, bool))
    far.numbers["amount"][:] = [-1e9, 1e9] * 4
    assert bins.codes(far)["amount"].tolist() == [0, 9] * 4


def test_a_column_without_any_number_has_bins():
    lacking = LOG.keep(np.ones(LOG.events, bool))
    lacking.numbers["amount"][:] = np.nan
    bins = Bins.of(lacking)
    assert (bins.codes(lacking)["amount"] == 10).all()
    assert (bins.codes(LOG)["amount"][1:3] < 10).all()


def test_other_numbers_are_refused():
    with pytest.raises(InputError, match=r"log: found the numbers \['since previous'\], want \['amount', 'since"):
        Bins.of(LOG).codes(read_events({"user": ["a"], "time": ["2026-01-01"], "action": ["in"]}))


def test_columns_of_habits_against_pythons_calendar():
    fields, bins = EventFields.learn(LOG, min_count=1), Bins.of(LOG)
    columns = habit_columns(LOG, fields, bins)
    moments = [datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=int(time)) for time in LOG.time]
    assert columns["hour"].value.tolist() == [moment.hour for moment in moments]
    assert columns["weekday"].value.tolist() == [moment.weekday() for moment in moments]
    action, given_ = columns["next action"].value, columns["next action"].given
    np.testing.assert_array_equal(action, fields.codes(LOG, "action"))
    for row in range(LOG.events):
        assert given_[row] == (0 if row in LOG.starts else action[row - 1])
    assert list(columns) == ["action", "amount", "since previous", "hour", "weekday", "next action"]
    none = habit_columns(LOG.keep(np.zeros(LOG.events, bool)), fields, bins)
    assert all(len(column.value) == 0 for column in none.values())


def test_hours_are_those_of_the_zone():
    log = read_events(
        {"user": ["a", "a"], "time": ["2026-01-04T23:30Z", "2026-07-05T22:30Z"], "action": ["in", "in"]},
        EventColumns(timezone="UTC"),
    )
    columns = habit_columns(log, EventFields.learn(log, zone="Europe/Berlin"), Bins.of(log))
    # Both on a Monday after midnight in Berlin.
    assert columns["hour"].value.tolist() == [0, 0]
    assert columns["weekday"].value.tolist() == [0, 0]


def test_surprise_is_measured_by_ranks_and_by_what_is_usual_for_the_user():
    random = np.random.default_rng(0)
    values = random.exponential(size=(3000, 2)) * [1.0, 50.0]
    values[random.random(values.shape) < 0.05] = np.nan
    surprise, user = {"action": values[:, 0], "amount": values[:, 1]}, random.integers(0, 3, 3000)
    surprise["action"][user == 2] += 1.0
    norms = Norms.of(surprise, user, 3)
    excess = norms.excess(surprise, user)
    for place, column in enumerate(surprise.values()):
        known = ~np.isnan(column)
        share = (stats.rankdata(column[known]) - 0.5) / known.sum()
        scores = np.zeros(3000)
        scores[known] = stats.norm.ppf(share)
        usual = np.array([scores[user == who].sum() / ((user == who).sum() + 50) for who in range(3)])
        # Quantiles stand for ranks: the highest ones are alike.
        body = known & (np.abs(scores) < 2)
        np.testing.assert_allclose(excess[body, place], (scores - usual[user])[body], atol=0.03)
        assert (excess[~known, place] == 0).all()
        # A user without a past is judged as everyone is.
        np.testing.assert_allclose(norms.excess(surprise, user + 3)[body, place], scores[body], atol=0.03)
    assert norms.own[2, 0] > 0.3 > norms.own[0, 0]
    with pytest.raises(InputError, match="log: found the columns action, want action, amount"):
        norms.excess({"action": surprise["action"]}, user)


def test_a_surprise_that_the_reference_never_had_is_none_either():
    """Of a reference of first events nothing is known."""
    norms = Norms.of({"action": np.array([np.nan, np.nan])}, np.array([0, 1]), 2)
    np.testing.assert_array_equal(norms.excess({"action": np.array([np.nan, 3.0])}, np.array([0, 0])), 0)


def test_without_a_model_that_predicts_there_is_no_surprise():
    norms = Norms.of({}, np.array([0]), 1)
    assert norms.excess({}, np.array([0, 0])).shape == (2, 0)


def test_sums_of_several_columns_are_those_of_each():
    values, unit = np.random.default_rng(1).normal(size=(20, 3)), np.repeat([4, 7, 9], [5, 1, 14])
    for place in range(3):
        np.testing.assert_allclose(running(values, unit)[:, place], running(values[:, place], unit))
    assert running(np.zeros((20, 0)), unit).shape == (20, 0)


def test_changes_of_slow_columns_are_held_against_usual_changes():
    columns = {"device": Column(np.array([1, 1, 2, 2, 1]), 3, news=np.array([True, False, True, False, True]))}
    surprise = {"device": np.array([np.nan, 0.1, 4.0, 0.3, 2.0]), "action": np.ones(5)}
    means = mean_at_changes(columns, surprise, ("device", "hour"))
    assert means == {"device": 3.0}
    np.testing.assert_allclose(changes(columns, surprise, means), [0, 0, 1, 0, -1])
    assert mean_at_changes(columns, {"device": np.full(5, np.nan)}, ("device",)) == {"device": 0.0}


def test_news_of_columns_against_a_loop():
    columns = habit_columns(LOG, EventFields.learn(LOG, min_count=1), Bins.of(LOG))
    for name, column in columns.items():
        if name == "next action":
            assert column.news is None
            continue
        wanted = [row in LOG.starts or column.value[row] != column.value[row - 1] for row in range(LOG.events)]
        assert column.news.tolist() == wanted
    # After a sequence without events.
    gap = LOG.take([0, 1]).keep(LOG.owner != 0)
    news = habit_columns(gap, EventFields.learn(LOG, min_count=1), Bins.of(LOG))["action"].news
    assert news.tolist() == [True, True, False]


@given(
    st.lists(st.lists(st.tuples(*[st.floats(-50, 50)] * 3), min_size=1, max_size=6), max_size=6),
)
def test_running_sums_of_columns_against_a_loop(units):
    wanted, values, unit = [], [], []
    for number, rows in enumerate(units):
        total = [0.0] * 3
        for row in rows:
            total = [max(0.0, before + step) for before, step in zip(total, row, strict=True)]
            wanted.append(total)
            values.append(row)
            unit.append(number)
    found = running(np.array(values).reshape(-1, 3), np.array(unit, int))
    np.testing.assert_allclose(found, np.array(wanted).reshape(-1, 3), atol=1e-9)
    assert (found >= 0).all()


def test_a_sum_that_is_zero_is_exactly_zero_in_a_long_log():
    """Rounding that is left of it would be rarer than 0 where most units' sums are 0; a stream has none."""
    random = np.random.default_rng(0)
    unit = np.repeat(np.arange(20_000), random.integers(1, 8, 20_000))
    values = random.normal(-0.5, 3, (len(unit), 2))
    values[777] = 1e4
    total, wanted, before = np.zeros(2), np.zeros(values.shape), -1
    for row, number in enumerate(unit.tolist()):
        total = np.maximum(0.0, (total if number == before else 0.0) + values[row])
        wanted[row], before = total, number
    np.testing.assert_array_equal(running(values, unit), wanted)
    assert (wanted == 0).mean() > 0.3


def slow_scores(reference, asked):
    """Normal scores of ranks, one at a time: quantiles rounded to four digits, equal ones at their mean rank."""
    known = sorted(value for value in reference if not math.isnan(value))
    places = defaultdict(list)
    for step in range(1001):
        place = step / 1000 * (len(known) - 1)
        low = known[int(place)]
        value = low + (place - int(place)) * (known[min(int(place) + 1, len(known) - 1)] - low)
        places[round(value, 4)].append((step + 0.5) / 1001)
    grid = sorted(places)
    found = []
    for value in asked:
        if math.isnan(value):
            found.append(None)
            continue
        value = min(max(value, grid[0]), grid[-1])
        high = next(k for k, edge in enumerate(grid) if edge >= value)
        level = statistics.fmean(places[grid[high]])
        if grid[high] > value:
            before = statistics.fmean(places[grid[high - 1]])
            level = before + (value - grid[high - 1]) / (grid[high] - grid[high - 1]) * (level - before)
        found.append(statistics.NormalDist().inv_cdf(level))
    return found


@pytest.mark.parametrize("kind", ["exponential", "ties"])
def test_norms_against_a_loop(kind):
    random = np.random.default_rng(2)
    values = random.exponential(size=400) if kind == "exponential" else random.poisson(1.5, 400) * 0.7
    values[random.random(400) < 0.1] = np.nan
    user = random.integers(0, 4, 400)
    # Of user 3 nothing is known at all, of user 4 there is no event.
    values[user == 3] = np.nan
    norms = Norms.of({"action": values}, user, 5)
    scores = slow_scores(values, values)
    for who in range(5):
        own = [score for score, owner in zip(scores, user, strict=True) if owner == who]
        wanted = sum(score for score in own if score is not None) / (len(own) + 50)
        assert norms.own[who, 0] == pytest.approx(wanted, abs=1e-6)
    assert norms.own[3, 0] == norms.own[4, 0] == 0
    asked = np.concatenate([values[:50], [-1e9, 1e9, np.nan, 0.35, 2.1]])
    for who in (1, 4, 77):
        usual = norms.own[who, 0] if who < 5 else 0
        wanted = [0 if score is None else score - usual for score in slow_scores(values, asked)]
        found = norms.excess({"action": asked}, np.full(len(asked), who))[:, 0]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_excess_never_falls_with_surprise_and_has_a_bound():
    norms = Norms.of({"action": np.random.default_rng(0).gamma(2, size=300)}, np.zeros(300, int), 1)
    found = norms.excess({"action": np.sort(np.append(np.linspace(-1, 30, 500), [1e6]))}, np.full(501, 9))[:, 0]
    assert (np.diff(found) >= 0).all()
    bound = stats.norm.ppf(1000.5 / 1001)
    assert found[0] == pytest.approx(-bound)
    assert found[-1] == pytest.approx(bound)


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.floats(0, 9) | st.just(math.nan), st.floats(0, 9)),
        min_size=1,
        max_size=12,
    )
)
def test_changes_of_several_columns_against_a_loop(rows):
    """`hour` is slow and not predicted, `action` predicted and not slow."""
    names = ("device", "place", "hour", "action")
    value = np.zeros(len(rows), int)
    columns = {
        "device": Column(value, 1, news=np.array([row[0] for row in rows])),
        "place": Column(value, 1, news=np.array([row[1] for row in rows])),
    }
    columns |= {name: Column(value, 1, news=np.ones(len(rows), bool)) for name in names[2:]}
    surprise = {"device": np.array([row[2] for row in rows]), "place": np.array([row[3] for row in rows])}
    surprise["action"] = np.full(len(rows), 5.0)
    means = mean_at_changes(columns, surprise, names[:3])
    wanted, totals = {}, [0.0] * len(rows)
    for place, name in enumerate(("device", "place")):
        seen = [(k, row[2 + place]) for k, row in enumerate(rows) if row[place] and not math.isnan(row[2 + place])]
        wanted[name] = sum(nats for _, nats in seen) / len(seen) if seen else 0.0
        for k, nats in seen:
            totals[k] += nats - wanted[name]
    assert means == pytest.approx(wanted)
    np.testing.assert_allclose(changes(columns, surprise, means), totals, atol=1e-9)
    assert changes(columns, surprise, {}).tolist() == [0.0] * len(rows)
