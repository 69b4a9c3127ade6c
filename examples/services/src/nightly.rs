//! Nightly: when the day is over, adds up the whole day book, as one batch.

use crate::{Result, day::Day, declare};
use async_nats::jetstream::{
    self, Message,
    consumer::{PullConsumer, pull},
};
use otel_messaging::async_nats; // The line that changes.
use std::time::Duration;
use tokio::time;

/// Waits until the day book has all orders of the day, and takes them all.
pub(crate) async fn run(day: &Day) -> Result {
    let client = async_nats::connect(&day.nats).await?;
    let stream = declare::stream(day, &jetstream::new(client.clone())).await?;
    let config = pull::Config {
        durable_name: Some("nightly".into()),
        max_ack_pending: -1, // The whole day is out at once.
        ..Default::default()
    };
    let day_book: PullConsumer = stream.get_or_create_consumer("nightly", config).await?;

    // A stream tells nobody how much it holds: it has to be asked.
    let mut looks = time::interval(Duration::from_millis(200));
    loop {
        let so_far = stream.get_info().await?.state.messages;
        day.progress.so_many(so_far);
        if so_far >= day.orders {
            break;
        }
        looks.tick().await;
    }

    let most = usize::try_from(day.orders)?;
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

/// The handler: what all orders of the day come to, in cents.
fn add_up(orders: &[Message]) -> Result<u64> {
    let mut sum = 0;
    for order in orders {
        let (_number, cents) = str::from_utf8(&order.payload)?.split_once(',').ok_or("no note")?;
        sum += cents.parse::<u64>()?;
    }
    Ok(sum)
}
