//! The set-up: spans of `tracing` and of OpenTelemetry go to one provider, and every line of the log
//! begins with its trace and span.

use std::fmt;

use opentelemetry::{
    Context, global,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tracing::{Event, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _,
    fmt::{FmtContext, FormatEvent, FormatFields, format, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

pub(crate) fn set_up(exporter: impl SpanExporter + 'static) -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    // For all other spans of the clients: send, receive, settle.
    global::set_tracer_provider(provider.clone());
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("billing"));
    let log = tracing_subscriber::fmt::layer().event_format(WithTrace);
    tracing_subscriber::registry().with(spans.with_filter(LevelFilter::INFO)).with(log).init();
    provider
}

/// Begins every line with the trace and the span that it belongs to.
struct WithTrace;

impl<S, N> FormatEvent<S, N> for WithTrace
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let span = Context::current().span().span_context().clone();
        write!(to, "{} {} ", span.trace_id(), span.span_id())?;
        format().compact().without_time().with_ansi(false).format_event(context, to, event)
    }
}
