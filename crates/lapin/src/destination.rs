//! The name of a destination in RabbitMQ, as the conventions compose it: exchange, routing key and
//! queue.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use lapin::types::ShortString;
use otel_messaging_core::Destination;

/// Queues that are remembered as temporary; when there are more, all are forgotten.
const MAX_QUEUES: usize = 4096;
/// The beginning of the names that the broker gives to queues.
const SERVER_NAMED: &str = "amq.gen-";
/// The beginning of the names of reply queues.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The name of a destination, and whether it is made to last. Empty if the instrumentation is
/// disabled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Name(Option<Arc<Named>>);

#[derive(Debug)]
struct Named {
    text: String,
    temporary: bool,
    anonymous: bool,
}

impl Name {
    pub(crate) fn destination(&self) -> Destination<'_> {
        let Some(Named { text, temporary, anonymous }) = self.0.as_deref() else {
            return Destination::new("");
        };
        let destination = Destination::new(text);
        let destination = if *temporary { destination.temporary() } else { destination };
        if *anonymous { destination.anonymous() } else { destination }
    }
}

/// Composes names, and keeps the last one: the next message mostly has the same, and shares it.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Name>);

impl Names {
    /// Names where a message is published to.
    pub(crate) fn published(&self, exchange: &str, routing_key: &str, queues: &Queues) -> Name {
        // The default exchange routes to the queue of the routing key's name.
        let queue = if exchange.is_empty() { routing_key } else { "" };
        self.name([exchange, routing_key, ""], queues.are_temporary(queue))
    }

    /// Names where a message is delivered from.
    pub(crate) fn delivered(
        &self,
        exchange: &str,
        routing_key: &str,
        queue: &str,
        temporary: bool,
    ) -> Name {
        let queue = if queue == routing_key { "" } else { queue };
        self.name([exchange, routing_key, queue], temporary)
    }

    fn name(&self, parts: [&str; 3], temporary: bool) -> Name {
        let begins = |with: &str| parts.iter().any(|part| part.starts_with(with));
        let anonymous = begins(SERVER_NAMED);
        let temporary = temporary || begins(REPLY_TO);
        let is_same = |last: &Named| {
            (last.temporary, last.anonymous) == (temporary, anonymous)
                && is_composed_of(&last.text, parts)
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.0.as_deref().is_some_and(is_same) {
            *last = Name(Some(Arc::new(Named { text: compose(parts), temporary, anonymous })));
        }
        last.clone()
    }
}

fn compose(parts: [&str; 3]) -> String {
    let mut name = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push(':');
        }
        name.push_str(part);
    }
    if name.is_empty() { "amq.default".to_owned() } else { name }
}

/// Returns whether `compose` would make `name`, without composing it.
fn is_composed_of(name: &str, parts: [&str; 3]) -> bool {
    let mut rest = Some(name);
    let mut is_first = true;
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !is_first {
            rest = rest.and_then(|rest| rest.strip_prefix(':'));
        }
        rest = rest.and_then(|rest| rest.strip_prefix(part));
        is_first = false;
    }
    !is_first && rest == Some("")
}

/// The queues that were declared over a connection and go away with it, or with their consumer.
#[derive(Debug, Default)]
pub(crate) struct Queues(RwLock<HashSet<ShortString>>);

impl Queues {
    pub(crate) fn declared(&self, queue: &ShortString) {
        let mut queues = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if queues.len() >= MAX_QUEUES {
            queues.clear();
        }
        queues.insert(queue.clone());
    }

    pub(crate) fn deleted(&self, queue: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(queue);
    }

    pub(crate) fn are_temporary(&self, queue: &str) -> bool {
        !queue.is_empty() && self.0.read().unwrap_or_else(PoisonError::into_inner).contains(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_name_is_composed_as_the_conventions_say() {
        let (names, queues) = (Names::default(), Queues::default());
        for (exchange, routing_key, name) in [
            ("direct_logs", "warning", "direct_logs:warning"),
            ("logs", "", "logs"),
            ("", "my_queue", "my_queue"),
            ("", "", "amq.default"),
        ] {
            let published = names.published(exchange, routing_key, &queues);
            assert_eq!(published.destination(), Destination::new(name));
            let again = names.published(exchange, routing_key, &queues);
            let (first, second) = (published.0.unwrap(), again.0.unwrap());
            assert!(Arc::ptr_eq(&first, &second) || name == "amq.default");
        }
    }

    #[test]
    fn the_last_name_is_used_for_its_own_parts_only() {
        const PARTS: [&str; 6] = ["a", "a:b", "b", ":", ":a", ""];
        let two = || PARTS.iter().flat_map(|one| PARTS.iter().map(move |two| (one, two)));
        let all = two().flat_map(|(one, two)| PARTS.iter().map(move |three| [*one, *two, *three]));
        let all: Vec<_> = all.filter(|parts| parts.concat() != "").collect();
        for one in &all {
            for other in &all {
                let same = compose(*one) == compose(*other);
                assert_eq!(is_composed_of(&compose(*one), *other), same, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn queues_that_go_away_are_forgotten_at_last() {
        let queues = Queues::default();
        for index in 0..=MAX_QUEUES {
            queues.declared(&format!("queue-{index}").into());
        }
        assert_eq!(queues.0.read().unwrap().len(), 1);
        let last = format!("queue-{MAX_QUEUES}");
        assert!(queues.are_temporary(&last));
        queues.deleted(&last);
        assert!(!queues.are_temporary(&last));
    }
}
