//! Links of many messages, checked one by one.

use std::collections::HashMap;

use opentelemetry::{KeyValue, trace::SpanContext};
use otel_messaging_rdkafka::otel::semconv;
use otel_messaging_testing::{attributes::assert_attributes, telemetry::FinishedSpan};

/// The spans that sent the messages, by partition and offset.
pub(crate) struct Sends(HashMap<(i32, i64), SpanContext>);

impl Sends {
    /// Collects the `send` spans, each of which must be of its own message.
    pub(crate) fn among(spans: &[FinishedSpan]) -> Self {
        let sends = spans.iter().filter(|span| span.name.starts_with("send "));
        let mut found = HashMap::new();
        for send in sends {
            let partition = text(send, semconv::DESTINATION_PARTITION_ID).parse().unwrap();
            let offset = text(send, "messaging.kafka.offset").parse().unwrap();
            let before = found.insert((partition, offset), send.span_context.clone());
            assert!(before.is_none(), "two spans sent {partition}:{offset}");
        }
        Self(found)
    }

    /// Returns the span that sent the message at this place.
    pub(crate) fn of(&self, place: (i32, i64)) -> &SpanContext {
        &self.0[&place]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Asserts that `spans` together link exactly to those that sent `messages`, in their order;
    /// that each link says where its message is, by offset and, if `across_partitions`, partition;
    /// and that no link was dropped.
    #[track_caller]
    pub(crate) fn assert_linked<'a>(
        &self,
        spans: impl IntoIterator<Item = &'a FinishedSpan>,
        messages: impl IntoIterator<Item = (i32, i64)>,
        across_partitions: bool,
    ) {
        let mut links = Vec::new();
        for span in spans {
            assert_eq!(span.links.dropped_count, 0, "the SDK dropped links of {}", span.name);
            links.extend(&span.links.links);
        }
        let messages: Vec<_> = messages.into_iter().collect();
        assert_eq!(links.len(), messages.len(), "a link for every message");
        for (link, (partition, offset)) in links.into_iter().zip(messages) {
            let send = self.of((partition, offset));
            let found = (link.span_context.trace_id(), link.span_context.span_id());
            assert_eq!(found, (send.trace_id(), send.span_id()), "at {partition}:{offset}");
            assert!(link.span_context.is_remote());
            let place = across_partitions
                .then(|| (semconv::DESTINATION_PARTITION_ID, partition.to_string().into()));
            let expected = [("messaging.kafka.offset", offset.into())];
            assert_attributes(&link.attributes, expected.into_iter().chain(place));
        }
    }
}

/// Asserts that `span` is of one message, and links to the span that sent it.
#[track_caller]
pub(crate) fn assert_linked_to(span: &FinishedSpan, send: &SpanContext) {
    let [link] = &span.links.links[..] else { panic!("not one link: {:?}", span.links) };
    let found = (link.span_context.trace_id(), link.span_context.span_id());
    assert_eq!(found, (send.trace_id(), send.span_id()));
    assert_attributes(&link.attributes, []);
}

/// Returns the spans of this name, in the order in which they ended.
pub(crate) fn named<'a>(spans: &'a [FinishedSpan], name: &str) -> Vec<&'a FinishedSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// Returns the value of an attribute that the span must have.
#[track_caller]
pub(crate) fn text(span: &FinishedSpan, key: &str) -> String {
    let is_it = |attribute: &&KeyValue| attribute.key.as_str() == key;
    let attribute = span.attributes.iter().find(is_it);
    attribute.unwrap_or_else(|| panic!("{} has no {key}", span.name)).value.to_string()
}
