//! RabbitMQ, on deliveries that no broker sent.

use futures::FutureExt;
use lapin::{
    BasicProperties,
    message::Delivery,
    options::BasicAckOptions,
    types::{AMQPValue, FieldTable},
};
use otel_messaging_core::Instrumenter;
use otel_messaging_lapin as ours;

use crate::{assert_added, counted, steady};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_message_that_is_processed_and_acknowledged() {
    let bare = || {
        let delivery = delivery();
        let (allocations, acknowledged) =
            counted(|| delivery.ack(BasicAckOptions::default()).now_or_never());
        assert_eq!(acknowledged, Some(Ok(true)));
        allocations
    };
    assert_added("rabbitmq process and ack", bare, |mode| {
        let instrumenter =
            Instrumenter::builder(ours::semconv::SYSTEM).build(&mode.instrumentation());
        steady(|| {
            let delivery = delivery();
            let (allocations, acknowledged) = counted(|| {
                let delivery =
                    ours::message::Delivery::from_bare(delivery, "orders".into(), &instrumenter);
                delivery.process(async {}).now_or_never();
                delivery.ack(BasicAckOptions::default()).now_or_never()
            });
            assert_eq!(acknowledged, Some(Ok(true)));
            allocations
        })
    });
}

/// Makes a delivery with a context.
fn delivery() -> Delivery {
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(TRACEPARENT.into()));
    let mut delivery = Delivery::mock(1, "shop".into(), "orders".into(), false, Vec::new());
    delivery.properties = BasicProperties::default().with_headers(headers);
    delivery
}
