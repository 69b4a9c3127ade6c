//! The links of an operation on several messages, and what its span says instead.

use std::{iter, mem, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, Span, SpanBuilder, SpanContext, SpanKind, TraceContextExt, TraceState},
};

use crate::{
    AsReceived, Destination, OperationType,
    client::{AttributeValue, Message},
    instrumenter::{Inner, Started},
    options::diagnostics::Diagnostic,
    semconv,
    span::{end::OwnSpan, opt_in::opt_in_attributes, telemetry::Telemetry},
};

/// The messages of an operation on several of them.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    pub(crate) count: usize,
    pub(crate) common: &'a Common<'a>,
    /// Makes the links of the messages that have a context, without the first ones of so many.
    pub(crate) links: &'a dyn Fn(usize) -> Vec<Link>,
}

impl<'a> Members<'a> {
    pub(crate) fn destination(&self) -> Option<Destination<'a>> {
        self.common.shared_destination()
    }

    /// Adds what holds for all messages to the span.
    pub(crate) fn describe(&self, span: &mut OwnSpan) {
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        span.set_attribute(KeyValue::new(semconv::BATCH_MESSAGE_COUNT, count));
        for &(key, value) in &self.common.attributes {
            span.set_attribute(value.to_key_value(key));
        }
    }
}

/// What all messages of a batch have in common, which belongs on the span; the rest belongs on
/// their links.
///
/// Specification: [Batch receiving](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#batch-receiving).
pub(crate) struct Common<'a> {
    operation: OperationType,
    /// The first message's destination, without the partition if that differs.
    destination: Option<Destination<'a>>,
    has_one_name: bool,
    has_one_template: bool,
    attributes: Vec<(&'static str, AttributeValue<'a>)>,
}

impl<'a> Common<'a> {
    /// Compares the messages. Their attributes are needed for a span only.
    pub(crate) fn of<M: Message + 'a>(
        operation: OperationType,
        messages: impl IntoIterator<Item = &'a M>,
        with_attributes: bool,
    ) -> Self {
        let mut messages = messages.into_iter();
        let mut common = Self {
            operation,
            destination: None,
            has_one_name: true,
            has_one_template: true,
            attributes: Vec::new(),
        };
        let Some(first) = messages.next() else { return common };
        let mut destination = first.destination();
        let mut has_one_partition = true;
        if with_attributes {
            first.attributes(operation, &mut |key, value| common.attributes.push((key, value)));
        }
        let mut seen = vec![1; common.attributes.len()];
        let mut count = 1;
        for message in messages {
            count += 1;
            let other = message.destination();
            common.has_one_name &= other.name() == destination.name();
            common.has_one_template &= other.template() == destination.template();
            has_one_partition &= other.partition() == destination.partition();
            // Compare only while something was the same in all messages so far.
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
        if !has_one_partition {
            destination = destination.without_partition();
        }
        common.destination = Some(destination);
        common
    }

    /// Returns the destination of the whole batch: the one that all messages have, or the template
    /// of all their names.
    pub(crate) fn shared_destination(&self) -> Option<Destination<'a>> {
        let destination = self.destination?;
        if self.has_one_name {
            return Some(destination);
        }
        let template = destination.template().filter(|_| self.has_one_template)?;
        Some(Destination::new("").with_template(template))
    }

    /// Makes the links to the creation contexts of the messages that have one, without the first
    /// ones of so many. Each has the attributes that hold for its message only, and those that `own`
    /// returns.
    ///
    /// If none is left out, the links past the limit have no attributes: only the sampler sees them
    /// here.
    pub(crate) fn links<L: AsReceived>(
        &self,
        inner: &Inner,
        messages: &[L],
        skip: usize,
        own: impl Fn(&L) -> Vec<KeyValue>,
    ) -> Vec<Link> {
        let limit = inner.settings.link_limit;
        let has_context = |message: &&L| message.as_received().creation_context().is_valid();
        let mut links = Vec::with_capacity(messages.len().saturating_sub(skip));
        for (index, message) in messages.iter().filter(has_context).enumerate().skip(skip) {
            let received = message.as_received();
            let attributes = if skip > 0 || index < limit {
                self.varying(inner, received.get_ref(), own(message))
            } else {
                Box::default()
            };
            let creation = received.creation_context().span_context();
            // What owns nothing is put together in its place in the list: moving it would take
            // longer.
            if *creation.trace_state() == TraceState::NONE {
                let (trace_id, span_id) = (creation.trace_id(), creation.span_id());
                let (flags, is_remote) = (creation.trace_flags(), creation.is_remote());
                links.extend(iter::once_with(move || {
                    Link::new(
                        SpanContext::new(trace_id, span_id, flags, is_remote, TraceState::NONE),
                        attributes.into_vec(),
                        0,
                    )
                }));
            } else {
                links.push(Link::new(creation.clone(), attributes.into_vec(), 0));
            }
        }
        links
    }

    /// Adds to its own attributes those in which this message differs from others, and those that the
    /// application opted in to.
    fn varying<M: Message>(
        &self,
        inner: &Inner,
        message: &M,
        mut attributes: Vec<KeyValue>,
    ) -> Box<[KeyValue]> {
        let mut push = |attribute| {
            // Takes no room that is not needed, so that the list is not moved at the end.
            if attributes.is_empty() {
                attributes = vec![attribute];
            } else {
                attributes.reserve_exact(1);
                attributes.push(attribute);
            }
        };
        message.attributes(self.operation, &mut |key, value| {
            if !self.attributes.contains(&(key, value)) {
                push(value.to_key_value(key));
            }
        });
        let common = self.destination.filter(|_| self.has_one_name);
        if common.is_none_or(|common| common.partition().is_none()) {
            let destination = message.destination();
            if common.is_none() {
                push(KeyValue::new(semconv::DESTINATION_NAME, destination.name().to_owned()));
            }
            if let Some(partition) = destination.partition() {
                push(KeyValue::new(semconv::DESTINATION_PARTITION_ID, partition.to_string()));
            }
        }
        if inner.settings.wants_opt_ins() {
            opt_in_attributes(inner, message, push);
        }
        attributes.into_boxed_slice()
    }
}

/// Puts the links that the SDK cut off `own` on child spans, so that none is lost.
///
/// The span was started with all `linked` links, so that its sampler saw them. The cut ones are made
/// again here: few batches need that, whereas keeping the links would cost every batch. The
/// children have no duration and no operation: they exist only to hold links.
pub(crate) fn overflow_links(
    inner: &Inner,
    members: &Members<'_>,
    linked: usize,
    own: &SpanContext,
    started: Started,
) {
    let limit = inner.settings.link_limit;
    if linked <= limit {
        return;
    }
    let parent = Context::new().with_remote_span_context(own.clone());
    let time = started.time.unwrap_or_else(SystemTime::now);
    let child = |links| {
        let system = KeyValue::new(semconv::SYSTEM, inner.facts.system.name());
        let builder = SpanBuilder {
            name: "links".into(),
            span_kind: Some(SpanKind::Internal),
            start_time: Some(time),
            attributes: Some(vec![system]),
            links: Some(links),
            events: None,
        };
        let Inner { telemetry, facts, .. } = inner;
        let Telemetry { settings, providers } = &**telemetry;
        if let Some(mut child) = providers.start_span(settings, facts.system, builder, &parent) {
            settings.guard(Diagnostic::ProviderPanicked, || child.end_with_timestamp(time));
        }
    };
    let mut rest = (members.links)(limit);
    while !rest.is_empty() {
        let next = rest.split_off(limit.min(rest.len()));
        child(mem::replace(&mut rest, next));
    }
}

/// Collects at most `count` links in a list that is allocated once, without the
/// first `skip` links.
pub(crate) fn collect_links(
    count: usize,
    skip: usize,
    links: impl Iterator<Item = Link>,
) -> Vec<Link> {
    let mut all = Vec::with_capacity(count.saturating_sub(skip));
    all.extend(links.skip(skip));
    all
}
