//! The table of messages to send, in the database of the application.

use std::collections::BTreeMap;

use otel_messaging::otel::CreationContext;
use rusqlite::{Connection, Transaction};

use crate::Result;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS orders (
        id      INTEGER PRIMARY KEY,
        item    TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS outbox (
        id      INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which rows are sent
        payload TEXT NOT NULL,
        context TEXT,                              -- the creation context: traceparent and others
        sent    INTEGER NOT NULL DEFAULT 0,
        booked  INTEGER NOT NULL DEFAULT 0
    );
";

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The key of the message, by which a consumer knows it if it comes twice.
    pub(crate) id: i64,
    pub(crate) payload: String,
    /// The context in which the row was written.
    pub(crate) creation: CreationContext,
}

/// Opens the database, and creates its tables if they are not there.
pub(crate) fn open(path: &std::path::Path) -> Result<Connection> {
    let database = Connection::open(path)?;
    database.execute_batch(TABLES)?;
    Ok(database)
}

/// Writes a row with the current context, as part of the caller's transaction.
pub(crate) fn write(transaction: &Transaction<'_>, payload: &str) -> Result {
    let context = serde_json::to_string(&CreationContext::current().to_map())?;
    let insert = "INSERT INTO outbox (payload, context) VALUES (?1, ?2)";
    transaction.execute(insert, [payload, &context])?;
    Ok(())
}

/// Returns the rows that were not sent yet, in their order.
pub(crate) fn unsent(database: &Connection) -> Result<Vec<Row>> {
    rows(database, "SELECT id, payload, context FROM outbox WHERE NOT sent ORDER BY id")
}

/// Returns the rows that were not booked yet, in their order.
pub(crate) fn unbooked(database: &Connection) -> Result<Vec<Row>> {
    rows(database, "SELECT id, payload, context FROM outbox WHERE NOT booked ORDER BY id")
}

/// Marks a row as sent.
pub(crate) fn mark_sent(database: &Connection, row: &Row) -> Result {
    database.execute("UPDATE outbox SET sent = 1 WHERE id = ?1", [row.id])?;
    Ok(())
}

/// Marks a row as booked.
pub(crate) fn mark_booked(database: &Connection, row: &Row) -> Result {
    database.execute("UPDATE outbox SET booked = 1 WHERE id = ?1", [row.id])?;
    Ok(())
}

fn rows(database: &Connection, select: &str) -> Result<Vec<Row>> {
    let mut select = database.prepare(select)?;
    let rows = select.query_map([], |row| {
        // A context that is not text is treated like a missing one.
        let context = row.get("context").unwrap_or_default();
        Ok(Row { id: row.get("id")?, payload: row.get("payload")?, creation: restore(context) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Restores a context. A row whose context is missing or broken is sent and booked without a link.
fn restore(context: Option<String>) -> CreationContext {
    let map = context.and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(&text).ok());
    map.map_or(CreationContext::NONE, CreationContext::from_map)
}
