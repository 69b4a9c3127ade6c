//! Implements a toy broker in memory and its instrumented client, as an example of a client crate.
//!
//! Read in this order; `docs/new-broker.md` in the repository explains each step.
//!
//! 1. [`broker`]: the broker and its bare client library, without telemetry.
//! 2. [`message`]: tells the core where a message has its destination, headers and attributes.
//!    [`Record`] implements the core's `Message` and `OutgoingMessage`. The application receives
//!    the local type [`Message`].
//! 3. [`producer`]: calls the core around the client's own calls that send.
//! 4. [`consumer`]: calls the core around the client's own calls that receive and settle.
//!
//! No module builds a span, sets its kind or adds a link. The core does so, from the facts that the
//! client crate gives it.
//!
//! ```
//! use otel_messaging_core::Instrumentation;
//! use otel_messaging_testing::toy::{Broker, Consumer, Producer, Record};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let (broker, instrumentation) = (Broker::new(1), Instrumentation::default());
//! let producer = Producer::new(&broker, &instrumentation);
//! producer.send(Record::new("orders", "7 apples")).await.expect("the broker is there");
//!
//! let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
//! let order = consumer.receive().await.expect("the broker is there");
//! order.process(async { assert_eq!(order.body, b"7 apples") }).await;
//! consumer.ack(&order).expect("the broker is there");
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod broker;
pub mod consumer;
pub mod message;
pub mod producer;

pub use self::{
    broker::{Broker, Fault, Record},
    consumer::Consumer,
    message::Message,
    producer::Producer,
};
