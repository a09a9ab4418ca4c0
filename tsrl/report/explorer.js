"use strict";
(() => {
  const data = JSON.parse(document.getElementById("results").textContent);
  const at = (id) => document.getElementById(id);
  const ALPHA = 0.05, MEAN = 0, NONE = -1, EVERY = -2, MOST_TESTED = 60, MOST_CURVES = 20;
  const ROLES = { method: ["trained", data.colours[0]], untrained: ["untrained", data.colours[9]],
    control: ["control, no encoder", data.colours[3]], published: ["published elsewhere", data.colours[1]] };
  // line, data set, horizon -> [count or -1 - source, metric, mean, std, ...] of each source or merged run.
  const scores = new Map(), horizonsOf = new Map();
  for (const [line, dataset, horizon, ...rest] of data.scores) {
    const key = `${line},${dataset},${horizon}`;
    if (!scores.has(key)) scores.set(key, []);
    scores.get(key).push(rest);
    const { task } = data.lines[line];
    if (!horizonsOf.has(task)) horizonsOf.set(task, { horizons: new Set(), datasets: new Set() });
    horizonsOf.get(task).horizons.add(horizon);
    horizonsOf.get(task).datasets.add(dataset);
  }
  const chosen = { methods: new Set(), datasets: new Set(), protocols: new Set() };
  let view = { columns: [], lines: [] }, order = { key: "rank", down: false };

  // Parts that are strings become text, never markup: names come from users.
  function make(tag, look, ...parts) {
    const made = document.createElement(tag);
    if (look) made.className = look;
    made.append(...parts);
    return made;
  }

  function heading(text, scope) {
    const made = make("th", "", text);
    made.scope = scope;
    return made;
  }

  const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  const number = (value, decimals) =>
    value === null ? "-" : Math.abs(value) < 1e4 ? value.toFixed(decimals) : value.toExponential(2);

  function score(line, [dataset, horizon], metric) {
    for (const [seeds, ...numbers] of scores.get(`${line},${dataset},${horizon}`) || [])
      for (let i = 0; i < numbers.length; i += 3)
        if (numbers[i] === metric)
          return { mean: numbers[i + 1], std: numbers[i + 2], source: seeds < 0 ? -1 - seeds : null, seeds };
    return null;
  }

  function fill(select, options) {
    const before = select.options.length ? select.value : null;
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    select.value = options.some(([value]) => String(value) === before) ? before : String(options[0][0]);
    select.closest("label").hidden = options.length < 2;
  }

  // A list of check boxes, in groups; a group's own box and the buttons set many at once.
  function list(id, groups) {
    const box = at(id).querySelector(".list"), items = [...groups.values()].flat();
    chosen[id] = new Set(items.map(([key]) => key));
    const told = () => {
      at(id).querySelector("output").textContent = `${chosen[id].size} of ${items.length}`;
      box.querySelectorAll("fieldset").forEach((set) => {
        const own = [...set.querySelectorAll("label.item input")], on = own.filter((input) => input.checked).length;
        const all = set.querySelector("label.all input");
        if (all) [all.checked, all.indeterminate] = [on === own.length, on > 0 && on < own.length];
      });
    };
    const set = (inputs, on) => {
      inputs.forEach((input) => {
        input.checked = on;
        chosen[id][on ? "add" : "delete"](input.key);
      });
      told();
      render();
    };
    const check = (look, text, key) => {
      const input = make("input");
      input.type = "checkbox";
      input.checked = true;
      input.key = key;
      return [make("label", look, input, ` ${text}`), input];
    };
    const every = [];
    const buttons = [["All", true], ["None", false]].map(([text, on]) => {
      const made = make("button", "", text);
      made.type = "button";
      made.setAttribute("aria-label", `${text}: ${at(id).querySelector("summary").firstChild.data.trim().toLowerCase()}`);
      made.addEventListener("click", () => set(every, on));
      return made;
    });
    const sets = [...groups].map(([title, members]) => {
      const inputs = members.map(([key, text]) => check("item", text, key));
      inputs.forEach(([, input]) => input.addEventListener("change", () => set([input], input.checked)));
      every.push(...inputs.map(([, input]) => input));
      const made = make("fieldset", "");
      if (title) {
        const [label, all] = check("all", title, null);
        all.addEventListener("change", () => set(inputs.map(([, input]) => input), all.checked));
        made.append(make("legend", "", label));
      }
      made.append(...inputs.map(([label]) => label));
      return made;
    });
    box.replaceChildren(make("p", "", ...buttons), ...sets);
    told();
  }

  function chooseTask() {
    const task = at("task").value, { horizons, datasets } = horizonsOf.get(task);
    const lines = data.lines.filter((line) => line.task === task);
    fill(at("metric"), data.tasks[task].map((metric) => [metric, data.metrics[metric][0]]));
    const steps = [...horizons].filter((horizon) => horizon > 0).sort((a, b) => a - b);
    at("cell-label").textContent = steps.length ? "Horizon" : "Setting";
    const settings = [...new Set(lines.map((line) => line.setting))].sort();
    fill(at("cell"), steps.length
      ? [...(horizons.has(MEAN) ? [[MEAN, "mean over all"]] : []), ...steps.map((step) => [step, `${step} steps`]),
        ...(steps.length > 1 ? [[EVERY, "each, side by side"]] : [])]
      : settings.map((setting) => [setting, setting || "standard"]));
    const selections = new Set(lines.map((line) => line.selection));
    fill(at("selection"), [["validation", "validation"], ["paper", "test, as in papers (optimistic)"], ["", "either"]]
      .filter(([key]) => (key ? selections.has(key) : selections.has("validation") && selections.has("paper"))));
    const groups = new Map();
    for (const [role, [title]] of Object.entries(ROLES)) {
      const names = [...new Set(lines.filter((line) => line.role === role).map((line) => line.method))].sort();
      if (names.length) groups.set(title, names.map((name) => [name, name]));
    }
    list("methods", groups);
    const named = [...datasets].map((dataset) => [dataset, data.datasets[dataset]]);
    list("datasets", new Map([["", named.sort((a, b) => a[1].localeCompare(b[1]))]]));
    const protocols = [...new Set(lines.map((line) => line.protocol))].sort();
    list("protocols", new Map([["", protocols.map((protocol) => [protocol, protocol])]]));
    order = { key: "rank", down: false };
    render();
  }

  // The best and the second best of a column among lines that are judged alike, and what is no different from the best.
  function mark(lines, place, higher) {
    const groups = new Map();
    lines.forEach((line) => {
      const cell = line.cells[place];
      if (!cell || cell.mean === null || line.told.role === "published") return;
      if (!groups.has(line.told.contest)) groups.set(line.told.contest, []);
      groups.get(line.told.contest).push(cell);
    });
    for (const cells of groups.values()) {
      if (cells.length < 2) continue;
      const means = [...new Set(cells.map((cell) => cell.mean))].sort((a, b) => (higher ? b - a : a - b));
      const bests = cells.filter((cell) => cell.mean === means[0]);
      cells.forEach((cell) => {
        cell.mark = cell.mean === means[0] ? "best" : cell.mean === means[1] ? "second" : "";
        cell.same = cell.mark !== "best" && bests.some((best) =>
          Math.abs(best.mean - cell.mean) <= Math.max(best.std || 0, cell.std || 0) + 1e-12);
      });
    }
  }

  function render() {
    const task = at("task").value, metric = Number(at("metric").value), cell = at("cell").value;
    const selection = at("selection").value, [, higher] = data.metrics[metric], { horizons } = horizonsOf.get(task);
    const forecast = [...horizons].some((horizon) => horizon > 0);
    const steps = !forecast ? [NONE] : Number(cell) !== EVERY ? [Number(cell)]
      : [...horizons].filter((horizon) => horizon > 0).sort((a, b) => a - b);
    let columns = [...chosen.datasets].sort((a, b) => data.datasets[a].localeCompare(data.datasets[b]))
      .flatMap((dataset) => steps.map((step) => ({ place: [dataset, step],
        name: steps.length > 1 ? `${data.datasets[dataset]}, ${step}` : data.datasets[dataset] })));
    let lines = data.lines.flatMap((told, line) =>
      told.task === task && chosen.methods.has(told.method) && chosen.protocols.has(told.protocol) &&
      (forecast || told.setting === cell) && (!selection || !told.selection || told.role === "control" || told.selection === selection)
        ? [{ told, cells: columns.map(({ place }) => score(line, place, metric)) }] : []);
    const seen = columns.map((_, i) => lines.some((line) => line.cells[i]));
    columns = columns.filter((_, i) => seen[i]);
    lines.forEach((line) => (line.cells = line.cells.filter((_, i) => seen[i])));
    lines = lines.filter((line) => line.cells.some((found) => found));
    columns.forEach((_, i) => mark(lines, i, higher));
    view = { metric, columns, lines, higher };
    rank();
    drawTable();
    fill(at("column"), columns.length ? columns.map((column, i) => [i, column.name]) : [["", "none"]]);
    // Drawings wait until the table stands.
    cancelAnimationFrame(view.later);
    view.later = requestAnimationFrame(() => setTimeout(drawAll));
  }

  // Average ranks over the largest full table of lines that are judged alike.
  function rank() {
    let best = { lines: [], columns: [] };
    for (const contest of new Set(view.lines.map((line) => line.told.contest))) {
      const own = view.lines.filter((line) => line.told.contest === contest && line.told.role !== "published");
      const found = Statistics.block(own.map((line) => line.cells.map((cell) => Boolean(cell) && cell.mean !== null)));
      if (found.lines.length * found.columns.length > best.lines.length * best.columns.length)
        best = { lines: found.lines.map((i) => own[i]), columns: found.columns };
    }
    view.block = best;
    view.lines.forEach((line) => (line.rank = null));
    if (!best.lines.length) return;
    best.scores = best.columns.map((column) => best.lines.map((line) => line.cells[column].mean));
    best.ranks = Statistics.averageRanks(best.scores, view.higher);
    best.lines.forEach((line, i) => (line.rank = best.ranks[i]));
  }

  function scoreCell(cell) {
    if (!cell || cell.mean === null) return make("td", "number none", "-");
    const decimals = data.metrics[view.metric][2], text = number(cell.mean, decimals);
    const made = make("td", `number ${cell.source === null ? cell.mark || "" : "quoted"}`,
      cell.mark === "best" ? make("strong", "", text) : make("span", "", text));
    if (cell.source !== null) {
      const link = make("a", "", String(cell.source + 1));
      link.href = `#source-${cell.source + 1}`;
      link.title = data.sources[cell.source];
      made.append(make("sup", "", link));
    } else {
      const sign = make("i", "", (cell.mark ? (cell.mark === "best" ? "★" : "☆") : "") + (cell.same ? "≈" : ""));
      sign.setAttribute("aria-hidden", "true");
      const read = [cell.mark === "best" ? "best" : cell.mark === "second" ? "second best" : "",
        cell.same ? "no different from the best" : ""].filter(Boolean).join(", ");
      made.append(sign);
      if (read) made.append(make("span", "sr", ` ${read} `));
      if (cell.std !== null) made.append(" ", make("small", "", `±${number(cell.std, decimals)}`));
    }
    return made;
  }

  function drawTable() {
    const heads = [["name", "Method"], ["how", "Protocol"], ["rank", "Average rank"], ...view.columns.map(({ name }, i) => [i, name])];
    const row = make("tr", "", ...heads.map(([key, text]) => {
      const button = make("button", "", text), made = heading(button, "col");
      button.type = "button";
      made.key = key;
      button.addEventListener("click", () => {
        const down = typeof key === "number" && view.higher;
        order = order.key === key ? { key, down: !order.down } : { key, down };
        sort();
      });
      return made;
    }));
    at("table").tHead.replaceChildren(row);
    view.lines.forEach((line) => {
      const ranked = make("td", "number", line.rank === null ? "-" : line.rank.toFixed(2));
      line.row = make("tr", line.told.role, heading(line.told.method, "row"), make("td", "", line.told.how), ranked,
        ...line.cells.map(scoreCell));
    });
    sort();
    told();
  }

  // Lines without what is sorted by come last, either way.
  function sort() {
    const { key, down } = order;
    const value = (line) => key === "name" ? line.told.method : key === "how" ? line.told.how : key === "rank" ? line.rank
      : line.cells[key] ? line.cells[key].mean : null;
    const sorted = [...view.lines].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === null || b === null || a === undefined || b === undefined) return (a === null) - (b === null);
      return (down ? -1 : 1) * (typeof a === "string" ? a.localeCompare(b) : a - b);
    });
    at("table").tBodies[0].replaceChildren(...sorted.map((line) => line.row));
    for (const head of at("table").tHead.rows[0].cells)
      if (head.key === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
  }

  function told() {
    const { lines, columns, block } = view, cells = lines.flatMap((line) => line.cells.filter(Boolean));
    at("count").textContent = lines.length
      ? `${data.metrics[view.metric][0]}, ${view.higher ? "higher" : "lower"} is better: ${count(lines.length, "line", "lines")} in ${count(columns.length, "column", "columns")}. Activate a heading to sort.`
      : "Nothing has all that is chosen. Choose more methods, data sets or protocols.";
    const optimistic = lines.some((line) => line.told.selection === "paper");
    const contests = new Set(lines.filter((line) => line.told.role !== "published").map((line) => line.told.contest)).size > 1;
    at("legend").textContent = [
      optimistic && "Optimistic: selected on test data, as published protocols do; not a fair estimate.",
      cells.some((cell) => cell.std !== null) && "± is the sample standard deviation over seeds; without it: one seed, or no randomness.",
      cells.some((cell) => cell.mark) && "★ best and ☆ second best of a column; ≈ no different from the best: one mean lies within the other's mean ± deviation.",
      contests && "Only lines that are judged alike are compared.",
      block.lines.length && `Average rank: of ${block.lines.length} lines over the ${block.columns.length} columns that all of them have, 1 is best.`,
      lines.some((line) => line.told.role === "untrained") && "Untrained: the method's encoder with its initial weights.",
      lines.some((line) => line.told.role === "published") && "Published numbers, in italics, are quoted and take no part in marks and ranks.",
    ].filter(Boolean).join(" ");
    const used = [...new Set(cells.filter((cell) => cell.source !== null).map((cell) => cell.source))].sort((a, b) => a - b);
    at("sources").replaceChildren(...used.map((source) => {
      const item = make("li", "", data.sources[source]);
      item.value = source + 1;
      item.id = `source-${source + 1}`;
      return item;
    }));
  }

  function drawAll() {
    drawBars();
    drawRanks();
    drawCurves();
  }

  function drawBars() {
    const column = Number(at("column").value || 0), [title, higher, decimals] = data.metrics[view.metric];
    const found = view.lines.filter((line) => line.cells[column] && line.cells[column].mean !== null)
      .map(({ told: { method, how, role }, cells }) =>
        ({ name: `${method}, ${how}`, role, mean: cells[column].mean, std: cells[column].std }))
      .sort((a, b) => (higher ? b.mean - a.mean : a.mean - b.mean));
    const name = found.length ? `${title} on ${view.columns[column].name}` : "nothing to draw";
    const out = Charts.bars(at("bars"), found, name, decimals, ROLES);
    const best = found.length ? `; first: ${found[0].name}, ${number(found[0].mean, decimals)}` : "";
    at("bars-told").textContent = `${name}, the best on top${best}. Lines: standard deviation over seeds.` +
      (out ? ` ${out} worse lines are not drawn.` : "");
    at("bars").setAttribute("aria-label", `Bars: ${at("bars-told").textContent}`);
  }

  function drawRanks() {
    const { lines, columns, ranks, scores: full } = view.block;
    if (!lines.length) {
      at("ranks").replaceChildren();
      at("ranks-told").textContent = "Not drawn: no two lines share two columns.";
      return;
    }
    const names = lines.map((line) => `${line.told.method}, ${line.told.how}`), tested = lines.length <= MOST_TESTED;
    const groups = tested ? Statistics.cliques(ranks, Statistics.adjusted(full), ALPHA) : [];
    Charts.diagram(at("ranks"), names, ranks, groups);
    at("ranks-told").textContent = `Average rank of ${lines.length} lines over the ${columns.length} columns that all of them have ` +
      `(${columns.map((i) => view.columns[i].name).join("; ")}), 1 is best. ` + (tested
      ? `Bars join what pairwise Wilcoxon signed-rank tests with Holm's correction do not tell apart at ${ALPHA}.` +
        (2 ** (1 - columns.length) > ALPHA ? " So few can tell nothing apart at that level." : "")
      : `Not tested: more than ${MOST_TESTED} lines.`);
  }

  function drawCurves() {
    const task = at("task").value, datasets = new Set([...chosen.datasets].map((dataset) => data.datasets[dataset]));
    const runs = new Map(data.runs.map((run) => [run[0], run]));
    const found = data.curves.filter(({ run }) => {
      const [, of, method, dataset] = runs.get(run);
      return of === task && chosen.methods.has(method) && datasets.has(dataset);
    });
    at("curves").hidden = !found.length;
    if (!found.length) return;
    const shown = found.slice(0, MOST_CURVES);
    const named = (part) => shown.filter((curve) => curve[part][1].length)
      .map((curve) => ({ name: curve.run, seeds: curve.seeds, points: curve[part] }));
    Charts.curves(at("loss"), named("loss"), "training loss", data.colours);
    at("rank").hidden = !named("effective_rank").length;
    if (!at("rank").hidden) Charts.curves(at("rank"), named("effective_rank"), "effective rank", data.colours);
    at("curves-told").textContent = `Training loss and effective rank of the embeddings against the step, ${count(shown.length, "run", "runs")}` +
      (found.length > shown.length ? ` of ${found.length}; choose fewer methods or data sets to see the others.` : ".");
    at("loss").setAttribute("aria-label", "Training loss against the step");
    at("rank").setAttribute("aria-label", "Effective rank of the embeddings against the step");
  }

  data.pictures.forEach(([title, sentence, traces, layout]) => {
    const place = make("div", "plot"), part = make("details", "", make("summary", "", title),
      make("figure", "", place, make("figcaption", "", sentence)));
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", sentence);
    part.addEventListener("toggle", () => part.open && !place.data && Charts.picture(place, traces, layout));
    at("pictures").append(part);
    at("pictures").hidden = false;
  });

  at("runs").querySelector("summary").textContent = count(data.runs.length, "run", "runs");
  at("runs").addEventListener("toggle", () => {
    const table = at("runs").querySelector("table");
    if (!at("runs").open || table.tHead.rows.length) return;
    const heads = ["Run", "Task", "Method", "Data set", "Seeds", "Steps", "Seconds"];
    table.tHead.append(make("tr", "", ...heads.map((text) => heading(text, "col"))));
    table.tBodies[0].append(...data.runs.map(([name, ...rest]) =>
      make("tr", "", heading(name, "row"), ...rest.map((value) => make("td", "", value === null ? "-" : String(value))))));
  });

  fill(at("task"), Object.keys(data.tasks).map((task) => [task, task]));
  // The task with most scores first.
  const sizes = new Map();
  data.scores.forEach(([line]) => sizes.set(data.lines[line].task, (sizes.get(data.lines[line].task) || 0) + 1));
  at("task").value = Object.keys(data.tasks).reduce((best, task) => ((sizes.get(task) || 0) > (sizes.get(best) || 0) ? task : best));
  at("task").addEventListener("change", chooseTask);
  for (const id of ["metric", "cell", "selection"]) at(id).addEventListener("change", render);
  at("column").addEventListener("change", drawBars);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  chooseTask();
})();
