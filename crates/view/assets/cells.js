// The cells of rows.

import { element } from "./elements.js";
import { clipped, count, duration } from "./format.js";
import { addressOf } from "./address.js";
import { bar, cell, nameOf, serviceOf } from "./parts.js";

// More messages than two groups are shown in groups.
export const GROUP = 100;

// What a row shows: a span, the line above its messages, a message by its number, or a group.
export const SPAN = -1;
export const MESSAGES = -2;
export const groupPart = (group) => -3 - group;

// The cells of a span's row.
export function spanCells(rows, span) {
  const { data } = rows;
  const links = [];
  const causes = data.isOverflow(span) ? [] : data.links(span);
  if (causes.length === 1) links.push(chip(rows, "↖", data.target(causes[0])));
  if (causes.length > 1) {
    const open = (event) => {
      event.preventDefault();
      rows.openMessages(span);
    };
    links.push(element("span", { class: "chip", onclick: open }, `↖ ${count(causes.length, "link")}`));
  }
  const effects = data.inbound(span);
  const targets = new Set(effects.map((link) => data.holders[link]));
  if (targets.size === 1) links.push(chip(rows, "↘", [...targets][0]));
  if (targets.size > 1) links.push(effectsChip(rows, span, targets));
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
function effectsChip(rows, span, targets) {
  const { data } = rows;
  const process = [...targets].filter((it) => data.kind[it] === 5);
  const go = (event) => {
    event.preventDefault();
    rows.actions.effect(span);
  };
  if (process.length !== 1) {
    return element("span", { class: "chip", onclick: go }, `↘ ${targets.size} effects`);
  }
  const named = chip(rows, "↘", process[0]);
  named.append(element("span", { class: "more" }, ` +${targets.size - 1}`));
  return named;
}

// The cells of what is below a batch: the line above its messages, a group of them, or one.
export function partCells(rows, span, part) {
  const { data } = rows;
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
    cell(chip(rows, "↖", target)),
    cell(waited),
    cell(element("span", { class: "faint" }, attributes.join("  "))),
  ];
}

function chip(rows, sign, target) {
  const { data, actions } = rows;
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
