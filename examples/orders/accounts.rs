//! The closing count: can every message be followed from the span that sent it to the one that
//! processed it? Nothing but exported spans is asked.

use otel_messaging_examples::traces::Forest;
use std::{collections::HashSet, fmt};

/// What was found, over all rounds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) spans: u64,
    sent: u64,
    processed: u64,
    links: u64,
    missing: u64,
}

impl Accounts {
    /// Adds spans that are complete in themselves: all messages sent in them are processed in them.
    /// `delivered` is how many messages the services know Kafka has taken: without that number,
    /// no span at all would be nothing missing.
    pub(crate) fn add(&mut self, forest: &Forest<'_>, delivered: u64) {
        let is_sent = |&it: &usize| forest.span(it).is_sent();
        let sent: HashSet<usize> = forest.all().filter(is_sent).collect();
        let (links, dangling) = forest.count_links();
        let mut processed = HashSet::new();
        for index in forest.all() {
            if forest.span(index).operation() == Some("process") {
                processed.extend(forest.links(index).filter_map(|link| forest.target(link)));
            }
        }
        processed.retain(|target| sent.contains(target));
        let (sent, processed) = (sent.len() as u64, processed.len() as u64);
        self.spans += forest.all().count() as u64;
        self.sent += sent;
        self.processed += processed;
        self.links += links;
        self.missing += dangling + sent.max(delivered) - processed;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, processed, links, missing, .. } = self;
        write!(
            f,
            "{sent} messages sent, {processed} processed, {links} links found, {missing} missing"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::SpanKind;
    use otel_messaging_examples::traces::{
        Exported,
        by_hand::{overflow, process, send, span},
    };

    fn accounts(spans: &[Exported], delivered: u64) -> String {
        let mut accounts = Accounts::default();
        accounts.add(&Forest::new(spans), delivered);
        assert_eq!(accounts.is_complete(), accounts.to_string().ends_with(", 0 missing"));
        accounts.to_string()
    }

    #[test]
    fn a_message_that_was_processed_is_not_missing() {
        let spans = [send(1), send(2), process(3, &[1]), process(4, &[2])];
        assert_eq!(accounts(&spans, 2), "2 messages sent, 2 processed, 2 links found, 0 missing");
    }

    #[test]
    fn a_batch_may_have_links_on_its_children() {
        let spans = [send(1), send(2), send(3), process(4, &[1]), overflow(5, 4, &[2, 3])];
        assert_eq!(accounts(&spans, 3), "3 messages sent, 3 processed, 3 links found, 0 missing");

        let one_lost = [send(1), send(2), send(3), process(4, &[1]), overflow(5, 4, &[2])];
        assert_eq!(
            accounts(&one_lost, 3),
            "3 messages sent, 2 processed, 2 links found, 1 missing"
        );
    }

    #[test]
    fn only_a_process_span_processes() {
        let receive = span("billing", SpanKind::Client, "poll orders", 2).doing("receive");
        let spans = [send(1), receive.linked(1)];
        assert_eq!(accounts(&spans, 1), "1 messages sent, 0 processed, 1 links found, 1 missing");
    }

    #[test]
    fn a_link_into_nowhere_is_missing() {
        let spans = [send(1), process(2, &[1, 99])];
        assert_eq!(accounts(&spans, 1), "1 messages sent, 1 processed, 1 links found, 1 missing");
    }

    #[test]
    fn a_message_without_a_send_span_is_missing() {
        assert_eq!(accounts(&[], 5), "0 messages sent, 0 processed, 0 links found, 5 missing");
        let spans = [send(1), process(2, &[1])];
        assert_eq!(accounts(&spans, 2), "1 messages sent, 1 processed, 1 links found, 1 missing");
    }

    #[test]
    fn a_message_that_kafka_refused_is_not_expected() {
        let spans = [send(1).failed("QueueFull")];
        assert_eq!(accounts(&spans, 0), "0 messages sent, 0 processed, 0 links found, 0 missing");
    }

    #[test]
    fn a_message_may_be_processed_twice() {
        let spans = [send(1), process(2, &[1]), process(3, &[1])];
        assert_eq!(accounts(&spans, 1), "1 messages sent, 1 processed, 2 links found, 0 missing");
    }

    #[test]
    fn rounds_add_up() {
        let mut accounts = Accounts::default();
        accounts.add(&Forest::new(&[send(1), process(2, &[1])]), 1);
        accounts.add(&Forest::new(&[send(3), process(4, &[3])]), 1);
        assert_eq!(accounts, Accounts { spans: 4, sent: 2, processed: 2, links: 2, missing: 0 });
    }
}
