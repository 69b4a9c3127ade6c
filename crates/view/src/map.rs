use std::collections::{BTreeMap, HashMap, HashSet};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::{
    spans::Span,
    traces::Traces,
    value::{is_true, number},
};

/// Services and destinations, and what went from one to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// Every service and destination.
    pub nodes: Vec<Node>,
    /// What went between two of them.
    pub edges: Vec<Edge>,
    /// The destination of each span, as an index into `nodes`.
    pub(crate) destinations: HashMap<usize, usize>,
}

/// A service or a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A service, by its name.
    Service(String),
    /// A topic, queue, exchange or subject.
    Destination {
        /// The messaging system: `kafka`.
        system: String,
        /// The name or, where there is one, the template. Temporary destinations share one name for
        /// each service that sends to them.
        name: String,
    },
}

/// What went from a node to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The node that it comes from, as an index into [`Map::nodes`].
    pub from: usize,
    /// The node that it goes to.
    pub to: usize,
    /// How many messages there were, with those that no link or parent names.
    pub count: u64,
    /// How many of them are of a span that failed.
    pub errors: u64,
    /// The messages that spans tell of.
    pub messages: Vec<Message>,
}

/// A message, or a call, by the spans that tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The span that sent it.
    pub cause: Option<usize>,
    /// The span that processed it or, where there is none, received it.
    pub effect: Option<usize>,
    /// The time from the start of the one to the start of the other, or to the end of a CLIENT span,
    /// which waits for what it receives; in nanoseconds. It is negative if the clocks of the services
    /// differ.
    pub nanos: Option<i64>,
}

impl Edge {
    /// Returns the time from send to process in nanoseconds that this share of the messages did not
    /// exceed: 0.5 is the median.
    pub fn quantile(&self, share: f64) -> Option<i64> {
        let mut nanos: Vec<i64> = self.messages.iter().filter_map(|it| it.nanos).collect();
        nanos.sort_unstable();
        // The nearest rank.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within `len`")]
        let rank = (share * nanos.len() as f64).ceil() as usize;
        nanos.get(rank.max(1) - 1).copied()
    }
}

impl Traces {
    /// Makes the map, from links, parents and attributes together.
    ///
    /// A message that was sent is a PRODUCER span. It was taken by the `process` spans that link to
    /// it or have it as their parent or, in a service that has none for its destination, by the
    /// `receive` spans. Its destination is the one that the sender names, since RabbitMQ's consumers
    /// name their queue.
    pub fn map(&self) -> Map {
        Builder::new(self).build()
    }
}

/// Nodes by their content, until all are known.
struct Builder<'a> {
    traces: &'a Traces,
    edges: BTreeMap<(Node, Node), Edge>,
    destinations: HashMap<usize, Node>,
}

/// A span that took messages, with what it took.
struct Taking {
    effect: usize,
    is_process: bool,
    causes: Vec<usize>,
    destination: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(traces: &'a Traces) -> Self {
        Self { traces, edges: BTreeMap::new(), destinations: HashMap::new() }
    }

    fn build(mut self) -> Map {
        for index in 0..self.traces.spans.len() {
            if let Some(destination) = destination(self.span(index)) {
                self.destinations.insert(index, destination);
            }
        }
        for index in 0..self.traces.spans.len() {
            match self.destinations.get(&index).cloned() {
                Some(destination) if is_sending(self.span(index)) => {
                    let weight = number(&self.span(index).otlp.attributes, BATCH).unwrap_or(1);
                    let message = Message { cause: Some(index), effect: None, nanos: None };
                    let from = self.service(index);
                    self.add(from, destination, weight, index, vec![message]);
                }
                _ => self.call(index),
            }
        }
        self.take();
        self.map()
    }

    fn span(&self, index: usize) -> &'a Span {
        &self.traces.spans[index]
    }

    fn service(&self, index: usize) -> Node {
        Node::Service(self.span(index).service().to_owned())
    }

    /// Adds a child in another service than its parent, unless a message came between them.
    fn call(&mut self, index: usize) {
        let Some(parent) = self.traces.parent(index) else { return };
        let (from, to) = (self.service(parent), self.service(index));
        if from != to && !is_sending(self.span(parent)) && taking(self.span(index)).is_none() {
            let message = self.message(parent, index);
            self.add(from, to, 1, index, vec![message]);
        }
    }

    /// Adds what was received and processed.
    fn take(&mut self) {
        let takings: Vec<Taking> =
            (0..self.traces.spans.len()).filter_map(|it| self.taking(it)).collect();
        let processed: HashSet<(&str, &Node)> = takings
            .iter()
            .filter(|it| it.is_process)
            .filter_map(|it| Some((self.span(it.effect).service(), it.destination.as_ref()?)))
            .collect();
        let is_counted = |it: &&Taking| {
            let place = it.destination.as_ref().map(|node| (self.span(it.effect).service(), node));
            it.is_process || place.is_some_and(|place| !processed.contains(&place))
        };
        let counted: Vec<&Taking> = takings.iter().filter(is_counted).collect();
        for taking in counted {
            let Taking { effect, causes, destination: Some(destination), .. } = taking else {
                continue;
            };
            let to = self.service(*effect);
            // The messages of a batch may come from several destinations.
            let mut parts = BTreeMap::<Node, Vec<Message>>::new();
            for &cause in causes {
                let from = self.destinations.get(&cause).unwrap_or(destination).clone();
                parts.entry(from).or_default().push(self.message(cause, *effect));
            }
            let said = number(&self.span(*effect).otlp.attributes, BATCH).unwrap_or(1);
            let unlinked = said.saturating_sub(causes.len() as u64);
            if unlinked > 0 {
                let message = Message { cause: None, effect: Some(*effect), nanos: None };
                self.add(destination.clone(), to.clone(), unlinked, *effect, vec![message]);
            }
            for (from, messages) in parts {
                self.add(from, to.clone(), messages.len() as u64, *effect, messages);
            }
        }
    }

    fn taking(&self, effect: usize) -> Option<Taking> {
        let is_process = taking(self.span(effect))?;
        let mut causes: Vec<usize> =
            self.traces.links(effect).filter_map(|link| self.traces.target(link)).collect();
        // A link to what is not a message, such as an ambient span, counts where nothing better is.
        if causes.iter().any(|&it| is_sending(self.span(it))) {
            causes.retain(|&it| is_sending(self.span(it)));
        }
        let parent = self.traces.parent(effect).filter(|&it| is_sending(self.span(it)));
        causes.extend(parent.filter(|it| !causes.contains(it)));
        let named = causes.iter().find_map(|it| self.destinations.get(it));
        let destination = named.or_else(|| self.destinations.get(&effect)).cloned();
        Some(Taking { effect, is_process, causes, destination })
    }

    fn message(&self, cause: usize, effect: usize) -> Message {
        let (sent, taken) = (&self.span(cause).otlp, &self.span(effect).otlp);
        // A receive span starts when the wait does, perhaps before the message is sent.
        let waits = taken.kind() == SpanKind::Client;
        let at = if waits { taken.end_time_unix_nano } else { taken.start_time_unix_nano };
        let nanos = i64::try_from(i128::from(at) - i128::from(sent.start_time_unix_nano)).ok();
        Message { cause: Some(cause), effect: Some(effect), nanos }
    }

    /// Adds messages to an edge. They failed if the span that tells of them did.
    fn add(&mut self, from: Node, to: Node, count: u64, teller: usize, messages: Vec<Message>) {
        let has_failed = self.span(teller).failure().is_some();
        let edge = self.edges.entry((from, to)).or_default();
        edge.count += count;
        edge.errors += if has_failed { count } else { 0 };
        edge.messages.extend(messages);
    }

    fn map(self) -> Map {
        let services = (0..self.traces.spans.len()).map(|it| self.service(it));
        let nodes: HashSet<Node> = services.chain(self.destinations.values().cloned()).collect();
        let mut nodes: Vec<Node> = nodes.into_iter().collect();
        nodes.sort_unstable();
        let places: HashMap<&Node, usize> = nodes.iter().zip(0..).collect();
        let edges = self.edges.into_iter().map(|((from, to), edge)| Edge {
            from: places[&from],
            to: places[&to],
            ..edge
        });
        let edges = edges.collect();
        let destinations = self.destinations.iter().map(|(&it, node)| (it, places[node])).collect();
        Map { nodes, edges, destinations }
    }
}

const BATCH: &str = "messaging.batch.message_count";

/// Tells whether the span's context travels in a message: the span of one message, not the one of a
/// batch that links to it.
fn is_sending(span: &Span) -> bool {
    span.otlp.kind() == SpanKind::Producer
}

/// Tells whether a span took messages, and whether it processed them.
fn taking(span: &Span) -> Option<bool> {
    match span.operation() {
        "process" => Some(true),
        "receive" => Some(false),
        "" if span.otlp.kind() == SpanKind::Consumer => Some(true),
        _ => None,
    }
}

fn destination(span: &Span) -> Option<Node> {
    let attributes = &span.otlp.attributes;
    let system = span.text("messaging.system");
    let is_messaging = !system.is_empty() || !span.operation().is_empty();
    let is_temporary = is_true(attributes, "messaging.destination.temporary")
        || is_true(attributes, "messaging.destination.anonymous");
    let named = ["messaging.destination.template", "messaging.destination.name"]
        .map(|key| span.text(key))
        .into_iter()
        .find(|name| !name.is_empty());
    let name = match named {
        Some(name)
            if !is_temporary || attributes.iter().any(|it| it.key.ends_with(".template")) =>
        {
            name.to_owned()
        }
        _ if is_sending(span) && is_messaging => format!("replies of {}", span.service()),
        _ => return None,
    };
    Some(Node::Destination { system: system.to_owned(), name })
}
