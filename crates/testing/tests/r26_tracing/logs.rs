//! What a line that is logged in a handler says of its process span.

use std::{
    fmt, io,
    sync::{Arc, Mutex},
};

use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceState};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter, SdkLoggerProvider, SimpleLogProcessor},
};
use otel_messaging_core::{
    CreationContext, Instrumentation, Instrumenter, System, client::without_ambient,
};
use tracing::{Dispatch, Event, Instrument as _, Subscriber, dispatcher, info, info_span};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format},
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

use crate::stage::{Stage, the};

/// What is logged, of which span.
#[derive(Clone, Debug, Default)]
struct Logged(Arc<Mutex<Vec<Option<SpanContext>>>>);

impl LogExporter for Logged {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        for (record, _) in batch.iter() {
            let context = record.trace_context().map(|context| {
                let flags = context.trace_flags.unwrap_or_default();
                let (trace, span) = (context.trace_id, context.span_id);
                SpanContext::new(trace, span, flags, false, TraceState::NONE)
            });
            self.0.lock().unwrap().push(context);
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_appender_has_the_trace_and_the_span() {
    for activation in [true, false] {
        let stage = Stage::new(activation);
        let logged = Logged::default();
        let provider = SdkLoggerProvider::builder()
            .with_log_processor(SimpleLogProcessor::new(logged.clone()))
            .build();
        let appender = OpenTelemetryTracingBridge::new(&provider);
        let layers = tracing_subscriber::registry().with(stage.layer()).with(appender);
        let _default = dispatcher::set_default(&Dispatch::new(layers));
        let order = stage.order().await;
        let handler = async {
            tokio::task::yield_now().await;
            info!("billed");
        };
        order.process(handler).await;
        let process = the(&stage, "process orders").span_context.clone();
        assert_eq!(*logged.0.lock().unwrap(), [Some(process)]);
    }
}

/// Begins every line with the trace and the span that it belongs to.
struct WithTrace<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let span = opentelemetry::Context::current().span().span_context().clone();
        if span.is_valid() {
            write!(writer, "trace={} span={} ", span.trace_id(), span.span_id())?;
        }
        self.0.format_event(context, writer, event)
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn lines_to(written: &Written, stage: &Stage) -> Dispatch {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(written.clone())
        .event_format(WithTrace(format().without_time()));
    Dispatch::new(tracing_subscriber::registry().with(stage.layer()).with(lines))
}

#[tokio::test]
async fn a_line_has_the_trace_the_span_and_the_fields() {
    for activation in [true, false] {
        let stage = Stage::new(activation);
        let written = Written::default();
        let _default = dispatcher::set_default(&lines_to(&written, &stage));
        let order = stage.order().await;
        let handler = async {
            tokio::task::yield_now().await;
            info!("billed");
        };
        order.process(handler).instrument(info_span!("worker")).await;
        let process = the(&stage, "process orders").span_context.clone();
        let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let expected = format!(
            "trace={} span={}  INFO worker:process{{otel.name=\"process orders\" \
             otel.kind=\"consumer\" messaging.system=\"toy\" messaging.operation.name=\"process\" \
             messaging.destination.name=\"orders\" messaging.consumer.group.name=\"toys\" \
             server.address=\"toy.local\" server.port=7 messaging.operation.type=\"process\" \
             messaging.destination.partition.id=\"0\"}}: r26_tracing::logs: billed\n",
            process.trace_id(),
            process.span_id(),
        );
        assert_eq!(lines, expected);
    }
}

/// A callback that a client makes within an unrelated call is not inside that call's span.
#[tokio::test]
async fn a_line_of_a_callback_does_not_name_the_span_around() {
    let stage = Stage::new(true);
    let written = Written::default();
    let _default = dispatcher::set_default(&lines_to(&written, &stage));
    let order = stage.order().await;
    let callback = || without_ambient(|| order.process_sync(|| info!("billed")));
    info_span!("unrelated").in_scope(callback);
    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(lines.contains(" INFO process{"), "{lines}");
}

/// A destination is named by whoever sends messages, where a routing key is part of its name.
#[tokio::test]
async fn r28_a_name_forges_no_line() {
    let stage = Stage::new(true);
    let written = Written::default();
    let _default = dispatcher::set_default(&lines_to(&written, &stage));
    let builder =
        Instrumentation::builder().with_tracer_provider(stage.telemetry.tracer_provider());
    let jobs = Instrumenter::builder(System::new("jobs", "jobs", "1")).build(&builder.build());
    let name = "orders\n ERROR all is lost";
    jobs.restore(name, CreationContext::NONE, "job").process_sync(|| info!("billed"));
    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(
        lines.contains(r#"messaging.destination.name="orders\n ERROR all is lost""#),
        "{lines}"
    );
}
