//! The shop, which takes orders and talks to nobody while it does.

use rusqlite::Connection;

use crate::{Result, outbox};

/// Handles a request within its span: the order and the news of it are written together, or neither
/// is.
///
/// # Errors
/// Those of the database.
pub fn place_order(database: &mut Connection, item: &str) -> Result {
    let transaction = database.transaction()?;
    transaction.execute("INSERT INTO orders (item) VALUES (?1)", [item])?;
    outbox::write(&transaction, item)?;
    transaction.commit()?;
    Ok(())
}
