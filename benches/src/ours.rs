//! Calls the core as a client crate and its application do.

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use otel_messaging_core::{
    Batch, Instrumentation, InstrumentationBuilder, Instrumenter, Operation, OperationType,
    Propagation, ReceiveSpans, Received, System,
};

use crate::{
    bare,
    providers::{RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider},
    record::{Borrowed, Record},
};

const KAFKA: System = System::new("kafka", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
const SEND: Operation = Operation::new(OperationType::Send, "send");
const POLL: Operation = Operation::new(OperationType::Receive, "poll");
const COMMIT: Operation = Operation::new(OperationType::Settle, "commit");

/// The part of the instrumentation that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// [`Instrumentation::disabled`].
    Disabled,
    /// The sampler drops all spans, and contexts are injected. No metrics.
    SampledOut,
    /// Spans are recorded. No metrics.
    Recording,
    /// Spans and metrics are recorded.
    WithMetrics,
}

impl Rung {
    /// All rungs, from the cheapest.
    pub const ALL: [Self; 4] =
        [Self::Disabled, Self::SampledOut, Self::Recording, Self::WithMetrics];

    /// Returns the name of a benchmark on this rung.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::SampledOut => "sampled out",
            Self::Recording => "recording",
            Self::WithMetrics if cfg!(feature = "bound-instruments") => "with bound metrics",
            Self::WithMetrics => "with metrics",
        }
    }

    /// Makes an instrumenter on this rung, with the link limit raised for all batches.
    pub fn instrumenter(self) -> Instrumenter {
        let sampling = match self {
            Self::Disabled => return instrumenter(&Instrumentation::disabled()),
            Self::SampledOut => Sampling::SampledOut,
            Self::Recording | Self::WithMetrics => Sampling::Recording,
        };
        let tracing = traced(sampling, RAISED_LINK_LIMIT);
        instrumenter(
            &match self {
                Self::WithMetrics => {
                    tracing.with_metrics(true).with_meter_provider(meter_provider())
                }
                _ => tracing,
            }
            .build(),
        )
    }
}

/// Makes an instrumenter that records spans with the SDK's default limit of 128 links.
#[inline]
pub fn with_default_link_limit() -> Instrumenter {
    instrumenter(&traced(Sampling::Recording, 128).build())
}

/// Makes an instrumenter that records spans, but not those of receiving single messages.
pub fn without_receive_spans() -> Instrumenter {
    let builder = traced(Sampling::Recording, 128);
    instrumenter(&builder.with_receive_spans(ReceiveSpans::Batches).build())
}

/// Makes an instrumenter with metrics and without spans. Contexts are propagated.
pub fn without_tracing() -> Instrumenter {
    instrumenter(&untraced().with_tracing(false).with_meter_provider(meter_provider()).build())
}

/// Makes an instrumenter with a meter provider and without a tracer provider.
pub fn without_tracer_provider() -> Instrumenter {
    instrumenter(&untraced().with_meter_provider(meter_provider()).build())
}

/// Makes an instrumenter whose spans are sampled out, without a meter provider.
pub fn without_meter_provider() -> Instrumenter {
    instrumenter(&traced(Sampling::SampledOut, RAISED_LINK_LIMIT).with_metrics(true).build())
}

/// Makes an instrumenter without providers. This process has no global ones either.
pub fn without_providers() -> Instrumenter {
    instrumenter(&untraced().build())
}

/// Makes an instrumenter with spans and metrics switched off. Contexts are propagated.
pub fn switched_off() -> Instrumenter {
    instrumenter(&untraced().with_tracing(false).with_metrics(false).build())
}

fn untraced() -> InstrumentationBuilder {
    Instrumentation::builder().with_propagator(Propagation::TraceContext)
}

fn traced(sampling: Sampling, link_limit: u16) -> InstrumentationBuilder {
    Instrumentation::builder()
        .with_tracer_provider(tracer_provider(sampling, link_limit))
        .with_link_limit(link_limit.into())
        .with_propagator(Propagation::TraceContext)
        .with_metrics(false)
}

fn instrumenter(instrumentation: &Instrumentation) -> Instrumenter {
    Instrumenter::builder(KAFKA)
        .client_id("client-1")
        .server("broker.example", Some(9092))
        .build(instrumentation)
}

/// Sends one message and receives the broker's answer.
#[inline]
pub fn send(instrumenter: &Instrumenter, record: &mut Record) {
    record.headers_mut().clear();
    let operation = instrumenter.send(SEND, record);
    bare::hand_over(record);
    operation.end();
}

/// Receives one message.
#[inline]
pub fn receive(instrumenter: &Instrumenter, record: &Record) {
    black_box(instrumenter.receive(POLL, instrumenter.clock(), Borrowed(record)));
}

/// Receives one message, and processes it with a function.
#[inline]
pub fn consume(instrumenter: &Instrumenter, record: &Record) {
    let message = instrumenter.receive(POLL, instrumenter.clock(), Borrowed(record));
    message.process_sync(|| bare::work(&message));
}

/// Extracts a message's context without a receive span, and processes it with a function.
#[inline]
pub fn process(instrumenter: &Instrumenter, record: &Record) {
    let message = instrumenter.extract(Borrowed(record));
    message.process_sync(|| bare::work(&message));
}

/// Extracts a message's context without a receive span, and processes it with a future.
#[inline]
pub fn process_async(instrumenter: &Instrumenter, record: &Record) {
    let message = instrumenter.extract(Borrowed(record));
    let process = pin!(message.process(async { bare::work(&message) }));
    // The future never waits, so one poll is enough.
    let done: Poll<()> = process.poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(done.is_ready());
}

/// Extracts a message's context, for [`settle`].
#[inline]
pub fn extract<'a>(instrumenter: &Instrumenter, record: &'a Record) -> Received<Borrowed<'a>> {
    instrumenter.extract(Borrowed(record))
}

/// Commits a message.
#[inline]
pub fn settle(message: &Received<Borrowed<'_>>) {
    message.settle(COMMIT).end();
}

/// Extracts the contexts of messages without receive spans, and processes them as a batch.
#[inline]
pub fn process_batch(instrumenter: &Instrumenter, records: &[Record]) {
    let batch: Batch<_> =
        records.iter().map(|record| instrumenter.extract(Borrowed(record))).collect();
    batch.process_sync(|| bare::work(&batch));
}

/// Extracts the contexts of messages, and receives them as a batch.
#[inline]
pub fn receive_batch(instrumenter: &Instrumenter, records: &[Record]) {
    let clock = instrumenter.clock();
    let batch: Vec<_> =
        records.iter().map(|record| instrumenter.extract(Borrowed(record))).collect();
    instrumenter.receive_batch(POLL, clock, &batch);
    bare::work(&batch);
}

/// Sends messages as a batch, with a create span for each.
#[inline]
pub fn send_batch(instrumenter: &Instrumenter, records: &mut [Record]) {
    for record in &mut *records {
        record.headers_mut().clear();
    }
    let operations = instrumenter.send_batch(SEND, records);
    for (record, operation) in records.iter_mut().zip(operations) {
        bare::hand_over(record);
        operation.end();
    }
}
