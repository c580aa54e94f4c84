// Follows a run: each new state of the report is laid over what is shown, so that whoever reads keeps the place, the
// parts that are open, and the focus.
"use strict";
(() => {
  const report = document.getElementById("report"), state = document.getElementById("live");
  const source = new EventSource("events");

  // What a part is about, whatever its figures say at the moment; of most, only what it is.
  const about = node => {
    if (node.nodeType !== Node.ELEMENT_NODE || node.id) return node.id || node.nodeName;
    const title = node.querySelector(":scope > summary, :scope > div > strong");
    return title ? `${node.nodeName} ${title.textContent.replace(/[\d.,]+/g, "#")}` : node.nodeName;
  };

  // Charts, which `report.js` makes alive, are replaced as a whole, and stay as they are while somebody looks into them.
  const CHARTS = ".group, .bars";
  const drawn = new WeakMap();
  const remember = root => root.querySelectorAll(CHARTS).forEach(chart => drawn.set(chart, chart.outerHTML));

  const lay = (shown, next) => {
    if (drawn.has(shown) && drawn.has(next)) {
      if (drawn.get(shown) === drawn.get(next) || shown.matches(":hover, :focus-within")) return;
      const parts = shown.querySelectorAll("details");
      next.querySelectorAll("details").forEach((part, n) => { part.open = parts[n]?.open ?? part.open; });
      shown.replaceWith(next);
      return;
    }
    if (shown.nodeType !== Node.ELEMENT_NODE) {
      if (shown.data !== next.data) shown.data = next.data;
      return;
    }
    const kept = name => shown.nodeName === "DETAILS" && name === "open";  // that is the reader's choice
    for (const { name, value } of next.attributes)
      if (!kept(name) && shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    for (const { name } of [...shown.attributes])
      if (!kept(name) && !next.hasAttribute(name)) shown.removeAttribute(name);
    layAll(shown, [...next.childNodes]);
  };

  const layAll = (shown, next) => {
    next.forEach((node, n) => {
      const here = shown.childNodes[n] ?? null, subject = about(node);
      let same = here;
      while (same && about(same) !== subject) same = same.nextSibling;
      if (same !== here) shown.insertBefore(same ?? node, here);
      else if (!here) shown.append(node);
      if (same) lay(same, node);
    });
    while (shown.childNodes.length > next.length) shown.lastChild.remove();
  };

  const show = told => {
    const page = document.createElement("template");
    page.innerHTML = told.html;
    remember(page.content);
    layAll(report, [...page.content.childNodes]);
    document.title = told.title;
    state.textContent = told.state;
    document.dispatchEvent(new Event("report"));
  };

  remember(report);
  source.addEventListener("report", event => show(JSON.parse(event.data)));
  source.addEventListener("ended", event => {
    source.close();
    show(JSON.parse(event.data));
  });
  source.addEventListener("problem", event => { state.textContent = JSON.parse(event.data).state; });
  source.addEventListener("error", () => {
    if (!state.textContent.startsWith("no answer")) state.textContent = `no answer from the run; ${state.textContent}`;
  });
})();
