use super::{
    Broker, Outgoing,
    scene::{Scene, order, traceparent, values},
};
use crate::spans::span;

/// Sending one message makes a PRODUCER span, a child of the ambient span. Its context is injected
/// into the message.
pub async fn r06_a_message_carries_its_send_span<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let place = scene.within("request", scene.send(order())).await;
    let [_, send] = &scene
        .telemetry
        .assert_spans([span("request").label("request"), scene.sent(place).child_of("request")])[..]
    else {
        panic!("expected two spans")
    };
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&send.span_context)]);
    assert_eq!(headers.len(), 1, "no other field is written: {headers:?}");

    // Without an ambient span, the send span is a root. The broker chooses the partition, which
    // the span records.
    scene.telemetry.clear();
    let place = scene.send(Outgoing::new("orders")).await;
    assert_eq!(place.partition.is_some(), B::PARTITIONS);
    let send = scene.telemetry.assert_spans([scene.sent(place).root()]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&send[0].span_context)]);
}
