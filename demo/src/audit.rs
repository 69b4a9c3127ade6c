//! Checks that each order can be followed all the way, by the exported spans alone. The number of
//! orders is not taken from spans: each service that ended without an error has handled so many.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use otel_messaging_view::{Span, Traces};

use crate::spans::is_sent;

/// A hop from a service to another, which one message of every order makes.
#[derive(Debug)]
pub struct Hop {
    title: &'static str,
    system: &'static str,
    from: &'static str,
    to: &'static str,
    /// The operation of the span that takes the message.
    operation: &'static str,
    after: Option<usize>,
}

impl Hop {
    /// Makes a hop that ends with a `process` span. The message is sent by the span that processes
    /// the one of hop `after`, or by the customer's request.
    pub const fn new(
        title: &'static str,
        system: &'static str,
        [from, to]: [&'static str; 2],
        after: Option<usize>,
    ) -> Self {
        Self { title, system, from, to, operation: "process", after }
    }

    /// Makes it end with a `receive` span, as a reply does.
    #[must_use]
    pub const fn received(self) -> Self {
        Self { operation: "receive", ..self }
    }

    /// Tells whether a span takes messages of this hop.
    pub fn is_taken_by(&self, span: &Span) -> bool {
        span.service() == self.to && span.operation() == self.operation
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<13} {} → {}", self.title, self.from, self.to)
    }
}

/// The request of an order, and a span that works on the order.
type Work = (usize, usize);

/// The messages of one hop.
#[derive(Debug)]
struct Count<'a> {
    hop: &'a Hop,
    sent: usize,
    taken: usize,
    missing: usize,
}

/// What a run lacks, and how much it has.
#[derive(Debug)]
pub struct Audit<'a> {
    orders: usize,
    counts: Vec<Count<'a>>,
    links: usize,
    dangling: usize,
    absent: Vec<&'static str>,
}

impl<'a> Audit<'a> {
    /// Follows each order from its request: to the messages that were sent below it, from these to
    /// the spans that link to them, and on to what was sent there.
    pub fn new(traces: &Traces, services: &[&'static str], hops: &'a [Hop], orders: usize) -> Self {
        let is_request = |&it: &usize| traces.spans[it].otlp.kind() == SpanKind::Server;
        let requests = (0..traces.spans.len()).filter(is_request);
        let requests: Vec<Work> = requests.map(|it| (it, it)).collect();
        let (mut counts, mut works) = (Vec::new(), Vec::<Vec<Work>>::new());
        for hop in hops {
            let from = hop.after.map_or(&requests, |earlier| &works[earlier]);
            let (count, next) = follow(hop, traces, orders, from);
            counts.push(count);
            works.push(next);
        }
        let (links, dangling) = traces.count_links();
        let is_absent = |name: &&str| !traces.spans.iter().any(|it| it.service() == *name);
        let absent = services.iter().copied().filter(is_absent);
        Self { orders, counts, links, dangling, absent: absent.collect() }
    }

    /// Counts the messages and links that are missing.
    fn missing(&self) -> usize {
        self.counts.iter().map(|it| it.missing).sum::<usize>() + self.dangling
    }

    /// Describes what is missing.
    pub fn problems(&self) -> Vec<String> {
        let absent = self.absent.iter().map(|service| format!("no span of {service} came"));
        let counts = self.counts.iter().filter(|it| it.missing > 0);
        let hops = counts.map(|Count { hop: Hop { title, from, to, .. }, sent, taken, missing }| {
            format!(
                "{missing} of {} orders cannot be followed from {from} to {to} ({title}): {sent} \
                 messages have the span that sent them, {taken} a link to it from where they went",
                self.orders
            )
        });
        let dangling = (self.dangling > 0)
            .then(|| format!("{} links lead to spans that did not come", self.dangling));
        absent.chain(hops).chain(dangling).collect()
    }
}

impl fmt::Display for Audit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Count { hop, sent, taken, missing } in &self.counts {
            writeln!(f, "{hop}: {sent} sent, {taken} taken, {missing} missing")?;
        }
        let processed = || self.counts.iter().filter(|it| it.hop.operation == "process");
        let sent: usize = processed().map(|it| it.sent).sum();
        let taken: usize = processed().map(|it| it.taken).sum();
        let Self { orders, links, .. } = self;
        let missing = self.missing();
        write!(f, "\n{orders} orders: {sent} messages sent, {taken} processed, ")?;
        write!(f, "{links} links found, {missing} missing")
    }
}

/// Counts the messages of a hop, and returns the work that they led to.
fn follow<'a>(
    hop: &'a Hop,
    traces: &Traces,
    orders: usize,
    from: &[Work],
) -> (Count<'a>, Vec<Work>) {
    let (mut sent, mut takers) = (HashSet::new(), HashMap::<usize, HashSet<usize>>::new());
    for (index, it) in traces.spans.iter().enumerate() {
        let is_of_hop = it.service() == hop.from && it.text("messaging.system") == hop.system;
        if is_of_hop && is_sent(it) {
            sent.insert(index);
        }
        if hop.is_taken_by(it) {
            for message in traces.links(index).filter_map(|link| traces.target(link)) {
                takers.entry(message).or_default().insert(index);
            }
        }
    }
    takers.retain(|message, _| sent.contains(message));

    let mut next = Vec::new();
    for &(request, span) in from {
        for message in traces.children(span) {
            let takers = takers.get(message).into_iter().flatten();
            next.extend(takers.map(|&taker| (request, taker)));
        }
    }
    let followed: HashSet<usize> = next.iter().map(|&(request, _)| request).collect();
    let (sent, taken) = (sent.len(), takers.len());
    let missing = orders.saturating_sub(followed.len()).max(sent - taken);
    (Count { hop, sent, taken, missing }, next)
}
