"use strict";
(() => {
  const data = JSON.parse(document.getElementById("record").textContent);
  const text = (n) => (n < 0 ? "-" : data.texts[n]);
  const table = document.querySelector("#alarms tbody");
  const rows = table ? [...table.querySelectorAll("tr[data-n]")] : [];
  const map = document.getElementById("map"), tip = document.getElementById("tip");
  const marks = map ? [...map.querySelectorAll("button")] : [];
  const markOf = new Map(marks.map((mark) => [Number(mark.dataset.n), mark]));
  const FEW = 50; // rows of the table that are shown at first
  const dots = map ? [...map.querySelectorAll("circle")] : [];

  // Parts that are strings become text, never markup: names come from users.
  function make(tag, look, ...parts) {
    const made = document.createElement(tag);
    if (look) made.className = look;
    made.append(...parts);
    return made;
  }

  const digits = (size) => (size < 1e4 ? size.toFixed(2) : size.toExponential(1));
  const signed = (value) => (value < 0 ? "−" : "+") + digits(Math.abs(value));
  const percent = (share) => (100 * share).toFixed(share < 0.1 ? 1 : 0) + "\u00a0%";
  const shares = (pairs) => pairs.map(([name, share]) => `${text(name)}\u00a0${percent(share)}`).join(", ");
  const named = (user, start) => (start < 0 ? text(user) : `${text(user)}, ${text(start)}`);

  function bar(value, largest) {
    const inner = make("i");
    inner.style.width = `${largest > 0 ? Math.min(100, (100 * Math.abs(value)) / largest) : 0}%`;
    const made = make("span", value < 0 ? "bar minus" : "bar", inner);
    made.setAttribute("aria-hidden", "true");
    return made;
  }

  const largestOf = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

  // One stop of the Tab key for the whole list, arrows inside it.
  function roving(root, items, hidden) {
    const shown = () => items.filter((item) => !hidden(item));
    const stop = (item) => items.forEach((other) => (other.tabIndex = other === item ? 0 : -1));
    root.addEventListener("focusin", (event) => items.includes(event.target) && stop(event.target));
    root.addEventListener("keydown", (event) => {
      const list = shown(), at = list.indexOf(event.target);
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0,
        End: list.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      if (list[to]) list[to].focus();
    });
    return () => {
      const list = shown();
      if (list.length && !list.some((item) => item.tabIndex === 0)) stop(list[0]);
    };
  }

  function kinds(alarm) {
    return make("ul", "kinds", ...alarm.evidence.map(([kind, p]) => {
      const name = text(kind), words = Object.hasOwn(data.kinds, name) ? `: ${data.kinds[name]}` : "";
      return make("li", "", make("b", "", p), ` ${name}${words}`);
    }));
  }

  function cause(one, number, alarm) {
    const cells = alarm.events[one.event].slice(2).filter((cell) => cell >= 0).map(text).join(" · ");
    const largest = largestOf(one.fields.map(([, value]) => value));
    const fields = one.fields.map(([name, value]) =>
      make("div", "part", make("span", "", text(name)), bar(value, largest), make("span", "", signed(value))));
    const facts = [];
    if (one.expected.length) facts.push(["Expected instead", shares(one.expected)]);
    if (one.own.length) facts.push(["This user usually", shares(one.own)]);
    if (one.surprise.length)
      facts.push(["Surprise", one.surprise.map(([name, value]) => `${text(name)}\u00a0${signed(value)}`).join(", ")]);
    if (one.embedding !== null) facts.push(["Embedding", signed(one.embedding)]);
    return make("li", "",
      make("p", "", make("span", "number-of", String(number)), " ", make("strong", "", signed(one.contribution)), ` ${cells}`),
      ...fields, make("dl", "", ...facts.flatMap(([term, told]) => [make("dt", "", term), make("dd", "", told)])));
  }

  function timeline(alarm) {
    const numbers = new Map(alarm.causes.map((one, n) => [one.event, n + 1]));
    const largest = largestOf(alarm.events.map((event) => event[0]));
    const head = make("tr", "", ...["Cause", "Contribution", ...data.columns.map(text)].map((name) => {
      const made = make("th", "", name);
      made.scope = "col";
      return made;
    }));
    let inUnit = false, alarmed = false;
    const events = alarm.events.map(([contribution, flags, ...cells], n) => {
      const looks = [], mark = make("td");
      if (numbers.has(n)) mark.append(make("span", "number-of", String(numbers.get(n))));
      if (!(flags & 1)) {
        looks.push("context");
        mark.append(make("small", "", "before"));
      } else if (!inUnit) {
        inUnit = true;
        looks.push("first-of-unit");
      }
      if (flags & 2) {
        looks.push("alarm");
        mark.append(make("span", "flag", alarmed ? "alarm" : "first alarm"));
        alarmed = true;
      }
      const amount = make("span", "amount", make("span", "", signed(contribution)), bar(contribution, largest));
      return make("tr", looks.join(" "), mark, make("td", "", amount),
        ...cells.map((cell) => make("td", "", make("span", "cell", text(cell)))));
    });
    const box = make("div", "timeline", make("table", "", make("thead", "", head), make("tbody", "", ...events)));
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Timeline of the user's events");
    return box;
  }

  function detail(alarm) {
    const close = make("button", "", "Close");
    close.type = "button";
    close.addEventListener("click", () => shut(true));
    const parts = [
      make("header", "", make("h3", "", named(alarm.user, alarm.start)), close),
      make("p", "", `p-value ${alarm.p}: a share of about ${alarm.p} of regular ${data.units} looks as unusual as this.`),
    ];
    if (alarm.evidence.length) parts.push(make("h4", "", "Evidence, with the p-value of each kind by itself"), kinds(alarm));
    if (alarm.causes.length)
      parts.push(make("h4", "", "Events that speak most for the alarm"),
        make("ol", "causes", ...alarm.causes.map((one, n) => cause(one, n + 1, alarm))),
        make("small", "", "Bold and bars: the contribution, by how much an event is more usual for everyone than for " +
          "this user; below 0 it is usual for the user. Surprise: normal scores above the usual surprise. " +
          "Embedding: by how much nearer to the user's own the whole comes when the event is hidden."));
    if (alarm.events.length) {
      const first = alarm.events.some((event) => event[1] & 2);
      parts.push(make("h4", "", "Timeline"), timeline(alarm));
      if (!first) parts.push(make("small", "", "No single event raised the alarm, only all of them together."));
    }
    if (alarm.nearest.length)
      parts.push(make("h4", "", "Most like it among other users, all regular"),
        make("ul", "", ...alarm.nearest.map(([user, start]) => make("li", "", named(user, start)))));
    const section = make("section", "", ...parts);
    section.setAttribute("aria-label", `Alarm: ${named(alarm.user, alarm.start)}`);
    const cell = make("td", "", section), row = make("tr", "detail", cell);
    cell.colSpan = 4;
    row.id = "detail";
    return row;
  }

  const buttonOf = (row) => row.querySelector("button");
  const open = () => table && table.querySelector("tr.open");

  function shut(focus) {
    const row = open();
    if (!row) return;
    document.getElementById("detail").remove();
    row.classList.remove("open");
    buttonOf(row).setAttribute("aria-expanded", "false");
    buttonOf(row).removeAttribute("aria-controls");
    for (const mark of [...marks, ...dots]) mark.classList.remove("own");
    if (focus) buttonOf(row).focus();
  }

  function show(n) {
    const row = rows[n], alarm = data.alarms[n], made = detail(alarm);
    shut(false);
    row.after(made);
    row.classList.add("open");
    buttonOf(row).setAttribute("aria-expanded", "true");
    buttonOf(row).setAttribute("aria-controls", "detail");
    dots.forEach((dot, place) => dot.classList.toggle("own", data.dots[place][0] === alarm.user));
    for (const mark of marks) mark.classList.toggle("own", data.alarms[mark.dataset.n].user === alarm.user);
    const box = made.querySelector(".timeline"), line = made.querySelector("tr.alarm") ?? made.querySelector("tr.first-of-unit");
    // A few events before it stay in sight.
    if (line) box.scrollTop = Math.max(0, line.offsetTop - box.clientHeight / 3);
    return row;
  }

  if (table) {
    const filter = document.getElementById("filter"), found = document.getElementById("found");
    const stopOfTable = roving(table, rows.map(buttonOf), (button) => button.closest("tr").hidden);
    const stopOfMap = map ? roving(map, marks, (mark) => mark.classList.contains("off")) : () => {};
    const rest = document.getElementById("all");
    // Of many rows the first ones, so that what stands below the table is not out of reach.
    let most = FEW;
    const sift = () => {
      const wanted = filter.value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, n) => {
        const matches = text(data.alarms[n].user).toLowerCase().includes(wanted);
        row.hidden = !matches || (!wanted && n >= most);
        count += matches;
        markOf.get(n)?.classList.toggle("off", !matches);
      });
      rest.hidden = Boolean(wanted) || rows.length <= most;
      if (open()?.hidden) shut(false);
      const total = `${rows.length} ${rows.length === 1 ? "alarm" : "alarms"}`;
      found.textContent = wanted ? `${count} of ${total}` : total;
      stopOfTable();
      stopOfMap();
    };
    const all = () => {
      most = Infinity;
      sift();
    };
    filter.addEventListener("input", sift);
    rest.addEventListener("click", () => {
      all();
      buttonOf(rows[FEW]).focus();
    });
    table.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-n]");
      // Selecting text in a row is no click.
      if (!row || String(getSelection())) return;
      if (row === open()) shut(true);
      else buttonOf(show(Number(row.dataset.n))).focus();
    });
    table.addEventListener("keydown", (event) => event.key === "Escape" && shut(true));
    if (map)
      map.addEventListener("click", (event) => {
        const mark = event.target.closest("button");
        if (!mark) return;
        if (rows[mark.dataset.n].hidden) {
          filter.value = "";
          all();
        }
        const row = show(Number(mark.dataset.n));
        buttonOf(row).focus({ preventScroll: true });
        row.scrollIntoView({ block: "start" });
      });
    // What the browser has kept of the field when the page is opened again.
    sift();
  }

  if (map) {
    const tell = (event) => {
      const mark = event.target.closest("button"), dot = event.target.closest("circle");
      if (mark) {
        const alarm = data.alarms[mark.dataset.n];
        tip.textContent = `Alarm: ${named(alarm.user, alarm.start)}; p-value ${alarm.p}`;
      } else if (dot) tip.textContent = named(...data.dots[dots.indexOf(dot)]);
    };
    for (const kind of ["mouseover", "focusin", "click"]) map.addEventListener(kind, tell);
  }
})();
