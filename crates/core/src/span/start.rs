//! How an operation starts: everything that a span has at its start is decided here.

use std::mem;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanBuilder, SpanContext, SpanKind},
};

use crate::{
    Destination, MessageView, Operation, OperationType,
    client::Message,
    instrumenter::{Inner, Started},
    options::diagnostics::Diagnostic,
    semconv,
    span::{
        end::{OperationState, OwnSpan},
        interned::Attribute,
        links::{Members, overflow_links},
        opt_in::opt_in_attributes,
        subscriber::{self, Attempt},
        target::Target,
        telemetry::Telemetry,
    },
};

/// Room in a span's attributes for those that are added once the span is known to record, so that
/// the list is allocated once.
const LATER_ATTRIBUTES: usize = 4;

/// What an operation is about.
pub(crate) enum Subject<'a> {
    Message(&'a dyn Message),
    Batch(&'a Members<'a>),
    /// No message is at hand.
    Destination(Option<Destination<'a>>),
}

impl<'a> Subject<'a> {
    fn destination(&self) -> Option<Destination<'a>> {
        match self {
            Self::Message(message) => Some(message.destination()),
            Self::Batch(members) => members.destination(),
            Self::Destination(destination) => *destination,
        }
    }

    /// Shows it to a hook.
    fn view(&self, operation: Operation) -> MessageView<'a> {
        let several = |count| MessageView::of_several(operation, self.destination(), count);
        match self {
            Self::Message(message) => MessageView::of(operation, *message),
            Self::Batch(members) => several(members.count),
            Self::Destination(_) => several(0),
        }
    }
}

/// An operation that is about to start.
#[expect(clippy::struct_excessive_bools, reason = "each is decided by itself")]
pub(crate) struct Start<'a, 'm> {
    inner: &'a Inner,
    operation: Operation,
    subject: Subject<'m>,
    destination: Option<Destination<'m>>,
    wants_span: bool,
    is_root: bool,
    is_measured: bool,
    kind: SpanKind,
    links: Vec<Link>,
    /// Whether the first link is to the creation context of the one message that is processed.
    links_creation: bool,
    /// How many links of a batch were made.
    linked: usize,
    /// How many messages the operation adds to its counter.
    messages: u64,
    started: Option<Started>,
}

impl<'a, 'm> Start<'a, 'm> {
    /// Decides whether the operation has a span, and whether it is measured: only then is the rest
    /// worth its cost. Returns `None` if neither.
    pub(crate) fn new(
        inner: &'a Inner,
        operation: Operation,
        subject: Subject<'m>,
        is_wanted: bool,
    ) -> Option<Self> {
        let Telemetry { settings, providers } = &*inner.telemetry;
        let wants_span = is_wanted && providers.wants_span(settings, operation.operation_type());
        let is_measured = providers.instruments(settings, inner.facts.system).is_some();
        if !wants_span && !is_measured {
            return None;
        }
        let destination = subject.destination();
        let wants_span = wants_span && settings.passes(|| subject.view(operation));
        // Conventions, "Span kind". A send is a PRODUCER if messages carry its own context.
        let kind = match operation.operation_type() {
            OperationType::Create | OperationType::Send => SpanKind::Producer,
            OperationType::Receive | OperationType::Settle => SpanKind::Client,
            OperationType::Process => SpanKind::Consumer,
        };
        Some(Self {
            inner,
            operation,
            subject,
            destination,
            wants_span,
            is_root: false,
            is_measured,
            kind,
            links: Vec::new(),
            links_creation: false,
            linked: 0,
            messages: 1,
            started: None,
        })
    }

    pub(crate) const fn wants_span(&self) -> bool {
        self.wants_span
    }

    /// Makes a send span a CLIENT: its messages carry other contexts than its own.
    pub(crate) const fn set_client(&mut self) {
        self.kind = SpanKind::Client;
    }

    /// Makes the span a root for `tracing` too, if it is one of its spans. The parent that
    /// [`begin`](Self::begin) gets has no span.
    pub(crate) const fn set_root(&mut self) {
        self.is_root = true;
    }

    /// Back-dates the operation.
    pub(crate) const fn set_started(&mut self, started: Started) {
        self.started = Some(started);
    }

    /// Sets how many messages the operation counts at its end.
    pub(crate) const fn set_messages(&mut self, messages: u64) {
        self.messages = messages;
    }

    /// Links a process span to the creation context of its message, before any other.
    pub(crate) fn link_creation(&mut self, creation: &SpanContext) {
        self.link(creation);
        self.links_creation = !self.links.is_empty();
    }

    /// Links the span to a context, if that is valid.
    pub(crate) fn link(&mut self, span_context: &SpanContext) {
        if self.wants_span && span_context.is_valid() {
            let link = Link::with_context(span_context.clone());
            if self.links.is_empty() {
                // Most have one: a list that grows by itself would take room for four.
                self.links = vec![link];
            } else {
                self.links.push(link);
            }
        }
    }

    /// Starts the operation. Returns `None` if a filter left it without a span, and it has no
    /// metrics.
    pub(crate) fn begin(&mut self, parent: &Context) -> Option<OperationState<'a>> {
        let (inner, is_measured) = (self.inner, self.is_measured);
        if !self.wants_span && !is_measured {
            return None;
        }
        // A span that is measured starts at the measured time, so that both durations are equal.
        let started = self
            .started
            .unwrap_or_else(|| Started::now(self.wants_span && is_measured, is_measured));
        let settings = &inner.settings;
        let target = inner.target(self.operation, self.destination.as_ref());
        let partition = self.destination.and_then(|destination| destination.partition());
        let mut span = OwnSpan::None;
        let mut subscriber_span = None;
        if self.wants_span {
            let attributes = self.attributes(&target, partition);
            match self.start_in_subscriber(&target, &attributes, parent) {
                Attempt::Recorded(entered, context) => {
                    span = OwnSpan::Current(context);
                    subscriber_span = Some(entered);
                }
                Attempt::NotRecorded => {
                    span = self.start_span(&target, attributes, started, parent);
                }
                Attempt::Panicked => {}
            }
        }
        let is_recording = span.is_recording();
        if is_recording {
            settings.guard(Diagnostic::ProviderPanicked, || self.describe(&mut span));
            if let Subject::Batch(members) = &self.subject
                && let Some(own) = span.span_context()
            {
                overflow_links(inner, members, self.linked, &own, started);
            }
        }
        let messages = self.messages;
        let mut state =
            OperationState::new(target, partition, span, is_recording, started, messages);
        if let Some(span) = subscriber_span {
            state.set_subscriber_span(span);
        }
        Some(state)
    }

    /// Collects the attributes that samplers should see.
    fn attributes(&self, target: &Target, partition: Option<u32>) -> Vec<KeyValue> {
        let Inner { telemetry, facts, .. } = self.inner;
        let settings = &telemetry.settings;
        let mut attributes = Vec::with_capacity(
            target.attributes.len() + facts.span_attributes.len() + LATER_ATTRIBUTES,
        );
        attributes.extend(target.attributes.iter().map(Attribute::to_key_value));
        if let Some(destination) = &self.destination {
            if !target.has_name() && !destination.name().is_empty() {
                let name = destination.name().to_owned();
                attributes.push(KeyValue::new(semconv::DESTINATION_NAME, name));
            }
            if destination.is_temporary() {
                attributes.push(KeyValue::new(semconv::DESTINATION_TEMPORARY, true));
            }
            if destination.is_anonymous() {
                attributes.push(KeyValue::new(semconv::DESTINATION_ANONYMOUS, true));
            }
        }
        attributes.extend(partition.map(|id| target.partition_attribute(id)));
        if settings.creation_context_attributes
            && self.links_creation
            && let Some(creation) = self.links.first()
        {
            let creation = &creation.span_context;
            let (trace_id, span_id) = (creation.trace_id(), creation.span_id());
            attributes.extend([
                KeyValue::new(semconv::CREATION_CONTEXT_TRACE_ID, trace_id.to_string()),
                KeyValue::new(semconv::CREATION_CONTEXT_SPAN_ID, span_id.to_string()),
            ]);
        }
        if let Some(extra) = settings.extra_attributes(|| self.subject.view(self.operation)) {
            attributes.extend(extra);
        }
        attributes
    }

    /// Starts the span with all that samplers should see.
    fn start_span(
        &mut self,
        target: &Target,
        attributes: Vec<KeyValue>,
        started: Started,
        parent: &Context,
    ) -> OwnSpan {
        let Inner { telemetry, facts, .. } = self.inner;
        let Telemetry { settings, providers } = &**telemetry;
        let links = self.take_links();
        let builder = SpanBuilder {
            name: target.span_name.clone(),
            span_kind: Some(self.kind.clone()),
            start_time: started.time,
            attributes: Some(attributes),
            links: (!links.is_empty()).then_some(links),
            events: None,
        };
        let span = providers.start_span(settings, facts.system, builder, parent);
        span.map_or(OwnSpan::None, OwnSpan::Alone)
    }

    /// Starts a process span as a span of `tracing`, if the current subscriber records it.
    fn start_in_subscriber(
        &mut self,
        target: &Target,
        attributes: &[KeyValue],
        parent: &Context,
    ) -> Attempt {
        let Telemetry { settings, providers } = &*self.inner.telemetry;
        if self.operation.operation_type() != OperationType::Process || !settings.subscriber_spans {
            return Attempt::NotRecorded;
        }
        let (name, is_root) = (&target.span_name, self.is_root);
        // The links of one message are needed again if the span is not recorded.
        let links = || match self.subject {
            Subject::Batch(_) => self.take_links(),
            Subject::Message(_) | Subject::Destination(_) => self.links.clone(),
        };
        let attempt = subscriber::start(settings, name, attributes, links, parent, is_root);
        if let Attempt::Recorded(..) = attempt {
            providers.found_layer();
        }
        attempt
    }

    /// Returns the links that were given, or makes those of a batch.
    fn take_links(&mut self) -> Vec<Link> {
        if let Subject::Batch(members) = self.subject {
            let links = (members.links)(0);
            self.linked = links.len();
            return links;
        }
        mem::take(&mut self.links)
    }

    /// Adds the attributes that samplers need not see, to a span that records.
    fn describe(&self, span: &mut OwnSpan) {
        let operation = self.operation.operation_type();
        let inner = self.inner;
        if operation != OperationType::Create {
            for attribute in inner.facts.span_attributes.iter().chain(inner.learned.get()) {
                span.set_attribute(attribute.clone());
            }
        }
        match self.subject {
            Subject::Message(message) => {
                message.attributes(operation, &mut |key, value| {
                    span.set_attribute(value.to_key_value(key));
                });
                if operation != OperationType::Settle {
                    opt_in_attributes(inner, message, |attribute| span.set_attribute(attribute));
                }
            }
            Subject::Batch(members) => members.describe(span),
            Subject::Destination(_) => {}
        }
    }
}
