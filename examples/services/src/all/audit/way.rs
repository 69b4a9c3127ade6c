//! The ways that messages go, and following an order along one.

use crate::service::Service;
use otel_messaging_examples::traces::Forest;
use std::collections::{HashMap, HashSet};

/// A way that one message of every order goes.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) title: &'static str,
    system: &'static str,
    pub(super) from: Service,
    pub(super) to: Service,
    /// How it is taken: `process`, or `receive` where an answer is waited for.
    pub(super) operation: &'static str,
}

pub(super) const REQUESTS: Way = Way {
    title: "NATS request",
    system: "nats",
    from: Service::Shop,
    to: Service::Stock,
    operation: "process",
};
pub(super) const ANSWERS: Way = Way {
    title: "NATS reply",
    system: "nats",
    from: Service::Stock,
    to: Service::Shop,
    operation: "receive",
};
pub(super) const ORDERS: Way = Way {
    title: "Kafka",
    system: "kafka",
    from: Service::Shop,
    to: Service::Billing,
    operation: "process",
};
pub(super) const INVOICES: Way = Way {
    title: "RabbitMQ",
    system: "rabbitmq",
    from: Service::Billing,
    to: Service::Mailer,
    operation: "process",
};
pub(super) const DAY_BOOK: Way = Way {
    title: "JetStream",
    system: "nats",
    from: Service::Billing,
    to: Service::Nightly,
    operation: "process",
};

/// The messages of one way.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) way: &'static Way,
    pub(super) sent: u64,
    pub(super) taken: u64,
    pub(super) missing: u64,
}

/// Where the work for an order is done: the request it came in with, and the span that works on it.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) request: usize,
    pub(super) span: usize,
}

impl Way {
    /// Counts the messages of the way, and gives the work that they led to.
    pub(super) fn follow(
        &'static self,
        forest: &Forest<'_>,
        orders: u64,
        works: &[Work],
    ) -> (Counts, Vec<Work>) {
        let is_sent = |&it: &usize| {
            let exported = forest.span(it);
            exported.service == self.from.name()
                && exported.is_sent()
                && exported.text("messaging.system") == Some(self.system)
        };
        let sent: HashSet<usize> = forest.all().filter(is_sent).collect();

        let mut takers: HashMap<usize, Vec<usize>> = HashMap::new();
        for taker in forest.all() {
            let exported = forest.span(taker);
            if exported.service == self.to.name() && exported.operation() == Some(self.operation) {
                let targets: HashSet<_> =
                    forest.links(taker).filter_map(|link| forest.target(link)).collect();
                for target in targets.intersection(&sent) {
                    takers.entry(*target).or_default().push(taker);
                }
            }
        }
        if self.to == Service::Nightly {
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
        (Counts { way: self, sent, taken, missing }, next)
    }
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
