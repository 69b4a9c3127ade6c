//! The types of the build without the feature `otel`: the same names and methods, of no size, which
//! do nothing.
#![allow(missing_docs, reason = "documented where the feature is on")]
#![allow(clippy::unused_self, reason = "the methods of the other build")]

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    AsReceived, Batch, Destination, ErrorType, ExistingContext, Failure, MessageView, Operation,
    Outcome, ProcessParent, ReceiveSpans, Received, SendSpanEnd, System, Trust,
    client::{AttributeValue, Message, NotInjected, OutgoingMessage},
};

/// Defines setters of a builder.
macro_rules! ignored {
    ($($setter:ident: $value:ty,)*) => {
        $(
            pub const fn $setter(self, _: $value) -> Self {
                self
            }
        )*
    };
}

#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Instrumentation;

#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct InstrumentationBuilder;

impl Instrumentation {
    pub const fn builder() -> InstrumentationBuilder {
        InstrumentationBuilder
    }

    pub const fn disabled() -> Self {
        Self
    }
}

impl InstrumentationBuilder {
    #[must_use = "the instrumentation is what the builder is for"]
    pub const fn build(self) -> Instrumentation {
        Instrumentation
    }

    ignored! {
        with_propagation: bool,
        with_tracing: bool,
        with_subscriber_spans: bool,
        with_metrics: bool,
        with_receive_spans: ReceiveSpans,
        with_send_span_end: SendSpanEnd,
        with_settle_spans: bool,
        with_create_spans: bool,
        with_process_parent: ProcessParent,
        with_trust: Trust,
        with_existing_context: ExistingContext,
        with_link_limit: usize,
        with_destination_limit: usize,
        with_creation_context_attributes: bool,
        with_message_keys: bool,
        with_message_sizes: bool,
    }

    pub fn with_destination_templates<F>(self, _: F) -> Self
    where
        F: Fn(&str) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    {
        self
    }

    pub fn with_filter<F>(self, _: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> bool + Send + Sync + 'static,
    {
        self
    }

    pub fn with_process_parent_by<F>(self, _: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> Option<ProcessParent> + Send + Sync + 'static,
    {
        self
    }

    pub fn with_trust_by<F>(self, _: F) -> Self
    where
        F: Fn(&MessageView<'_>) -> Option<Trust> + Send + Sync + 'static,
    {
        self
    }

    pub fn with_extracted_baggage<K: Into<String>>(self, _: impl IntoIterator<Item = K>) -> Self {
        self
    }

    pub fn with_injected_baggage<K: Into<String>>(self, _: impl IntoIterator<Item = K>) -> Self {
        self
    }

    pub fn with_error_types<F>(self, _: F) -> Self
    where
        F: Fn(&ErrorType) -> Option<ErrorType> + Send + Sync + 'static,
    {
        self
    }

    pub fn with_captured_headers<N: Into<String>>(self, _: impl IntoIterator<Item = N>) -> Self {
        self
    }
}

#[derive(Clone, Debug)]
pub struct Instrumenter;

#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct InstrumenterBuilder;

#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl InstrumenterBuilder {
    ignored! {
        client_id: &str,
        consumer_group: &str,
        fallback_destination: &str,
    }

    pub const fn server(self, _: &str, _: Option<u16>) -> Self {
        self
    }

    pub fn attribute<'a>(self, _: &'static str, _: impl Into<AttributeValue<'a>>) -> Self {
        self
    }

    #[must_use = "the instrumenter is what the builder is for"]
    pub const fn build(self, _: &Instrumentation) -> Instrumenter {
        Instrumenter
    }
}

impl Instrumenter {
    pub const fn builder(_: System) -> InstrumenterBuilder {
        InstrumenterBuilder
    }

    pub const fn disabled() -> Self {
        Self
    }

    pub const fn is_enabled(&self) -> bool {
        false
    }

    pub const fn wants_settle_spans(&self) -> bool {
        false
    }

    pub const fn clock(&self) -> Clock {
        Clock
    }

    pub fn learn(&self, _: &'static str, _: impl FnOnce() -> Option<String>) {}

    pub const fn report_not_injected(&self, _: NotInjected) {}

    /// There is nothing to pack.
    pub const fn pack(&self, operation: ActiveOperation) -> Result<u64, ActiveOperation> {
        Err(operation)
    }

    pub const fn unpack(&self, _: u64) -> ActiveOperation {
        ActiveOperation
    }

    pub const fn send<M: OutgoingMessage>(&self, _: Operation, _: &mut M) -> ActiveOperation {
        ActiveOperation
    }

    pub const fn send_with_context<M: OutgoingMessage>(
        &self,
        _: Operation,
        _: &mut M,
        _: &CreationContext,
    ) -> ActiveOperation {
        ActiveOperation
    }

    pub fn send_batch<M: OutgoingMessage>(&self, _: Operation, messages: &mut [M]) -> Shares {
        Shares(messages.len())
    }

    pub fn extract<M: Message>(&self, message: M) -> Received<M> {
        Received::new(message, MessageContext)
    }

    pub fn receive<M: Message>(&self, _: Operation, _: Clock, message: M) -> Received<M> {
        self.extract(message)
    }

    pub const fn receive_batch<L: AsReceived>(&self, _: Operation, _: Clock, _: &[L]) {}

    pub fn receive_failed(&self, _: Operation, _: Clock, _: Option<Destination<'_>>, _: Failure) {}

    pub const fn settle(&self, _: Operation, _: Option<Destination<'_>>) -> ActiveOperation {
        ActiveOperation
    }
}

#[derive(Debug)]
pub struct Shares(usize);

impl Iterator for Shares {
    type Item = ActiveOperation;

    fn next(&mut self) -> Option<ActiveOperation> {
        self.0 = self.0.checked_sub(1)?;
        Some(ActiveOperation)
    }
}

/// What a [`Received`] message has beside the client's own.
pub(crate) struct MessageContext;

impl MessageContext {
    pub(crate) fn restored<M: Message>(_: Instrumenter, _: CreationContext, _: &M) -> Self {
        Self
    }

    pub(crate) const fn creation(&self) -> &CreationContext {
        &CreationContext::NONE
    }

    pub(crate) const fn instrumenter(&self) -> &Instrumenter {
        &Instrumenter
    }

    pub(crate) const fn share(&self) -> Self {
        Self
    }
}

impl<M: Message> Received<M> {
    pub const fn receive(&self, _: Operation, _: Clock) {}

    pub const fn start_process(&self) -> ActiveOperation {
        ActiveOperation
    }

    pub const fn settle(&self, _: Operation) -> ActiveOperation {
        ActiveOperation
    }
}

impl<L: AsReceived> Batch<L> {
    pub const fn start_process(&self) -> ActiveOperation {
        ActiveOperation
    }
}

#[derive(Debug)]
#[must_use = "the operation ends when this is dropped"]
pub struct ActiveOperation;

impl ActiveOperation {
    pub(crate) const fn none() -> Self {
        Self
    }

    pub(crate) const fn take(&mut self) -> Self {
        Self
    }

    pub const fn is_running(&self) -> bool {
        false
    }

    pub const fn is_recording(&self) -> bool {
        false
    }

    pub fn set_attribute<'a>(&mut self, _: &'static str, _: impl Into<AttributeValue<'a>>) {}

    pub const fn set_partition(&mut self, _: u32) {}

    pub const fn handed_over(&mut self) {}

    pub const fn take_span(&mut self) -> Self {
        Self
    }

    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    pub const fn end(self) {}

    pub fn fail(self, _: Failure) {}

    pub fn reject(self, _: Failure) {}

    pub fn end_with<O: Outcome + ?Sized>(self, _: &O) {}

    pub(crate) fn end_classified(self, _: impl FnOnce() -> Option<Failure>) {}
}

pub fn without_ambient<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CreationContext;

impl CreationContext {
    pub const NONE: Self = Self;

    pub const fn current() -> Self {
        Self
    }

    pub const fn is_valid(&self) -> bool {
        false
    }

    pub const fn to_map(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    pub fn from_map<K, V>(_: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        Self
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for CreationContext {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.to_map())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CreationContext {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}
