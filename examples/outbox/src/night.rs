//! The nightly job, which books what the day has brought.

use opentelemetry::KeyValue;
use otel_messaging::otel::{Batch, Endpoint, Instrumentation, System};
use rusqlite::Connection;

use crate::{Result, outbox};

/// What the telemetry of this table calls itself, and where it comes from.
const OUTBOX: System = System::new("outbox", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// Books all rows of the day in one transaction and ONE process span, which links to the request
/// behind every row. Tells how many there were.
///
/// # Errors
/// Those of the database; then nothing is booked, and the span has failed.
pub fn book(database: &mut Connection, instrumentation: &Instrumentation) -> Result<usize> {
    let endpoint = Endpoint::builder(OUTBOX).build(instrumentation);
    let rows = outbox::unbooked(database)?.into_iter();
    let rows: Batch<_> =
        rows.map(|row| endpoint.restore("outbox", row.creation.clone(), row)).collect();
    let rows =
        rows.with_link_attributes(|row| vec![KeyValue::new("outbox.row.id", row.get_ref().id)]);
    rows.process_sync(|| {
        let transaction = database.transaction()?;
        for row in &rows {
            outbox::mark_booked(&transaction, row.get_ref())?;
        }
        transaction.commit()?;
        Ok(rows.len())
    })
}
