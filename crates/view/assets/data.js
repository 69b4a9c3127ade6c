// The spans of the page. Rust has written them in columns: see src/html/data.rs.

// Reads the data. A span is named by its place in the columns.
export function read(json) {
  const raw = JSON.parse(json);
  const { strings, pairs, origins, traces, spans } = raw;
  const length = spans.name.length;
  const services = [...new Set(origins.map((origin) => strings[origin.service]))];
  const originServices = origins.map((origin) => services.indexOf(strings[origin.service]));
  const attributes = sums(raw.attributes.sizes);
  const linkStarts = sums(raw.links.sizes);
  const linkAttributes = sums(raw.links.attributes.sizes);
  const eventStarts = sums(raw.events.sizes);
  const eventAttributes = sums(raw.events.attributes.sizes);
  const overflow = new Set(spans.overflow);
  const sparse = Object.fromEntries(
    ["message", "state", "orphan", "dropped"].map((name) => [name, new Map(spans[name])]),
  );

  // The depth of each span, and the place after the last span below it.
  const depth = new Int32Array(length);
  const end = new Int32Array(length);
  for (let span = 0; span < length; span++) {
    const parent = spans.parent[span];
    depth[span] = parent < 0 ? 0 : depth[parent] + 1;
    end[span] = span + 1;
  }
  for (let span = length - 1; span >= 0; span--) {
    const parent = spans.parent[span];
    if (parent >= 0) end[parent] = Math.max(end[parent], end[span]);
  }

  // The time that each trace takes, which its bars are drawn in.
  const traceStarts = new Float64Array(traces.length).fill(Infinity);
  const traceEnds = new Float64Array(traces.length);
  const traceFirst = new Int32Array(traces.length + 1);
  for (let span = length - 1; span >= 0; span--) {
    const trace = spans.trace[span];
    traceStarts[trace] = Math.min(traceStarts[trace], spans.start[span]);
    traceEnds[trace] = Math.max(traceEnds[trace], spans.start[span] + spans.duration[span]);
    traceFirst[trace] = span;
  }
  traceFirst[traces.length] = length;

  // The links that lead to each span, by the span that has them.
  const holders = new Int32Array(raw.links.targets.length);
  const inStarts = new Int32Array(length + 1);
  for (let span = 0; span < length; span++) {
    // What does not fit on a span is on its children, and belongs to it.
    const holder = overflow.has(span) ? spans.parent[span] : span;
    for (let link = linkStarts[span]; link < linkStarts[span + 1]; link++) {
      holders[link] = holder;
      if (raw.links.targets[link] >= 0) inStarts[raw.links.targets[link] + 1]++;
    }
  }
  for (let span = 0; span < length; span++) inStarts[span + 1] += inStarts[span];
  const inLinks = new Int32Array(inStarts[length]);
  const next = inStarts.slice();
  raw.links.targets.forEach((target, link) => {
    if (target >= 0) inLinks[next[target]++] = link;
  });

  // Each message of a batch asks for all of them.
  let [last, lastLinks] = [-1, []];
  function collect(span) {
    const links = range(linkStarts[span], linkStarts[span + 1]);
    if (overflow.has(span) || links.length === 0) return links;
    for (let child = span + 1; child < end[span]; child = end[child]) {
      if (overflow.has(child)) links.push(...range(linkStarts[child], linkStarts[child + 1]));
    }
    return links;
  }

  const isAmbiguous = ambiguous(spans.ids, length);
  const list = (ids) => ids.map((pair) => [strings[pairs[2 * pair]], strings[pairs[2 * pair + 1]]]);

  return {
    raw, length, strings, traces, services, depth, end, traceStarts, traceEnds, traceFirst, holders,
    base: BigInt(raw.base),
    parent: spans.parent,
    start: spans.start,
    duration: spans.duration,
    kind: spans.kind,
    trace: spans.trace,
    destination: spans.destination,
    nodes: raw.map.nodes,
    edges: raw.map.edges,
    problems: raw.problems,
    // The time from the start of sending to the start of processing, or to the end of a client's wait.
    waited: (cause, effect) =>
      spans.start[effect] + (spans.kind[effect] === 3 ? spans.duration[effect] : 0) - spans.start[cause],
    isFailed: (span) => spans.failed[span] === 1,
    isOverflow: (span) => overflow.has(span),
    name: (span) => strings[spans.name[span]],
    serviceNumber: (span) => originServices[spans.origin[span]],
    service: (span) => services[originServices[spans.origin[span]]] || "(no service)",
    id: (span) => spans.ids.slice(16 * span, 16 * span + 16),
    traceId: (span) => traces[spans.trace[span]],
    message: (span) => strings[sparse.message.get(span)],
    state: (span) => strings[sparse.state.get(span)],
    orphan: (span) => sparse.orphan.get(span),
    dropped: (span) => sparse.dropped.get(span),
    scope: (span) => {
      const origin = origins[spans.origin[span]];
      return [strings[origin.scope], strings[origin.version]].filter(Boolean).join(" ");
    },
    resource: (span) => list(origins[spans.origin[span]].resource),
    attributes: (span) => list(raw.attributes.pairs.slice(attributes[span], attributes[span + 1])),
    attributeRange: (span) => [attributes[span], attributes[span + 1]],
    events: (span) => {
      const events = [];
      for (let event = eventStarts[span]; event < eventStarts[span + 1]; event++) {
        const own = raw.events.attributes.pairs.slice(eventAttributes[event], eventAttributes[event + 1]);
        events.push({
          name: strings[raw.events.names[event]],
          time: raw.events.times[event],
          attributes: list(own),
        });
      }
      return events;
    },
    // The links of an operation: its own, then those on its children that hold the rest.
    links: (span) => {
      if (span !== last) [last, lastLinks] = [span, collect(span)];
      return lastLinks;
    },
    linkCount: (span) => linkStarts[span + 1] - linkStarts[span],
    // The links that lead to a span.
    inbound: (span) => [...inLinks.subarray(inStarts[span], inStarts[span + 1])],
    target: (link) => raw.links.targets[link],
    missing: (link) => raw.links.missing[-1 - raw.links.targets[link]],
    linkAttributes: (link) =>
      list(raw.links.attributes.pairs.slice(linkAttributes[link], linkAttributes[link + 1])),
    linkRange: (link) => [linkAttributes[link], linkAttributes[link + 1]],
    // What addresses call a span: its id, with the trace's where spans of two traces have the same.
    address: (span) => {
      const id = spans.ids.slice(16 * span, 16 * span + 16);
      return isAmbiguous(id) ? `${traces[spans.trace[span]]}-${id}` : id;
    },
    // Finds a span by its id, alone or after the trace's.
    find: (address) => {
      const [id, trace] = address.toLowerCase().split("-").reverse();
      if (id.length !== 16) return -1;
      for (let at = spans.ids.indexOf(id); at >= 0; at = spans.ids.indexOf(id, at + 1)) {
        const isWanted = at % 16 === 0 && (!trace || traces[spans.trace[at / 16]] === trace);
        if (isWanted) return at / 16;
      }
      return -1;
    },
  };
}

function ambiguous(ids, length) {
  let repeated;
  return (id) => {
    if (!repeated) {
      const seen = new Set();
      repeated = new Set();
      for (let span = 0; span < length; span++) {
        const own = ids.slice(16 * span, 16 * span + 16);
        if (seen.has(own)) repeated.add(own);
        seen.add(own);
      }
    }
    return repeated.has(id);
  };
}

// Where each of these parts starts, and where the last one ends.
function sums(sizes) {
  const starts = new Int32Array(sizes.length + 1);
  sizes.forEach((size, at) => (starts[at + 1] = starts[at] + size));
  return starts;
}

function range(from, to) {
  return Array.from({ length: to - from }, (_, at) => from + at);
}
