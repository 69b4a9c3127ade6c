//! Can each order be followed all the way? Nothing but exported spans is asked; how many orders
//! there were is what the services themselves have counted.

use crate::service::Service;
use opentelemetry::trace::SpanKind;
use otel_messaging_examples::{
    table::{Cell, Table},
    traces::Forest,
};
use std::{
    collections::{HashMap, HashSet},
    fmt,
};

#[cfg(test)]
mod tests;

/// A way that one message of every order goes.
#[derive(Debug)]
struct Way {
    title: &'static str,
    system: &'static str,
    from: Service,
    to: Service,
    /// How it is taken: `process`, or `receive` where an answer is waited for.
    operation: &'static str,
}

const REQUESTS: Way = Way {
    title: "NATS request",
    system: "nats",
    from: Service::Shop,
    to: Service::Stock,
    operation: "process",
};
const ANSWERS: Way = Way {
    title: "NATS reply",
    system: "nats",
    from: Service::Stock,
    to: Service::Shop,
    operation: "receive",
};
const ORDERS: Way = Way {
    title: "Kafka",
    system: "kafka",
    from: Service::Shop,
    to: Service::Billing,
    operation: "process",
};
const INVOICES: Way = Way {
    title: "RabbitMQ",
    system: "rabbitmq",
    from: Service::Billing,
    to: Service::Mailer,
    operation: "process",
};
const DAY_BOOK: Way = Way {
    title: "JetStream",
    system: "nats",
    from: Service::Billing,
    to: Service::Nightly,
    operation: "process",
};

/// What was found.
#[derive(Debug)]
pub(super) struct Audit {
    orders: u64,
    counts: Vec<Counts>,
    links: u64,
    dangling: u64,
    absent: Vec<Service>,
}

/// The messages of one way.
#[derive(Debug)]
struct Counts {
    way: &'static Way,
    sent: u64,
    taken: u64,
    missing: u64,
}

/// Where the work for an order is done: the request it came in with, and the span that works on it.
#[derive(Clone, Copy)]
struct Work {
    request: usize,
    span: usize,
}

impl Audit {
    /// Follows each order from its request: through the messages that were sent below it, to the
    /// spans that link to them, and on to what was sent there.
    pub(super) fn new(forest: &Forest<'_>, orders: u64) -> Self {
        let is_request = |&it: &usize| {
            let exported = forest.span(it);
            exported.span.span_kind == SpanKind::Server && exported.service == Service::Shop.name()
        };
        let requests: Vec<_> =
            forest.all().filter(is_request).map(|it| Work { request: it, span: it }).collect();
        let mut counts = Vec::new();
        let mut follow = |works: &[Work], way: &'static Way| {
            let (count, next) = follow(forest, orders, works, way);
            counts.push(count);
            next
        };
        let asked = follow(&requests, &REQUESTS);
        follow(&asked, &ANSWERS);
        let billed = follow(&requests, &ORDERS);
        follow(&billed, &INVOICES);
        follow(&billed, &DAY_BOOK);

        let (links, dangling) = forest.count_links();
        let services: HashSet<_> =
            forest.all().map(|it| forest.span(it).service.as_str()).collect();
        let is_absent = |service: &Service| !services.contains(service.name());
        let absent = Service::ALL.into_iter().filter(is_absent).collect();
        Self { orders, counts, links, dangling, absent }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing() == 0 && self.absent.is_empty()
    }

    fn missing(&self) -> u64 {
        self.counts.iter().map(|it| it.missing).sum::<u64>() + self.dangling
    }

    /// What is missing, in words.
    pub(super) fn complaints(&self) -> Vec<String> {
        let absent = self.absent.iter().map(|it| format!("no span of {} came", it.name()));
        let ways = self.counts.iter().filter(|it| it.missing > 0).map(|it| {
            let Counts { way, sent, taken, missing } = it;
            let (from, to) = (way.from.name(), way.to.name());
            format!(
                "{missing} of {} orders cannot be followed from {from} to {to} ({}): {sent} \
                 messages have the span that sent them, {taken} a link to it from where they went",
                self.orders, way.title
            )
        });
        let dangling = (self.dangling > 0)
            .then(|| format!("{} links lead to spans that did not come", self.dangling));
        absent.chain(ways).chain(dangling).collect()
    }

    /// The messages, way by way.
    pub(super) fn table(&self) -> String {
        let titles = ["messages", "from", "to"].map(Cell::left);
        let [messages, from, to] = titles;
        let numbers = ["sent", "taken", "missing"].map(Cell::right);
        let [sent, taken, missing] = numbers;
        let mut table = Table::new([messages, from, to, sent, taken, missing]);
        for it in &self.counts {
            table.row([
                Cell::left(it.way.title),
                Cell::left(it.way.from.name()),
                Cell::left(it.way.to.name()),
                Cell::right(it.sent.to_string()),
                Cell::right(it.taken.to_string()),
                Cell::right(it.missing.to_string()),
            ]);
        }
        table.to_string()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processed = || self.counts.iter().filter(|it| it.way.operation == "process");
        let sent: u64 = processed().map(|it| it.sent).sum();
        let taken: u64 = processed().map(|it| it.taken).sum();
        write!(
            f,
            "{} orders: {sent} messages sent, {taken} processed, {} links found, {} missing",
            self.orders,
            self.links,
            self.missing()
        )
    }
}

/// Counts the messages of a way, and gives the work that they led to.
fn follow(
    forest: &Forest<'_>,
    orders: u64,
    works: &[Work],
    way: &'static Way,
) -> (Counts, Vec<Work>) {
    let is_sent = |&it: &usize| {
        let exported = forest.span(it);
        exported.service == way.from.name()
            && exported.is_sent()
            && exported.text("messaging.system") == Some(way.system)
    };
    let sent: HashSet<usize> = forest.all().filter(is_sent).collect();

    let mut takers: HashMap<usize, Vec<usize>> = HashMap::new();
    for taker in forest.all() {
        let exported = forest.span(taker);
        if exported.service == way.to.name() && exported.operation() == Some(way.operation) {
            let targets: HashSet<_> =
                forest.links(taker).filter_map(|link| forest.target(link)).collect();
            for target in targets.intersection(&sent) {
                takers.entry(*target).or_default().push(taker);
            }
        }
    }
    if way.to == Service::Nightly {
        keep_one_batch(&mut takers);
    }

    let mut next = Vec::new();
    for &Work { request, span } in works {
        for message in forest.children(span).iter().filter(|it| sent.contains(it)) {
            let takers = takers.get(message).into_iter().flatten();
            next.extend(takers.map(|&span| Work { request, span }));
        }
    }
    let followed: HashSet<usize> = next.iter().map(|work| work.request).collect();
    let (sent, taken) = (sent.len() as u64, takers.len() as u64);
    let missing = orders.saturating_sub(followed.len() as u64).max(sent - taken);
    (Counts { way, sent, taken, missing }, next)
}

/// The whole day is one batch: what other spans have processed is not in it.
fn keep_one_batch(takers: &mut HashMap<usize, Vec<usize>>) {
    let mut sizes = HashMap::<usize, usize>::new();
    for taker in takers.values().flatten() {
        *sizes.entry(*taker).or_default() += 1;
    }
    let largest = sizes.into_iter().max_by_key(|&(taker, size)| (size, taker));
    takers.retain(|_, takers| {
        takers.retain(|taker| largest.is_some_and(|(largest, _)| largest == *taker));
        !takers.is_empty()
    });
}
