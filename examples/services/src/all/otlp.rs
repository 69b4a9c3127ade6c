//! What came over OTLP, as the SDK has it before it is exported: what is drawn and counted.

use crate::service::Service;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue as Attribute, any_value},
    metrics::v1::{Metric, metric::Data, number_data_point},
    trace::v1::{Span, span, status::StatusCode},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use otel_messaging_examples::{metrics::Row, traces::Exported};
use otel_messaging_testing::collector::{Collected, service_of};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// All spans, service by service.
pub(super) fn spans(collected: &Collected) -> Vec<Exported> {
    let mut spans = Vec::new();
    for resource in &collected.spans {
        let service = service_of(resource.resource.as_ref());
        for scope_spans in &resource.scope_spans {
            let scope = scope_spans.scope.clone().unwrap_or_default();
            let scope = InstrumentationScope::builder(scope.name)
                .with_version(scope.version)
                .with_schema_url(scope_spans.schema_url.clone())
                .build();
            let exported = |it| Exported { service: service.to_owned(), span: span(it, &scope) };
            spans.extend(scope_spans.spans.iter().map(exported));
        }
    }
    spans.sort_by_key(|it| place(&it.service));
    spans
}

/// The last that each service has said of its metrics: later ones contain the earlier.
pub(super) fn metrics(collected: &Collected) -> Vec<Row> {
    let last: BTreeMap<_, _> = collected
        .metrics
        .iter()
        .map(|it| (service_of(it.resource.as_ref()), it))
        .map(|(service, it)| ((place(service), service), it))
        .collect();
    let mut rows = Vec::new();
    for ((_, service), resource) in last {
        let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        rows.extend(metrics.flat_map(|metric| rows_of(service, metric)));
    }
    rows
}

/// Services stand in the order in which an order meets them; then come strangers.
fn place(service: &str) -> usize {
    let mut all = Service::ALL.into_iter();
    all.position(|it| it.name() == service).unwrap_or(Service::ALL.len())
}

fn span(it: &Span, scope: &InstrumentationScope) -> SpanData {
    let status = it.status.clone().unwrap_or_default();
    SpanData {
        span_context: context(&it.trace_id, &it.span_id),
        parent_span_id: span_id(&it.parent_span_id),
        parent_span_is_remote: false,
        span_kind: match it.kind() {
            span::SpanKind::Server => SpanKind::Server,
            span::SpanKind::Client => SpanKind::Client,
            span::SpanKind::Producer => SpanKind::Producer,
            span::SpanKind::Consumer => SpanKind::Consumer,
            span::SpanKind::Internal | span::SpanKind::Unspecified => SpanKind::Internal,
        },
        name: it.name.clone().into(),
        start_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(it.start_time_unix_nano),
        end_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(it.end_time_unix_nano),
        attributes: it.attributes.iter().filter_map(attribute).collect(),
        dropped_attributes_count: it.dropped_attributes_count,
        events: SpanEvents::default(), // Nobody looks at them.
        links: {
            let mut links = SpanLinks::default();
            links.links = it.links.iter().map(link).collect();
            links.dropped_count = it.dropped_links_count;
            links
        },
        status: match status.code() {
            StatusCode::Unset => Status::Unset,
            StatusCode::Ok => Status::Ok,
            StatusCode::Error => Status::error(status.message),
        },
        instrumentation_scope: scope.clone(),
    }
}

fn link(it: &span::Link) -> Link {
    Link::with_context(context(&it.trace_id, &it.span_id))
}

fn context(trace_id: &[u8], id: &[u8]) -> SpanContext {
    let trace_id = trace_id.try_into().map_or(TraceId::INVALID, TraceId::from_bytes);
    SpanContext::new(trace_id, span_id(id), TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn span_id(bytes: &[u8]) -> SpanId {
    bytes.try_into().map_or(SpanId::INVALID, SpanId::from_bytes)
}

/// Lists are left out: no messaging attribute is one.
fn attribute(it: &Attribute) -> Option<KeyValue> {
    Some(KeyValue::new(it.key.clone(), value(it.value.as_ref()?)?))
}

fn value(value: &AnyValue) -> Option<Value> {
    Some(match value.value.as_ref()? {
        any_value::Value::StringValue(text) => text.clone().into(),
        any_value::Value::BoolValue(is) => (*is).into(),
        any_value::Value::IntValue(number) => (*number).into(),
        any_value::Value::DoubleValue(number) => (*number).into(),
        _ => return None,
    })
}

fn rows_of(service: &str, metric: &Metric) -> Vec<Row> {
    let row = |attributes: &[Attribute], count, seconds| {
        let attributes = attributes.iter().filter_map(|it| {
            Some((it.key.as_str(), value(it.value.as_ref()?)?.as_str().into_owned()))
        });
        Row::new(service, &metric.name, attributes, count, seconds)
    };
    match &metric.data {
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            points.map(|it| row(&it.attributes, it.count, it.sum)).collect()
        }
        Some(Data::Sum(sum)) => {
            let points = sum.data_points.iter();
            points.map(|it| row(&it.attributes, count(it.value), None)).collect()
        }
        _ => Vec::new(), // Nothing else is a messaging metric.
    }
}

fn count(value: Option<number_data_point::Value>) -> u64 {
    match value {
        Some(number_data_point::Value::AsInt(count)) => count.try_into().unwrap_or_default(),
        _ => 0,
    }
}
