//! Starts a broker with instrumented clients for one test, and gives access to its telemetry.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context as TaskContext, Poll, Waker},
};

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    context::FutureExt as _,
    trace::{SpanContext, TraceContextExt as _, Tracer as _},
};
use otel_messaging_core::{
    AsReceived as _, CreationContext, Instrumentation, InstrumentationBuilder, OperationType,
};

use super::{Broker, Header, Outgoing, Place, Setup};
use crate::telemetry::{self, FinishedSpan, Telemetry};

/// A broker that was started for one test, and the providers that its clients report to.
pub(super) struct Scene<B> {
    pub(super) telemetry: Telemetry,
    pub(super) broker: B,
}

/// The destinations that the consumer of each scene receives from.
pub(super) const DESTINATIONS: [&str; 2] = ["orders", "bills"];

impl<B: Broker> Scene<B> {
    pub(super) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// Starts a broker with the instrumentation that `configure` builds.
    pub(super) async fn with(
        configure: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        Self::on(Telemetry::builder(), configure).await
    }

    /// Starts a broker whose clients report to `telemetry`, with the instrumentation that
    /// `configure` builds.
    pub(super) async fn on(
        telemetry: telemetry::Builder,
        configure: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        Self::start(telemetry, |builder| configure(builder).build()).await
    }

    /// Starts a broker with the instrumentation that `make` returns. It gets a builder that has
    /// the providers of `telemetry`.
    pub(super) async fn start(
        telemetry: telemetry::Builder,
        make: impl FnOnce(InstrumentationBuilder) -> Instrumentation,
    ) -> Self {
        let telemetry = telemetry.expecting_scope(B::scope()).build();
        let setup = Setup { destinations: &DESTINATIONS, partitions: 2 };
        let broker = B::start(setup, &make(telemetry.instrumentation())).await;
        Self { telemetry, broker }
    }

    /// Runs `future` in a root span of the application.
    pub(super) async fn within<F: Future>(&self, name: &'static str, future: F) -> F::Output {
        self.within_context(&Context::new(), name, future).await
    }

    /// Runs `future` in a span of the application that is a child of `parent`.
    pub(super) async fn within_context<F: Future>(
        &self,
        parent: &Context,
        name: &'static str,
        future: F,
    ) -> F::Output {
        let span = self.telemetry.tracer().start_with_context(name, parent);
        let context = parent.with_span(span);
        let output = future.with_context(context.clone()).await;
        context.span().end();
        output
    }

    /// Sends a message and asserts success.
    #[track_caller]
    pub(super) fn send(&self, message: Outgoing) -> impl Future<Output = Place> {
        let send = self.broker.send(message);
        async { send.await.expect("the message is sent") }
    }

    /// Receives a message and asserts success.
    pub(super) async fn receive(&self) -> B::Message<'_> {
        self.broker.receive().await.expect("a message is received")
    }

    /// Sends a message with the producer that is not instrumented, and receives it.
    pub(super) async fn receive_foreign(&self, message: Outgoing) -> B::Message<'_> {
        self.broker.send_foreign(vec![message]).await;
        self.receive().await
    }

    /// Sends, receives, processes and settles a message.
    pub(super) async fn whole_life(&self, message: Outgoing) {
        self.send(message).await;
        let message = self.receive().await;
        message.as_received().process(async {}).await;
        self.broker.settle(&message).await.expect("the message is settled");
    }

    /// Returns the only finished span of a send to `orders`.
    #[track_caller]
    pub(super) fn the_send(&self) -> FinishedSpan {
        let name = self.broker.destination(OperationType::Send, "orders");
        self.the_span(&format!("{} {name}", B::SEND.name()))
    }

    /// Returns the only finished span called `name`.
    #[track_caller]
    pub(super) fn the_span(&self, name: &str) -> FinishedSpan {
        let mut spans = self.telemetry.spans();
        spans.retain(|span| span.name == name);
        assert_eq!(spans.len(), 1, "expected exactly one span {name:?}: {spans:#?}");
        spans.remove(0)
    }
}

/// Makes a message for the first partition of `orders`: one partition keeps the order of messages.
pub(super) fn order() -> Outgoing {
    Outgoing::new("orders").with_partition(0)
}

/// Returns the creation context that was extracted from a message.
pub(super) fn creation_of<'b, B: Broker>(message: &'b B::Message<'_>) -> &'b CreationContext {
    message.as_received().creation_context()
}

/// Returns the values of all headers called `name`, in order.
pub(super) fn values(headers: &[Header], name: &str) -> Vec<String> {
    let values = headers.iter().filter(|(other, _)| other == name);
    let text = |(_, value): &Header| {
        String::from_utf8(value.clone().expect("a propagator's value is not null"))
            .expect("a propagator's value is text")
    };
    values.map(text).collect()
}

/// Returns the headers that are not fields of a propagator.
pub(super) fn others(headers: &[Header]) -> Vec<Header> {
    let fields = ["traceparent", "tracestate", "baggage"];
    headers.iter().filter(|(name, _)| !fields.contains(&&**name)).cloned().collect()
}

/// Returns `headers` in a comparable order: sorted if the client does not keep the order.
pub(super) fn ordered<B: Broker>(mut headers: Vec<Header>) -> Vec<Header> {
    if !B::HEADERS.duplicate {
        headers.sort();
    }
    headers
}

/// Returns the `traceparent` of `context`.
pub(super) fn traceparent(context: &SpanContext) -> String {
    let flags = u8::from(context.is_sampled());
    format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
}

/// Returns the `traceparent` number `id` of a producer outside this process.
pub(super) fn foreign(id: usize) -> String {
    format!("00-0af7651916cd43dd8448eb21{id:08x}-b7ad6b71{id:08x}-01", id = id + 1)
}

/// Returns the span context that [`foreign`] writes.
pub(super) fn foreign_context(id: usize) -> SpanContext {
    let carrier = [("traceparent", foreign(id))];
    CreationContext::from_map(carrier).span_context().clone()
}

/// Returns `context` with one member of baggage.
pub(super) fn with_baggage(context: &Context, key: &'static str, value: &'static str) -> Context {
    context.with_baggage([KeyValue::new(key, value)])
}

/// Returns the value of a member of the current baggage.
pub(super) fn current_baggage(key: &'static str) -> Option<String> {
    Context::map_current(|context| context.baggage().get(key).map(ToString::to_string))
}

/// Returns the context of the current span.
pub(super) fn current_span() -> SpanContext {
    Context::map_current(|context| context.span().span_context().clone())
}

/// Returns the result of `what`, as a handler that cannot fail.
pub(super) async fn saw<T>(what: impl FnOnce() -> T) -> Result<T, Infallible> {
    Ok(what())
}

/// Polls once, with a waker that does nothing.
pub(super) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut TaskContext::from_waker(Waker::noop()))
}

/// Polls once with the waker of the test's task, and drops the future.
pub(super) async fn start_and_drop<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Yields to other tasks. The task may continue on another thread.
pub(super) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
