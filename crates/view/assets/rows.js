// The rows of all traces: spans as a waterfall and, below a batch, its messages.

import { element } from "./elements.js";
import { List } from "./list.js";
import { ROW } from "./parts.js";
import { GROUP, MESSAGES, SPAN, groupPart, partCells, spanCells } from "./cells.js";
import { drawArrows } from "./arrows.js";

export class Rows {
  // `actions` has what rows lead to: `select(span)`, `follow(span)`, `back()`, `details()`.
  constructor(data, container, actions) {
    Object.assign(this, { data, actions });
    this.closed = new Set();
    this.open = new Set();
    this.openGroups = new Set();
    this.list = new List({
      container,
      role: "treegrid",
      label: "Spans",
      height: ROW,
      head: head(),
      draw: (at) => this.draw(at),
      onactive: (at) => this.chosen(at),
      onkey: (event, at) => this.key(event, at),
      ondrawn: () => drawArrows(this),
    });
  }

  // Shows the spans that were found, below those that they are children of.
  filter(found) {
    const { data } = this;
    this.found = found;
    this.shown = found?.slice();
    for (let span = data.length - 1; found && span >= 0; span--) {
      if (this.shown[span] && data.parent[span] >= 0) this.shown[data.parent[span]] = 1;
    }
    this.rebuild();
  }

  rebuild() {
    const { data } = this;
    const [spans, parts] = [[], []];
    const push = (span, part) => {
      spans.push(span);
      parts.push(part);
    };
    for (let span = 0; span < data.length; ) {
      if (this.shown && !this.shown[span]) {
        span = data.end[span];
        continue;
      }
      push(span, SPAN);
      if (this.closed.has(span)) {
        span = data.end[span];
        continue;
      }
      if (data.linkCount(span) > 1 && !data.isOverflow(span)) this.pushMessages(span, push);
      span++;
    }
    this.spans = Int32Array.from(spans);
    this.parts = Int32Array.from(parts);
    this.list.show(spans.length, this.rowOf(this.selected ?? -1));
  }

  pushMessages(span, push) {
    push(span, MESSAGES);
    if (!this.open.has(span)) return;
    const messages = this.data.links(span).length;
    if (messages <= 2 * GROUP) {
      for (let message = 0; message < messages; message++) push(span, message);
      return;
    }
    for (let group = 0; group * GROUP < messages; group++) {
      push(span, groupPart(group));
      if (!this.openGroups.has(`${span} ${group}`)) continue;
      const end = Math.min(messages, (group + 1) * GROUP);
      for (let message = group * GROUP; message < end; message++) push(span, message);
    }
  }

  // The row of a span, or -1. Rows are in the order of their spans.
  rowOf(span) {
    let [from, to] = [0, this.spans.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.spans[middle] < span) from = middle + 1;
      else to = middle;
    }
    return this.spans[from] === span ? from : -1;
  }

  // Shows a span and scrolls to it. Returns false if a filter hides it.
  show(span) {
    this.selected = span;
    if (span < 0) {
      this.list.active = -1;
      this.list.mark();
      return true;
    }
    let isHidden = false;
    for (let it = this.data.parent[span]; it >= 0; it = this.data.parent[it]) {
      isHidden = this.closed.delete(it) || isHidden;
    }
    if (isHidden) this.rebuild();
    const row = this.rowOf(span);
    const isSame = this.list.active >= 0 && this.spans[this.list.active] === span;
    if (row >= 0 && !isSame) this.list.choose(row, false);
    this.list.ondrawn();
    return row >= 0;
  }

  chosen(at) {
    this.selected = this.spans[at];
    this.actions.select(this.spans[at]);
    this.list.ondrawn();
  }

  // Opens or closes what is below a row.
  toggle(at) {
    const [span, part] = [this.spans[at], this.parts[at]];
    const group = `${span} ${-3 - part}`;
    const [set, key] =
      part === SPAN ? [this.closed, span] : part === MESSAGES ? [this.open, span] : [this.openGroups, group];
    if (!set.delete(key)) set.add(key);
    this.rebuild();
    this.list.choose(at, false);
  }

  // Shows the messages of a batch.
  openMessages(span) {
    this.closed.delete(span);
    this.open.add(span);
    this.rebuild();
    this.list.choose(this.rowOf(span) + 1);
    this.list.scroller.focus();
  }

  // Tells whether a row is open, or nothing if there is nothing below it.
  isOpen(at) {
    const [span, part] = [this.spans[at], this.parts[at]];
    const { data } = this;
    if (part === MESSAGES) return this.open.has(span);
    if (part < MESSAGES) return this.openGroups.has(`${span} ${-3 - part}`);
    const hasMore = data.end[span] > span + 1 || (data.linkCount(span) > 1 && !data.isOverflow(span));
    return part === SPAN && hasMore ? !this.closed.has(span) : undefined;
  }

  level(at) {
    const [span, part] = [this.spans[at], this.parts[at]];
    const isGrouped = () => this.data.links(span).length > 2 * GROUP;
    const below = part === SPAN ? 0 : part === MESSAGES ? 1 : part < MESSAGES ? 2 : isGrouped() ? 3 : 2;
    return this.data.depth[span] + 1 + below;
  }

  key(event, at) {
    if (at < 0) return false;
    const [span, part] = [this.spans[at], this.parts[at]];
    const isOpen = this.isOpen(at);
    const link = part >= 0 ? this.data.links(span)[part] : undefined;
    switch (event.key) {
      case "ArrowRight":
        if (isOpen === false) this.toggle(at);
        else if (isOpen) this.list.choose(at + 1);
        return true;
      case "ArrowLeft": {
        if (isOpen) this.toggle(at);
        else this.list.choose(this.above(at));
        return true;
      }
      case " ":
        if (isOpen !== undefined) this.toggle(at);
        return true;
      case "Enter":
        if (link !== undefined) this.followLink(link);
        else if (part === SPAN) this.actions.details();
        else this.toggle(at);
        return true;
      case "c":
        if (link !== undefined) this.followLink(link);
        else this.actions.cause(span);
        return true;
      case "e":
        this.actions.effect(span);
        return true;
      default:
        return false;
    }
  }

  followLink(link) {
    const target = this.data.target(link);
    if (target >= 0) this.actions.follow(target);
    else this.actions.details();
  }

  // The row that this one is below.
  above(at) {
    const level = this.level(at);
    let above = at - 1;
    while (above >= 0 && this.level(above) >= level) above--;
    return Math.max(above, 0);
  }

  draw(at) {
    const [span, part] = [this.spans[at], this.parts[at]];
    const level = this.level(at);
    const isOpen = this.isOpen(at);
    const sign = isOpen === undefined ? "" : isOpen ? "▾" : "▸";
    const toggle = element("span", { class: "toggle", "aria-hidden": "true", onclick: toggled }, sign);
    const indent = element("span", { class: "indent" });
    indent.style.width = `${Math.min(level - 1, 24) * 14}px`;
    const rows = this;
    function toggled(event) {
      if (isOpen === undefined) return;
      event.preventDefault();
      rows.toggle(at);
    }
    const cells = part === SPAN ? spanCells(this, span) : partCells(this, span, part);
    cells[0].prepend(indent, toggle);
    const isContext = this.found && !this.found[span];
    const isFirst = part === SPAN && this.data.traceFirst[this.data.trace[span]] === span;
    const classes = [
      "row",
      part === SPAN ? "span" : "part",
      `s${this.data.serviceNumber(span) % 12}`,
      isContext && "context",
      isFirst && "first",
      part === SPAN && this.data.isFailed(span) && "failed",
    ];
    return element(
      "div",
      {
        role: "row",
        class: classes.filter(Boolean).join(" "),
        "aria-level": level,
        "aria-expanded": isOpen === undefined ? undefined : String(isOpen),
      },
      cells,
    );
  }
}

function head() {
  const names = ["Span", "Service", "Links", "Time", "Waterfall"];
  const cells = names.map((name) => element("div", { role: "columnheader" }, name));
  return element("div", { role: "rowgroup", class: "head" }, element("div", { role: "row", class: "row", "aria-rowindex": "1" }, cells));
}
