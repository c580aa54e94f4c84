// Follows a run: each new state of the report is laid over what is shown, so that whoever reads keeps the place, the
// parts that are open, and the focus.
"use strict";
(() => {
  const report = document.getElementById("report"), state = document.getElementById("live");
  const source = new EventSource("events");

  // What a part is about, whatever its figures say at the moment.
  const about = node => node.id || (node.querySelector?.(":scope > summary")?.textContent ?? "").replace(/[\d.,]+/g, "#");

  const lay = (shown, next) => {
    const other = shown.nodeType !== next.nodeType || shown.nodeName !== next.nodeName;
    if (other || (shown.nodeType === Node.ELEMENT_NODE && about(shown) !== about(next))) {
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

  // Sections are known by their id, all else by its place.
  const layAll = (shown, next) => {
    next.forEach((node, n) => {
      const here = shown.childNodes[n] ?? null;
      const same = node.id ? [...shown.children].find(child => child.id === node.id) : here?.id ? null : here;
      if (same && same !== here) shown.insertBefore(same, here);
      if (same) lay(same, node);
      else shown.insertBefore(node, here);
    });
    while (shown.childNodes.length > next.length) shown.lastChild.remove();
  };

  const show = told => {
    const page = document.createElement("template");
    page.innerHTML = told.html;
    layAll(report, [...page.content.childNodes]);
    document.title = told.title;
    state.textContent = told.state;
    document.dispatchEvent(new Event("report"));
  };

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
