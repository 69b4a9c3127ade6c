//! The Kafka clients of a service, instrumented with its own providers.

use crate::{cluster::Cluster, telemetry::Service};
use otel_messaging_rdkafka as rdkafka; // The line that changes.
use rdkafka::{
    client::DefaultClientContext,
    consumer::{Consumer, DefaultConsumerContext, StreamConsumer},
    error::KafkaError,
    otel::Instrumentation,
    producer::FutureProducer,
};

pub(super) fn producer(cluster: &Cluster, service: &Service) -> Result<FutureProducer, KafkaError> {
    let instrumentation = instrumentation(service);
    let config = cluster.producer(service.name);
    FutureProducer::create(&config, DefaultClientContext, &instrumentation)
}

pub(super) fn consumer(
    cluster: &Cluster,
    service: &Service,
    topic: &str,
) -> Result<StreamConsumer, KafkaError> {
    let instrumentation = instrumentation(service);
    let config = cluster.consumer(service.name);
    let consumer = StreamConsumer::create(&config, DefaultConsumerContext, &instrumentation)?;
    consumer.subscribe(&[&cluster.topic(topic)])?;
    Ok(consumer)
}

/// Needed only because three services live in one process. A service that has one to itself uses
/// the global providers, and `config.create()`.
fn instrumentation(service: &Service) -> Instrumentation {
    Instrumentation::builder()
        .with_tracer_provider(service.tracer_provider.clone())
        .with_meter_provider(service.meter_provider.clone())
        .build()
}
