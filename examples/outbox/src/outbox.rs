//! The shop's database, and the table of what has to be told of its orders.

use std::{collections::BTreeMap, path::Path};

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
pub struct Row {
    /// What consumers know it by, should it come twice.
    pub id: i64,
    /// The message.
    pub payload: String,
    /// What the row was written in.
    pub creation: CreationContext,
}

/// Opens the shop's database, and makes its tables if there are none.
///
/// # Errors
/// Those of the database.
pub fn open(path: &Path) -> Result<Connection> {
    let database = Connection::open(path)?;
    database.execute_batch(TABLES)?;
    Ok(database)
}

/// Writes a row with the context of whoever writes it, as part of the caller's transaction.
///
/// # Errors
/// Those of the database.
pub fn write(transaction: &Transaction<'_>, payload: &str) -> Result {
    let context = serde_json::to_string(&CreationContext::current().to_map())?;
    let insert = "INSERT INTO outbox (payload, context) VALUES (?1, ?2)";
    transaction.execute(insert, [payload, &context])?;
    Ok(())
}

/// The rows that were not sent, in their order.
///
/// # Errors
/// Those of the database.
pub fn unsent(database: &Connection) -> Result<Vec<Row>> {
    rows(database, "SELECT id, payload, context FROM outbox WHERE NOT sent ORDER BY id")
}

/// The rows that were not booked, in their order: those of the day.
///
/// # Errors
/// Those of the database.
pub fn unbooked(database: &Connection) -> Result<Vec<Row>> {
    rows(database, "SELECT id, payload, context FROM outbox WHERE NOT booked ORDER BY id")
}

/// Notes that a row was sent.
///
/// # Errors
/// Those of the database.
pub fn mark_sent(database: &Connection, row: &Row) -> Result {
    database.execute("UPDATE outbox SET sent = 1 WHERE id = ?1", [row.id])?;
    Ok(())
}

/// Notes that a row was booked.
///
/// # Errors
/// Those of the database.
pub fn mark_booked(database: &Connection, row: &Row) -> Result {
    database.execute("UPDATE outbox SET booked = 1 WHERE id = ?1", [row.id])?;
    Ok(())
}

fn rows(database: &Connection, select: &str) -> Result<Vec<Row>> {
    let mut select = database.prepare(select)?;
    let rows = select.query_map([], |row| {
        // A context that is no text is as good as none.
        let context = row.get("context").unwrap_or_default();
        Ok(Row { id: row.get("id")?, payload: row.get("payload")?, creation: restored(context) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A row whose context is missing or broken is a row all the same: it will not be linked.
fn restored(context: Option<String>) -> CreationContext {
    let map = context.and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(&text).ok());
    map.map_or(CreationContext::NONE, CreationContext::from_map)
}
