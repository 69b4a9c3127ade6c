//! The links of an operation on several messages, and what stands on its span instead (rules R14 and
//! R15).

use std::time::SystemTime;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, Span, SpanBuilder, SpanKind, TraceContextExt},
};

use crate::{
    AttributeValue, Destination, Message, OperationType, Received,
    endpoint::Inner,
    running::{Running, asked_for},
    semconv,
};

/// What all messages of a batch have in common, which belongs on the span; the rest belongs on
/// their links (conventions, "Batch receiving"; R14).
pub(crate) struct Common<'a> {
    operation: OperationType,
    /// The first message's destination, without the partition if that differs.
    destination: Option<Destination<'a>>,
    same_name: bool,
    attributes: Vec<(&'static str, AttributeValue<'a>)>,
}

impl<'a> Common<'a> {
    pub(crate) fn of<M: Message + 'a>(
        operation: OperationType,
        messages: impl IntoIterator<Item = &'a M>,
    ) -> Self {
        let mut messages = messages.into_iter();
        let mut common =
            Self { operation, destination: None, same_name: true, attributes: Vec::new() };
        let Some(first) = messages.next() else { return common };
        let mut destination = first.destination();
        let mut same_partition = true;
        first.attributes(operation, &mut |key, value| common.attributes.push((key, value)));
        let mut seen = vec![1; common.attributes.len()];
        let mut count = 1;
        for message in messages {
            count += 1;
            let other = message.destination();
            common.same_name &= other.name() == destination.name();
            same_partition &= other.partition() == destination.partition();
            // Only what was the same so far is worth comparing.
            if seen.iter().any(|&seen| seen == count - 1) {
                message.attributes(operation, &mut |key, value| {
                    let known = common.attributes.iter().position(|&known| known == (key, value));
                    if let Some(index) = known {
                        seen[index] += 1;
                    }
                });
            }
        }
        let mut seen = seen.into_iter();
        common.attributes.retain(|_| seen.next() == Some(count));
        if !same_partition {
            destination = destination.without_partition();
        }
        common.destination = Some(destination);
        common
    }

    /// The destination of the whole batch, if it has one.
    pub(crate) fn destination(&self) -> Option<Destination<'a>> {
        self.destination.filter(|_| self.same_name)
    }

    /// Puts on the span what holds for all.
    pub(crate) fn describe(&self, active: &mut Running, count: usize) {
        if active.is_recording() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            active.set_attribute(KeyValue::new(semconv::BATCH_MESSAGE_COUNT, count));
            for &(key, value) in &self.attributes {
                active.set_attribute(value.to_key_value(key));
            }
        }
    }

    /// The link to a message's creation context, with what holds for this message only and
    /// `attributes`. A message without a context has no link.
    pub(crate) fn link<M: Message>(
        &self,
        inner: &Inner,
        received: &Received<M>,
        mut attributes: Vec<KeyValue>,
    ) -> Option<Link> {
        let creation = received.creation_context();
        if !creation.is_valid() {
            return None;
        }
        let message = received.get_ref();
        self.varying(message, &mut attributes);
        asked_for(inner, message, |attribute| attributes.push(attribute));
        Some(Link::new(creation.span_context().clone(), attributes, 0))
    }

    fn varying<M: Message>(&self, message: &M, attributes: &mut Vec<KeyValue>) {
        let mut push = |attribute| {
            // Most have one: a list that grows by itself would take room for four.
            if attributes.capacity() == 0 {
                *attributes = vec![attribute];
            } else {
                attributes.push(attribute);
            }
        };
        message.attributes(self.operation, &mut |key, value| {
            if !self.attributes.contains(&(key, value)) {
                push(value.to_key_value(key));
            }
        });
        let common = self.destination();
        let destination =
            common.and_then(|common| common.partition()).is_none().then(|| message.destination());
        if let Some(destination) = destination {
            if common.is_none() {
                let name = destination.name().to_owned();
                push(KeyValue::new(semconv::DESTINATION_NAME, name));
            }
            if let Some(partition) = destination.partition() {
                let partition = partition.to_string();
                push(KeyValue::new(semconv::DESTINATION_PARTITION_ID, partition));
            }
        }
    }
}

/// The links of so many messages at most, in a list that is allocated once; none if there will be
/// no span.
pub(crate) fn all_links(
    wants_span: bool,
    messages: usize,
    links: impl Iterator<Item = Link>,
) -> Vec<Link> {
    if !wants_span {
        return Vec::new();
    }
    let mut all = Vec::with_capacity(messages);
    all.extend(links);
    all
}

/// Gives the links that the SDK cut off to children of the span, so that none is lost (R15).
///
/// The span was given `linked` links, which are made again where they are too many: few batches
/// have to pay for that, where keeping them would cost all.
///
/// All links were given to the span, so that its sampler saw them all. The children last no time
/// and have no operation: they only carry.
pub(crate) fn overflow_links(active: &Running, linked: usize, links: impl Iterator<Item = Link>) {
    let inner = active.inner();
    let limit = inner.settings.link_limit;
    if !active.is_recording() || linked <= limit {
        return;
    }
    let mut links = links.skip(limit).peekable();
    let Some(own) = active.span_context() else { return };
    let parent = Context::new().with_remote_span_context(own);
    let now = active.started().time.unwrap_or_else(SystemTime::now);
    while links.peek().is_some() {
        let child = inner.start_span(
            SpanBuilder {
                name: "links".into(),
                span_kind: Some(SpanKind::Internal),
                start_time: Some(now),
                attributes: Some(vec![KeyValue::new(semconv::SYSTEM, inner.facts.system.name())]),
                links: Some(links.by_ref().take(limit).collect()),
                events: None,
            },
            &parent,
        );
        let Some(mut child) = child else { return };
        child.end_with_timestamp(now);
    }
}
