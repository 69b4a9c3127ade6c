// What rows and details both show of a span.

import { element } from "./elements.js";
import { KINDS, clipped } from "./format.js";

// The height of a row.
export const ROW = 26;

export function cell(...children) {
  return element("div", { role: "gridcell" }, ...children);
}

export function nameOf(data, span) {
  const [sign, kind] = KINDS[data.kind[span]] ?? KINDS[0];
  return [
    element("span", { class: `kind k${data.kind[span]}`, role: "img", "aria-label": kind, title: kind }, sign),
    data.isFailed(span) && element("span", { class: "cross", role: "img", "aria-label": "failed", title: "failed" }, "✕"),
    element("span", { class: "name" }, clipped(data.name(span)) || "(no name)"),
  ];
}

export function serviceOf(data, span) {
  return element("span", { class: `service s${data.serviceNumber(span) % 12}` }, clipped(data.service(span), 60));
}

// Where a bar begins and how long it is, as shares of the time that its trace takes.
export function extent(data, span) {
  const start = data.traceStarts[data.trace[span]];
  const all = data.traceEnds[data.trace[span]] - start || 1;
  return [(data.start[span] - start) / all, data.duration[span] / all];
}

export function bar(data, span) {
  const [from, size] = extent(data, span);
  const bar = element("div", { class: `bar k${data.kind[span]}` });
  bar.style.left = `${from * 100}%`;
  bar.style.width = `${size * 100}%`;
  return bar;
}
