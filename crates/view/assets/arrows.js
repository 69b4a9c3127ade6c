// Draws the links between visible spans as arrows, from the cause to the effect. Of the chosen span,
// arrows to what is above or below the window are drawn too, with the name of what is there.

import { drawing } from "./elements.js";
import { clipped } from "./format.js";
import { ROW, extent } from "./parts.js";

const MOST = 300;

export function drawArrows(rows) {
  const { data, list } = rows;
  rows.arrows?.remove();
  const column = list.head.querySelector("[role=columnheader]:last-child");
  const places = new Map();
  for (const at of list.drawn.keys()) if (rows.parts[at] === -1) places.set(rows.spans[at], at);
  const [first, fit] = list.window();
  const size = [column.offsetWidth, fit * ROW];
  const x = (span) => 8 + extent(data, span)[0] * (size[0] - 16);
  const y = (at) => (at - first) * ROW + ROW / 2;
  const drawn = [];
  for (const [span, at] of places) {
    if (drawn.length > MOST) break;
    for (const link of data.links(span).slice(0, MOST)) {
      const cause = data.target(link);
      if (places.has(cause) && !data.isOverflow(span)) {
        const isOwn = span === rows.selected || cause === rows.selected;
        drawn.push(arrow([x(cause), y(places.get(cause))], [x(span), y(at)], isOwn));
      }
    }
  }
  const own = places.get(rows.selected);
  if (own !== undefined) {
    const causes = data.links(rows.selected).map(data.target).filter((it) => it >= 0);
    const effects = data.inbound(rows.selected).map((link) => data.holders[link]);
    for (const [others, isCause] of [[new Set(causes), true], [new Set(effects), false]]) {
      const hidden = [...others].filter((it) => !places.has(it) && it !== rows.selected);
      const above = hidden.filter((it) => it < rows.selected);
      const below = hidden.filter((it) => it > rows.selected);
      for (const [there, edge] of [[above, 10], [below, size[1] - 10]]) {
        if (there.length === 0) continue;
        const from = x(rows.selected);
        const away = [Math.min(from + 40, size[0] - 160), edge];
        const ends = isCause ? [away, [from, y(own)]] : [[from, y(own)], away];
        const name = `${clipped(data.name(there[0]), 40)} · ${clipped(data.service(there[0]), 20)}`;
        const text = there.length > 1 ? `${name} and ${there.length - 1} more` : name;
        drawn.push(arrow(...ends, true));
        drawn.push(drawing("text", { x: away[0] + 8, y: edge + 4 }, `${isCause ? "↖" : "↘"} ${text}`));
      }
    }
  }
  rows.arrows = drawing("svg", { class: "arrows", "aria-hidden": "true", width: size[0], height: size[1] }, drawn);
  rows.arrows.style.left = `${column.offsetLeft}px`;
  rows.arrows.style.transform = `translateY(${first * ROW}px)`;
  list.body.append(rows.arrows);
}

function arrow([fromX, fromY], [toX, toY], isOwn) {
  const down = Math.sign(toY - fromY) || 1;
  const [start, end] = [fromY + 6 * down, toY - 7 * down];
  const middle = (start + end) / 2;
  const head = `M${toX - 3.5} ${end - 5 * down}L${toX} ${end}L${toX + 3.5} ${end - 5 * down}`;
  const line = `M${fromX} ${start}C${fromX} ${middle} ${toX} ${middle} ${toX} ${end}`;
  return drawing("path", { d: line + head, class: isOwn ? "own" : undefined });
}
