// Everything about one span, with its links in both directions.

import { copyButton, element, replace } from "./elements.js";
import { clipped, clock, count, duration } from "./format.js";
import { addressOf } from "./address.js";
import { nameOf, serviceOf } from "./parts.js";

const SHOWN = 50;
const MORE = 500;
const LONG = 1000;

// `actions` has `follow(span)`, `back()`, `link(span)`, `openMessages(span)` and `close()`.
export function showDetails(container, data, span, { trail, linked }, actions) {
  if (span < 0) {
    container.replaceChildren(element("p", { class: "hint" }, "Choose a span to see its links and attributes."));
    return;
  }
  const causes = data.links(span);
  const effects = data.inbound(span);
  const isLinked = linked !== "";
  replace(
    container,
    element(
      "div",
      { class: "bar-of-buttons" },
      trail.length > 0 &&
        element("button", { type: "button", id: "back", onclick: actions.back }, `← Back to ${clipped(placeOf(data, trail.at(-1)), 40)}`),
      causes.length + effects.length > 0 || isLinked
        ? element(
            "button",
            { type: "button", id: "linked", "aria-pressed": String(isLinked), onclick: () => actions.link(isLinked ? -1 : span) },
            "Only linked traces",
          )
        : undefined,
      copyButton(location.href.split("#")[0] + addressOf({ span: data.address(span) }), "Copy address"),
    ),
    element("h2", { class: data.isFailed(span) ? "failed" : undefined }, nameOf(data, span)),
    data.name(span).length > 200 && valueOf(data.name(span)),
    element("p", { class: "where" }, serviceOf(data, span), " ", element("span", { class: "faint" }, data.scope(span))),
    data.isFailed(span) && element("p", { class: "failure" }, "✕ Failed. ", valueOf(data.message(span) ?? "")),
    linkList(data, span, "Caused by", "↖", causes.map((link) => [link, data.target(link)]), actions),
    linkList(data, span, "Led to", "↘", effects.map((link) => [link, data.holders[link]]), actions),
    table("Attributes", data.attributes(span)),
    facts(data, span, actions),
    data.events(span).map((event) =>
      table(`Event “${clipped(event.name, 80)}”, ${duration(event.time)} after the start`, event.attributes, true),
    ),
    folded("Resource", data.resource(span)),
  );
}

function placeOf(data, { span, view }) {
  if (view === "map") return "the map";
  const at = data.find(span);
  return at < 0 ? "the list" : data.name(at);
}

function facts(data, span, actions) {
  const parent = data.parent[span];
  const orphan = data.orphan(span);
  const dropped = data.dropped(span);
  const rows = [
    ["Start", clock(data.base, data.start[span])],
    ["Duration", duration(data.duration[span])],
    parent >= 0 && ["Parent", follow(data, parent, "↑", actions)],
    orphan && ["Parent", [element("span", { class: "warn" }, "⚠ not in this file "), id(orphan)]],
    ["Span id", id(data.id(span))],
    ["Trace id", id(data.traceId(span))],
    data.state(span) && ["Trace state", valueOf(data.state(span))],
    dropped && ["Dropped", `${dropped[0]} attributes, ${dropped[1]} events, ${dropped[2]} links`],
  ];
  return section("Span", element("table", {}, rows.filter(Boolean).map(([name, value]) => row(name, value))));
}

function id(text) {
  return [element("code", {}, text), " ", copyButton(text)];
}

function follow(data, target, sign, actions) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    actions.follow(target);
  };
  return element(
    "a",
    { href: addressOf({ span: data.address(target) }), class: `link s${data.serviceNumber(target) % 12}`, onclick: follow },
    element("span", { "aria-hidden": "true" }, `${sign} `),
    `${clipped(data.name(target), 80)} · ${clipped(data.service(target), 40)}`,
  );
}

function linkList(data, span, title, sign, links, actions) {
  if (links.length === 0) return undefined;
  const list = element("ul", { class: "links" });
  const more = element("button", { type: "button", onclick: () => grow(MORE) });
  let shown = 0;
  function grow(size) {
    const items = links.slice(shown, shown + size).map(([link, other]) => item(link, other));
    shown += items.length;
    list.append(...items);
    more.textContent = `Show ${Math.min(MORE, links.length - shown).toLocaleString("en")} more`;
    more.hidden = shown === links.length;
  }
  function item(link, other) {
    const own = data.linkAttributes(link);
    const attributes = own.length > 0 && element("div", { class: "faint" }, own.map(([key, value]) => `${clipped(key, 80)}=${clipped(value, 80)}`).join("  "));
    if (other < 0) {
      const [trace, missing] = data.missing(link);
      return element("li", { class: "missing" }, element("span", { class: "warn" }, "⚠ not in this file"), element("div", {}, "span ", id(missing)), element("div", {}, "trace ", id(trace)), attributes);
    }
    const [cause, effect] = sign === "↖" ? [other, span] : [span, other];
    const time = duration(data.waited(cause, effect));
    return element("li", {}, follow(data, other, sign, actions), " ", element("span", { class: "faint" }, `${time} ${sign === "↖" ? "before" : "after"}`), attributes);
  }
  grow(SHOWN);
  const open =
    sign === "↖" && links.length > 1
      ? element("button", { type: "button", onclick: () => actions.openMessages(span) }, "Open in the rows")
      : undefined;
  const isIn = sign === "↖" ? "causes" : "effects";
  return section(`${title} (${count(links.length, "link")})`, list, more, open, { id: isIn });
}

function section(title, ...children) {
  const { id } = children.at(-1)?.id && !(children.at(-1) instanceof Node) ? children.pop() : {};
  return element("section", { id, "aria-label": title }, element("h3", {}, title), ...children);
}

function table(title, attributes, isAlways = false) {
  if (attributes.length === 0 && !isAlways) return undefined;
  return section(title, element("table", {}, attributes.map(([key, value]) => row(breakable(key), valueOf(value)))));
}

function folded(title, attributes) {
  if (attributes.length === 0) return undefined;
  const rows = attributes.map(([key, value]) => row(breakable(key), valueOf(value)));
  return element("details", {}, element("summary", {}, title), element("table", {}, rows));
}

// Lets a key break at its dots.
function breakable(key) {
  const words = clipped(key).split(".");
  return words.flatMap((word, at) => (at + 1 < words.length ? [word + ".", element("wbr")] : [word]));
}

function row(name, value) {
  return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value));
}

// A value in full, if it is not too long to be drawn without being asked for.
export function valueOf(text) {
  if (text.length <= LONG) return element("span", { class: "value" }, text);
  const value = element("span", { class: "value" }, clipped(text, LONG));
  const button = element("button", { type: "button", onclick: show }, `Show all ${text.length.toLocaleString("en")} characters`);
  function show() {
    value.textContent = text;
    button.remove();
  }
  return element("span", {}, value, " ", button, copyButton(text));
}
