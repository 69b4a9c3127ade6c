// The rows of all traces: spans as a waterfall and, below a batch, its messages.

import { element } from "./elements.js";
import { clipped, count, duration } from "./format.js";
import { addressOf } from "./address.js";
import { List } from "./list.js";
import { ROW, bar, cell, nameOf, serviceOf } from "./parts.js";
import { drawArrows } from "./arrows.js";

// More messages than two groups are shown in groups.
const GROUP = 100;

// What a row shows: a span, the line above its messages, a message by its number, or a group.
const SPAN = -1;
const MESSAGES = -2;
const groupPart = (group) => -3 - group;

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
    const cells = part === SPAN ? this.spanCells(span) : this.partCells(span, part);
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

  spanCells(span) {
    const { data } = this;
    const links = [];
    const causes = data.isOverflow(span) ? [] : data.links(span);
    if (causes.length === 1) links.push(this.chip("↖", data.target(causes[0])));
    if (causes.length > 1) {
      const open = (event) => {
        event.preventDefault();
        this.openMessages(span);
      };
      links.push(element("span", { class: "chip", onclick: open }, `↖ ${count(causes.length, "link")}`));
    }
    const effects = data.inbound(span);
    const targets = new Set(effects.map((link) => data.holders[link]));
    if (targets.size === 1) links.push(this.chip("↘", [...targets][0]));
    if (targets.size > 1) links.push(this.effectsChip(span, targets));
    const orphan = data.orphan(span) && element("span", { class: "warn", title: "Its parent is not in this file" }, "⚠ no parent");
    return [
      cell(nameOf(data, span)),
      cell(serviceOf(data, span)),
      cell(orphan, links),
      cell(duration(data.duration[span])),
      element("div", { role: "gridcell", class: "track" }, bar(data, span)),
    ];
  }

  // Names what processes a message, rather than what only received or settled it.
  effectsChip(span, targets) {
    const { data } = this;
    const process = [...targets].filter((it) => data.kind[it] === 5);
    if (process.length !== 1) return element("span", { class: "chip", onclick: (event) => {
      event.preventDefault();
      this.actions.effect(span);
    } }, `↘ ${targets.size} effects`);
    const chip = this.chip("↘", process[0]);
    chip.append(element("span", { class: "more" }, ` +${targets.size - 1}`));
    return chip;
  }

  partCells(span, part) {
    const { data } = this;
    const links = data.links(span);
    if (part === MESSAGES) {
      const missing = links.filter((link) => data.target(link) < 0).length;
      return [
        cell(element("span", { class: "label" }, count(links.length, "message"))),
        cell(),
        cell(missing > 0 && element("span", { class: "warn" }, `⚠ ${missing.toLocaleString("en")} not in this file`), summary(data, links)),
        cell(),
        cell(),
      ];
    }
    if (part < MESSAGES) {
      const from = (-3 - part) * GROUP;
      const to = Math.min(links.length, from + GROUP) - 1;
      const ends = [links[from], links[to]].map((link) => identity(data, link)).filter(Boolean);
      return [
        cell(element("span", { class: "label" }, `${from.toLocaleString("en")} – ${to.toLocaleString("en")}`)),
        cell(),
        cell(summary(data, links.slice(from, to + 1))),
        cell(),
        cell(element("span", { class: "faint" }, ends.join(" … "))),
      ];
    }
    const link = links[part];
    const target = data.target(link);
    const attributes = data.linkAttributes(link).map(([key, value]) => `${short(key)}=${clipped(value, 80)}`);
    const waited = target >= 0 && duration(data.waited(target, span));
    return [
      cell(element("span", { class: "label" }, `#${part.toLocaleString("en")} `, identity(data, link))),
      cell(target >= 0 && serviceOf(data, target)),
      cell(this.chip("↖", target)),
      cell(waited),
      cell(element("span", { class: "faint" }, attributes.join("  "))),
    ];
  }

  chip(sign, target) {
    const { data, actions } = this;
    if (target < 0) return element("span", { class: "chip warn" }, "⚠ not in this file");
    const follow = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      actions.follow(target);
    };
    return element(
      "a",
      {
        class: `chip s${data.serviceNumber(target) % 12}`,
        href: addressOf({ span: data.address(target) }),
        tabindex: "-1",
        onclick: follow,
      },
      `${sign} ${clipped(data.name(target), 60)} · ${clipped(data.service(target), 30)}`,
    );
  }
}

function head() {
  const names = ["Span", "Service", "Links", "Time", "Waterfall"];
  const cells = names.map((name) => element("div", { role: "columnheader" }, name));
  return element("div", { role: "rowgroup", class: "head" }, element("div", { role: "row", class: "row", "aria-rowindex": "1" }, cells));
}

// The offset or the id of the message that a link is for.
function identity(data, link) {
  const target = data.target(link);
  const both = [...data.linkAttributes(link), ...(target >= 0 ? data.attributes(target) : [])];
  for (const key of ["messaging.kafka.offset", "messaging.kafka.message.offset", "messaging.message.id", "messaging.nats.stream.sequence", "messaging.rabbitmq.message.delivery_tag"]) {
    const found = both.find(([name]) => name === key);
    if (found) return `${key.split(".").pop()} ${clipped(found[1], 60)}`;
  }
  return target >= 0 ? data.id(target) : data.missing(link)[1];
}

function short(key) {
  return key.replace(/^messaging\./, "");
}

// What links lead to, by name and service, the most frequent first.
function summary(data, links) {
  const counts = new Map();
  for (const link of links) {
    const target = data.target(link);
    if (target < 0) continue;
    const name = `${clipped(data.name(target), 60)} · ${clipped(data.service(target), 30)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const most = [...counts].sort((a, b) => b[1] - a[1]);
  const text = most.slice(0, 2).map(([name]) => `↖ ${name}`).join(", ");
  const more = most.length > 2 ? ` and ${most.length - 2} more` : "";
  return element("span", { class: "faint" }, text + more);
}
