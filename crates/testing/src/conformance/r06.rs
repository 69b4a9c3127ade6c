use super::{
    Broker, Outgoing,
    scene::{Scene, order, traceparent, values},
};
use crate::spans::span;

/// One message: a PRODUCER span under the ambient one, whose context the message carries.
pub async fn r06_a_message_carries_its_send_span<B: Broker>() {
    let scene = Scene::<B>::new().await;
    let place = scene.within("request", scene.send(order())).await;
    let [_, send] = &scene
        .telemetry
        .assert_spans([span("request").label("request"), scene.sent(place).child_of("request")])[..]
    else {
        panic!("two spans")
    };
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&send.span_context)]);
    assert_eq!(headers.len(), 1, "no other field is written: {headers:?}");

    // Nothing ambient: a trace of its own. The broker chooses the partition, the span tells it.
    scene.telemetry.clear();
    let place = scene.send(Outgoing::new("orders")).await;
    assert_eq!(place.partition.is_some(), B::PARTITIONS);
    let send = scene.telemetry.assert_spans([scene.sent(place).root()]);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [traceparent(&send[0].span_context)]);
}
