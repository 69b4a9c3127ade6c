//! A service that sends orders: `shop SERVERS TOPIC COUNT`

use std::{env, error::Error, time::Duration};

use otel_messaging_integration_tests::exporting;
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [servers, topic, count] = &arguments[..] else {
        return Err("usage: shop SERVERS TOPIC COUNT".into());
    };
    exporting("shop", sell(servers, topic, count.parse()?))
}

async fn sell(servers: &str, topic: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", servers).create()?;
    for order in 0..count {
        let payload = order.to_string();
        let record = FutureRecord::<str, str>::to(topic).payload(&payload);
        producer.send(record, Duration::ZERO).await.map_err(|(error, _)| error)?;
    }
    Ok(())
}
