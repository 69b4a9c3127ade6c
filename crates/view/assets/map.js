// The map: services and destinations, and what went from one to another.

import { drawing, element } from "./elements.js";
import { clipped, count, duration } from "./format.js";
import { addressOf } from "./address.js";
import { layout } from "./layout.js";
import { List } from "./list.js";

const [WIDTH, HEIGHT, COLUMN, LINE, EDGE] = [138, 44, 248, 96, 24];

export class MapView {
  // `actions` has `edge(number)` and `follow(span)`. `parts` are the elements to draw into.
  constructor(data, parts, actions) {
    Object.assign(this, { data, parts, actions });
  }

  // Draws everything. Edges with none of the found spans are drawn faintly.
  show(found, chosen) {
    const { data } = this;
    const isFound = (edge) => !found || edge.messages.some((span) => span >= 0 && found[span]);
    this.found = found;
    this.parts.graph.replaceChildren(
      data.nodes.length === 0 ? element("p", { class: "hint" }, "There are no spans.") : this.graph(isFound, chosen),
    );
    this.parts.edges.replaceChildren(this.table(isFound, chosen));
    this.showMessages(chosen);
  }

  graph(isFound, chosen) {
    const { data } = this;
    const { columns, line, width, height } = layout(data.nodes.length, data.edges);
    const all = [width * COLUMN - (COLUMN - WIDTH) + 2 * EDGE, height * LINE + 2 * EDGE];
    const place = (node) => [
      EDGE + columns[node] * COLUMN,
      EDGE + (line[node] + (height - 1) / 2) * LINE + (LINE - HEIGHT) / 2,
    ];
    const edges = data.edges.map((edge, number) => this.edge(edge, number, place, all[1] - EDGE, isFound(edge), number === chosen));
    const nodes = data.nodes.map((node, number) => this.node(node, place(number)));
    // As large as it fits, but not larger than it is.
    const svg = drawing(
      "svg",
      { viewBox: `0 0 ${all[0]} ${all[1] + EDGE}`, role: "group", "aria-label": "Map of services and destinations" },
      edges.map(([line]) => line),
      nodes,
      edges.map(([, label]) => label),
    );
    svg.style.width = `${all[0]}px`;
    svg.style.minWidth = `${all[0] * 0.7}px`;
    return svg;
  }

  node([system, name], [x, y]) {
    const isService = system === null;
    const service = this.data.services.indexOf(name);
    return drawing(
      "g",
      { class: isService ? `node service s${service % 12}` : "node destination", transform: `translate(${x} ${y})` },
      drawing("rect", { width: WIDTH, height: HEIGHT, rx: isService ? 6 : HEIGHT / 2 }),
      drawing("title", {}, `${isService ? "Service" : "Destination"} ${clipped(name)}`),
      drawing("text", { x: WIDTH / 2, y: 19, class: "what" }, isService ? "service" : system || "destination"),
      drawing("text", { x: WIDTH / 2, y: 34 }, clipped(name, 18) || "(no service)"),
    );
  }

  edge(edge, number, place, bottom, isFound, isChosen) {
    const [[fromX, fromY], [toX, toY]] = [place(edge.from), place(edge.to)];
    const [startY, endY] = [fromY + HEIGHT / 2, toY + HEIGHT / 2];
    const isForward = toX > fromX;
    let [startX, endX] = [fromX + WIDTH, toX];
    let middle = [(startX + endX) / 2, (startY + endY) / 2];
    let line = `M${startX} ${startY}C${middle[0]} ${startY} ${middle[0]} ${endY} ${endX - 2} ${endY}`;
    let head = `M${endX - 9} ${endY - 4}L${endX - 1} ${endY}L${endX - 9} ${endY + 4}`;
    if (!isForward) {
      // Back: out of the bottom, below all nodes, and into the bottom.
      const low = bottom + 40;
      [startX, endX] = [fromX + WIDTH / 2 + 12, toX + WIDTH / 2 - 12];
      middle = [(startX + endX) / 2, (fromY + toY + 2 * HEIGHT + 6 * low) / 8];
      line = `M${startX} ${fromY + HEIGHT}C${startX} ${low} ${endX} ${low} ${endX} ${toY + HEIGHT + 2}`;
      head = `M${endX - 4} ${toY + HEIGHT + 9}L${endX} ${toY + HEIGHT + 1}L${endX + 4} ${toY + HEIGHT + 9}`;
    }
    const classes = ["edge", !isFound && "dim", isChosen && "chosen", edge.errors > 0 && "errors"].filter(Boolean).join(" ");
    const choose = (event) => {
      event.preventDefault();
      this.actions.edge(number);
    };
    const link = { href: addressOf({ view: "map", edge: String(number) }), class: classes, onclick: choose };
    const texts = [facts(edge), ...timing(edge)];
    return [
      drawing("a", { ...link, tabindex: "-1", "aria-hidden": "true" }, drawing("path", { d: line, class: "wide" }), drawing("path", { d: line + head })),
      drawing(
        "a",
        { ...link, "aria-label": `${this.title(edge)}: ${texts.join(", ")}` },
        texts.map((text, at) => drawing("text", { x: middle[0], y: middle[1] + [-7, 15, 28][at] }, text)),
      ),
    ];
  }

  title({ from, to }) {
    const name = (node) => clipped(this.data.nodes[node][1], 60) || "(no service)";
    return `${name(from)} → ${name(to)}`;
  }

  table(isFound, chosen) {
    const head = ["From → to", "Messages", "Errors", "Median", "p95"];
    const rows = this.data.edges.map((edge, number) => {
      const choose = (event) => {
        event.preventDefault();
        this.actions.edge(number);
      };
      const href = addressOf({ view: "map", edge: String(number) });
      return element(
        "tr",
        { class: [!isFound(edge) && "dim", number === chosen && "chosen"].filter(Boolean).join(" ") },
        element("th", { scope: "row" }, element("a", { href, onclick: choose, "aria-current": number === chosen && "true" }, this.title(edge))),
        [edge.count.toLocaleString("en"), edge.errors ? `✕ ${edge.errors.toLocaleString("en")}` : "0", time(edge.median), time(edge.p95)].map(
          (text) => element("td", {}, text),
        ),
      );
    });
    return element(
      "table",
      {},
      element("caption", {}, "What went where, and the time from the start of sending to the start of processing"),
      element("thead", {}, element("tr", {}, head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, rows),
    );
  }

  showMessages(chosen) {
    const { data, actions } = this;
    const { messages: container } = this.parts;
    const edge = data.edges[chosen];
    container.hidden = !edge;
    if (!edge) return;
    const messages = [];
    for (let at = 0; at < edge.messages.length; at += 2) {
      const [cause, effect] = edge.messages.slice(at, at + 2);
      const isFound = !this.found || (cause >= 0 && this.found[cause]) || (effect >= 0 && this.found[effect]);
      if (isFound) messages.push([cause, effect]);
    }
    const listed = element("div", { id: "listed" });
    container.replaceChildren(
      element("h2", {}, this.title(edge)),
      element("p", { class: "faint" }, [facts(edge), ...timing(edge), this.found && `${count(messages.length, "message")} found`].filter(Boolean).join(" · ")),
      listed,
    );
    const list = new List({
      container: listed,
      role: "grid",
      label: `Messages ${this.title(edge)}`,
      height: 46,
      draw: (at) => this.message(messages[at]),
      onkey: (event, at) => {
        const [cause, effect] = messages[at] ?? [-1, -1];
        const wanted = event.key === "c" ? cause : event.key === "Enter" || event.key === "e" ? Math.max(effect, effect < 0 ? cause : -1) : -1;
        if (wanted >= 0) actions.follow(wanted);
        return wanted >= 0;
      },
    });
    list.show(messages.length, messages.length ? 0 : -1);
  }

  message([cause, effect]) {
    const { data, actions } = this;
    const link = (sign, span) => {
      if (span < 0) return undefined;
      const follow = (event) => {
        event.preventDefault();
        actions.follow(span);
      };
      const cross = data.isFailed(span) ? "✕ " : "";
      return element(
        "a",
        { href: addressOf({ span: data.address(span) }), tabindex: "-1", class: `link s${data.serviceNumber(span) % 12}`, onclick: follow },
        `${sign} ${cross}${clipped(data.name(span), 60)} · ${clipped(data.service(span), 30)}`,
      );
    };
    const waited = cause >= 0 && effect >= 0 ? duration(data.waited(cause, effect)) : "";
    const unknown = cause < 0 && element("span", { class: "warn" }, "⚠ no link to what sent it");
    return element(
      "div",
      { role: "row", class: "message" },
      element("div", { role: "gridcell" }, unknown || link("↖", cause), link("↘", effect)),
      element("div", { role: "gridcell", class: "faint" }, waited),
    );
  }
}

function facts(edge) {
  return count(edge.count, "message") + (edge.errors > 0 ? ` · ✕ ${edge.errors.toLocaleString("en")}` : "");
}

function timing(edge) {
  return edge.median === null ? [] : [`median ${time(edge.median)}`, `p95 ${time(edge.p95)}`];
}

function time(nanos) {
  return nanos === null ? "–" : duration(nanos);
}
