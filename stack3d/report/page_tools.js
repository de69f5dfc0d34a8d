"use strict";
(() => {
  // sections open and close together, and open where a link leads into one
  const folds = [...document.querySelectorAll("details.fold")];
  const button = (text, label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  };
  const contents = document.querySelector("nav");
  if (folds.length > 2 && contents) {
    const whole = button("fold all", "fold all sections", () => {
      const open = folds.some((one) => one.open);
      for (const one of folds) one.open = !open;
    });
    const told = () => {
      whole.textContent = folds.some((one) => one.open) ? "fold all" : "unfold all";
      whole.setAttribute("aria-label", `${whole.textContent} sections`);
    };
    for (const one of folds) one.addEventListener("toggle", told);
    contents.append(whole);
  }
  const reveal = () => {
    const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (!target) return;
    for (const one of target.querySelectorAll("details.fold")) one.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  let shut = [];
  addEventListener("beforeprint", () => { shut = folds.filter((one) => !one.open); for (const one of shut) one.open = true; });
  addEventListener("afterprint", () => { for (const one of shut) one.open = false; });

  // tables: a heading sorts; numbers by size, with their prefix or unit of time
  const sizes = { f: 1e-15, p: 1e-12, n: 1e-9, u: 1e-6, "µ": 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
  const times = { s: 1, second: 1, min: 60, minute: 60, h: 3600, hour: 3600, day: 86400, month: 2629800, year: 31557600 };
  const quantity = (text) => {
    const found = text.trim().match(/^(?:≥|at least|<|>)?\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(.*)$/i);
    if (!found) return null;
    const value = Number(found[1]), unit = (found[2].match(/^[^\s,(]+/) || [""])[0], plain = unit.replace(/s$/, "");
    if (unit in times || plain in times) return value * (times[unit] || times[plain]);
    const prefixed = unit.match(/^([fpnuµmkMGT])(W|J|s|m|B|A|V|S|K|ohm|Hz)$/);
    return prefixed ? value * sizes[prefixed[1]] : value;
  };
  const by = new Intl.Collator(undefined, { numeric: true });
  function sortable(table) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    if (body.rows.length < 3) return;
    heads.forEach((head, column) => {
      const name = head.textContent;
      const sort = button("", `sort by ${name}`, () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
        for (const one of rows) one.size = quantity(one.text);
        const filled = rows.filter((one) => one.text), counted = filled.every((one) => one.size !== null);
        const turn = down ? -1 : 1;
        rows.sort((a, b) => (!a.text - !b.text) || turn * (counted ? a.size - b.size : by.compare(a.text, b.text)));
        body.append(...rows.map((one) => one.row));
      });
      sort.className = "sort";
      sort.replaceChildren(...head.childNodes);
      head.replaceChildren(sort);
    });
  }
  document.querySelectorAll("table").forEach(sortable);
  for (const wide of document.querySelectorAll(".wide, pre"))
    if (wide.scrollWidth > wide.clientWidth + 1) {  // what scrolls can be scrolled by keys
      wide.tabIndex = 0;
      wide.classList.add("scrolls");
      wide.setAttribute("role", "group");
      wide.setAttribute("aria-label", "scrolls sideways");
    }

  // files of a section: its figures as SVG, its numbers as CSV
  const save = (name, kind, text) => {
    const link = document.createElement("a"), address = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = name;
    link.href = address;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  const drawn = (section) => [...section.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0);

  function svgOf(section) {
    const space = "http://www.w3.org/2000/svg", whole = document.createElementNS(space, "svg");
    const style = document.createElementNS(space, "style"), gap = 16;
    style.textContent = document.getElementById("chart-style").textContent;
    whole.append(style);
    let height = 0, width = 0;
    for (const svg of drawn(section)) {
      const copy = svg.cloneNode(true), box = svg.viewBox.baseVal;
      for (const name of ["tabindex", "role"]) copy.removeAttribute(name);
      copy.setAttribute("y", height);
      copy.setAttribute("width", box.width);
      copy.setAttribute("height", box.height);
      whole.append(copy);
      height += box.height + gap;
      width = Math.max(width, box.width);
    }
    whole.setAttribute("viewBox", `0 0 ${width} ${height - gap}`);
    whole.setAttribute("width", width);
    whole.setAttribute("height", height - gap);
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(whole)}`;
  }

  function rowsOfPanel(data) {
    const rows = [], start = [data.title || "", data.x.label || "", data.y.label || ""];
    const add = (series, x, y, value, low, high, note) => rows.push([...start, series, x, y, value, low, high, note]);
    for (const curve of data.curves || [])
      data.at.forEach((x, k) => curve.high ? add(curve.label, x, "", "", curve.y[k], curve.high[k], "") : add(curve.label, x, curve.y[k], "", "", "", ""));
    if (data.map) {
      const { shape: [ny, nx], x, y, values, label } = data.map;
      values.forEach((value, k) => {
        const i = k % nx, j = Math.floor(k / nx), round = (v) => Number(v.toPrecision(6));
        add(label, round(x[0] + (i + 0.5) * (x[1] - x[0]) / nx), round(y[0] + (j + 0.5) * (y[1] - y[0]) / ny), value, "", "", "");
      });
    }
    for (const [series, x, y, value, note] of data.rows || []) add(series, x, y, value, "", "", note);
    return rows;
  }

  function rowsOfChooser(data) {
    const head = ["case", ...data.columns.map((one) => `${one.name}${one.unit ? ` [${one.unit}]` : ""}`)];
    return [head, ...data.names.map((name, i) => [name, ...data.columns.map((one) => one.values[i])])];
  }

  function csvOf(section) {
    const holders = [...section.querySelectorAll("script[data-for]")], chooser = section.querySelector(".chooser > script");
    if (chooser) return csv(rowsOfChooser(JSON.parse(chooser.textContent)));
    const head = ["panel", "x is", "y is", "series", "x", "y", "value", "low", "high", "note"];
    if (holders.length) return csv([head, ...holders.flatMap((one) => rowsOfPanel(JSON.parse(one.textContent)))]);
    return [...section.querySelectorAll("table")].map((table) => csv([...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim())))).join("\r\n");
  }

  const filesOf = (part, name, title) => {
    const files = document.createElement("p");
    files.className = "files";
    if (part.querySelector("svg")) files.append(button("SVG", `save figure ${title} as SVG`, () => save(`${name}.svg`, "image/svg+xml", svgOf(part))));
    if (part.querySelector("script[data-for], .chooser > script, table"))
      files.append(button("CSV", `save numbers of ${title} as CSV`, () => save(`${name}.csv`, "text/csv", csvOf(part))));
    return files;
  };
  for (const section of document.querySelectorAll("main section")) {
    const title = section.querySelector("details.fold > summary h2");
    const files = title && filesOf(section, section.id, title.textContent);
    if (files && files.childElementCount) title.closest("summary").after(files);
  }
  for (const figure of document.querySelectorAll("figure")) figure.append(filesOf(figure, figure.querySelector("svg").id, "the stack"));
  window.stack3d = { svgOf, csvOf, quantity };

  // keys on a figure: arrows go from value to value, as the pointer does
  const point = (svg, x, y) => {
    const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    return { clientX: at.x, clientY: at.y };
  };
  for (const holder of document.querySelectorAll("script[data-for]")) {
    const svg = document.getElementById(holder.dataset.for), data = JSON.parse(holder.textContent);
    const marked = [...svg.querySelectorAll("[data-tip]")], [left, top, width, height] = data.frame;
    let at = -1, place = [0, 0];
    const share = (x) => data.x.log ? Math.log(x / data.x.low) / Math.log(data.x.high / data.x.low) : (x - data.x.low) / (data.x.high - data.x.low);
    const tell = (target, x, y) => target.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...point(svg, x, y) }));
    svg.addEventListener("blur", () => svg.dispatchEvent(new PointerEvent("pointerleave")));
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (event.key === "Escape") svg.dispatchEvent(new PointerEvent("pointerleave"));
      if (!step) return;
      event.preventDefault();
      const held = (value, most) => Math.min(Math.max(value, 0), most - 1);
      if (data.map) {
        const [ny, nx] = data.map.shape;
        place = [held(place[0] + step[0], nx), held(place[1] + step[1], ny)];
        tell(svg, left + width * (place[0] + 0.5) / nx, top + height * (1 - (place[1] + 0.5) / ny));
      } else if (data.curves) {
        at = held(at + step[0] + step[1], data.at.length);
        tell(svg, left + width * Math.min(Math.max(share(data.at[at]), 0.001), 0.999), top + height / 2);
      } else if (marked.length) {
        at = held(at + step[0] - step[1], marked.length);
        const box = marked[at].getBBox();
        tell(marked[at], box.x + box.width / 2, box.y + box.height / 2);
      }
    });
  }
})();
