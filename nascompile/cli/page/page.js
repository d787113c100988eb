"use strict";
// Counts the members of the set within budgets, from what stands in #data; see budgets.py.
(async () => {
  const holder = document.getElementById("data");
  if (!holder) return;
  const bytes = Uint8Array.from(atob(holder.textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = await new Response(stream).json();
  const number = data.big ? BigInt : Number;
  const total = number(data.size);
  const members = (data.members || data.counts).map(number);
  const labels = Object.keys(data.options);
  const flat = labels.flatMap((label) => data.options[label].map((option) => [label, option]));
  const metrics = data.metrics;
  const limits = data.most.slice();
  const units = { ram: " B", rom: " B", macs: "" };
  const names = { ram: "RAM", rom: "ROM", macs: "MACs" };
  const text = (value) => value.toLocaleString("en-US");

  // Members within the limits, and per option whether one of them takes it.
  const within = () => {
    let count = number(0);
    const there = new Uint8Array(flat.length);
    if (data.points) {
      const used = new Uint32Array(data.uses.length);
      for (let i = 0; i < members.length; i++) {
        if (metrics.every((_, k) => data.points[k][i] <= limits[k])) {
          count += members[i];
          for (let w = 0; w < used.length; w++) used[w] |= data.uses[w][i];
        }
      }
      flat.forEach((_, bit) => { there[bit] = (used[bit >> 5] >>> (bit & 31)) & 1; });
      return [count, there];
    }
    // The largest limits that were counted and are within the given ones.
    const at = data.steps.map((own, k) => own.findLastIndex((step) => step <= limits[k]));
    if (at.some((place) => place < 0)) return [count, there];
    const cell = at.reduce((sum, place, k) => sum * data.steps[k].length + place, 0);
    flat.forEach((_, bit) => { there[bit] = (data.there[cell * data.bytes + (bit >> 3)] >> (bit & 7)) & 1; });
    return [members[cell], there];
  };

  const sliders = [];
  const boxes = [];
  const show = () => {
    const [count, there] = within();
    const share = (100 * Number(count)) / Number(total);
    const part = count === total ? "all" : share >= 0.1 || !Number(count) ? `${share.toPrecision(3)} %` : "below 0.1 %";
    document.getElementById("count").textContent = `${text(count)} networks fit`;
    document.getElementById("share").textContent = `${part} of ${text(total)}; counted exactly`;
    const ranges = document.getElementById("ranges");
    ranges.replaceChildren();
    let bit = 0;
    for (const label of labels) {
      const row = document.createElement("div");
      const head = document.createElement("b");
      head.textContent = label;
      row.append(head);
      for (const option of data.options[label]) {
        const mark = document.createElement(there[bit++] ? "span" : "s");
        mark.textContent = option;
        row.append(mark, " ");
      }
      ranges.append(row);
    }
    metrics.forEach((metric, k) => {
      boxes[k].value = limits[k];
      sliders[k].value = data.points ? limits[k] : data.steps[k].findLastIndex((step) => step <= limits[k]);
      sliders[k].setAttribute("aria-valuetext", `${text(limits[k])}${units[metric]}`);
    });
    const hash = metrics.map((metric, k) => `${metric}=${limits[k]}`).join("&");
    if (metrics.some((_, k) => limits[k] !== data.most[k])) history.replaceState(null, "", `#${hash}`);
  };
  const set = (k, value) => {
    if (!Number.isFinite(value)) return show();
    let limit = Math.max(0, Math.min(data.most[k], Math.floor(value)));
    // Where only some limits were counted, the next lower one of them.
    if (!data.points) limit = data.steps[k][Math.max(0, data.steps[k].findLastIndex((step) => step <= limit))];
    limits[k] = limit;
    show();
  };

  const form = document.getElementById("budgets");
  metrics.forEach((metric, k) => {
    const row = document.createElement("div");
    row.className = "budget";
    const label = document.createElement("label");
    label.textContent = names[metric];
    label.htmlFor = `limit-${metric}`;
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", id: `limit-${metric}`, step: 1 });
    slider.min = data.points ? data.least[k] : 0;
    slider.max = data.points ? data.most[k] : data.steps[k].length - 1;
    slider.addEventListener("input", () => set(k, data.points ? +slider.value : data.steps[k][+slider.value]));
    const box = document.createElement("input");
    Object.assign(box, { type: "number", id: `exact-${metric}`, min: 0, max: data.most[k] });
    box.setAttribute("aria-label", `${names[metric]} at most${units[metric] && ", in bytes"}`);
    box.addEventListener("change", () => set(k, box.valueAsNumber));
    const less = document.createElement("div");
    less.className = "less";
    // Of 256 KiB, steps of 8 KiB.
    const bytes = 2 ** Math.max(0, Math.floor(Math.log2(data.most[k] / 31)));
    const size = bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${bytes / 1024} KiB` : `${bytes / 1048576} MiB`;
    for (const [word, sign] of [["less", -1], ["more", 1]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${metric === "macs" ? "10 %" : size} ${word}`;
      button.addEventListener("click", () => {
        const step = sign * (metric === "macs" ? 0.1 * limits[k] : bytes);
        const next = limits[k] + step;
        // Upwards a coarse step has to reach the next limit that was counted.
        const up = data.points || step < 0 ? next : Math.max(next, data.steps[k].find((one) => one > limits[k]) ?? next);
        set(k, up);
      });
      less.append(button);
    }
    sliders.push(slider);
    boxes.push(box);
    row.append(label, slider, box, less);
    form.append(row);
  });

  document.getElementById("reset").addEventListener("click", () => {
    metrics.forEach((_, k) => { limits[k] = data.most[k]; });
    history.replaceState(null, "", location.pathname);
    show();
  });
  document.getElementById("draw").addEventListener("click", () => {
    const fitting = data.drawn.filter((one) => metrics.every((_, k) => one[k + 1] <= limits[k]));
    const box = document.getElementById("member");
    if (!fitting.length) {
      const how = metrics.map((metric, k) => `--${metric} ${limits[k]}`).join(" ");
      box.textContent = `none of the ${text(data.drawn.length)} networks drawn into this page fits; draw one with\n`
        + `nascompile sample ${holder.dataset.space} ${how} -n 1 --sampler uniform`;
      return;
    }
    const one = fitting[Math.floor(Math.random() * fitting.length)];
    const costs = metrics.map((metric, k) => `${names[metric]} ${text(one[k + 1])}${units[metric]}`).join(", ");
    box.textContent = `${one[0]}\n${costs}`;
  });

  const wanted = new URLSearchParams(location.hash.slice(1));
  metrics.forEach((metric, k) => { if (wanted.has(metric)) limits[k] = data.most[k]; });
  metrics.forEach((metric, k) => { if (wanted.has(metric)) set(k, +wanted.get(metric)); });
  show();
  document.body.dataset.ready = "yes";
})();

for (const link of document.querySelectorAll("a[data-figure]")) {
  link.addEventListener("click", () => {
    const svg = document.getElementById(link.dataset.figure).querySelector("svg");
    const text = new XMLSerializer().serializeToString(svg);
    link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  });
}
