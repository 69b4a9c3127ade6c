// Finds spans by text, service, destination and failure.

// Returns a number for each span, 1 where it is found, or nothing if everything is wanted.
export function search(data, { q, service, destination, failed, linked }) {
  const wanted = [];
  const serviceNumber = data.services.indexOf(service);
  if (service) wanted.push((span) => data.serviceNumber(span) === serviceNumber);
  if (destination) {
    const node = data.nodes.findIndex((it) => nodeKey(it) === destination);
    wanted.push((span) => data.destination[span] === node);
  }
  if (failed) wanted.push(data.isFailed);
  if (q) wanted.push(textFinder(data, q.toLowerCase()));
  if (linked) wanted.push(linkedFinder(data, data.find(linked)));
  if (wanted.length === 0) return undefined;
  const found = new Uint8Array(data.length);
  for (let span = 0; span < data.length; span++) {
    found[span] = wanted.every((isWanted) => isWanted(span)) ? 1 : 0;
  }
  return found;
}

export function nodeKey([system, name]) {
  return `${system ?? ""} ${name}`;
}

// Looks at each text once, not at each span: spans share most of their texts.
function textFinder(data, query) {
  const { strings, pairs, spans, origins, attributes, links, events } = data.raw;
  const has = strings.map((text) => text.toLowerCase().includes(query));
  const pairHas = new Uint8Array(pairs.length / 2);
  for (let pair = 0; pair < pairHas.length; pair++) {
    pairHas[pair] = has[pairs[2 * pair]] || has[pairs[2 * pair + 1]] ? 1 : 0;
  }
  const any = (all, [from, to]) => {
    for (let at = from; at < to; at++) if (pairHas[all[at]]) return true;
    return false;
  };
  const originHas = origins.map(
    (it) => has[it.service] || has[it.scope] || it.resource.some((pair) => pairHas[pair]),
  );
  const found = new Uint8Array(data.length);
  links.targets.forEach((target, link) => {
    const missing = target < 0 && links.missing[-1 - target].some((id) => id.includes(query));
    if (missing || any(links.attributes.pairs, data.linkRange(link))) found[data.holders[link]] = 1;
  });
  let [event, pair] = [0, 0];
  for (let span = 0; span < data.length; span++) {
    for (let last = event + events.sizes[span]; event < last; event++) {
      const end = pair + events.attributes.sizes[event];
      if (has[events.names[event]] || any(events.attributes.pairs, [pair, end])) found[span] = 1;
      pair = end;
    }
  }
  const traceHas = data.traces.map((id) => id.includes(query));
  const isId = /^[0-9a-f]+$/.test(query);
  return (span) =>
    found[span] === 1 ||
    has[spans.name[span]] ||
    originHas[spans.origin[span]] ||
    traceHas[spans.trace[span]] ||
    (isId && data.id(span).includes(query)) ||
    (data.message(span) ?? "").toLowerCase().includes(query) ||
    any(attributes.pairs, data.attributeRange(span));
}

// Wants the traces of all causes of a span's trace, and of all effects; not the other causes of these.
function linkedFinder(data, span) {
  const wanted = new Uint8Array(data.traces.length);
  if (span < 0) return () => false;
  const walk = (next) => {
    const seen = new Set([data.trace[span]]);
    for (const trace of seen) {
      wanted[trace] = 1;
      for (let it = data.traceFirst[trace]; it < data.traceFirst[trace + 1]; it++) {
        next(it).forEach((other) => seen.add(data.trace[other]));
      }
    }
  };
  walk((it) => data.links(it).map(data.target).filter((target) => target >= 0));
  walk((it) => data.inbound(it).map((link) => data.holders[link]));
  return (it) => wanted[data.trace[it]] === 1;
}
