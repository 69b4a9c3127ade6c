//! The service API: requests are received, processed and answered.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use futures::StreamExt;
use opentelemetry::trace::SpanKind;
use otel_messaging_async_nats::{
    HeaderMap,
    otel::{ActiveOperation, semconv},
    service::{Config, Endpoint, ServiceExt, error::Error},
};
use otel_messaging_testing::{
    attributes::any,
    spans::{remote, span},
};
use support::Nats;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_inside_its_process_span() {
    let nats = Nats::new().await;
    let service = nats.client.service_builder().start("shop", "1.0.0").await.unwrap();
    let mut prices = service.endpoint("price").await.unwrap();
    let client = nats.client.clone();
    let asking = tokio::spawn(async move {
        [client.request("price", "a".into()).await, client.request("price", "b".into()).await]
    });
    let request = prices.next().await.unwrap();
    assert_eq!(request.message.payload, "a");
    request.process(request.respond(Ok("7".into()))).await.unwrap();
    let request = prices.next().await.unwrap();
    let sold_out = Error { status: "sold out".into(), code: 410 };
    let answer = request.respond_with_headers(Err(sold_out), HeaderMap::new());
    request.process(answer).await.unwrap();
    let [first, second] = asking.await.unwrap().map(|answer| answer.unwrap().into_inner());
    assert_eq!(first.payload, "7");
    let headers = second.headers.unwrap();
    assert_eq!(headers.get("Nats-Service-Error-Code").unwrap().as_str(), "410");
    assert!(headers.get("traceparent").is_some());
    let inbox =
        || [(semconv::DESTINATION_NAME, any()), (semconv::DESTINATION_TEMPORARY, true.into())];
    nats.telemetry.assert_spans(["1", "2"].into_iter().flat_map(|id| {
        let (ask, handle, answer) =
            (format!("ask{id}"), format!("handle{id}"), format!("answer{id}"));
        [
            span("request price")
                .kind(SpanKind::Producer)
                .attributes(nats.attributes("request", "send", Some("price")))
                .label(ask.clone()),
            nats.receive("price").linked_to(remote(ask.clone())),
            nats.process("price").linked_to(remote(ask)).label(handle.clone()),
            span("publish")
                .kind(SpanKind::Producer)
                .child_of(handle)
                .attributes(nats.attributes("publish", "send", None))
                .attributes(inbox())
                .label(answer.clone()),
            span("receive")
                .kind(SpanKind::Client)
                .attributes(nats.attributes("receive", "receive", None))
                .attributes(inbox())
                .linked_to(remote(answer)),
        ]
    }));
    // The future of an answer holds it once.
    let bare =
        size_of_val(&request.get_ref().respond_with_headers(Ok("".into()), HeaderMap::new()));
    let kept = size_of::<ActiveOperation>() + size_of::<usize>();
    assert!(size_of_val(&request.respond(Ok("".into()))) <= bare + kept);
    // What is no request cannot be answered, and nothing was sent.
    nats.telemetry.clear();
    nats.client.publish("price", "c".into()).await.unwrap();
    let request = prices.next().await.unwrap();
    nats.telemetry.clear();
    request.respond(Ok("7".into())).await.unwrap_err();
    nats.telemetry.assert_spans([]);
    prices.stop().await.unwrap();
}

/// Whichever method of the client makes it.
#[tokio::test(flavor = "multi_thread")]
async fn all_endpoints_are_instrumented() {
    let nats = Nats::new().await;
    let config = Config {
        name: "shop".to_owned(),
        version: "1.0.0".to_owned(),
        description: None,
        stats_handler: None,
        metadata: None,
        queue_group: None,
    };
    let service = nats.client.add_service(config).await.unwrap();
    let group = service.group("a").group_with_queue_group("b", "billing");
    let mut endpoints: Vec<(&str, Endpoint)> = vec![
        ("1", service.endpoint("1").await.unwrap()),
        ("2", service.endpoint_builder().name("two").add("2").await.unwrap()),
        ("a.b.3", group.endpoint("3").await.unwrap()),
        ("a.b.4", group.endpoint_builder().queue_group("q").add("4").await.unwrap()),
    ];
    for (subject, endpoint) in &mut endpoints {
        nats.client.publish(subject.to_owned(), "".into()).await.unwrap();
        endpoint.next().await.unwrap();
    }
    nats.telemetry.assert_spans(["1", "2", "a.b.3", "a.b.4"].into_iter().flat_map(|subject| {
        [nats.publish(subject).label(subject), nats.receive(subject).linked_to(remote(subject))]
    }));
    assert_eq!(service.info().await.name, "shop");
    service.stop().await.unwrap();
}
