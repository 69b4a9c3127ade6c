// Joins the parts. The state says what is shown; the address shows it, and says it at the start.

import { byId, element } from "./elements.js";
import { clipped, count } from "./format.js";
import { read } from "./data.js";
import { readAddress, readTrail, stepTo, writeAddress, writeAddressLater } from "./address.js";
import { nodeKey, search } from "./search.js";
import { Rows } from "./rows.js";
import { showDetails } from "./details.js";
import { MapView } from "./map.js";

const data = read(byId("data").textContent);
const FILTERS = ["q", "service", "destination", "failed", "linked"];
let state = readAddress();
let found;
let filtered;

const actions = {
  select: (span) => {
    state = { ...state, span: data.address(span) };
    writeAddressLater(state);
    apply();
  },
  // Goes to a span, with a way back. What hides it is taken away.
  follow: (span) => {
    const next = { ...state, span: data.address(span), view: "" };
    if (found && !isShown(span)) FILTERS.forEach((filter) => (next[filter] = ""));
    stepTo(next, state);
    state = next;
    apply();
    rows.list.scroller.focus();
  },
  back: () => {
    if (readTrail().length === 0) return;
    writeAddress(state);
    history.back();
  },
  link: (span) => change({ linked: span < 0 ? "" : data.address(span) }),
  edge: (edge) => change({ edge: String(edge) }),
  openMessages: (span) => rows.openMessages(span),
  details: () => focusFirst(byId("details")),
  cause: (span) => {
    const links = data.links(span);
    if (links.length > 1 && !data.isOverflow(span)) rows.openMessages(span);
    else if (links.length === 1 && data.target(links[0]) >= 0) actions.follow(data.target(links[0]));
    else if (links.length === 1) focusFirst(byId("causes"));
  },
  effect: (span) => {
    const effects = [...new Set(data.inbound(span).map((link) => data.holders[link]))];
    if (effects.length === 1) actions.follow(effects[0]);
    else focusFirst(byId("effects"));
  },
};

const rows = new Rows(data, byId("rows"), actions);
const parts = { graph: byId("graph"), edges: byId("edges"), messages: byId("messages") };
const map = new MapView(data, parts, actions);

function isShown(span) {
  return rows.shown ? rows.shown[span] === 1 : true;
}

function focusFirst(container) {
  container?.querySelector("a, button, summary")?.focus();
}

function change(part) {
  state = { ...state, ...part };
  writeAddress(state);
  apply();
}

// Shows the state.
function apply() {
  const wanted = FILTERS.map((filter) => state[filter]).join("\n");
  if (wanted !== filtered) {
    filtered = wanted;
    found = search(data, state);
    rows.filter(found);
    showFilters();
  }
  const isMap = state.view === "map";
  byId("traces").hidden = isMap;
  byId("map").hidden = !isMap;
  for (const [id, isChosen] of [["tab-traces", !isMap], ["tab-map", isMap]]) {
    byId(id).setAttribute("aria-selected", isChosen);
    byId(id).tabIndex = isChosen ? 0 : -1;
  }
  if (isMap) {
    map.show(found, state.edge === "" ? -1 : Number(state.edge));
    return;
  }
  const span = state.span ? data.find(state.span) : -1;
  rows.show(span);
  if (span < 0 && state.span) {
    byId("details").replaceChildren(element("p", { class: "warn" }, `⚠ There is no span ${clipped(state.span, 60)} in this file.`));
    return;
  }
  showDetails(byId("details"), data, span, { trail: readTrail(), linked: state.linked }, actions);
}

function showFilters() {
  byId("query").value = state.q;
  byId("service").value = state.service;
  byId("destination").value = state.destination;
  byId("failed").checked = state.failed !== "";
  byId("clear").hidden = !found;
  const total = [count(data.length, "span"), count(data.traces.length, "trace"), count(data.services.length, "service")];
  const missing = data.raw.links.missing.length;
  const links = count(data.raw.links.targets.length, "link") + (missing ? `, ${missing.toLocaleString("en")} of them to spans that are not here` : "");
  const wanted = found ? `${found.reduce((sum, it) => sum + it, 0).toLocaleString("en")} of ` : "";
  const only = state.linked ? " · only traces that are linked to the chosen one" : "";
  byId("summary").textContent = `${wanted}${total.join(" · ")} · ${links}${only}`;
}

function showProblems() {
  const { problems } = data;
  if (problems.length === 0) return;
  byId("problems").hidden = false;
  byId("problems").querySelector("summary").textContent = `⚠ ${count(problems.length, "finding")} in the input`;
  byId("problems").querySelector("ul").append(
    ...problems.map(({ text, spans }) => {
      const examples = spans.map((span) => [
        " ",
        element("a", { href: `#span=${data.address(span)}`, onclick: (event) => {
          event.preventDefault();
          actions.follow(span);
        } }, clipped(data.name(span), 40) || data.id(span)),
      ]);
      return element("li", {}, clipped(text, 1000), examples.length > 0 && ":", examples);
    }),
  );
}

function fillFilters() {
  const options = (id, entries) => byId(id).append(...entries.map(([value, text]) => element("option", { value }, clipped(text, 60))));
  options("service", data.services.filter(Boolean).map((name) => [name, name]));
  const destinations = data.nodes.filter(([system]) => system !== null);
  options("destination", destinations.map((node) => [nodeKey(node), `${node[1]} (${node[0] || "?"})`]));
}

function listen() {
  let waiting;
  byId("query").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ q: byId("query").value }), 120);
  });
  for (const id of ["service", "destination"]) {
    byId(id).addEventListener("change", () => change({ [id]: byId(id).value }));
  }
  byId("failed").addEventListener("change", () => change({ failed: byId("failed").checked ? "1" : "" }));
  byId("clear").addEventListener("click", () => change(Object.fromEntries(FILTERS.map((filter) => [filter, ""]))));
  document.querySelector("form[role=search]").addEventListener("submit", (event) => event.preventDefault());
  const views = { "tab-traces": "", "tab-map": "map" };
  for (const [id, view] of Object.entries(views)) {
    byId(id).addEventListener("click", () => change({ view }));
    byId(id).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      change({ view: view === "" ? "map" : "" });
      byId(view === "" ? "tab-map" : "tab-traces").focus();
    });
  }
  byId("help").addEventListener("click", () => byId("keys").showModal());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    rows.list.scroller.focus();
  });
  // Back and forward, and an address that is typed.
  addEventListener("popstate", () => {
    state = readAddress();
    apply();
  });
  addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input[type=search], select, textarea");
    if (byId("keys").open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") rows.list.scroller.focus();
    if (isTyping) return;
    if (event.key === "/") byId("query").focus();
    else if (event.key === "?") byId("keys").showModal();
    else if (event.key === "b") actions.back();
    else return;
    event.preventDefault();
  });
}

fillFilters();
showProblems();
listen();
apply();
performance.mark("drawn");
