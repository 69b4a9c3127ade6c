//! The data of the page, in columns and tables: 100,000 spans have to be read in a moment.

use std::{collections::HashMap, iter, sync::Arc};

use opentelemetry_proto::tonic::{common::v1::KeyValue, trace::v1::status::StatusCode};
use serde::Serialize;

use crate::{
    map::{Map, Node},
    spans::Origin,
    traces::Traces,
    value::{hex, shown},
};

/// What `data.js` reads. Spans are in the order in which they are shown: traces by their start, and
/// each span before its children. Texts are indexes into `strings`, attributes into `pairs`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    strings: Vec<String>,
    /// The key and the value of each attribute that occurs, one after the other.
    pairs: Vec<usize>,
    origins: Vec<OriginData>,
    /// The ids of traces.
    traces: Vec<String>,
    /// The first start, in nanoseconds since 1970, as text: numbers of JavaScript are not exact.
    base: String,
    spans: Columns,
    attributes: Lists,
    links: Links,
    events: Events,
    map: MapData,
    problems: Vec<ProblemData>,
}

#[derive(Debug, Default, Serialize)]
struct OriginData {
    service: usize,
    scope: usize,
    version: usize,
    resource: Vec<usize>,
}

/// A column has a value for each span. The columns that few spans need have `[span, value]`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Columns {
    ids: String,
    trace: Vec<usize>,
    /// -1 where there is none.
    parent: Vec<i64>,
    name: Vec<usize>,
    origin: Vec<usize>,
    kind: Vec<i32>,
    failed: Vec<u8>,
    /// Nanoseconds after `base`.
    start: Vec<u64>,
    duration: Vec<u64>,
    /// A node of the map, or -1.
    destination: Vec<i64>,
    message: Vec<(usize, usize)>,
    state: Vec<(usize, usize)>,
    /// The id of a parent that is not there.
    orphan: Vec<(usize, String)>,
    /// Spans that only hold links of their parents.
    overflow: Vec<usize>,
    /// How many attributes, events and links the SDK dropped.
    dropped: Vec<(usize, [u32; 3])>,
}

/// Attributes of one thing after the other: how many each has, and all of them.
#[derive(Debug, Default, Serialize)]
struct Lists {
    sizes: Vec<usize>,
    pairs: Vec<usize>,
}

#[derive(Debug, Default, Serialize)]
struct Links {
    /// How many links each span has.
    sizes: Vec<usize>,
    /// A span, or -1 - n for the n-th of `missing`.
    targets: Vec<i64>,
    missing: Vec<[String; 2]>,
    attributes: Lists,
}

#[derive(Debug, Default, Serialize)]
struct Events {
    sizes: Vec<usize>,
    names: Vec<usize>,
    times: Vec<i64>,
    attributes: Lists,
}

#[derive(Debug, Default, Serialize)]
struct MapData {
    /// `[system, name]`; the system of a service is null.
    nodes: Vec<[Option<String>; 2]>,
    edges: Vec<EdgeData>,
}

#[derive(Debug, Serialize)]
struct EdgeData {
    from: usize,
    to: usize,
    count: u64,
    errors: u64,
    median: Option<i64>,
    p95: Option<i64>,
    /// The cause and the effect of each message, one after the other; -1 where it is not known.
    messages: Vec<i64>,
}

#[derive(Debug, Serialize)]
struct ProblemData {
    text: String,
    spans: Vec<usize>,
}

impl Data {
    pub(super) fn new(traces: &Traces) -> Self {
        Builder::new(traces).build()
    }

    /// Writes JSON that can stand in a `script` element: only a `<` could end it.
    pub(super) fn to_json(&self) -> String {
        // It has no map whose keys are not texts, which is the only error.
        let json = serde_json::to_string(self).unwrap_or_default();
        json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    }
}

struct Builder<'a> {
    traces: &'a Traces,
    data: Data,
    /// The place at which each span is shown, by its index.
    places: Vec<usize>,
    strings: HashMap<String, usize>,
    pairs: HashMap<(usize, usize), usize>,
    origins: HashMap<*const Origin, usize>,
}

impl<'a> Builder<'a> {
    fn new(traces: &'a Traces) -> Self {
        Self {
            traces,
            data: Data::default(),
            places: vec![0; traces.spans.len()],
            strings: HashMap::new(),
            pairs: HashMap::new(),
            origins: HashMap::new(),
        }
    }

    fn build(mut self) -> Data {
        let order = self.traces.order();
        for (place, &index) in order.iter().enumerate() {
            self.places[index] = place;
        }
        let start = |it: &usize| self.traces.spans[*it].otlp.start_time_unix_nano;
        // A span without times must not put the others decades away.
        let base = order.iter().map(start).filter(|it| *it > 0).min().unwrap_or_default();
        self.data.base = base.to_string();
        let map = self.traces.map();
        let mut trace = None;
        for &index in &order {
            let id = &self.traces.spans[index].otlp.trace_id;
            if trace != Some(id) {
                self.data.traces.push(hex(id));
                trace = Some(id);
            }
            self.span(index, base, &map);
        }
        self.map(&map);
        let problems = self.traces.problems.iter().map(|it| ProblemData {
            text: it.text.clone(),
            spans: it.spans.iter().map(|&it| self.places[it]).collect(),
        });
        self.data.problems = problems.collect();
        self.data
    }

    fn span(&mut self, index: usize, base: u64, map: &Map) {
        let traces = self.traces;
        let span = &traces.spans[index];
        let (otlp, place) = (&span.otlp, self.places[index]);
        let origin = self.origin(&span.origin);
        let name = self.string(&otlp.name);
        let message = otlp.status.as_ref().map_or("", |it| &it.message);
        let (message, state) = (self.optional(message), self.optional(&otlp.trace_state));

        let columns = &mut self.data.spans;
        let id = hex(&otlp.span_id);
        // Sixteen digits each, so that the n-th is found by its place.
        columns.ids.extend(iter::repeat_n("0", 16_usize.saturating_sub(id.len())));
        columns.ids.push_str(id.get(..16).unwrap_or(&id));
        columns.trace.push(self.data.traces.len() - 1);
        columns.parent.push(traces.parent(index).map_or(-1, |it| signed(self.places[it])));
        columns.name.push(name);
        columns.origin.push(origin);
        columns.kind.push(otlp.kind);
        let is_failed = otlp.status.as_ref().is_some_and(|it| it.code() == StatusCode::Error);
        columns.failed.push(is_failed.into());
        columns.start.push(otlp.start_time_unix_nano.saturating_sub(base));
        let duration = otlp.end_time_unix_nano.saturating_sub(otlp.start_time_unix_nano);
        columns.duration.push(duration);
        columns.destination.push(map.destinations.get(&index).map_or(-1, |it| signed(*it)));
        columns.message.extend(message.map(|it| (place, it)));
        columns.state.extend(state.map(|it| (place, it)));
        if traces.is_orphan(index) {
            columns.orphan.push((place, hex(&otlp.parent_span_id)));
        }
        if span.is_overflow() && traces.parent(index).is_some() {
            columns.overflow.push(place);
        }
        let dropped =
            [otlp.dropped_attributes_count, otlp.dropped_events_count, otlp.dropped_links_count];
        if dropped != [0; 3] {
            columns.dropped.push((place, dropped));
        }

        let pairs = self.pairs(&otlp.attributes);
        self.data.attributes.push(pairs);
        self.data.links.sizes.push(otlp.links.len());
        for link in &otlp.links {
            let pairs = self.pairs(&link.attributes);
            let links = &mut self.data.links;
            links.attributes.push(pairs);
            let target = traces.target(link).map(|it| signed(self.places[it]));
            links.targets.push(target.unwrap_or_else(|| -1 - signed(links.missing.len())));
            if target.is_none() {
                links.missing.push([hex(&link.trace_id), hex(&link.span_id)]);
            }
        }
        self.data.events.sizes.push(otlp.events.len());
        for event in &otlp.events {
            let (name, pairs) = (self.string(&event.name), self.pairs(&event.attributes));
            let time = i128::from(event.time_unix_nano) - i128::from(otlp.start_time_unix_nano);
            let events = &mut self.data.events;
            events.names.push(name);
            events.times.push(i64::try_from(time).unwrap_or_default());
            events.attributes.push(pairs);
        }
    }

    fn origin(&mut self, origin: &Arc<Origin>) -> usize {
        if let Some(&known) = self.origins.get(&Arc::as_ptr(origin)) {
            return known;
        }
        let attributes = &origin.resource.attributes;
        let data = OriginData {
            service: self.string(crate::value::text(attributes, "service.name")),
            scope: self.string(&origin.scope.name),
            version: self.string(&origin.scope.version),
            resource: self.pairs(attributes),
        };
        self.data.origins.push(data);
        self.origins.insert(Arc::as_ptr(origin), self.data.origins.len() - 1);
        self.data.origins.len() - 1
    }

    fn map(&mut self, map: &Map) {
        let nodes = map.nodes.iter().map(|node| match node {
            Node::Service(name) => [None, Some(name.clone())],
            Node::Destination { system, name } => [Some(system.clone()), Some(name.clone())],
        });
        let place = |it: Option<usize>| it.map_or(-1, |it| signed(self.places[it]));
        let edges = map.edges.iter().map(|edge| EdgeData {
            from: edge.from,
            to: edge.to,
            count: edge.count,
            errors: edge.errors,
            median: edge.quantile(0.5),
            p95: edge.quantile(0.95),
            messages: edge
                .messages
                .iter()
                .flat_map(|it| [place(it.cause), place(it.effect)])
                .collect(),
        });
        self.data.map = MapData { nodes: nodes.collect(), edges: edges.collect() };
    }

    fn string(&mut self, text: &str) -> usize {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        self.data.strings.push(text.to_owned());
        self.strings.insert(text.to_owned(), self.data.strings.len() - 1);
        self.data.strings.len() - 1
    }

    fn optional(&mut self, text: &str) -> Option<usize> {
        (!text.is_empty()).then(|| self.string(text))
    }

    fn pairs(&mut self, attributes: &[KeyValue]) -> Vec<usize> {
        let pair = |it: &KeyValue| {
            let pair = (self.string(&it.key), self.string(&shown(it.value.as_ref())));
            *self.pairs.entry(pair).or_insert_with(|| {
                self.data.pairs.extend([pair.0, pair.1]);
                self.data.pairs.len() / 2 - 1
            })
        };
        attributes.iter().map(pair).collect()
    }
}

impl Lists {
    fn push(&mut self, pairs: Vec<usize>) {
        self.sizes.push(pairs.len());
        self.pairs.extend(pairs);
    }
}

fn signed(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
