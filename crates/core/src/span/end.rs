//! How an operation ends: span and metrics end together, with the same duration and error.

use std::{
    mem, thread,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    global::BoxedSpan,
    trace::{Span, SpanContext, Status, TraceContextExt},
};

use crate::{
    ErrorType, Failure, OperationType, SendSpanEnd,
    instrumenter::Started,
    options::diagnostics::Diagnostic,
    semconv,
    span::{
        innermost,
        metrics::Messages,
        subscriber,
        target::{Shared, Target},
        telemetry::Telemetry,
    },
};

/// Failed messages of one batch that get an event: the default limit of SDKs.
const MAX_FAILURE_EVENTS: usize = 128;

/// An operation that runs: its span, its clock and its metrics.
#[derive(Debug)]
pub(crate) struct OperationState<'a> {
    target: Shared<'a>,
    partition: Option<u32>,
    span: OwnSpan,
    is_recording: bool,
    started: Started,
    /// How many messages the operation is about, and adds to its counter.
    messages: u64,
    /// How many of these the client refused.
    withdrawn: u64,
    handed_over: bool,
    has_ended: bool,
    /// The span of `tracing` that this span is, to be entered while the application works.
    subscriber_span: Option<subscriber::Span>,
}

/// Where the span of an operation is.
#[derive(Debug)]
pub(crate) enum OwnSpan {
    None,
    Alone(BoxedSpan),
    /// The application works in this context, whose span it is.
    Current(Context),
    /// The application works in this context, and the operation has no span.
    WithoutSpan(Context),
}

impl OwnSpan {
    pub(crate) fn is_recording(&self) -> bool {
        match self {
            Self::Alone(span) => span.is_recording(),
            Self::Current(context) => context.span().is_recording(),
            Self::None | Self::WithoutSpan(_) => false,
        }
    }

    pub(crate) fn span_context(&self) -> Option<SpanContext> {
        match self {
            Self::Alone(span) => Some(span.span_context().clone()),
            Self::Current(context) => Some(context.span().span_context().clone()),
            Self::None | Self::WithoutSpan(_) => None,
        }
    }

    pub(crate) fn set_attribute(&mut self, attribute: KeyValue) {
        match self {
            Self::Alone(span) => span.set_attribute(attribute),
            Self::Current(context) => context.span().set_attribute(attribute),
            Self::None | Self::WithoutSpan(_) => {}
        }
    }

    fn add_event(&mut self, name: &'static str, attributes: Vec<KeyValue>) {
        match self {
            Self::Alone(span) => span.add_event(name, attributes),
            Self::Current(context) => context.span().add_event(name, attributes),
            Self::None | Self::WithoutSpan(_) => {}
        }
    }

    fn set_status(&mut self, status: Status) {
        match self {
            Self::Alone(span) => span.set_status(status),
            Self::Current(context) => context.span().set_status(status),
            Self::None | Self::WithoutSpan(_) => {}
        }
    }

    fn mark_failed(&mut self, failure: Failure) {
        for (index, error) in failure.messages.into_iter().take(MAX_FAILURE_EVENTS) {
            let attributes = vec![
                KeyValue::new(semconv::EXCEPTION_TYPE, error.into_value()),
                KeyValue::new(semconv::EXCEPTION_MESSAGE, format!("message {index} of the batch")),
            ];
            self.add_event("exception", attributes);
        }
        let error_type = failure.error_type.into_value();
        self.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error_type));
        self.set_status(Status::Error { description: failure.description });
    }

    fn end(&mut self, time: SystemTime) {
        match self {
            Self::Alone(span) => span.end_with_timestamp(time),
            Self::Current(context) => context.span().end_with_timestamp(time),
            Self::None | Self::WithoutSpan(_) => {}
        }
    }
}

impl<'a> OperationState<'a> {
    pub(crate) fn new(
        target: Shared<'a>,
        partition: Option<u32>,
        span: OwnSpan,
        is_recording: bool,
        started: Started,
        messages: u64,
    ) -> Self {
        Self {
            target,
            partition,
            span,
            is_recording,
            started,
            messages,
            withdrawn: 0,
            handed_over: false,
            has_ended: false,
            subscriber_span: None,
        }
    }

    /// Returns the target and the start of a measured operation that has nothing else to keep.
    pub(crate) fn without_span(&self) -> Option<(&Target, Instant)> {
        let Self { target, partition, span, messages, started, subscriber_span, .. } = self;
        let is_plain = matches!(span, OwnSpan::None)
            && subscriber_span.is_none()
            && partition.is_none()
            && *messages == 1
            && !self.handed_over
            && !self.has_ended;
        started.instant.filter(|_| is_plain).map(|started| (&**target, started))
    }

    /// Leaves the end to something else.
    pub(crate) const fn forget(&mut self) {
        self.has_ended = true;
    }

    /// Makes an operation that may outlive the call which started it.
    pub(crate) fn into_owned(self) -> OperationState<'static> {
        OperationState { target: self.target.into_owned(), ..self }
    }

    /// Makes the operation's span one of `tracing`, in whose context the application works.
    pub(crate) fn set_subscriber_span(&mut self, span: subscriber::Span) {
        self.subscriber_span = Some(span);
    }

    /// Sets how many messages are counted at the end.
    pub(crate) const fn count(&mut self, messages: u64) {
        self.messages = messages;
    }

    pub(crate) const fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Returns the context that the application works in, if the operation has one.
    pub(crate) const fn context(&self) -> Option<&Context> {
        match &self.span {
            OwnSpan::Current(context) | OwnSpan::WithoutSpan(context) => Some(context),
            OwnSpan::None | OwnSpan::Alone(_) => None,
        }
    }

    /// Returns the span's context, as long as no application works in it.
    pub(crate) fn own_span_context(&self) -> Option<&SpanContext> {
        match &self.span {
            OwnSpan::Alone(span) => Some(span.span_context()),
            OwnSpan::None | OwnSpan::Current(_) | OwnSpan::WithoutSpan(_) => None,
        }
    }

    /// Returns the span's context, if the operation has a span.
    pub(crate) fn span_context(&self) -> Option<SpanContext> {
        self.span.span_context()
    }

    /// Takes out a send span that ends when the client has taken the message.
    pub(crate) fn take_send_span(&mut self) -> Option<OperationState<'static>> {
        let ends_early = self.is_recording
            && self.target.telemetry.settings.send_span_end == SendSpanEnd::HandOver
            && self.target.operation.operation_type() == OperationType::Send;
        if !ends_early {
            return None;
        }
        self.is_recording = false;
        Some(OperationState {
            target: self.target.share(),
            partition: self.partition,
            span: mem::replace(&mut self.span, OwnSpan::None),
            is_recording: true,
            started: Started { instant: None, ..self.started },
            subscriber_span: None,
            ..*self
        })
    }

    /// Drops a span that does not record, once its context was written: it need not be kept until
    /// the broker answers. Returns `None` if nothing is left to end.
    pub(crate) fn drop_unless_recording(mut self) -> Option<Self> {
        if !self.is_recording {
            self.span = OwnSpan::None;
        }
        self.has_end().then_some(self)
    }

    /// Returns whether there is anything to do at the end.
    pub(crate) const fn has_end(&self) -> bool {
        self.is_recording || self.started.instant.is_some()
    }

    /// Has the application work in `ambient` with the operation's span, or in what `without_span`
    /// makes.
    pub(crate) fn work_in(&mut self, ambient: &Context, without_span: impl FnOnce() -> Context) {
        self.span = match mem::replace(&mut self.span, OwnSpan::None) {
            OwnSpan::Alone(span) if self.is_recording => OwnSpan::Current(ambient.with_span(span)),
            // Of a span that does not record, nothing but its context is needed.
            OwnSpan::Alone(span) => {
                OwnSpan::Current(ambient.with_remote_span_context(span.span_context().clone()))
            }
            OwnSpan::None => OwnSpan::WithoutSpan(without_span()),
            // A span of `tracing` is in its context from the start.
            working => working,
        };
    }

    /// Calls `work` in the context that the application works in.
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(context) = self.context() else { return work() };
        let _entered = self
            .subscriber_span
            .as_ref()
            .map(|span| subscriber::Entered::new(span, &self.target.telemetry.settings));
        innermost::in_scope(context.clone(), work)
    }

    pub(crate) fn set_attribute(&mut self, attribute: KeyValue) {
        if self.is_recording {
            let Self { target, span, .. } = self;
            let set = || span.set_attribute(attribute);
            target.telemetry.settings.guard(Diagnostic::ProviderPanicked, set);
        }
    }

    pub(crate) fn set_partition(&mut self, partition: u32) {
        if self.partition.is_none() {
            self.partition = Some(partition);
            if self.is_recording {
                self.set_attribute(self.target.partition_attribute(partition));
            }
        }
    }

    pub(crate) const fn handed_over(&mut self) {
        self.handed_over = true;
    }

    /// Takes out messages that the client refused: they were never sent, and are not counted.
    pub(crate) const fn withdraw(&mut self, messages: u64) {
        self.withdrawn = messages;
    }

    /// Ends an operation that was dropped: it was handed over, or it was interrupted.
    pub(crate) fn end_dropped(&mut self) {
        if self.has_ended {
            return;
        }
        let interrupted = || {
            let panicking = thread::panicking();
            Failure::new(if panicking { ErrorType::PANIC } else { ErrorType::CANCELLED })
        };
        let failure = (!self.handed_over).then(interrupted);
        self.end(failure);
    }

    pub(crate) fn end(&mut self, failure: Option<Failure>) {
        self.has_ended = true;
        if self.has_end() {
            self.record_end(failure);
        }
        if let Some(span) = self.subscriber_span.take() {
            subscriber::close(&self.target.telemetry.settings, span);
        }
    }

    /// Ends an operation whose span records, or which is measured.
    fn record_end(&mut self, failure: Option<Failure>) {
        let elapsed = self.started.elapsed();
        let failure = failure.map(|mut failure| {
            failure.error_type = self.target.telemetry.settings.error_type(failure.error_type);
            failure
        });
        let messages = self.counted(failure.as_ref());
        let Self { target, partition, span, started, .. } = self;
        let Telemetry { settings, providers } = &*target.telemetry;
        if started.instant.is_some()
            && let Some(instruments) = providers.known_instruments()
        {
            let error = failure.as_ref().map(|failure| &failure.error_type);
            let operation = target.operation.operation_type();
            let series = target.series(*partition);
            settings.guard(Diagnostic::ProviderPanicked, || {
                instruments.record(operation, series, elapsed, messages, error);
            });
        }
        if self.is_recording {
            let time = started.time.map_or_else(SystemTime::now, |time| time + elapsed);
            settings.guard(Diagnostic::ProviderPanicked, || {
                if let Some(failure) = failure {
                    span.mark_failed(failure);
                }
                span.end(time);
            });
        }
    }

    fn counted(&self, failure: Option<&Failure>) -> Messages {
        let all = self.messages.saturating_sub(self.withdrawn);
        match (self.target.operation.operation_type(), failure) {
            (OperationType::Settle | OperationType::Create, _) => Messages::default(),
            (OperationType::Receive | OperationType::Process, _) | (OperationType::Send, None) => {
                Messages { succeeded: all, failed: 0 }
            }
            // The client refused them, so they were never sent.
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
}
