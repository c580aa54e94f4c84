"use strict";
// What is here is a convenience: without it the page says the same. Charts that share a time axis are a group: a
// pointer or the arrow keys show the values at a time in all of them, a drag or + and - zoom all of them.
(() => {
  const WIDE = 1000, TALL = 100; // as in e2e/report/curves.py
  const NICE = [1, 2, 3, 4, 5, 6, 8, 10, 20];
  const CLOCK = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const DRAG = 8; // px from which a movement is a drag

  const nice = (value) => {
    if (value <= 0) return 0;
    const power = 10 ** Number(value.toExponential().split("e")[1]);
    return NICE.map((step) => step * power).find((end) => end >= value);
  };

  const short = (value) => {
    if (Math.abs(value) >= 1e6) return `${short(value / 1e6)}M`;
    return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
  };

  const clock = (t, end, digits) => {
    if (end < 120) return `${Number(t.toFixed(digits))} s`;
    const whole = Math.floor(t), two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(whole / 60), seconds = two(whole % 60);
    const part = digits && t % 1 ? (t % 1).toFixed(digits).slice(1) : "";
    const text = end >= 3600 ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}` : minutes;
    return `${text}:${seconds}${part}`;
  };

  // Round instants between a and b, at most six; written as those of something that lasts until `end`.
  const ticks = (a, b, end) => {
    const most = 5.5, span = b - a, power = 10 ** Math.floor(Math.log10(span / most));
    const round = [1, 2, 5, 10].map((step) => step * power).find((step) => span <= most * step * (1 + 1e-9));
    const step = (end >= 120 && span > 5 && CLOCK.find((step) => span <= most * step)) || round;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
    for (let n = Math.ceil(a / step - 1e-9); n * step <= b + step * 1e-9; n++) {
      const t = Number((n * step).toFixed(6));
      found.push({ share: (t - a) / span, label: clock(t, end, digits) });
    }
    return found;
  };

  const make = (parent, name) => {
    const element = document.createElement("div");
    element.className = name;
    element.hidden = true;
    parent.append(element);
    return element;
  };

  const nearest = (times, t) => {
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < t) low = middle + 1; else high = middle;
    }
    return low > 0 && t - times[low - 1] <= times[low] - t ? low - 1 : low;
  };

  class Plot {
    // `box` is where the chart is drawn, `chart` its data: `t`, and of curves `lines`.
    constructor(group, box, chart, first) {
      this.group = group;
      this.box = box;
      this.chart = chart;
      this.lines = chart.lines || [];
      this.svg = box.querySelector("svg");
      this.paths = this.lines.map((_, n) => this.svg.querySelectorAll("path")[n]);
      const figure = box.closest("figure, .scene");
      this.outputs = this.lines.map((_, n) => figure.querySelectorAll("output")[n]);
      this.rest = this.outputs.map((output) => output.textContent);
      this.ups = this.lines.length ? figure.querySelectorAll(".y span") : [];
      this.cross = make(box, "cross");
      this.dots = this.lines.map((_, n) => make(box, `dot line${n}`));
      this.chosen = make(box, "chosen");
      this.range = [0, 1];
      // The lanes of a session say the same at a time: one of them is enough to stop at.
      box.tabIndex = this.lines.length || first ? 0 : -1;
      box.setAttribute("role", "application");
      box.setAttribute("aria-roledescription", "chart");
      for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "keydown"])
        box.addEventListener(type, (event) => this[type](event));
      box.addEventListener("dblclick", () => group.zoom(group.full));
    }

    time(event) {
      const { left, width } = this.box.getBoundingClientRect(), [a, b] = this.group.view;
      return a + Math.min(1, Math.max(0, (event.clientX - left) / width)) * (b - a);
    }

    pointerdown(event) {
      if (event.button) return;
      this.drag = { x: event.clientX, t: this.time(event) };
      this.box.setPointerCapture(event.pointerId);
    }

    pointermove(event) {
      const t = this.time(event);
      this.group.show(t);
      if (!this.drag) return;
      this.chosen.hidden = Math.abs(event.clientX - this.drag.x) < DRAG;
      const from = this.group.share(Math.min(t, this.drag.t)), to = this.group.share(Math.max(t, this.drag.t));
      this.chosen.style.left = `${from * 100}%`;
      this.chosen.style.width = `${(to - from) * 100}%`;
    }

    pointerup(event) {
      const drag = this.drag, t = this.time(event);
      this.pointercancel();
      if (drag && Math.abs(event.clientX - drag.x) >= DRAG) this.group.zoom([Math.min(drag.t, t), Math.max(drag.t, t)]);
      else this.group.show(t);
    }

    pointercancel() {
      this.drag = null;
      this.chosen.hidden = true;
    }

    pointerleave(event) {
      if (!this.drag && event.pointerType === "mouse") this.group.show(null);
    }

    keydown(event) {
      const { group, chart } = this, [a, b] = group.view, at = group.at ?? (a + b) / 2;
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const step = (by) => {
        const n = nearest(chart.t, at);
        return chart.t[group.at === null ? n : Math.min(chart.t.length - 1, Math.max(0, n + by))];
      };
      const keys = {
        ArrowLeft: () => group.go(step(-1)),
        ArrowRight: () => group.go(step(1)),
        Home: () => group.go(chart.t[0]),
        End: () => group.go(chart.t[chart.t.length - 1]),
        "+": () => group.zoomBy(0.5),
        "=": () => group.zoomBy(0.5),
        "-": () => group.zoomBy(2),
        Escape: () => { group.zoom(group.full); group.show(null); },
      };
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
      group.say(this.told());
    }

    told() {
      return this.lines.map((line, n) => `${line.name} ${this.outputs[n].textContent} ${this.chart.unit}`).join(", ");
    }

    // Draw what lies in the view: a curve anew, on a scale that fits; anything else by moving the window over it.
    draw() {
      const { group, chart } = this, [a, b] = group.view, [begin, end] = group.full;
      if (!this.lines.length) {
        const across = WIDE / (end - begin || 1);
        this.svg.setAttribute("viewBox", `${(a - begin) * across} 0 ${(b - a) * across} ${TALL}`);
        return;
      }
      const first = Math.max(0, chart.t.findIndex((t) => t >= a) - 1), after = chart.t.findIndex((t) => t > b);
      const last = after < 0 ? chart.t.length : after + 1;
      const seen = this.lines.flatMap((line) => line.values.slice(first, last)).filter((v) => v !== null);
      const low = -nice(-Math.min(0, ...seen)) + 0, high = nice(Math.max(0, ...seen)) || (low ? 0 : 1);
      this.range = [low, high];
      this.lines.forEach((line, n) => this.paths[n].setAttribute("d", this.path(line.values)));
      [high, (low + high) / 2, low].forEach((value, n) => { this.ups[n].textContent = short(value); });
    }

    path(values) {
      const [low, high] = this.range, parts = [];
      let pen = "M";
      values.forEach((value, n) => {
        if (value === null) { pen = "M"; return; }
        const x = this.group.share(Math.min(this.chart.t[n], this.group.full[1])) * WIDE;
        parts.push(`${pen}${x.toFixed(2)} ${(TALL - (value - low) / (high - low) * TALL).toFixed(2)}`);
        if (pen === "M" && (values[n + 1] ?? null) === null) parts.push("h1");
        pen = "L";
      });
      return parts.join("");
    }

    // The cross-hair at a time, and the values of the nearest point.
    show(t) {
      const share = t === null ? -1 : this.group.share(t), [low, high] = this.range;
      this.cross.hidden = share < 0 || share > 1;
      this.cross.style.left = `${share * 100}%`;
      const n = t === null ? -1 : nearest(this.chart.t, t);
      this.lines.forEach((line, k) => {
        const value = n < 0 ? null : line.values[n];
        const exact = value === null ? "–" : value.toLocaleString("en-US", { maximumFractionDigits: 6 });
        this.outputs[k].textContent = n < 0 ? this.rest[k] : exact;
        const x = n < 0 ? -1 : this.group.share(this.chart.t[n]);
        this.dots[k].hidden = value === null || x < 0 || x > 1;
        this.dots[k].style.left = `${x * 100}%`;
        if (value !== null) this.dots[k].style.top = `${(1 - (value - low) / (high - low)) * 100}%`;
      });
    }
  }

  class Group {
    constructor(root) {
      this.root = root;
      const data = this.data = JSON.parse(root.querySelector("script").textContent);
      this.full = this.view = [data.begin, data.end];
      this.at = null;
      this.plots = [...root.querySelectorAll(".plot")]
        .map((box, n) => new Plot(this, box, data.charts[n] || data.charts[0], !n));
      this.tools = root.querySelector(".tools");
      this.tools.hidden = false;
      this.when = this.tools.querySelector(".when");
      this.spoken = this.tools.querySelector(".spoken");
      this.axes = root.querySelectorAll(".x");
      this.rows = data.events ? [...root.parentElement.querySelectorAll("tbody tr")] : [];
      const acts = { in: () => this.zoomBy(0.5), out: () => this.zoomBy(2), all: () => this.zoom(this.full) };
      for (const button of this.tools.querySelectorAll("button"))
        button.addEventListener("click", acts[button.dataset.do]);
      this.tell();
    }

    share(t) {
      const [a, b] = this.view;
      return (t - a) / (b - a);
    }

    // Of seconds, that tell neighbouring pixels apart.
    digits() {
      const width = this.view[1] - this.view[0];
      return width < 10 ? 2 : width < 120 ? 1 : 0;
    }

    zoomBy(factor) {
      const [a, b] = this.view, centre = this.at ?? (a + b) / 2, share = this.share(centre), width = (b - a) * factor;
      this.zoom([centre - share * width, centre + (1 - share) * width]);
    }

    zoom([a, b]) {
      const [begin, end] = this.full, width = Math.min(end - begin, Math.max(b - a, (end - begin) / 500, 0.01));
      const from = Math.min(Math.max(a, begin), end - width);
      this.view = width >= end - begin ? this.full : [from, from + width];
      this.plots.forEach((plot) => plot.draw());
      for (const axis of this.axes)
        axis.replaceChildren(...ticks(...this.view, end).map(({ share, label }) => {
          const place = document.createElement("span");
          place.style.left = `${share * 100}%`;
          place.textContent = label;
          return place;
        }));
      this.show(this.at);
    }

    // To a time, which the view follows.
    go(t) {
      const [a, b] = this.view;
      this.at = t;
      if (t < a || t > b) this.zoom([t - (b - a) / 2, t + (b - a) / 2]); else this.show(t);
    }

    show(t) {
      this.at = t;
      this.plots.forEach((plot) => plot.show(t));
      this.tell();
    }

    tell() {
      const [a, b] = this.view, end = this.full[1], digits = this.digits();
      const whole = `${clock(a, end, digits)} to ${clock(b, end, digits)}`;
      this.when.textContent = this.at === null ? whole : `at ${clock(this.at, end, digits && 2)}`;
      if (!this.data.events) return;
      const now = this.root.querySelector(".now"), parts = [];
      this.rows.forEach((row) => row.classList.remove("here"));
      if (this.at !== null) {
        for (const name of ["said", "heard"]) {
          const words = this.root.querySelectorAll(`.${name} title`);
          const found = [...words].filter((_, k) => {
            const [from, to] = this.data[name][k];
            return from <= this.at && this.at <= to;
          });
          if (found.length) parts.push(`${name}: ${found.map((title) => title.textContent).join(" / ")}`);
        }
        const n = nearest(this.data.events, this.at), what = this.rows[n]?.querySelector("[data-lane]").innerText;
        parts.push(`${clock(this.data.events[n], end, 3)} ${what}`);
        this.rows[n]?.classList.add("here");
      }
      now.textContent = parts.join(" · ");
    }

    say(values) {
      const now = this.data.events ? this.root.querySelector(".now").textContent : values;
      this.spoken.textContent = `${this.when.textContent}: ${now}`;
    }
  }

  // Of a histogram: the bar under the pointer in words.
  const bars = (figure) => {
    const output = figure.querySelector("output"), rest = output.textContent;
    figure.addEventListener("pointermove", (event) => {
      const bar = event.target.closest("g");
      output.textContent = bar ? bar.querySelector("title").textContent : rest;
    });
    figure.addEventListener("pointerleave", () => { output.textContent = rest; });
  };

  const begun = new WeakSet();
  const begin = () => {
    for (const root of document.querySelectorAll(".group, .bars")) {
      if (begun.has(root)) continue;
      begun.add(root);
      if (root.matches(".group")) new Group(root); else bars(root);
    }
  };
  begin();
  // The page of a run that still goes gets new ones.
  document.addEventListener("report", begin);
})();
