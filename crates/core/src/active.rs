//! A running operation: span, clock and metrics, which end together and once (rule R24).

use std::{sync::Arc, thread};

use opentelemetry::{
    Context, KeyValue, Value,
    context::FutureExt,
    global::BoxedSpan,
    trace::{Span, SpanContext, Status, TraceContextExt},
};

use crate::{
    ErrorType, Failure, Message, OperationType, Outcome,
    endpoint::{Inner, Started},
    message::header_value,
    metrics::Messages,
    semconv,
    target::Target,
};

/// Failed messages of one batch that get an event: what SDKs keep by default.
const MAX_FAILURE_EVENTS: usize = 128;

/// A running operation. It ends with [`end`](Self::end), [`fail`](Self::fail) or
/// [`end_with`](Self::end_with); dropped before, it ends as `cancelled`, or as `panic` while its
/// thread unwinds.
///
/// Of a disabled instrumentation it is empty and does nothing.
#[derive(Debug)]
#[must_use = "the operation ends when this is dropped"]
pub struct ActiveOperation(Option<Active>);

impl ActiveOperation {
    /// A function, as a constant would be copied in its full size.
    #[inline]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn running(active: Active) -> Self {
        Self(Some(active))
    }

    /// The context to work in: of a process operation the one whose span this is, otherwise what
    /// is current.
    ///
    /// Never hold an attached guard of it over an `.await` (rule R25): use
    /// [`opentelemetry::context::FutureExt::with_context`].
    pub fn context(&self) -> Context {
        self.own_context().unwrap_or_else(Context::current)
    }

    /// The span's context; invalid if the operation has no span.
    pub fn span_context(&self) -> SpanContext {
        self.0.as_ref().and_then(Active::span_context).unwrap_or(SpanContext::NONE)
    }

    /// Whether attributes are recorded: if not, they need not be computed.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|active| active.recording)
    }

    /// Adds an attribute to the span, if it records.
    pub fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(active) = &mut self.0 {
            active.set_attribute(attribute);
        }
    }

    /// Says which partition the broker chose, for span and metrics.
    pub fn set_partition(&mut self, partition: u32) {
        if let Some(active) = &mut self.0
            && active.partition.is_none()
        {
            if active.recording {
                active.set_attribute(active.target.partition_attribute(partition));
            }
            active.partition = Some(partition);
        }
    }

    /// Says that the client has taken the messages over: from here on they count as sent, and a
    /// drop is a hand-over that succeeded as far as anybody knows (rule R10).
    pub const fn handed_over(&mut self) {
        if let Some(active) = &mut self.0 {
            active.handed_over = true;
        }
    }

    /// Polls `future` in the operation's context, and ends the operation with its result.
    ///
    /// Cancel safety: dropped in the middle, the operation ends as `cancelled`.
    pub async fn run<F>(self, future: F) -> F::Output
    where
        F: Future<Output: Outcome>,
    {
        self.run_classified(future, Outcome::failure).await
    }

    /// [`run`](Self::run) where `classify` says what the result means.
    pub async fn run_classified<F, C>(self, future: F, classify: C) -> F::Output
    where
        F: Future,
        C: FnOnce(&F::Output) -> Option<Failure>,
    {
        let Some(context) = self.own_context() else { return future.await };
        let output = future.with_context(context).await;
        match classify(&output) {
            Some(failure) => self.fail(failure),
            None => self.end(),
        }
        output
    }

    /// Does `work` with the operation's context current.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _current = self.own_context().map(Context::attach);
        work()
    }

    fn own_context(&self) -> Option<Context> {
        match &self.0 {
            Some(Active { span: RunningSpan::Within { context, .. }, .. }) => Some(context.clone()),
            _ => None,
        }
    }

    /// Says that the client refused so many of a batch's messages: they were never sent, and are
    /// not counted.
    pub const fn withdraw(&mut self, messages: u64) {
        if let Some(active) = &mut self.0 {
            active.withdrawn = messages;
        }
    }

    /// The operation succeeded.
    #[inline]
    pub fn end(mut self) {
        if let Some(active) = &mut self.0 {
            active.end(None);
        }
    }

    /// The operation failed. Of a send, the broker was asked and the messages count as sent.
    pub fn fail(mut self, failure: Failure) {
        if let Some(active) = &mut self.0 {
            active.handed_over = true;
            active.end(Some(failure));
        }
    }

    /// The client refused the messages: the operation failed, and nothing was sent.
    pub fn reject(mut self, failure: Failure) {
        if let Some(active) = &mut self.0 {
            active.end(Some(failure));
        }
    }

    /// The operation ended as `outcome` says.
    pub fn end_with<O: Outcome + ?Sized>(self, outcome: &O) {
        // Nobody is told: then it need not be computed.
        if self.0.is_none() {
            return;
        }
        match outcome.failure() {
            Some(failure) => self.fail(failure),
            None => self.end(),
        }
    }
}

impl Drop for ActiveOperation {
    #[inline]
    fn drop(&mut self) {
        if let Some(active) = &mut self.0 {
            active.end_unfinished();
        }
    }
}

/// What an [`ActiveOperation`] holds while it runs.
#[derive(Debug)]
pub(crate) struct Active {
    inner: Arc<Inner>,
    target: Arc<Target>,
    partition: Option<u32>,
    span: RunningSpan,
    recording: bool,
    started: Started,
    /// How many messages the operation is about, and adds to its counter.
    messages: u64,
    withdrawn: u64,
    handed_over: bool,
    ended: bool,
}

#[derive(Debug)]
enum RunningSpan {
    None,
    Alone(BoxedSpan),
    /// The application works in `context`, whose span is ours unless there is none.
    Within {
        context: Context,
        is_ours: bool,
    },
}

impl RunningSpan {
    fn set_attribute(&mut self, attribute: KeyValue) {
        match self {
            Self::Alone(span) => span.set_attribute(attribute),
            Self::Within { context, .. } => context.span().set_attribute(attribute),
            Self::None => {}
        }
    }
}

impl Active {
    pub(crate) fn new(
        inner: Arc<Inner>,
        target: Arc<Target>,
        partition: Option<u32>,
        span: Option<BoxedSpan>,
        started: Started,
    ) -> Self {
        let recording = span.as_ref().is_some_and(BoxedSpan::is_recording);
        let span = span.map_or(RunningSpan::None, RunningSpan::Alone);
        let mut active = Self {
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
            active.describe_endpoint();
        }
        active
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) const fn is_recording(&self) -> bool {
        self.recording
    }

    pub(crate) const fn started(&self) -> Started {
        self.started
    }

    pub(crate) fn span_context(&self) -> Option<SpanContext> {
        self.with_span_context(Clone::clone)
    }

    pub(crate) fn with_span_context<T>(&self, f: impl FnOnce(&SpanContext) -> T) -> Option<T> {
        match &self.span {
            RunningSpan::Alone(span) => Some(f(span.span_context())),
            RunningSpan::Within { context, is_ours: true } => {
                Some(f(context.span().span_context()))
            }
            RunningSpan::None | RunningSpan::Within { is_ours: false, .. } => None,
        }
    }

    /// How many messages are counted at the end.
    pub(crate) const fn count(&mut self, messages: u64) {
        self.messages = messages;
    }

    /// Makes the span, if there is one, that of the context which `within` builds.
    pub(crate) fn work_in(&mut self, within: impl FnOnce(Option<BoxedSpan>) -> Context) {
        let (span, is_ours) = match std::mem::replace(&mut self.span, RunningSpan::None) {
            RunningSpan::Alone(span) => (Some(span), true),
            RunningSpan::None | RunningSpan::Within { .. } => (None, false),
        };
        self.span = RunningSpan::Within { context: within(span), is_ours };
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
    fn end_unfinished(&mut self) {
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
        let end = self.started.time + elapsed;
        match &mut self.span {
            RunningSpan::Alone(span) => span.end_with_timestamp(end),
            RunningSpan::Within { context, is_ours: true } => {
                context.span().end_with_timestamp(end);
            }
            RunningSpan::None | RunningSpan::Within { is_ours: false, .. } => {}
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
                RunningSpan::Alone(span) => span.add_event("exception", attributes),
                RunningSpan::Within { context, .. } => {
                    context.span().add_event("exception", attributes);
                }
                RunningSpan::None => {}
            }
        }
        self.set_attribute(KeyValue::new(semconv::ERROR_TYPE, failure.error_type.into_value()));
        let status = Status::Error { description: failure.description };
        match &mut self.span {
            RunningSpan::Alone(span) => span.set_status(status),
            RunningSpan::Within { context, .. } => context.span().set_status(status),
            RunningSpan::None => {}
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
