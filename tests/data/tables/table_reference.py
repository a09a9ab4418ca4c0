"""The slow, obvious version of reading a long table: dictionaries and loops."""

import math


def mean(values):
    return math.fsum(values) / len(values)


AGGREGATES = {"mean": mean, "sum": math.fsum, "max": max, "min": min, "last": lambda values: values[-1]}


def aggregate(cells, how):
    """One cell of several; None = missing."""
    there = [cell for cell in cells if cell is not None]
    return AGGREGATES[how](there) if there else None


def read(ids, times, columns, on_duplicate="first", every=None, how="mean"):
    """Series as {id: [(time, [cell, ...]), ...]}, sorted by time; with `every`, on the grid of its multiples."""
    series = {}
    for row, id in enumerate(ids):
        series.setdefault(id, []).append((times[row], [column[row] for column in columns]))
    for id, rows in series.items():
        merged = {}
        for time, cells in sorted(rows, key=lambda row: row[0]):
            merged.setdefault(time, []).append(cells)
        choose = {"first": lambda rows: rows[0], "last": lambda rows: rows[-1]}
        for name in ("mean", "sum"):
            choose[name] = lambda rows, name=name: [aggregate(cells, name) for cells in zip(*rows, strict=True)]
        steps = [(time, choose[on_duplicate](rows)) for time, rows in merged.items()]
        if every is not None:
            bins = {}
            for time, cells in steps:
                bins.setdefault(time // every, []).append(cells)
            steps = [
                (
                    place * every,
                    [aggregate(cells, how) for cells in zip(*bins[place], strict=True)]
                    if place in bins
                    else [None] * len(columns),
                )
                for place in range(min(bins), max(bins) + 1)
            ]
        series[id] = steps
    return series
