"use strict";
(() => {
  document.documentElement.classList.add("scripted");
  const tip = document.getElementById("tip");
  const show = (event, nodes) => {
    tip.replaceChildren(...nodes);
    tip.style.display = "block";
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  };
  const hide = () => { tip.style.display = "none"; };
  const line = (text, colour) => {
    const row = document.createElement("div");
    if (colour) { const key = document.createElement("i"); key.style.background = colour; row.append(key); }
    row.append(text);
    return row;
  };
  const number = (value) => (value === null ? "none" : Number(value.toPrecision(5)).toString());
  const time = (t) => {
    for (const [name, size] of [["years", 31557600], ["days", 86400], ["hours", 3600], ["minutes", 60]])
      if (t >= 0.999 * size) return `${Number((t / size).toPrecision(3))} ${name}`;
    return `${Number(t.toPrecision(3))} s`;
  };
  const along = (axis, share) => (axis.log ? axis.low * Math.pow(axis.high / axis.low, share) : axis.low + share * (axis.high - axis.low));
  const across = (axis, value) => (axis.log ? Math.log(value / axis.low) / Math.log(axis.high / axis.low) : (value - axis.low) / (axis.high - axis.low));

  for (const holder of document.querySelectorAll("script[data-for]")) {
    const svg = document.getElementById(holder.dataset.for);
    const data = JSON.parse(holder.textContent);
    const [left, top, width, height] = data.frame;
    const cross = svg.querySelector(".cross");
    const leave = () => { cross.style.visibility = "hidden"; hide(); };
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("pointermove", (event) => {
      const marked = event.target.closest("[data-tip]");
      if (marked) { cross.style.visibility = "hidden"; show(event, [line(marked.dataset.tip)]); return; }
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const u = (point.x - left) / width, v = 1 - (point.y - top) / height;
      if (u < 0 || u > 1 || v < 0 || v > 1) { leave(); return; }
      if (data.map) {
        const m = data.map, x = along(data.x, u), y = along(data.y, v);
        const i = Math.floor((x - m.x[0]) / (m.x[1] - m.x[0]) * m.shape[1]), j = Math.floor((y - m.y[0]) / (m.y[1] - m.y[0]) * m.shape[0]);
        if (i < 0 || j < 0 || i >= m.shape[1] || j >= m.shape[0]) { leave(); return; }
        const value = m.values[j * m.shape[1] + i];
        show(event, [line(`${m.label}: ${value === null ? "none" : value.toFixed(m.digits)}`), line(`x ${x.toFixed(2)}, y ${y.toFixed(2)} mm`)]);
      } else if (data.curves) {
        let best = 0;
        data.at.forEach((x, k) => { if (Math.abs(across(data.x, x) - u) < Math.abs(across(data.x, data.at[best]) - u)) best = k; });
        const at = left + width * across(data.x, data.at[best]);
        cross.setAttribute("x1", at); cross.setAttribute("x2", at);
        cross.setAttribute("y1", top); cross.setAttribute("y2", top + height);
        cross.style.visibility = "visible";
        const where = data.x.unit === "s" ? time(data.at[best]) : `${number(data.at[best])} ${data.x.unit}`;
        show(event, [line(where), ...data.curves.map((c) =>
          line(`${c.label}: ${number(c.y[best])}${c.high ? ` to ${number(c.high[best])}` : ""} ${data.y.unit}`, c.colour))]);
      } else leave();
    });
  }

  for (const deck of document.querySelectorAll(".deck")) {
    const panels = [...deck.querySelectorAll(".panel")], thumbs = [...deck.querySelectorAll(".thumbs button")];
    const slider = document.getElementById(deck.dataset.slider), label = slider.nextElementSibling;
    const choose = (k) => {
      panels.forEach((panel, i) => panel.classList.toggle("shown", i === k));
      thumbs.forEach((thumb, i) => thumb.classList.toggle("shown", i === k));
      slider.value = k;
      label.textContent = thumbs[k].dataset.name;
    };
    slider.addEventListener("input", () => choose(Number(slider.value)));
    thumbs.forEach((thumb, i) => thumb.addEventListener("click", () => choose(i)));
    choose(Number(slider.value));
  }

  for (const chooser of document.querySelectorAll(".chooser")) {
    const data = JSON.parse(chooser.querySelector("script").textContent), target = chooser.querySelector(".chosen");
    const selects = [...chooser.querySelectorAll("select")];
    const draw = () => target.replaceChildren(...drawn(data, data.columns[selects[1].value], data.columns[selects[0].value]));
    for (const select of selects) select.addEventListener("input", draw);
    draw();
  }

  function shape(name, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function lines(text, most) {
    const rows = [""];
    for (const word of text.split(" "))
      if (rows.at(-1) && rows.at(-1).length + 1 + word.length > most) rows.push(word);
      else rows[rows.length - 1] = `${rows.at(-1)} ${word}`.trim();
    return rows;
  }

  // ranks of values, those that follow each other within rounding as one
  function ranks(values, alike) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]), found = [];
    let rank = 0;
    order.forEach((i, k) => {
      const before = k ? values[order[k - 1]] : values[i];
      if (values[i] - before > alike * Math.max(Math.abs(values[i]), Math.abs(before))) rank += 1;
      found[i] = rank;
    });
    return found;
  }

  // cases that no other one betters in both
  function front(data, x, y, cases) {
    if (!x.better || !y.better) return new Set();
    const at = [x, y].map((c) => ranks(cases.map((i) => -c.better * c.values[i]), data.alike));
    const betters = (j, i) => at.every((r) => r[j] <= r[i]) && at.some((r) => r[j] < r[i]);
    return new Set(cases.filter((_, i) => !cases.some((_, j) => betters(j, i))));
  }

  function drawn(data, x, y) {
    const letter = 6.8, row = 15, whole = 440;
    const above = lines(y.label, 58), below = lines(x.label, 58);
    const left = Math.min(Math.max(40, (Math.max(...y.ticks.map((t) => t[1].length)) + 1) * letter), 0.4 * whole);
    const width = whole - left - 14, height = 0.62 * width, top = 8 + row * above.length, bottom = top + height;
    const px = (v) => left + width * (v - x.ends[0]) / (x.ends[1] - x.ends[0]);
    const py = (v) => bottom - height * (v - y.ends[0]) / (y.ends[1] - y.ends[0]);
    const svg = shape("svg", { viewBox: `0 0 ${whole} ${bottom + 26 + row * below.length}`, role: "img", "aria-label": `${y.label} over ${x.label}` });
    const add = (name, attributes, text) => svg.append(shape(name, attributes, text));
    const inside = (middle, text) => Math.min(Math.max(middle, 0.5 * (text.length + 1) * letter), whole - 0.5 * (text.length + 1) * letter);
    const framed = (middle, text) => Math.min(Math.max(middle, left + 0.5 * (text.length + 1) * letter), left + width - 0.5 * (text.length + 1) * letter);
    above.forEach((text, i) => add("text", { x: 4, y: row * (i + 1) - 2, class: "axis" }, text));
    for (const [at, text] of x.ticks) {
      add("line", { class: "grid", x1: px(at), x2: px(at), y1: top, y2: bottom });
      add("text", { x: inside(px(at), text), y: bottom + 15, class: "tick", "text-anchor": "middle" }, text);
    }
    for (const [at, text] of y.ticks) {
      add("line", { class: "grid", x1: left, x2: left + width, y1: py(at), y2: py(at) });
      add("text", { x: left - 6, y: py(at) + 4, class: "tick", "text-anchor": "end" }, text);
    }
    below.forEach((text, i) => add("text", { x: inside(left + width / 2, text), y: bottom + 30 + row * i, class: "axis", "text-anchor": "middle" }, text));
    add("rect", { class: "frame", x: left, y: top, width, height, stroke: data.colours[2] });
    const known = data.names.map((_, i) => i).filter((i) => x.values[i] !== null && y.values[i] !== null);
    const on = (c, i) => c.values[i] >= c.ends[0] && c.values[i] <= c.ends[1];
    const shown = known.filter((i) => on(x, i) && on(y, i)), best = front(data, x, y, shown.filter((i) => data.kept[i]));
    const order = [...best].sort((a, b) => x.values[a] - x.values[b]);
    const notes = [];  // written last, over what they cross
    for (const [text, at] of x.lines || []) {
      add("line", { class: "rule", stroke: data.colours[2], x1: px(at), x2: px(at), y1: top, y2: bottom });
      const before = px(at) - 5 > text.length * letter;
      notes.push([{ x: before ? px(at) - 5 : left + 5, y: top + 13, class: "note", "text-anchor": before ? "end" : "start" }, text]);
    }
    for (const [text, at] of y.lines || []) {
      add("line", { class: "rule", stroke: data.colours[2], x1: left, x2: left + width, y1: py(at), y2: py(at) });
      notes.push([{ x: left + 5, y: Math.max(py(at) - 4, top + 13), class: "note" }, text]);
    }
    const path = order.map((i) => `${px(x.values[i])} ${py(y.values[i])}`).join("L");
    if (order.length > 1) add("path", { class: "line", d: `M${path}`, stroke: data.colours[0] });
    const clip = (v) => Math.min(Math.max(v, 0), bottom);
    for (const i of order) {
      if (y.bands && y.bands[i]) add("line", { stroke: data.colours[2], x1: px(x.values[i]), x2: px(x.values[i]), y1: clip(py(y.bands[i][0])), y2: clip(py(y.bands[i][1])) });
      if (x.bands && x.bands[i]) add("line", { stroke: data.colours[2], y1: py(y.values[i]), y2: py(y.values[i]), x1: Math.max(px(x.bands[i][0]), left), x2: Math.min(px(x.bands[i][1]), left + width) });
    }
    const told = (c, i) => `${c.name} ${c.cut && c.cut[i] ? "at least " : ""}${number(c.values[i])} ${c.unit}`.trim();
    for (const i of shown) {
      const tipped = { cx: px(x.values[i]), cy: py(y.values[i]), "data-tip": `${data.names[i]}: ${told(x, i)}, ${told(y, i)}` };
      add("circle", { ...tipped, r: 3.5, fill: data.colours[best.has(i) ? 0 : data.kept[i] ? 1 : 2] });
      if (data.chosen[i]) add("circle", { ...tipped, class: "ring", r: 6, stroke: "#000000" });
    }
    for (const [name, at] of x.machines || [])
      for (const [other, level] of y.machines || [])
        if (name === other) {
          add("circle", { cx: px(at), cy: py(level), r: 3.5, fill: "#000000", "data-tip": `a conventional machine: ${name}` });
          add("text", { x: framed(px(at), name), y: py(level) - 7, class: "note", "text-anchor": "middle" }, name);
        }
    for (const one of notes) add("text", ...one);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("pointermove", (event) => {
      const marked = event.target.closest("[data-tip]");
      if (marked) show(event, [line(marked.dataset.tip)]); else hide();
    });
    const note = document.createElement("p"), out = known.length - shown.length, none = data.names.length - known.length;
    note.className = "caption";
    const unjudged = data.columns.some((c) => c.better) ? [x, y].filter((c) => !c.better).map((c) => c.name) : [];
    note.textContent = [unjudged.length && `No point is orange: whether more or less is better is not known of ${unjudged.join(" and ")}`, out && `${out} ${out > 1 ? "cases lie" : "case lies"} far outside`, none && `${none} ${none > 1 ? "have" : "has"} no value`].filter(Boolean).join("; ");
    return [svg, note];
  }
})();
