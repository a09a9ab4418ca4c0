"""A made-up record of users' behaviour, of any size."""

import numpy as np

ACTIONS = ("view", "search", "add to cart", "buy", "log in", "export", "delete")
DEVICES = ("phone", "laptop", "unknown device")
KINDS = ("habits", "surprise", "identity", "volume")
COLUMNS = ("time", "action", "device", "amount")


def small_record(alarms=5, events=20, units=60, weeks=12, dates=True):
    """Of the map's units the first ones are the alarms; the last five events but two of an alarm are its causes."""
    random = np.random.default_rng(0)
    users = [f"user-{n:04d}" for n in random.integers(0, max(units // 6, 4), units)]
    starts = [f"2024-{1 + n % weeks // 4:02d}-{1 + 7 * (n % 4):02d}" if dates else None for n in range(units)]
    p = np.where(np.arange(units) < alarms, random.uniform(0.0007, 0.01, units), random.uniform(0.01, 1, units))
    p = [float(value) for value in p.round(4)]
    per_week = random.multinomial(alarms, np.ones(weeks) / weeks)
    centres = np.array([[0, 0], [4, 1], [1, 4]])[random.integers(0, 3, units)]
    x, y = (centres + random.normal(0, 0.7, (units, 2))).T.round(3).tolist()
    made = [_alarm(random, users[n], starts[n], p[n], events, users, starts) for n in range(alarms)]
    return {
        "title": "Behaviour in the shop, January to March",
        "made": {"tsrl": "0.1", "jax": "0.10.2"},
        "unit": "week" if dates else "100 events",
        "rate": 0.01,
        "calibration_units": 1400,
        "columns": list(COLUMNS),
        "map": {
            "x": x,
            "y": y,
            "user": users,
            "start": starts,
            "p_value": p,
            "alarm": [n < alarms for n in range(units)],
        },
        "periods": [
            {
                "start": f"2024-{1 + n // 4:02d}-{1 + 7 * (n % 4):02d}" if dates else None,
                "units": max(1, units // weeks),
                "alarms": int(per_week[n]),
                "expected": [max(0.0, 0.4 * alarms / weeks), 2.0 + alarms / weeks],
            }
            for n in range(weeks)
        ],
        "drift": {"auc": 0.71, "p_value": 0.0008, "refit": True},
        "drift_over_time": [
            {"start": f"2024-{1 + n:02d}-01", "auc": 0.5 + 0.07 * n, "p_value": [0.4, 0.02, 0.001][n]} for n in range(3)
        ],
        "alarms": made,
        "users": {"known": 280, "scored": len(set(users))},
    }


def _alarm(random, user, start, p_value, events, users, starts):
    contributions = random.normal(-0.3, 0.4, events)
    causes = list(range(max(0, events - 7), events - 2))
    contributions[causes] = np.sort(random.uniform(1, 6, len(causes)))[::-1]
    rows = [
        {
            "cells": [
                f"{start or '2024-01-01'} {8 + n // 6 % 12:02d}:{n % 60:02d}:{random.integers(60):02d}",
                ACTIONS[5 if n in causes else random.integers(0, 5)],
                DEVICES[2 if n in causes else random.integers(0, 2)],
                f"{random.uniform(1, 200):.2f}",
            ],
            "contribution": float(contributions[n]),
            "in_unit": n >= events // 4,
            "alarm_here": n in causes[1:],
        }
        for n in range(events)
    ]
    return {
        "user": user,
        "start": start,
        "p_value": p_value,
        "evidence": {kind: float(random.uniform(p_value, 1)) for kind in KINDS[1:]} | {KINDS[0]: p_value},
        "nearest": [[users[n], starts[n]] for n in random.integers(0, len(users), 3)],
        "events": rows,
        "causes": [
            {
                "event": n,
                "contribution": float(contributions[n]),
                "fields": {"action": 0.6 * contributions[n], "device": 0.5 * contributions[n], "hour": -0.1},
                "surprise": {"action": 3.04, "device": 1.2},
                "embedding": 0.12 if n % 2 else None,
                "expected": [["buy", 0.41], ["view", 0.28]],
                "own": [["view", 0.6], ["search", 0.0321]],
            }
            for n in causes
        ],
    }
