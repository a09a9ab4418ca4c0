"""What the script of a page about users' behaviour reads: the record made small, and safe to stand inside a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from tsrl.report import markup

# What is known to be evidence, in words.
KINDS = {
    "identity": "more like another user than like this one",
    "account": "a run of events of another user, or of other habits",
    "habits": "a run of events that are unusual for this user",
    "surprise": "events that the model did not expect",
    "population": "far from all regular units",
    "volume": "more events than this user usually has",
}


class _Texts:
    """Numbers of texts, so that each stands in the page once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str | None) -> int:
        return -1 if text is None else self.numbers.setdefault(text, len(self.numbers))


def embedded(record: Mapping[str, Any], units: str, order: Sequence[int], dots: Sequence[int]) -> str:
    """A script element with what the script reads; no text in it can end the element.

    Args:
      record: see `behaviour.behaviour_page`.
      units: what units are called.
      order: numbers of its alarms, in the order of the table.
      dots: points of its map, in the order in which they are drawn as dots.
    """
    text = _Texts()
    made = {
        "units": units,
        "columns": [text(name) for name in record["columns"]],
        "kinds": KINDS,
        "alarms": [_alarm(record["alarms"][n], text) for n in order],
        "dots": [[text(record["map"]["user"][n]), text(record["map"]["start"][n])] for n in dots],
    }
    made["texts"] = list(text.numbers)
    return markup.data("record", made)


def probability(p: float) -> str:
    """A p-value to two digits, never in the form 1e-05."""
    if not p:
        return "0"
    text = f"{float(f'{p:.2g}'):.12f}".rstrip("0").rstrip(".")
    return text if text != "0" else "below 0.000000000001"


def _alarm(alarm: Mapping[str, Any], text: _Texts) -> dict[str, Any]:
    evidence = sorted(alarm["evidence"].items(), key=lambda item: item[1])
    return {
        "user": text(alarm["user"]),
        "start": text(alarm["start"]),
        "p": probability(alarm["p_value"]),
        "evidence": [[text(kind), probability(p)] for kind, p in evidence],
        "nearest": [[text(user), text(start)] for user, start in alarm["nearest"]],
        # Contribution, flags (1 = of the unit, 2 = an alarm here), cells.
        "events": [
            [
                _short(event["contribution"]),
                event["in_unit"] + 2 * event["alarm_here"],
                *(text(cell) for cell in event["cells"]),
            ]
            for event in alarm["events"]
        ],
        "causes": [
            {
                "event": cause["event"],
                "contribution": _short(cause["contribution"]),
                "fields": _largest_first(cause["fields"], text),
                "surprise": _largest_first(cause["surprise"], text),
                "embedding": None if cause["embedding"] is None else _short(cause["embedding"]),
                "expected": [[text(name), _short(share)] for name, share in cause["expected"]],
                "own": [[text(name), _short(share)] for name, share in cause["own"]],
            }
            for cause in alarm["causes"]
        ],
    }


def _largest_first(parts: Mapping[str, float], text: _Texts) -> list[list[float]]:
    return [[text(name), _short(value)] for name, value in sorted(parts.items(), key=lambda item: -item[1])]


def _short(value: float) -> float:
    return float(f"{value:.3g}")
