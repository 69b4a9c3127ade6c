//! Can each order be followed all the way? Nothing but exported spans is asked; how many orders
//! there were is known from the services: one that has ended well has handled so many.

#[cfg(test)]
mod tests;
mod way;

use self::way::{ANSWERS, Counts, DAY_BOOK, INVOICES, ORDERS, REQUESTS, Way, Work};
use crate::service::Service;
use opentelemetry::trace::SpanKind;
use otel_messaging_examples::{
    table::{Cell, Table},
    traces::Forest,
};
use std::{collections::HashSet, fmt};

/// What was found.
#[derive(Debug)]
pub(super) struct Audit {
    orders: u64,
    counts: Vec<Counts>,
    links: u64,
    dangling: u64,
    absent: Vec<Service>,
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
            let (count, next) = way.follow(forest, orders, works);
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
