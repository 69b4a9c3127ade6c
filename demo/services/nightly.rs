//! Nightly: when the day is over, adds up the whole day book, as one batch.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, Message,
    consumer::{PullConsumer, pull},
};
use otel_messaging::async_nats; // was: the async-nats crate itself
use otel_messaging_demo::{Result, service::Run};
use tokio::time;

use crate::brokers::{self, Brokers};

/// Waits until the day book has all orders of the day, and takes them all.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let client = async_nats::connect(&Brokers::from_env()?.nats).await?;
    let stream = brokers::stream(&run, &jetstream::new(client.clone())).await?;
    let config = pull::Config {
        durable_name: Some("nightly".into()),
        max_ack_pending: -1, // All messages of the day are delivered before the first is acked.
        ..Default::default()
    };
    let day_book: PullConsumer = stream.get_or_create_consumer("nightly", config).await?;

    // A stream does not announce how much it holds, so it is asked again and again.
    let mut tries = time::interval(Duration::from_millis(200));
    while !run.is_complete() {
        tries.tick().await;
        run.set(stream.get_info().await?.state.messages);
    }

    let most = usize::try_from(run.orders)?;
    let orders = day_book.fetch().max_messages(most).messages().await?.into_batch().await?;
    orders.process(async { add_up(&orders) }).await?;
    for order in &orders {
        order.ack().await?;
    }
    client.flush().await?;
    if orders.len() < most {
        return Err(format!("only {} of {most} orders came", orders.len()).into());
    }
    Ok(())
}

/// Handles the batch: returns what all orders of the day come to, in cents.
fn add_up(orders: &[Message]) -> Result<u64> {
    let mut sum = 0;
    for order in orders {
        let (_number, cents) = str::from_utf8(&order.payload)?.split_once(',').ok_or("no note")?;
        sum += cents.parse::<u64>()?;
    }
    Ok(sum)
}
