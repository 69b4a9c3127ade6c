//! A service that bills orders, one by one and then in a batch: `billing SERVERS TOPIC GROUP COUNT`

use std::{env, error::Error, time::Duration};

use otel_messaging_integration_tests::exporting;
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig,
    consumer::{CommitMode, Consumer, StreamConsumer},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [servers, topic, group, count] = &arguments[..] else {
        return Err("usage: billing SERVERS TOPIC GROUP COUNT".into());
    };
    exporting("billing", bill(servers, topic, group, count.parse()?))
}

/// Half of the orders one by one, the others as one batch.
async fn bill(servers: &str, topic: &str, group: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()?;
    consumer.subscribe(&[topic])?;
    for _ in 0..count / 2 {
        let order = consumer.recv().await?;
        order.process(async {}).await;
        consumer.commit_message(&order, CommitMode::Sync)?;
    }
    let mut batches = consumer.batches(count - count / 2, Duration::from_secs(30));
    let batch = batches.next().await.ok_or("the stream has ended")??;
    batch.process(async {}).await;
    Ok(())
}
