//! What has to hold for any bytes: parsers and header writers neither panic nor change what is not
//! theirs.
//!
//! Each module has one property, `check`, which takes any bytes, makes an input of them, and panics
//! if the property does not hold. `tests/properties.rs` checks the committed seeds and mutations of
//! them; `fuzz/` has a fuzz target for each. The modules of the clients also make the hostile
//! headers of the soak.

#![allow(clippy::missing_panics_doc, reason = "a property that does not hold panics")]

// The headers' code of these clients is private. It is compiled here from its source, which names
// the client's own crate: the instrumented one has the same types.
extern crate otel_messaging_async_nats as async_nats;
extern crate otel_messaging_lapin as lapin;

pub mod contexts;
pub mod kafka;
pub mod nats;
pub mod rabbitmq;
pub mod stored;
pub mod view;
pub mod words;
