"""Settings of a table: what they say and what they refuse."""

import pytest

from tsrl.data.tables.settings import Table
from tsrl.errors import InputError


def test_roles():
    table = Table(id="who", time="when", label="kind", group="who", values=("x", "y"))
    assert table.roles == {"who": "id", "when": "time", "kind": "label", "x": "values", "y": "values"}


@pytest.mark.parametrize(
    ("every", "microseconds"),
    [("10min", 6e8), ("1 h", 3.6e9), ("0.5s", 5e5), ("2d", 1.728e11), ("1w", 6.048e11), ("250ms", 2.5e5), (None, None)],
)
def test_steps_of_dates(every, microseconds):
    assert Table(time="t", every=every).step(calendar=True) == microseconds


def test_steps_of_numbers():
    assert Table(time="t", every="0.25").step(calendar=False) == 0.25


@pytest.mark.parametrize(
    ("every", "calendar"),
    [
        ("5", True),
        ("5m", True),
        ("0h", True),
        ("0.0001ms", True),
        ("-1h", True),
        ("h", True),
        ("1h", False),
        ("0", False),
    ],
)
def test_no_steps(every, calendar):
    with pytest.raises(InputError, match=f"every: found '{every}', want a "):
        Table(time="t", every=every).step(calendar)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "width"}, "layout: found 'width'; did you mean wide"),
        ({"on_duplicate": "frist"}, r"on_duplicate: found 'frist'; did you mean first\?"),
        ({"id": "a", "label": "a"}, "label: found column 'a', which is id already, want another"),
        ({"label": "a", "values": ("b", "a")}, "values: found column 'a', which is label already"),
        ({"values": ("a", "a")}, "values: found column 'a', which is values already"),
        ({"every": "1h"}, "every: found '1h' without time"),
        ({"timezone": "UTC"}, "timezone: found 'UTC' without time"),
        ({"irregular": "keep"}, "irregular: found 'keep' without time"),
        ({"layout": "wide", "time": "t"}, "time: found 't' in a wide table, want the layout long"),
        ({"delimiter": ";;"}, "delimiter: found ';;', want one character"),
        ({"delimiter": "ä"}, "delimiter: found 'ä', want one character"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Table(**settings)
