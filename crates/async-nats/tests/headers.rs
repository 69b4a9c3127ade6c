//! Headers: read in any case, replaced without leaving stale ones, and never a reason to fail.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use futures::StreamExt;
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    context::FutureExt,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, TraceContextExt, TraceState},
};
use otel_messaging_async_nats::{
    HeaderMap,
    otel::{CreationContext, Propagation},
};
use support::{
    Nats, foreign,
    server::{Info, Server},
};

fn context(id: u8) -> SpanContext {
    CreationContext::from_map([("traceparent", foreign(id))]).span_context().clone()
}

/// What is read of a message with this header block.
async fn read(block: &[u8]) -> CreationContext {
    let nats = Nats::new().await;
    let mut orders = nats.client.subscribe("orders").await.unwrap();
    nats.server.deliver("orders", "", block, b"7").await;
    let order = orders.next().await.unwrap();
    assert_eq!(order.process(async { order.payload.len() }.map_ok()).await, Ok(1));
    order.creation_context().clone()
}

trait MapOk: Future + Sized {
    fn map_ok(self) -> impl Future<Output = Result<Self::Output, std::fmt::Error>> {
        async { Ok(self.await) }
    }
}
impl<F: Future> MapOk for F {}

fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{}\r\n", lines.concat()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_is_found_in_any_case_and_under_the_servers_other_name() {
    for (lines, expected) in [
        (&[("traceparent", foreign(1))][..], Some(1)),
        (&[("Traceparent", foreign(1))], Some(1)),
        (&[("TRACEPARENT", foreign(1))], Some(1)),
        (&[("Xraceparent", foreign(1))], Some(1)),
        (&[("xRACEPARENT", foreign(1))], Some(1)),
        // The last of several, and rather the usual spelling.
        (&[("traceparent", foreign(1)), ("traceparent", foreign(2))], Some(2)),
        (&[("Traceparent", foreign(1)), ("traceparent", foreign(2))], Some(2)),
        (&[("traceparent", foreign(2)), ("Traceparent", foreign(1))], Some(2)),
        (&[("traceparent", foreign(2)), ("Xraceparent", foreign(1))], Some(2)),
        (&[("Yraceparent", foreign(1))], None),
        (&[("traceparent", "garbage".to_owned())], None),
    ] {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
        let creation = read(&block(&lines)).await;
        let found = creation.is_valid().then(|| creation.span_context().clone());
        assert_eq!(found, expected.map(context), "{lines:?}");
    }
    let creation = read(&block(&[
        ("Traceparent", &foreign(1)),
        ("Tracestate", "vendor=1"),
        ("Baggage", "tenant=north"),
    ]))
    .await;
    assert_eq!(creation.span_context().trace_state().header(), "vendor=1");
    assert_eq!(creation.baggage().unwrap().get("tenant").unwrap().as_str(), "north");
}

/// Those that get through the client: at others it closes the connection.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_headers_pass() {
    let long = "0".repeat(60_000);
    for hostile in [
        block(&[]),
        block(&[("traceparent", "")]),
        block(&[("traceparent", &long), ("tracestate", &long), ("baggage", &long)]),
        block(&[
            ("traceparent", "\u{1}\u{0}\t\u{7f}"),
            ("tracestate", ",,=,=,"),
            ("baggage", "=;,%"),
        ]),
        block(&[("traceparent", "00-é-é-01")]),
        block(&[("Nats-Msg-Id", "\u{0}")]),
        b"NATS/1.0 200 OK\r\n\r\n".to_vec(),
    ] {
        assert!(!read(&hostile).await.is_valid());
    }
}

/// Publishes the `count`-th message with these headers, and gives those that it travelled with.
async fn published(nats: &Nats, count: usize, headers: HeaderMap) -> Vec<String> {
    nats.client.publish_with_headers("orders", headers, "7".into()).await.unwrap();
    let published = nats.server.published(count).await;
    published.last().unwrap().lines().into_iter().map(str::to_owned).collect()
}

fn own(nats: &Nats) -> String {
    let span = nats.telemetry.spans().pop().unwrap();
    format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id())
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_fields_are_replaced_in_any_case() {
    let nats = Nats::new().await;
    let mut headers = HeaderMap::new();
    for name in ["traceparent", "Traceparent", "XRACEPARENT", "TraceState", "BAGGAGE"] {
        headers.append(name, foreign(1).as_str());
        headers.append(name, foreign(2).as_str());
    }
    headers.append("Twice", "1");
    headers.append("Twice", "2");
    headers.insert("Empty", "");
    let lines = published(&nats, 1, headers).await;
    let traceparent = format!("traceparent: {}", own(&nats));
    assert_eq!(lines, ["Empty: ", "Twice: 1", "Twice: 2", &traceparent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_written_as_go_writes_them_if_wanted() {
    let mut nats = Nats::new().await;
    nats.client = nats.client.with_canonical_headers();
    let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
    let ambient = Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(7),
        SpanId::from(7),
        TraceFlags::SAMPLED,
        true,
        state,
    ));
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", "stale");
    let lines = published(&nats, 1, headers).with_context(ambient).await;
    let traceparent = format!("Traceparent: {}", own(&nats));
    assert_eq!(lines, [&*traceparent, "Tracestate: vendor=1"]);
}

/// It has no idea of headers.
#[derive(Debug)]
struct Wild(&'static str, &'static str);

impl TextMapPropagator for Wild {
    fn inject_context(&self, _: &Context, injector: &mut dyn Injector) {
        injector.set("fine", "1".to_owned());
        injector.set(self.0, self.1.to_owned());
    }

    fn extract_with_context(&self, context: &Context, _: &dyn Extractor) -> Context {
        context.clone()
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&[])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_header_is_left_out_and_the_message_sent() {
    for (name, value) in [
        ("a name", "1"),
        ("a:name", "1"),
        ("nämé", "1"),
        ("line\r\nPUB x 0\r\n", "1"),
        ("", "1"),
        ("name", "1\r\nPUB x 0"),
        ("name", "\n"),
    ] {
        let nats =
            Nats::with(|builder| builder.with_propagator(Propagation::custom(Wild(name, value))));
        let nats = nats.await;
        let mut headers = HeaderMap::new();
        headers.insert("Job", "9");
        assert_eq!(published(&nats, 1, headers).await, ["Job: 9"], "{name:?}");
        nats.telemetry.assert_spans([nats.publish("orders")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_takes_no_room_that_a_message_needs() {
    let nats = Nats::on(
        Server::telling(Info { max_payload: 200_000, ..Info::DEFAULT }).await,
        |builder| builder,
    )
    .await;
    let with = |size: usize| {
        let mut headers = HeaderMap::new();
        headers.insert("x", "v".repeat(size));
        headers
    };
    // Version line, `x: `, two ends of lines, and the context's line.
    let (frame, context) = (12 + 5, "traceparent: \r\n".len() + 55);
    let limit = 65_535;
    for (count, (size, fits)) in (1..).zip([
        (limit - frame - context, true),
        (limit - frame - context + 1, false),
        (limit - frame, false),
        // JetStream does not take it anyhow.
        (limit - frame + 1, true),
    ]) {
        let lines = published(&nats, count, with(size)).await;
        assert_eq!(lines.iter().any(|line| line.starts_with("traceparent")), fits, "{size}");
    }
    // So many bytes are left of what the server takes.
    let payload = |left: usize| vec![b'x'; 200_000 - left];
    let cases = [(12 + context, true), (12 + context - 1, false), (0, false)];
    for (count, (left, fits)) in (5..).zip(cases) {
        nats.client.publish("orders", payload(left).into()).await.unwrap();
        let last = nats.server.published(count).await.pop().unwrap();
        assert_eq!(!last.headers.is_empty(), fits, "{left}");
    }
}
