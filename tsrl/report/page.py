"""One HTML file a run: results, loss curve, map of the embeddings, settings. It opens without any network request."""

import html
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.errors import InputError
from tsrl.report.table import result_cells, score_text

MAX_POINTS = 2_000  # drawn of a curve or a split: more cannot be told apart, and a browser draws SVG slowly
MAX_LEGEND = 20
# Ten colours and seven symbols share no divisor: seventy classes look different, without colour too where they are few.
COLOURS = ("#4269d0", "#e08a00", "#ff725c", "#3ba9a0", "#3ca951", "#e0559a", "#a463f2", "#5b9be0", "#9c6b4e", "#858b93")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")
# The buttons are named one by one because plotly's own set has one that uploads the plot.
_PLOT = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}


def write_page(
    path: str | Path, report: dict[str, Any], curve: list[dict[str, Any]], embeddings: Mapping[str, np.ndarray]
) -> None:
    """Writes the page of one run.

    Args:
      path: the HTML file, replaced if it is there.
      report: a run's report, schema 1.
      curve: rows `{"step": 1, "loss": 5.1}`; `loss` is a list with one number a seed where there are several seeds.
      embeddings: `z_train [N, D]`, `z_test [M, D]` (absent without a test split) and, for labelled data, `y_train [N]`,
        `y_test [M]`: numbers into the data set's `classes`, or any labels.

    Raises:
      ImportError: plotly is not installed.
      InputError: embeddings that are not `[N, D]`, finite and equally wide, or labels of another length.

    References:
      The map is scikit-learn's PCA, fitted to the rows of both splits.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("the HTML page needs plotly: pip install 'tsrl[report]'") from error

    data, classes = report["dataset"], report["dataset"].get("classes") or []
    title = f"{report['method']} on {data['name']}"
    shape = f"{data['n_train']} training and {data['n_test']} test series, {data['length']} steps, channels: "
    shape += f"{data['channels']}" + (f", classes: {len(classes)}" if classes else "")
    about = {name: report[name] for name in ("protocol", "hardware")} | {"source": data["source"]}
    about |= {f"seconds.{name}": f"{seconds:.1f}" for name, seconds in report["wall_s"].items()}
    page = _PAGE.substitute(
        title=html.escape(title),
        shape=html.escape(shape),
        results=_results(report),
        loss=_loss(report["seeds"], curve),
        map=_map(classes, embeddings),
        about=_facts("Protocol, hardware and wall time", about),
        versions=_facts("Versions", report["versions"]),
        config=_facts("Configuration", report["config"]),
        command=html.escape(report["command"]),
        plotly=get_plotlyjs(),
    )
    Path(path).write_text(page, encoding="utf-8")


def _results(report: dict[str, Any]) -> str:
    """The table of results, and one row a seed; a sentence where there are none."""
    if not report["results"]:
        return "<p>No table: this run has no scores, because its data set has no labelled test split.</p>"
    cells = result_cells(report)
    rows = [
        [result["seed"], *(score_text([result[name]]) for name in ("accuracy", "macro_f1", "kappa")), _penalty(result)]
        for result in report["results"]
    ]
    return (
        _table("Mean over seeds" if len(rows) > 1 else "One seed", (), zip(cells.header, cells.row, strict=True))
        + (f"<p>{html.escape(cells.caption)}</p>" if cells.caption else "")
        + _table("By seed", ("Seed", "Accuracy", "Macro-F1", "Kappa", "C"), rows)
    )


def _penalty(result: dict[str, Any]) -> str:
    """The chosen C; the protocol's infinite C is stored as the largest double."""
    penalty = result.get("C")
    return "-" if penalty is None else "∞" if penalty > 1e300 else f"{penalty:g}"


def _loss(seeds: Sequence[int], curve: list[dict[str, Any]]) -> str:
    """The loss against the step, one line a seed."""
    import plotly.graph_objects as go

    rows = [row for row in curve if "loss" in row]
    if not rows:
        return "<p>No curve: no training step was recorded.</p>"
    rows = _thinned(rows)
    steps = [row["step"] for row in rows]
    losses = np.array([np.atleast_1d(row["loss"]) for row in rows], np.float64)
    figure = go.Figure(layout=_layout("step", "training loss"))
    for i, seed in enumerate(seeds[: losses.shape[1]]):
        line = {"color": COLOURS[i % len(COLOURS)], "width": 2}
        figure.add_scatter(x=steps, y=losses[:, i], mode="lines", name=f"seed {seed}", line=line)
    figure.update_layout(showlegend=1 < losses.shape[1] <= MAX_LEGEND, height=_height(340, losses.shape[1]))
    ends = zip(seeds, losses[0], losses[-1], strict=False)
    told = "; ".join(f"seed {seed} from {first:.3f} to {last:.3f}" for seed, first, last in ends)
    return _figure("loss", figure, f"Training loss, step {steps[0]} to {steps[-1]}: {told}.")


def _map(classes: Sequence[str], embeddings: Mapping[str, np.ndarray]) -> str:
    """The first two principal components, coloured by class, or by split where there are no labels."""
    import plotly.graph_objects as go
    from sklearn.decomposition import PCA

    splits = {split: np.asarray(embeddings[f"z_{split}"]) for split in ("train", "test") if f"z_{split}" in embeddings}
    for split, z in splits.items():
        if z.ndim != 2 or z.shape[1] != splits["train"].shape[-1] or not np.isfinite(z).all():
            raise InputError(f"z_{split}: found shape {z.shape}, want finite [N, D] with the same D in both splits")
    both = np.concatenate(list(splits.values()))
    if min(both.shape) < 2:
        return "<p>No map: it needs at least two rows and two columns of embeddings.</p>"
    pca = PCA(2, random_state=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # equal rows have no variance to take a share of
        points = pca.fit_transform(both)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    names = _names(classes, splits, embeddings)
    present = dict.fromkeys(name for split in names.values() for name in split)
    ordered = dict.fromkeys([*(str(name) for name in classes if str(name) in present), *present])
    label = {name: i for i, name in enumerate(ordered)}
    figure = go.Figure(
        layout=_layout(*(f"component {i + 1} ({share:.1%} of variance)" for i, share in enumerate(shares)))
    )
    offsets = {"train": 0, "test": len(splits["train"])}
    for split, z in splits.items():  # train first: test marks lie on top
        rows = np.array(_thinned(range(len(z))), int)
        for name in label:
            mine = rows[names[split][rows] == name]
            if not len(mine):
                continue
            x, y = points[offsets[split] + mine].T.round(5)
            faint = split == "train"
            look = {"color": COLOURS[label[name] % len(COLOURS)], "symbol": SYMBOLS[label[name] % len(SYMBOLS)]}
            figure.add_scatter(
                x=x, y=y, mode="markers", name=html.escape(name, quote=False), legendgroup=str(label[name]),
                marker=look | {"size": 7 if faint else 9, "opacity": 0.4 if faint else 0.9},
                # A legend entry of a class that is not in the test rows would otherwise be missing.
                showlegend=not faint or name not in names.get("test", ()),
                hoverinfo="text", hovertext=[f"{html.escape(name, quote=False)}<br>{split} row {row}" for row in mine],
            )  # fmt: skip
    figure.update_layout(showlegend=len(label) <= MAX_LEGEND, height=_height(460, len(label)))
    shown = f"{len(splits['test'])} test and, fainter, " if "test" in splits else ""
    told = f"Map of {shown}{len(splits['train'])} training embeddings on their "
    told += f"first two principal components, which hold {shares.sum():.1%} of the variance."
    if max(map(len, splits.values())) > MAX_POINTS:
        told += f" At most {MAX_POINTS} evenly spaced rows of a split are drawn."
    return _figure("map", figure, told)


def _names(
    classes: Sequence[str], splits: Mapping[str, np.ndarray], embeddings: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """For each split the class name of each row, or the split's own name where labels are absent."""
    labels = {split: embeddings.get(f"y_{split}") for split in splits}
    if any(y is None for y in labels.values()):
        return {split: np.full(len(z), split, object) for split, z in splits.items()}
    names = {}
    for split, y in labels.items():
        y = np.asarray(y)
        if y.shape != splits[split].shape[:1]:
            raise InputError(f"y_{split}: found shape {y.shape}, want [{len(splits[split])}], the rows of z_{split}")
        names[split] = y
    every = np.concatenate(list(names.values()))
    if np.issubdtype(every.dtype, np.integer) and classes and every.min() >= 0 and every.max() < len(classes):
        return {split: np.array([str(name) for name in classes], object)[y] for split, y in names.items()}
    return {split: np.array([str(label) for label in y.tolist()], object) for split, y in names.items()}


def _thinned(rows: Sequence[Any]) -> list[Any]:
    """At most `MAX_POINTS` evenly spaced rows, the first and the last among them."""
    if len(rows) <= MAX_POINTS:
        return list(rows)
    return [rows[i] for i in np.linspace(0, len(rows) - 1, MAX_POINTS).astype(int)]


def _height(plot: int, entries: int) -> int:
    """Pixels: room below the plot for a legend that a phone shows in one column."""
    return plot + 20 * min(entries, MAX_LEGEND)


def _layout(x: str, y: str) -> dict[str, Any]:
    """Layout of both plots; the page's script sets the colours, which depend on the reader's scheme."""
    return {
        "template": "none", "autosize": True, "dragmode": False, "margin": {"l": 56, "r": 12, "t": 36, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": "system-ui, sans-serif"},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        "xaxis": {"title": {"text": x}, "zeroline": False, "automargin": True},
        "yaxis": {"title": {"text": y}, "zeroline": False, "automargin": True},
    }  # fmt: skip


def _figure(name: str, figure: Any, told: str) -> str:
    """A plot with its description, which a screen reader gets in place of the picture."""
    plot = figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"plot-{name}", config=_PLOT)
    told = html.escape(told)
    return f'<figure><div role="img" aria-label="{told}">{plot}</div><figcaption>{told}</figcaption></figure>'


def _facts(title: str, facts: Mapping[str, Any]) -> str:
    """Nested settings as a foldable table of dotted names."""
    return f"<details><summary>{title}</summary>{_table('', (), _flat(facts))}</details>"


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Pairs of dotted name and value."""
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _table(title: str, header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """An HTML table; every cell is escaped and the first of a row is its heading. Empty title or header: left out."""
    head = "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in header)
    body = ""
    for first, *rest in rows:
        cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
        body += f'<tr><th scope="row">{html.escape(str(first))}</th>{cells}</tr>'
    head = (f"<caption>{title}</caption>" if title else "") + (f"<thead><tr>{head}</tr></thead>" if head else "")
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'


_PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
 style-src 'unsafe-inline'; img-src data: blob:">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1c2024; --soft: #59626b; --line: #d9dee3; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --soft: #a3adb6; --line: #3a424a; --paper: #15191d; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p, figcaption { color: var(--soft); margin: .25rem 0 .75rem; } figure { margin: 0; } figcaption { margin-top: .5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .95rem; }
caption { text-align: left; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
th[scope=row] { font-weight: 500; } td { font-variant-numeric: tabular-nums; }
summary { cursor: pointer; padding: .3rem 0; } pre { white-space: pre-wrap; font-size: .9rem; }
</style>
<script>$plotly</script>
</head>
<body>
<main>
<h1>$title</h1>
<p>$shape</p>
<h2>Results</h2>
$results
<h2>Training loss</h2>
$loss
<h2>Map of the embeddings</h2>
$map
<h2>How it was run</h2>
<pre><code>$command</code></pre>
$about
$versions
$config
</main>
<script>
const scheme = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const style = getComputedStyle(document.documentElement), get = (name) => style.getPropertyValue(name).trim();
  const axis = (name) => ({[name + ".gridcolor"]: get("--line"), [name + ".linecolor"]: get("--line")});
  const colours = {"font.color": get("--ink"),
    "hoverlabel.bgcolor": get("--paper"), "hoverlabel.font.color": get("--ink"),
    "modebar.bgcolor": get("--paper"), "modebar.color": get("--soft"), "modebar.activecolor": get("--ink"),
    ...axis("xaxis"), ...axis("yaxis")};
  for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, colours);
}
scheme.addEventListener("change", paint);
paint();
</script>
</body>
</html>
""")
