//! The relay, which sends what the outbox holds.

use std::time::Duration;

use otel_messaging::rdkafka; // was: the rdkafka crate itself
use rdkafka::producer::{FutureProducer, FutureRecord};
use rusqlite::Connection;

use crate::{Result, outbox};

/// Sends the rows that were not sent, in their order, and tells how many.
///
/// A message carries the context of the request that wrote its row, which the send span links to. It
/// is sent at least once: after a crash between the two steps it comes again, with the same key.
///
/// # Errors
/// Those of the database and of Kafka; what was not sent stays for the next time.
pub async fn relay(database: &Connection, producer: &FutureProducer, topic: &str) -> Result<usize> {
    let rows = outbox::unsent(database)?;
    for row in &rows {
        let key = row.id.to_string();
        let record = FutureRecord::to(topic).key(&key).payload(&row.payload);
        let sent = producer.send_created(record, &row.creation, Duration::from_secs(5)).await;
        sent.map_err(|(error, _)| error)?;
        outbox::mark_sent(database, row)?;
    }
    Ok(rows.len())
}
