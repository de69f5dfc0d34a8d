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

  for (const choice of document.querySelectorAll(".choice")) {
    const panels = [...choice.querySelectorAll(".panel")], select = document.getElementById(choice.dataset.select);
    const choose = () => panels.forEach((panel, i) => panel.classList.toggle("shown", i === select.selectedIndex));
    select.addEventListener("input", choose);
    choose();
  }
})();
