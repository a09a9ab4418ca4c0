"""One HTML page about users' behaviour: alarms and what caused them, a map of users' units, alarms over time, drift."""

import html
import importlib.resources
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tsrl.report import markup
from tsrl.report.behaviour_charts import Period, over_time, unit_map
from tsrl.report.behaviour_data import embedded, probability
from tsrl.report.behaviour_record import check_record
from tsrl.report.cells import number
from tsrl.report.plots import MAX_POINTS

_NO_DATE = "-"
# A test of drift whose p-value is at most this is drawn as a mark.
_LEVEL = 0.01


def behaviour_page(record: Mapping[str, Any]) -> str:
    """Makes the page. It stands alone: the browser asks for nothing else.

    Args:
      record: values as JSON has them; a start is text, or None where units have no date.

        - `title`; `made`: name -> version of what made the record.
        - `unit`: "week", "day", "hour", "session" or a number of events such as "100 events"; `rate`: share of regular
          units that may be alarms; `calibration_units`: how many the p-values are compared with.
        - `users`: `known`, `scored`, numbers of users.
        - `map`: lists of one length `x`, `y`, `user`, `start`, `p_value`, `alarm`, a point for each unit; or None.
        - `periods`, in the order of time: `start`, `units`, `alarms`, `expected` `[low, high]` alarms if all units are
          regular.
        - `drift`: `auc`, `p_value`, `refit`, or None; `drift_over_time`: `start`, `auc`, `p_value`.
        - `columns`: names of what is shown of an event.
        - `alarms`: `user`, `start`, `p_value`, `evidence` (kind -> p-value), `nearest` (`[user, start]` of regular
          units), `events` in the order of time (`cells`: text or None for each of the columns, `contribution`,
          `in_unit`: not only context, `alarm_here`), `causes` (`event`: place in events, `contribution`, `fields` and
          `surprise`: column -> number, `embedding`: number or None, `expected` and `own`: `[action, share]`).

        An explanation and a point of the map belong together if user, start and p-value are equal.

    Returns:
      HTML. Up to `plots.MAX_POINTS` regular units are drawn on the map, and all alarms.

    Raises:
      InputError: a key that is missing, a value of another kind, lists whose lengths do not fit.
    """
    check_record(record)
    order = sorted(range(len(record["alarms"])), key=lambda n: record["alarms"][n]["p_value"])
    alarms = [record["alarms"][n] for n in order]
    shown, dots = _map(record, alarms)
    body = [
        *_headline(record),
        markup.section(f"Map of the {_units(record)[1]}", *shown),
        markup.section("Alarms over time", *_periods(record)),
        markup.section("Alarms", *_table(record, alarms)),
        markup.section("Drift", *_drift(record)),
        markup.section("How it was made", markup.facts("Versions", record["made"])),
        embedded(record, _units(record)[1], order, dots),
        f"<script>{_file('behaviour.js')}</script>",
    ]
    page = markup.document(record["title"], "\n".join(part for part in body if part), style=_file("behaviour.css"))
    # Half a surrogate pair, which JSON allows, has no bytes.
    return page.encode("utf-8", "replace").decode("utf-8")


def _file(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")


def _units(record: Mapping[str, Any]) -> tuple[str, str]:
    """A unit in words, and several."""
    unit = record["unit"]
    return (f"stretch of {unit}", f"stretches of {unit}") if unit[0].isdigit() else (unit, f"{unit}s")


def _count(value: int, one: str, many: str) -> str:
    return f"{value:,} {one if value == 1 else many}"


def _headline(record: Mapping[str, Any]) -> Iterable[str]:
    (one, many), rate, users = _units(record), record["rate"], record["users"]
    calibration, listed = record["calibration_units"], len(record["alarms"])
    units = sum(period["units"] for period in record["periods"])
    expected, raised, tiles = units * rate, listed, []
    if record["periods"]:
        raised = sum(period["alarms"] for period in record["periods"])
        tiles.append((f"{units:,}", f"{one if units == 1 else many} scored"))
        told = f"{expected:,.0f}" if expected >= 10 else f"{expected:.2g}"
        tiles.append((f"≈ {told}", f"alarms expected if all {many} are regular"))
    tiles += [
        (f"{raised:,}", "alarm found" if raised == 1 else "alarms found"),
        (f"{100 * rate:g} %", f"rate of alarms among regular {many}"),
        (f"{users['scored']:,}", f"{'user' if users['scored'] == 1 else 'users'} scored; {users['known']:,} known"),
    ]
    inner = "".join(f"<li><strong>{html.escape(value)}</strong> {html.escape(told)}</li>" for value, told in tiles)
    holds = "The rate holds as long as regular behaviour is that of the calibration"
    if record["drift"] is not None and record["drift"]["refit"]:
        holds = "The rate does not hold now, because behaviour as a whole has changed"
    yield f'<ul class="tiles">{inner}</ul>'
    yield markup.paragraph(
        f"What the rate means: where a user goes on as the users of the calibration did, a {one} is an alarm with a "
        f"probability of at most {100 * rate:g} %. Some alarms are therefore regular {many}: an alarm is a reason to "
        f"look, no proof. {holds}, see Drift."
    )
    if rate * (calibration + 1) < 1 - 1e-9:
        yield markup.paragraph(
            f"No {one} can be an alarm: with {_count(calibration, one, many)} of calibration no p-value is below "
            f"{probability(1 / (calibration + 1))}. A rate of {100 * rate:g} % needs {round(1 / rate) - 1:,}."
        )
    else:
        yield markup.paragraph(
            f"P-values compare with {_count(calibration, one, many)} of calibration; the smallest possible is "
            f"{probability(1 / (calibration + 1))}."
        )
    if raised > listed:
        yield markup.paragraph(f"{listed:,} of the {raised:,} alarms are listed and explained below.")


def _map(record: Mapping[str, Any], alarms: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[int]]:
    """The map's parts, and its points that are dots."""
    drawn = record["map"]
    if drawn is None or not drawn["x"]:
        return [], []
    waiting: dict[tuple[str, str | None, float], deque[int]] = defaultdict(deque)
    for n, alarm in enumerate(alarms):
        waiting[alarm["user"], alarm["start"], alarm["p_value"]].append(n)
    opens = {}
    for point, key in enumerate(zip(drawn["user"], drawn["start"], drawn["p_value"], strict=True)):
        if drawn["alarm"][point] and waiting[key]:
            opens[point] = waiting[key].popleft()
    plot, dots = unit_map(drawn, opens)
    one, many = _units(record)
    told = f"A point is the {one} of a user; points that are near each other look alike to the model. The directions "
    told += "have no meaning of their own. An alarm opens by a click, or by the arrow keys and Enter."
    if len(dots) == MAX_POINTS:
        told += f" At most {MAX_POINTS:,} evenly spaced regular {many} are drawn."
    legend = (
        '<p class="legend"><span class="dot"></span>regular <span class="diamond"></span>alarm '
        '<span class="ring"></span>of the user whose alarm is open</p>'
    )
    tip = f'<p id="tip">{html.escape(f"Point at a dot to read whose {one} it is.")}</p>'
    return [legend, f"<figure>{plot}<figcaption>{tip}{html.escape(told)}</figcaption></figure>"], dots


def _periods(record: Mapping[str, Any]) -> Iterable[str]:
    one, many = _units(record)
    if not record["periods"]:
        yield markup.paragraph(f"Not drawn: no {many} with dates were scored.")
        return
    points, rows = [], []
    for period in record["periods"]:
        low, high = period["expected"]
        label = _NO_DATE if period["start"] is None else period["start"]
        band = f"{number(low, 1)} to {number(high, 1)}"
        told = f"{label}: {_count(period['alarms'], 'alarm', 'alarms')} among {_count(period['units'], one, many)}, "
        told += f"{band} expected"
        points.append(Period(label, period["alarms"], period["alarms"] > high, told, (low, high)))
        rows.append((label, f"{period['units']:,}", f"{period['alarms']:,}", band))
    above = sum(point.marked for point in points)
    told = f"{_count(len(points), 'period', 'periods')}; {above} with more alarms than regular {many} make (diamonds). "
    told += "Shade: the number of alarms to be expected if all are regular."
    yield f"<figure>{over_time(points, (0, 5), told)}<figcaption>{html.escape(told)}</figcaption></figure>"
    header = ("Start", many.capitalize(), "Alarms", "Expected")
    yield markup.folded("The numbers", markup.table("", header, rows))


def _table(record: Mapping[str, Any], alarms: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    one, many = _units(record)
    if not alarms:
        yield markup.paragraph(f"None: no {one} is as unusual as the rate asks for.")
        return
    yield markup.paragraph(
        "Smallest p-value first. A row opens what caused the alarm: click it, or reach it with Tab and the arrow keys "
        f"and press Enter; Escape closes. A p-value is the share of regular {many} that look at least as unusual; the "
        "evidence is of the kind that is rarest by itself."
    )
    yield "<noscript><p>The details of an alarm need JavaScript.</p></noscript>"
    yield (
        '<p class="filter"><label for="filter">Users whose name has</label> <input id="filter" type="search" '
        'autocomplete="off" spellcheck="false"> <output id="found" for="filter">'
        f"{_count(len(alarms), 'alarm', 'alarms')}</output></p>"
    )
    rows = []
    for n, alarm in enumerate(alarms):
        strongest = min(alarm["evidence"].items(), key=lambda item: item[1], default=None)
        cells = (
            _NO_DATE if alarm["start"] is None else alarm["start"],
            probability(alarm["p_value"]),
            _NO_DATE if strongest is None else f"{strongest[0]} {probability(strongest[1])}",
        )
        button = f'<button type="button" aria-expanded="false" tabindex="{0 if n == 0 else -1}">'
        inner = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        rows.append(f'<tr data-n="{n}"><th scope="row">{button}{html.escape(alarm["user"])}</button></th>{inner}</tr>')
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("User", "Start", "p-value", "Evidence"))
    yield f'<table id="alarms"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    yield f'<button type="button" id="all" hidden>Show all {len(alarms):,} alarms</button>'


def _drift(record: Mapping[str, Any]) -> Iterable[str]:
    drift, (_, many) = record["drift"], _units(record)
    if drift is None:
        yield markup.paragraph(f"Not tested whether the {many} differ from those the monitor was fitted to.")
    else:
        found = f"area under the curve {number(drift['auc'], 2)}, p-value {probability(drift['p_value'])}"
        if drift["refit"]:
            advice = f"Fit the monitor anew: behaviour as a whole is no longer what it was fitted to ({found}). Until "
            advice += "then more regular users are alarms than the rate says."
        elif drift["p_value"] <= _LEVEL:
            advice = f"No need to fit the monitor anew: behaviour as a whole has changed, but little ({found})."
        else:
            advice = f"No need to fit the monitor anew: no change of behaviour as a whole was found ({found})."
        yield f'<p class="advice{" act" if drift["refit"] else ""}">{html.escape(advice)}</p>'
    if drift is not None or record["drift_over_time"]:
        yield markup.paragraph(
            f"The area is how well recent {many} can be told from those of the reference: the probability that of one "
            "of each the recent one is recognised. 0.5 is no better than guessing, 1 is always."
        )
    if record["drift_over_time"]:
        points, rows = [], []
        for test in record["drift_over_time"]:
            label, auc, p = test["start"], number(test["auc"], 2), probability(test["p_value"])
            label = _NO_DATE if label is None else label
            points.append(Period(label, test["auc"], test["p_value"] <= _LEVEL, f"{label}: area {auc}, p-value {p}"))
            rows.append((label, auc, p))
        told = f"Area under the curve of {_count(len(points), 'test', 'tests')}; "
        told += (
            f"{sum(point.marked for point in points)} with a p-value of at most {_LEVEL} (diamonds). Dashed: guessing."
        )
        chart = over_time(points, (0.4, 0.8), told, line=0.5)
        yield f"<figure>{chart}<figcaption>{html.escape(told)}</figcaption></figure>"
        yield markup.folded("The numbers", markup.table("", ("Start", "Area", "p-value"), rows))
