"""Pieces of an HTML page that needs nothing but itself: tables, foldable parts, plots, and the document around them."""

import html
import importlib.resources
import json
import string
from collections.abc import Iterable, Mapping
from typing import Any

from tsrl.report.cells import BEST, Cell, Grid

# The buttons are named one by one because plotly's own set has one that uploads the plot.
_PLOT = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}


def plotly_script() -> str:
    """The script that draws the figures, 4.8 MB.

    Raises:
      ImportError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("the HTML page needs plotly: pip install 'tsrl[report]'") from error
    script: str = get_plotlyjs()
    return script


def document(title: str, body: str, script: str = "", style: str = "") -> str:
    """A whole page.

    Args:
      title: unescaped.
      body: HTML.
      script: JavaScript that the body needs, such as plotly's.
      style: CSS besides that of all pages.
    """
    template = (importlib.resources.files(__package__) / "page.html").read_text(encoding="utf-8")
    return string.Template(template).substitute(title=html.escape(title), body=body, script=script, style=style)


def section(title: str, *parts: str) -> str:
    """Parts of the page under a heading; parts without content are left out, and so is a heading without parts."""
    parts = tuple(part for part in parts if part)
    return "\n".join((f"<h2>{html.escape(title)}</h2>", *parts)) if parts else ""


def paragraph(text: str) -> str:
    """A paragraph; nothing for no text."""
    return f"<p>{html.escape(text)}</p>" if text else ""


def code(text: str) -> str:
    """A command; nothing for no text."""
    return f"<pre><code>{html.escape(text)}</code></pre>" if text else ""


def folded(title: str, body: str) -> str:
    """A part that opens on demand."""
    return f"<details><summary>{html.escape(title)}</summary>{body}</details>"


def table(title: str, header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table of texts; the first cell of a row is its heading. An empty title or header is left out."""
    body = ""
    for first, *rest in rows:
        body += f'<tr><th scope="row">{_text(first)}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in rest)}</tr>'
    return _table(title, header, body)


def grid_table(grid: Grid) -> str:
    """A table of numbers; the best of a column is strong and carries its mark, as do those no different from it."""
    body = ""
    for (first, *names), cells in grid.lines:
        named = "".join(f"<td>{_text(name)}</td>" for name in names)
        body += f'<tr><th scope="row">{_text(first)}</th>{named}{"".join(map(_number, cells))}</tr>'
    return _table(grid.title, (*grid.names, *grid.heads), body, dense=len(grid.heads) > 5)


def definitions(facts: Mapping[str, str]) -> str:
    """Terms and what they mean."""
    return "<dl>" + "".join(f"<dt>{_text(term)}</dt><dd>{_text(told)}</dd>" for term, told in facts.items()) + "</dl>"


def facts(title: str, facts: Mapping[str, Any]) -> str:
    """Nested settings as a foldable table of dotted names; nothing for no settings."""
    return "" if not facts else folded(title, table("", (), _flat(facts)))


def figure(name: str, plot: Any, told: str) -> str:
    """A plotly figure with its description, which a screen reader gets in place of the picture."""
    drawn = plot.to_html(full_html=False, include_plotlyjs=False, div_id=f"plot-{name}", config=_PLOT)
    told = html.escape(told)
    return f'<figure><div role="img" aria-label="{told}">{drawn}</div><figcaption>{told}</figcaption></figure>'


def data(name: str, values: Any) -> str:
    """A script element with JSON values that a script of the page reads; no text in it can end the element.

    Args:
      name: the element's id.
      values: JSON values.
    """
    found = json.dumps(values, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        found = found.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{html.escape(name)}">{found}</script>'


def drawing(svg: str, told: str) -> str:
    """An SVG with a sentence below it; it scrolls where the page is narrow."""
    region = '<div class="wide" role="region" aria-label="diagram" tabindex="0">'
    return f"<figure>{region}{svg}</div><figcaption>{html.escape(told)}</figcaption></figure>"


def _table(title: str, header: Iterable[Any], body: str, dense: bool = False) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    head = (f"<caption>{_text(title)}</caption>" if title else "") + (f"<thead><tr>{head}</tr></thead>" if head else "")
    # A region that scrolls must be reached by the keyboard too.
    region = f'<div class="wide" role="region" aria-label="{_text(title) or "table"}" tabindex="0">'
    return f"{region}<table{' class=dense' * dense}>{head}<tbody>{body}</tbody></table></div>"


def _number(cell: Cell) -> str:
    value = f"<strong>{_text(cell.value)}</strong>" if cell.mark == BEST else _text(cell.value)
    return f'<td class="number">{value}<i>{_text(cell.mark)}</i> <small>{_text(cell.spread)}</small></td>'


def _text(value: Any) -> str:
    return html.escape(str(value))


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Pairs of dotted name and value."""
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
