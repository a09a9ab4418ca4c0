"""The critical-difference diagram as SVG: average ranks on an axis, bars over what a test does not tell apart."""

import html
import math
import textwrap
from collections.abc import Sequence

from tsrl.errors import InputError

AXIS = 440  # pixels from the best to the worst possible rank
LETTER, LINE_HEIGHT, LABEL_LETTERS = 7.2, 16, 32  # of 13-pixel text; the width errs on the wide side


def critical_difference(
    names: Sequence[str], ranks: Sequence[float], cliques: Sequence[Sequence[int]], note: str = "", inline: bool = False
) -> str:
    """Draws average ranks with leader lines to their names, the best on the left.

    Args:
      names: of k >= 2 lines, unescaped.
      ranks: their average ranks, 1 (best) to k.
      cliques: groups of numbers into `names` that are not told apart; those of one are not drawn.
      note: a sentence below the diagram.
      inline: for a page, in its own ink; otherwise a file that stands alone, on white.

    Returns:
      An SVG element.

    Raises:
      InputError: fewer than two names, a rank outside 1 to k, a clique of unknown numbers.

    References:
      Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7; the bars as Benavoli,
      Corani and Mangili 2016, Should we really use post-hoc tests based on mean-ranks?, JMLR 17.
    """
    k = len(names)
    if k < 2 or len(ranks) != k or not all(1 <= rank <= k for rank in ranks):
        raise InputError(f"ranks: found {list(ranks)} for {k} names, want one from 1 to {k} for each of at least two")
    if unknown := {i for clique in cliques for i in clique} - set(range(k)):
        raise InputError(f"cliques: found {sorted(unknown)}, want numbers below {k}")
    labels = [textwrap.wrap(name, LABEL_LETTERS) or [""] for name in names]
    side = 24 + LETTER * (5 + max(len(line) for label in labels for line in label))
    row = LINE_HEIGHT * max(map(len, labels)) + 8
    top, width = 36, round(2 * side + AXIS)

    def x(rank: float) -> float:
        return round(side + AXIS * (rank - 1) / (k - 1), 1)

    parts = [_line(x(1), top, x(k), top)]
    for tick in range(1, k + 1, math.ceil(k / 15)):
        parts += [_line(x(tick), top - 5, x(tick), top), _text(x(tick), top - 10, str(tick), "middle")]
    bars = _bar_rows(ranks, cliques)
    for low, high, level in bars:
        y = top + 12 + 9 * level
        parts.append(_line(x(low) - 4, y, x(high) + 4, y, 4))
    below = top + 12 + 9 * (1 + max((level for _, _, level in bars), default=-1))
    order = sorted(range(k), key=lambda i: ranks[i])
    left = order[: (k + 1) // 2]
    for place, i in [*enumerate(left), *enumerate(reversed(order[len(left) :]))]:
        y = below + 14 + row * place
        end, anchor = (side - 8, "end") if i in left else (side + AXIS + 8, "start")
        parts.append(_path(f"M{x(ranks[i])},{top} V{y} H{round(end, 1)}"))
        lines = list(labels[i])
        lines[0] = f"{lines[0]} {ranks[i]:.2f}" if i in left else f"{ranks[i]:.2f} {lines[0]}"
        at = end - 4 if i in left else end + 4
        parts += [_text(at, y + 4 + LINE_HEIGHT * n, line, anchor) for n, line in enumerate(lines)]
    height = below + 14 + row * len(left)
    for line in textwrap.wrap(note, int(width / LETTER) - 4):
        parts.append(_text(16, height + 8, line, "start"))
        height += LINE_HEIGHT
    height += 8
    told = "; ".join(f"{names[i]} {ranks[i]:.2f}" for i in order)
    ink, paper = ("", "") if inline else (' color="#1c2024"', '<rect width="100%" height="100%" fill="#fff"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f'{ink} role="img" font-family="system-ui, sans-serif" font-size="13">'
        f"<title>{html.escape(f'Average ranks: {told}')}</title>{paper}{''.join(parts)}</svg>"
    )


def _bar_rows(ranks: Sequence[float], cliques: Sequence[Sequence[int]]) -> list[tuple[float, float, int]]:
    """Ends and level of each bar; bars that would touch get different levels."""
    spans = sorted((min(ranks[i] for i in c), max(ranks[i] for i in c)) for c in cliques if len(c) > 1)
    gap = (len(ranks) - 1) * 12 / AXIS
    ends: list[float] = []
    bars = []
    for low, high in spans:
        level = next((level for level, end in enumerate(ends) if low > end + gap), len(ends))
        ends[level : level + 1] = [high]
        bars.append((low, high, level))
    return bars


def _line(x1: float, y1: float, x2: float, y2: float, width: float = 1.2) -> str:
    return f'<path d="M{x1:g},{y1:g} L{x2:g},{y2:g}" stroke="currentColor" stroke-width="{width:g}"/>'


def _path(d: str) -> str:
    return f'<path d="{d}" fill="none" stroke="currentColor" stroke-width="1"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="currentColor">{html.escape(text)}</text>'
