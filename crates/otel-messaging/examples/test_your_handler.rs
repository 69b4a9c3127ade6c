//! A handler and its tests, one for each client, without a broker. Run them by
//! `cargo test --example test_your_handler --features async-nats,lapin,rdkafka,tokio`.

use std::{error::Error, str};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("billed {}", bill(b"7").await?); // the application would receive orders here
    Ok(())
}

/// The handler: takes the number of apples and returns the price.
async fn bill(order: &[u8]) -> Result<u32, Box<dyn Error>> {
    tokio::task::yield_now().await; // the application would ask its database here
    Ok(str::from_utf8(order)?.parse::<u32>()? * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use otel_messaging::{async_nats, lapin, otel::Instrumenter, rdkafka};
    use otel_messaging_testing::{
        attributes::any,
        metrics::counter,
        spans::{remote, span},
        telemetry::Telemetry,
    };
    use rdkafka::{ClientConfig, Message, mocking::MockCluster, producer::FutureRecord};
    use rdkafka::{consumer::Consumer, consumer::StreamConsumer, producer::FutureProducer};

    #[tokio::test]
    async fn an_order_of_kafka_is_linked_to_its_send_span() -> Result<(), Box<dyn Error>> {
        let (telemetry, cluster) = (Telemetry::new(), MockCluster::new(1)?);
        let instrumentation = telemetry.instrumentation().build();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "billing");
        config.set("auto.offset.reset", "earliest");
        let producer: FutureProducer = FutureProducer::wrap(config.create()?, &instrumentation);
        let order = FutureRecord::<(), _>::to("orders").payload("7");
        producer.send(order, None).await.map_err(|(error, _)| error)?;
        let consumer: StreamConsumer = StreamConsumer::wrap(config.create()?, &instrumentation);
        consumer.subscribe(&["orders"])?;

        let order = consumer.recv().await?;
        assert_eq!(order.process(bill(order.payload().unwrap_or_default())).await?, 14);

        let group = ("messaging.consumer.group.name", "billing".into());
        telemetry.assert_includes([
            span("send orders").label("send").includes([]),
            span("process orders").linked_to(remote("send")).includes([group]),
        ]);
        let orders = ("messaging.destination.name", "orders".into());
        let received = counter("messaging.client.consumed.messages").point(1, [orders]);
        telemetry.assert_metrics_include([received]);
        Ok(())
    }

    #[tokio::test]
    async fn an_order_of_rabbitmq_that_is_no_number_is_rejected() -> Result<(), Box<dyn Error>> {
        let telemetry = Telemetry::new();
        let instrumentation = telemetry.instrumentation().build();
        let instrumenter = Instrumenter::builder(lapin::semconv::SYSTEM).build(&instrumentation);
        let (exchange, key) = ("shop".into(), "new".into());
        let order = lapin::bare::message::Delivery::mock(7, exchange, key, false, b"seven".into());
        let order = lapin::message::Delivery::from_bare(order, "orders".into(), &instrumenter);

        assert!(order.process(bill(&order.data)).await.is_err());
        order.reject(lapin::options::BasicRejectOptions::default()).await?;

        let process = span("process shop:new:orders").label("process").error(any(), None);
        let reject = span("reject shop:new:orders").child_of("process");
        telemetry.assert_includes([process.includes([]), reject.includes([])]);
        Ok(())
    }

    #[tokio::test]
    async fn an_order_of_nats_is_linked_to_what_its_headers_name() -> Result<(), Box<dyn Error>> {
        let telemetry = Telemetry::new();
        let instrumentation = telemetry.instrumentation().build();
        let nats = Instrumenter::builder(async_nats::semconv::SYSTEM).build(&instrumentation);
        let sender = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("traceparent", sender);
        let order = async_nats::bare::Message {
            subject: "orders.7".into(),
            payload: "7".into(),
            headers: Some(headers),
            length: 1,
            reply: None,
            status: None,
            description: None,
        };
        let order = async_nats::Message::from_bare(order, &nats);

        assert_eq!(order.process(bill(&order.payload)).await?, 14);

        let sender = order.creation_context().span_context();
        telemetry.assert_includes([span("process orders.7").linked_to(sender).includes([])]);
        Ok(())
    }
}
