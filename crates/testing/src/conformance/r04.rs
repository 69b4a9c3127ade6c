use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use opentelemetry::KeyValue;
use otel_messaging_core::{AsReceived as _, Batch};

use super::{
    Broker, Header, Outgoing,
    propagator::w3c,
    r18::everything_is_counted_once,
    scene::{Scene, creation_of, foreign, order, ordered, others, values},
};
use crate::faults::Panics;

/// Instrumentation never makes a call fail, block, panic or lose a message, whatever bytes the
/// headers contain and whatever the application's hooks do.
pub async fn r04_never_interfere<B: Broker>() {
    for propagation in w3c() {
        let scene = Scene::<B>::with(|builder| builder.with_propagator(propagation.clone())).await;
        hostile_headers_pass(&scene).await;
    }
    panicking_hooks_are_ignored::<B>().await;
    for panics in Panics::ALL {
        panics_stay_in_the_telemetry::<B>(panics).await;
    }
    a_panicking_propagator_costs_the_context::<B>().await;
    a_message_without_room_is_sent_unchanged::<B>().await;
}

/// Returns headers that propagators refuse: invalid, too long or not text.
fn hostile<B: Broker>() -> Vec<Vec<Header>> {
    let text = |name: &str, value: Vec<u8>| (name.to_owned(), Some(value));
    let mut cases = vec![
        vec![text("traceparent", b"garbage".to_vec())],
        vec![text("traceparent", vec![b'0'; B::HEADERS.longest])],
        vec![
            text("traceparent", foreign(1).into_bytes()),
            text("baggage", vec![b','; B::HEADERS.longest]),
        ],
        vec![
            text("traceparent", foreign(1).into_bytes()),
            text("tracestate", vec![b'a'; B::HEADERS.longest]),
            text("baggage", "=,;=%zz%,a=%ff".into()),
        ],
        vec![text("traceparent", "é".repeat(28).into_bytes())],
    ];
    if B::HEADERS.binary {
        cases.push(vec![text("traceparent", vec![0xff; 55]), text("tracestate", vec![0xfe; 3])]);
        cases.push(vec![text("baggage", vec![0xff; 100]), text("other", vec![0, 0xff])]);
        let valid = || text("traceparent", foreign(1).into_bytes());
        cases.push(vec![valid(), text("tracestate", vec![0xff; 3]), text("baggage", vec![0xff])]);
    }
    if B::HEADERS.null {
        let fields = ["traceparent", "tracestate", "baggage", "other"];
        cases.push(fields.map(|name| (name.to_owned(), None)).to_vec());
    }
    cases
}

async fn hostile_headers_pass<B: Broker>(scene: &Scene<B>) {
    for headers in hostile::<B>() {
        let message = order().with_all_headers(headers.clone()).with_body("hostile");
        let message = scene.receive_foreign(message).await;
        let handled = AtomicUsize::new(0);
        message.as_received().process(async { _ = handled.fetch_add(1, Ordering::Relaxed) }).await;
        assert_eq!(handled.into_inner(), 1, "the handler ran once");
        assert_eq!(B::body_of(&message), b"hostile");
        let received = ordered::<B>(B::headers_of(&message));
        let headers = ordered::<B>(headers);
        assert_eq!(received, headers, "headers are received as they were sent");
        scene.broker.settle(&message).await.expect("the message is settled");
        // Forwarding replaces the propagator's fields and keeps all other headers.
        let forward = order().with_all_headers(B::headers_of(&message));
        scene.send(forward).await;
        let forwarded = ordered::<B>(B::headers_of(&scene.receive().await));
        assert_eq!(others(&forwarded), others(&headers));
    }
}

async fn panicking_hooks_are_ignored<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder
            .with_filter(|_| panic!("the filter panics"))
            .with_attributes(|_| panic!("the attributes panic"))
            .with_destination_templates(|_| panic!("the templates panic"))
            .with_error_types(|_| panic!("the error types panic"))
    })
    .await;
    let place = scene.send(order()).await;
    let message = scene.receive().await;
    let result = message.as_received().process(async { Err::<(), _>(std::fmt::Error) }).await;
    assert_eq!(result, Err(std::fmt::Error), "the handler's result is returned");
    let received = B::place_of(&message);
    scene.telemetry.assert_spans([
        scene.sent(place).label("send"),
        scene.received(received).linked_to(crate::spans::remote("send")),
        scene
            .processed(received)
            .linked_to(crate::spans::remote("send"))
            .error("core::fmt::Error", None),
    ]);
    scene.broker.send_foreign(vec![order().with_headers([("traceparent", foreign(1))])]).await;
    let batch = scene.broker.receive_batch(1).await.expect("a batch is received");
    let attributes = |_: &_| -> Vec<KeyValue> { panic!("the link attributes panic") };
    let batch: Batch<_> = batch.into_iter().collect::<Batch<_>>().with_link_attributes(attributes);
    let handled = batch.process_sync(|| Ok::<_, std::fmt::Error>("handled"));
    assert_eq!(handled, Ok("handled"));
}

/// Asserts that telemetry code that panics changes no result and no metric.
async fn panics_stay_in_the_telemetry<B: Broker>(panics: Panics) {
    let scene = Scene::<B>::with(|builder| panics.choose(builder)).await;
    everything_is_counted_once(&scene).await;
    // A second panic while the handler's panic unwinds would abort the process.
    let scene = Arc::new(scene);
    scene.broker.send_foreign(vec![order()]).await;
    let there = Arc::clone(&scene);
    let handled = tokio::spawn(async move {
        let panic = |wanted: bool| assert!(!wanted, "this handler panics, as wanted");
        let message = there.receive().await;
        message.as_received().process(async { panic(true) }).await;
    });
    let panic = handled.await.expect_err("the handler's panic is resumed").into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"this handler panics, as wanted"));
}

/// Asserts that messages are sent and received without a context if the propagator panics.
async fn a_panicking_propagator_costs_the_context<B: Broker>() {
    let scene = Scene::<B>::with(|builder| Panics::InPropagator.choose(builder)).await;
    let place = scene.send(order().with_headers([("traceparent", foreign(1))])).await;
    let message = scene.receive().await;
    assert_eq!(values(&B::headers_of(&message), "traceparent"), [foreign(1)], "it is unchanged");
    assert!(!creation_of::<B>(&message).is_valid());
    scene.broker.settle(&message).await.expect("the message is settled");
    assert_eq!(place.partition, B::place_of(&message).partition);
}

async fn a_message_without_room_is_sent_unchanged<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let message = scene.broker.without_room("orders");
    let expected: Vec<Outgoing> = message.into_iter().collect();
    for message in expected.clone() {
        scene.send(message).await;
    }
    for expected in expected {
        let message = scene.receive().await;
        let headers = ordered::<B>(B::headers_of(&message));
        assert_eq!(headers, ordered::<B>(expected.headers), "headers are unchanged");
        assert_eq!(B::body_of(&message), expected.body);
    }
}
