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

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::{
        common::v1::InstrumentationScope as Scope,
        metrics::v1::{
            Histogram, HistogramDataPoint, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
        },
        resource::v1::Resource,
        trace::v1::{ResourceSpans, ScopeSpans, Status as WireStatus},
    };
    use otel_messaging_examples::metrics::draw;

    fn text(key: &str, text: &str) -> Attribute {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) });
        Attribute { key: key.to_owned(), value, ..Default::default() }
    }

    fn resource(service: &str) -> Resource {
        Resource { attributes: vec![text("service.name", service)], ..Default::default() }
    }

    fn exported(service: &str, span: Span) -> ResourceSpans {
        let scope = Scope { name: "lib".into(), version: "1".into(), ..Default::default() };
        let scope_spans = ScopeSpans {
            scope: Some(scope),
            spans: vec![span],
            schema_url: "https://schema".into(),
        };
        ResourceSpans {
            resource: Some(resource(service)),
            scope_spans: vec![scope_spans],
            ..Default::default()
        }
    }

    #[test]
    fn a_span_is_what_it_was_before_it_was_exported() {
        let (trace_id, span_id) = (vec![1; 16], vec![2; 8]);
        let span = Span {
            trace_id: trace_id.clone(),
            span_id: span_id.clone(),
            parent_span_id: vec![3; 8],
            name: "process orders".into(),
            kind: span::SpanKind::Consumer.into(),
            start_time_unix_nano: 1_000_000_000,
            end_time_unix_nano: 1_000_002_000,
            attributes: vec![text("messaging.operation.type", "process")],
            links: vec![span::Link { trace_id, span_id, ..Default::default() }],
            status: Some(WireStatus { message: "no".into(), code: StatusCode::Error.into() }),
            ..Default::default()
        };
        let other = exported("shop", Span::default());
        let collected =
            Collected { spans: vec![exported("mailer", span), other], ..Default::default() };

        let spans = spans(&collected);
        let services: Vec<_> = spans.iter().map(|it| it.service.as_str()).collect();
        assert_eq!(services, ["shop", "mailer"]);
        assert!(!spans[0].span.span_context.is_valid());
        let it = &spans[1];
        assert_eq!(it.operation(), Some("process"));
        let SpanData { span_context, parent_span_id, links, .. } = &it.span;
        assert_eq!(span_context.trace_id(), TraceId::from_bytes([1; 16]));
        assert_eq!(span_context.span_id(), SpanId::from_bytes([2; 8]));
        assert_eq!(*parent_span_id, SpanId::from_bytes([3; 8]));
        assert_eq!(links.iter().map(|it| &it.span_context).collect::<Vec<_>>(), [span_context]);
        assert_eq!(
            (it.span.name.as_ref(), &it.span.span_kind),
            ("process orders", &SpanKind::Consumer)
        );
        assert_eq!(it.span.status, Status::error("no"));
        let took = it.span.end_time.duration_since(it.span.start_time).unwrap();
        assert_eq!(took, Duration::from_micros(2));
        let scope = InstrumentationScope::builder("lib").with_version("1");
        assert_eq!(it.span.instrumentation_scope, scope.with_schema_url("https://schema").build());
    }

    #[test]
    fn a_service_that_exports_again_is_not_counted_twice() {
        let point = |count| {
            let attributes = vec![text("messaging.operation.name", "ack")];
            let value = Some(number_data_point::Value::AsInt(count));
            let sum =
                NumberDataPoint { attributes: attributes.clone(), value, ..Default::default() };
            let sum = Data::Sum(Sum { data_points: vec![sum], ..Default::default() });
            let (count, seconds) = (count.unsigned_abs(), Some(count as f64 / 1e3));
            let times =
                HistogramDataPoint { attributes, count, sum: seconds, ..Default::default() };
            let times =
                Data::Histogram(Histogram { data_points: vec![times], ..Default::default() });
            let metric = |name: &str, data| Metric {
                name: name.into(),
                data: Some(data),
                ..Default::default()
            };
            let metrics = vec![metric("times", times), metric("sums", sum)];
            ResourceMetrics {
                resource: Some(resource("mailer")),
                scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
                ..Default::default()
            }
        };
        let collected = Collected { metrics: vec![point(1), point(3)], ..Default::default() };
        assert_eq!(
            draw(metrics(&collected).into_iter()),
            "metric  service  operation  destination  count    mean\n\
             sums    mailer   ack                         3\n\
             times   mailer   ack                         3  1.0 ms\n"
        );
    }
}
