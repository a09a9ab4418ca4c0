"use strict";
// Drawings of the page about many runs: bars and curves by plotly, the diagram of ranks as SVG.
const Charts = (() => {
  const CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const MOST_BARS = 40, MOST_LEGEND = 20, DASHES = ["solid", "dot", "dash", "dashdot"];
  const narrow = () => document.documentElement.clientWidth < 700;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly renders some HTML of its own.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, letters) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

  function layout(x, y, height) {
    const axis = (text) => ({ title: { text: plain(text) }, zeroline: false, automargin: true,
      gridcolor: colour("--line"), linecolor: colour("--line") });
    return { autosize: true, height, dragmode: false, margin: { l: 8, r: 12, t: 32, b: 48 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", color: colour("--ink") },
      hoverlabel: { bgcolor: colour("--paper"), font: { color: colour("--ink") }, namelength: -1 },
      modebar: { bgcolor: colour("--paper"), color: colour("--soft"), activecolor: colour("--ink") },
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" }, xaxis: axis(x), yaxis: axis(y) };
  }

  const draw = (place, traces, made) => Plotly.react(place, traces, made, CONFIG);

  // bars: {name, role, mean, std}, the best first; returns how many are left out.
  function bars(place, all, title, decimals, roles) {
    const shown = all.slice(0, MOST_BARS), letters = narrow() ? 21 : 60;
    const made = layout(title, "", 130 + 24 * shown.length);
    const traces = Object.entries(roles).flatMap(([role, [name, fill]]) => {
      const mine = shown.map((bar, i) => [bar, shown.length - i]).filter(([bar]) => bar.role === role);
      if (!mine.length) return [];
      const hatch = role === "published" ? { pattern: { shape: "/", fgcolor: fill, bgcolor: "rgba(0,0,0,0)" }, line: { color: fill, width: 1 } } : {};
      return [{ type: "bar", orientation: "h", name, x: mine.map(([bar]) => bar.mean), y: mine.map(([, y]) => y),
        error_x: { type: "data", array: mine.map(([bar]) => bar.std || 0), color: colour("--soft"), thickness: 1.5 },
        marker: { color: fill, ...hatch }, hoverinfo: "text",
        hovertext: mine.map(([bar]) => `${plain(bar.name)}<br>${bar.mean.toFixed(decimals)}` +
          (bar.std === null ? "" : ` ±${bar.std.toFixed(decimals)}`)) }];
    });
    made.yaxis = { ...made.yaxis, tickvals: shown.map((_, i) => shown.length - i), showgrid: false,
      ticktext: shown.map((bar) => plain(short(bar.name, letters))), range: [0.3, shown.length + 0.7] };
    made.xaxis.rangemode = "tozero";
    made.bargap = 0.25;
    made.showlegend = true;
    draw(place, traces, made);
    return all.length - shown.length;
  }

  // curves: {name, seeds, points: [steps, [values a seed]]}.
  function curves(place, all, y, colours) {
    const traces = all.flatMap(({ name, seeds, points: [steps, values] }, n) => values.map((found, i) => ({
      type: "scatter", mode: steps.length > 2 ? "lines" : "lines+markers", x: steps, y: found,
      name: plain(short(seeds.length > 1 ? `${name}, seed ${seeds[i]}` : name, narrow() ? 28 : 60)),
      line: { color: colours[n % colours.length], width: 2, dash: DASHES[i % DASHES.length] } })));
    const made = layout("step", y, 300 + 20 * Math.min(traces.length, MOST_LEGEND));
    made.showlegend = traces.length > 1 && traces.length <= MOST_LEGEND;
    draw(place, traces, made);
  }

  function wrap(text, letters) {
    const lines = [""];
    for (const word of text.split(" "))
      for (let rest = word; rest; rest = rest.slice(letters)) {
        const piece = rest.slice(0, letters), last = lines[lines.length - 1];
        if (last && last.length + 1 + piece.length > letters) lines.push(piece);
        else lines[lines.length - 1] = last ? `${last} ${piece}` : piece;
      }
    return lines;
  }

  const SVG = "http://www.w3.org/2000/svg";
  function element(tag, attributes, text = "") {
    const made = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.textContent = text;
    return made;
  }

  // The layout of tsrl.report.diagram: an axis of ranks, bars over what is not told apart, leaders to the names.
  function diagram(place, names, ranks, groups) {
    const k = names.length, row = 16, letter = 7.2, span = 440;
    const labels = names.map((name) => wrap(name, 32));
    const side = 24 + letter * (5 + Math.max(...labels.flat().map((line) => line.length)));
    const step = row * Math.max(...labels.map((label) => label.length)) + 8, width = Math.round(2 * side + span);
    const x = (rank) => side + (span * (rank - 1)) / (k - 1), parts = [];
    const line = (x1, y1, x2, y2, thick = 1.2) =>
      parts.push(element("path", { d: `M${x1},${y1} L${x2},${y2}`, stroke: "currentColor", "stroke-width": thick }));
    const text = (at, y, told, anchor) =>
      parts.push(element("text", { x: at, y, "text-anchor": anchor, fill: "currentColor" }, told));
    line(x(1), 36, x(k), 36);
    for (let tick = 1; tick <= k; tick += Math.ceil(k / 15)) {
      line(x(tick), 31, x(tick), 36);
      text(x(tick), 26, String(tick), "middle");
    }
    const ends = [];
    const spans = groups.map((group) => [Math.min(...group.map((i) => ranks[i])), Math.max(...group.map((i) => ranks[i]))]);
    for (const [low, high] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
      let level = ends.findIndex((end) => low > end + ((k - 1) * 12) / span);
      if (level < 0) level = ends.length;
      ends[level] = high;
      line(x(low) - 4, 48 + 9 * level, x(high) + 4, 48 + 9 * level, 4);
    }
    const below = 48 + 9 * Math.max(ends.length, 0), order = ranks.map((_, i) => i).sort((a, b) => ranks[a] - ranks[b]);
    const left = order.slice(0, Math.ceil(k / 2)), right = order.slice(left.length).reverse();
    for (const [list, end, anchor] of [[left, side - 8, "end"], [right, side + span + 8, "start"]])
      list.forEach((i, n) => {
        const y = below + 14 + step * n, at = anchor === "end" ? end - 4 : end + 4, told = [...labels[i]];
        parts.push(element("path", { d: `M${x(ranks[i])},36 V${y} H${end}`, fill: "none", stroke: "currentColor" }));
        told[0] = anchor === "end" ? `${told[0]} ${ranks[i].toFixed(2)}` : `${ranks[i].toFixed(2)} ${told[0]}`;
        told.forEach((words, place) => text(at, y + 4 + row * place, words, anchor));
      });
    const height = below + 22 + step * left.length;
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
      "font-family": "system-ui, sans-serif", "font-size": 13 });
    svg.append(element("title", {}, `Average ranks: ${order.map((i) => `${names[i]} ${ranks[i].toFixed(2)}`).join("; ")}`), ...parts);
    place.replaceChildren(svg);
  }

  function picture(place, data, made) {
    const look = layout("", "", made.height);
    for (const axis of Object.keys(made).filter((name) => /^[xy]axis/.test(name)))
      Object.assign(made[axis], { gridcolor: colour("--line"), linecolor: colour("--line") });
    draw(place, data, { ...made, font: look.font, hoverlabel: look.hoverlabel, modebar: look.modebar });
  }

  return { bars, curves, diagram, picture };
})();
