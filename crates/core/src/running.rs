//! What runs behind a guard: span, clock and metrics, which end together.

use std::{mem, sync::Arc, thread, time::SystemTime};

use opentelemetry::{
    Context, KeyValue, Value,
    global::BoxedSpan,
    trace::{Span, SpanContext, Status, TraceContextExt},
};

use crate::{
    ErrorType, Failure, Message, OperationType,
    endpoint::{Inner, Started},
    message::header_value,
    metrics::Messages,
    semconv,
    target::Target,
};

/// Failed messages of one batch that get an event: what SDKs keep by default.
const MAX_FAILURE_EVENTS: usize = 128;

/// What an [`ActiveOperation`](crate::ActiveOperation) holds while it runs.
#[derive(Debug)]
pub(crate) struct Running {
    inner: Arc<Inner>,
    target: Arc<Target>,
    partition: Option<u32>,
    span: OwnSpan,
    recording: bool,
    started: Started,
    /// How many messages the operation is about, and adds to its counter.
    messages: u64,
    withdrawn: u64,
    handed_over: bool,
    ended: bool,
}

#[derive(Debug)]
enum OwnSpan {
    None,
    Alone(BoxedSpan),
    /// The application works in `context`, whose span is ours unless there is none.
    Within {
        context: Context,
        is_ours: bool,
    },
}

impl OwnSpan {
    fn set_attribute(&mut self, attribute: KeyValue) {
        match self {
            Self::Alone(span) => span.set_attribute(attribute),
            Self::Within { context, .. } => context.span().set_attribute(attribute),
            Self::None => {}
        }
    }
}

impl Running {
    pub(crate) fn new(
        inner: Arc<Inner>,
        target: Arc<Target>,
        partition: Option<u32>,
        span: Option<BoxedSpan>,
        started: Started,
    ) -> Self {
        let recording = span.as_ref().is_some_and(BoxedSpan::is_recording);
        let span = span.map_or(OwnSpan::None, OwnSpan::Alone);
        let mut running = Self {
            inner,
            target,
            partition,
            span,
            recording,
            started,
            messages: 1,
            withdrawn: 0,
            handed_over: false,
            ended: false,
        };
        if recording {
            running.describe_endpoint();
        }
        running
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) const fn is_recording(&self) -> bool {
        self.recording
    }

    pub(crate) fn context(&self) -> Option<Context> {
        match &self.span {
            OwnSpan::Within { context, .. } => Some(context.clone()),
            OwnSpan::None | OwnSpan::Alone(_) => None,
        }
    }

    pub(crate) fn set_partition(&mut self, partition: u32) {
        if self.partition.is_none() {
            if self.recording {
                self.set_attribute(self.target.partition_attribute(partition));
            }
            self.partition = Some(partition);
        }
    }

    pub(crate) const fn handed_over(&mut self) {
        self.handed_over = true;
    }

    pub(crate) const fn withdraw(&mut self, messages: u64) {
        self.withdrawn = messages;
    }

    pub(crate) const fn started(&self) -> Started {
        self.started
    }

    pub(crate) fn span_context(&self) -> Option<SpanContext> {
        self.with_span_context(Clone::clone)
    }

    pub(crate) fn with_span_context<T>(&self, f: impl FnOnce(&SpanContext) -> T) -> Option<T> {
        match &self.span {
            OwnSpan::Alone(span) => Some(f(span.span_context())),
            OwnSpan::Within { context, is_ours: true } => Some(f(context.span().span_context())),
            OwnSpan::None | OwnSpan::Within { is_ours: false, .. } => None,
        }
    }

    /// How many messages are counted at the end.
    pub(crate) const fn count(&mut self, messages: u64) {
        self.messages = messages;
    }

    /// Makes the span, if there is one, that of the context which `within` builds.
    pub(crate) fn work_in(&mut self, within: impl FnOnce(Option<BoxedSpan>) -> Context) {
        let (span, is_ours) = match mem::replace(&mut self.span, OwnSpan::None) {
            OwnSpan::Alone(span) => (Some(span), true),
            OwnSpan::None | OwnSpan::Within { .. } => (None, false),
        };
        self.span = OwnSpan::Within { context: within(span), is_ours };
    }

    pub(crate) fn set_attribute(&mut self, attribute: KeyValue) {
        if self.recording {
            self.span.set_attribute(attribute);
        }
    }

    fn describe_endpoint(&mut self) {
        let Self { inner, target, span, .. } = self;
        if target.operation.operation_type() != OperationType::Create {
            for attribute in inner.span_attributes().chain(inner.learned()) {
                span.set_attribute(attribute.clone());
            }
        }
    }

    /// Adds what a single message has to say.
    pub(crate) fn describe<M: Message + ?Sized>(&mut self, message: &M) {
        if !self.recording {
            return;
        }
        let Self { inner, target, span, .. } = self;
        let operation = target.operation.operation_type();
        message.attributes(operation, &mut |key, value| {
            span.set_attribute(value.to_key_value(key));
        });
        if operation != OperationType::Settle {
            asked_for(inner, message, |attribute| span.set_attribute(attribute));
        }
    }

    /// It is dropped: it was handed over, or it was interrupted (R24).
    pub(crate) fn end_unfinished(&mut self) {
        if self.ended {
            return;
        }
        let interrupted = || {
            let panicking = thread::panicking();
            Failure::new(if panicking { ErrorType::PANIC } else { ErrorType::CANCELLED })
        };
        self.end((!self.handed_over).then(interrupted));
    }

    pub(crate) fn end(&mut self, failure: Option<Failure>) {
        self.ended = true;
        // Nobody asks for the time.
        if !self.recording && self.inner.instruments().is_none() {
            return;
        }
        let elapsed = self.started.elapsed();
        let failure = failure.map(|mut failure| {
            failure.error_type = self.inner.settings.error_type(failure.error_type);
            failure
        });
        if let Some(instruments) = self.inner.instruments() {
            let messages = self.counted(failure.as_ref());
            let error = failure.as_ref().map(|failure| &failure.error_type);
            let kind = self.target.operation.operation_type();
            let series = self.target.series(self.partition);
            instruments.record(kind, series, elapsed, messages, error);
        }
        if let Some(failure) = failure {
            self.mark_failed(failure);
        }
        let end = self.started.time.map_or_else(SystemTime::now, |time| time + elapsed);
        match &mut self.span {
            OwnSpan::Alone(span) => span.end_with_timestamp(end),
            OwnSpan::Within { context, is_ours: true } => {
                context.span().end_with_timestamp(end);
            }
            OwnSpan::None | OwnSpan::Within { is_ours: false, .. } => {}
        }
    }

    fn counted(&self, failure: Option<&Failure>) -> Messages {
        let all = self.messages.saturating_sub(self.withdrawn);
        match (self.target.operation.operation_type(), failure) {
            (OperationType::Settle | OperationType::Create, _) => Messages::default(),
            (OperationType::Receive | OperationType::Process, _) | (OperationType::Send, None) => {
                Messages { succeeded: all, failed: 0 }
            }
            // What the client refused was never sent.
            (OperationType::Send, Some(_)) if !self.handed_over => Messages::default(),
            (OperationType::Send, Some(failure)) => {
                let failed = match failure.messages.len() as u64 {
                    0 => all,
                    some => some.saturating_sub(self.withdrawn).min(all),
                };
                Messages { succeeded: all - failed, failed }
            }
        }
    }

    fn mark_failed(&mut self, failure: Failure) {
        if !self.recording {
            return;
        }
        for (index, error) in failure.messages.iter().take(MAX_FAILURE_EVENTS) {
            let attributes = vec![
                KeyValue::new(semconv::EXCEPTION_TYPE, error.clone().into_value()),
                KeyValue::new(semconv::EXCEPTION_MESSAGE, format!("message {index} of the batch")),
            ];
            match &mut self.span {
                OwnSpan::Alone(span) => span.add_event("exception", attributes),
                OwnSpan::Within { context, .. } => {
                    context.span().add_event("exception", attributes);
                }
                OwnSpan::None => {}
            }
        }
        self.set_attribute(KeyValue::new(semconv::ERROR_TYPE, failure.error_type.into_value()));
        let status = Status::Error { description: failure.description };
        match &mut self.span {
            OwnSpan::Alone(span) => span.set_status(status),
            OwnSpan::Within { context, .. } => context.span().set_status(status),
            OwnSpan::None => {}
        }
    }
}

/// The attributes of a message that are off until asked for (R21).
pub(crate) fn asked_for<M: Message + ?Sized>(
    inner: &Inner,
    message: &M,
    mut set: impl FnMut(KeyValue),
) {
    let settings = &inner.settings;
    if settings.message_keys
        && let Some(attribute) = inner.facts.system.key_attribute()
        && let Some(key) = message.key().and_then(|key| str::from_utf8(key).ok())
    {
        set(KeyValue::new(attribute, key.to_owned()));
    }
    if settings.message_sizes {
        let size = |size: usize| Value::I64(i64::try_from(size).unwrap_or(i64::MAX));
        if let Some(bytes) = message.body_size() {
            set(KeyValue::new(semconv::MESSAGE_BODY_SIZE, size(bytes)));
        }
        if let Some(bytes) = message.envelope_size() {
            set(KeyValue::new(semconv::MESSAGE_ENVELOPE_SIZE, size(bytes)));
        }
    }
    for (name, key) in &settings.captured_headers {
        if let Some(value) = message.header(name).and_then(|value| str::from_utf8(value).ok()) {
            set(KeyValue::new(key.clone(), header_value(value)));
        }
    }
}
