//! A toy broker with its instrumented client: how a client crate is written, in a nutshell.
//!
//! Read in this order:
//!
//! 1. [`broker`]: stands for the broker and the client library that nobody has instrumented.
//! 2. [`message`]: says where the facts are. [`Record`] implements the core's `Message` and
//!    `OutgoingMessage`; the local type [`Message`] is what the application gets.
//! 3. [`producer`]: calls the core before and after the client's own calls that send.
//! 4. [`consumer`]: the same for what receives and settles.
//!
//! Nowhere is a span built, a kind named or a link decided: a client crate says where a fact
//! lives, and the core says what it means. The three modules that do so have less than 200 lines.
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
