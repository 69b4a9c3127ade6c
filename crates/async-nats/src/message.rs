//! Received messages, which know the context they were created in.
//!
//! Mirrors [`async_nats::message`]: [`Message`] has the client's name. It can be made from the
//! client's own, to test a handler or for a message that another library received:
//!
//! ```
//! use otel_messaging_async_nats::{self as async_nats, bare};
//!
//! async fn handle(order: async_nats::Message) -> Result<usize, std::fmt::Error> {
//!     Ok(order.payload.len())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let order = async_nats::Message::from(bare::Message {
//!     subject: "orders.7".into(),
//!     reply: None,
//!     payload: "7 apples".into(),
//!     headers: None,
//!     status: None,
//!     description: None,
//!     length: 8,
//! });
//! assert_eq!(order.process_with(handle).await, Ok(8));
//! # }
//! ```

use ::async_nats::message as bare;
pub use ::async_nats::message::*;
use otel_messaging_core::{Received, client::process_methods};

pub use crate::delivered::{Delivered, Origin};

/// A message: [`async_nats::Message`](bare::Message) with its creation context.
///
/// It dereferences to the client's own. A clone is the same message: it is counted as consumed
/// once.
#[derive(Debug)]
pub struct Message(Received<Delivered<bare::Message>>);

impl Message {
    process_methods!();
}

received!(Message, bare::Message);

impl Clone for Message {
    fn clone(&self) -> Self {
        Self(self.0.map_ref(Clone::clone))
    }
}

/// Gives a message type around the core's `Received` the client's own message to work with.
macro_rules! received {
    ($ours:ty, $bare:ty) => {
        impl $ours {
            pub(crate) const fn new(
                received: ::otel_messaging_core::Received<$crate::message::Delivered<$bare>>,
            ) -> Self {
                Self(received)
            }

            /// Reads the creation context of a message that the client received otherwise, as the
            /// instrumentation of `client` says. It has no receive span, and is counted as consumed
            /// when it is processed.
            ///
            /// [`from_bare`](Self::from_bare) needs no client and knows nothing of the server. `From`
            /// uses the default instrumentation.
            pub fn wrap(message: $bare, client: &$crate::Client) -> Self {
                Self::new(client.connection().extract(message))
            }

            /// Reads the creation context of a message that was made by hand, to test a handler. It
            /// has no receive span, and is counted as consumed when it is processed.
            ///
            /// Build `instrumenter` by
            /// [`Instrumenter::builder`](::otel_messaging_core::Instrumenter::builder) with
            /// [`semconv::SYSTEM`]($crate::semconv::SYSTEM).
            pub fn from_bare(
                message: $bare,
                instrumenter: &::otel_messaging_core::Instrumenter,
            ) -> Self {
                Self::new($crate::server::extract_by(instrumenter, message, None))
            }

            /// Returns the client's own. What is done with it is not instrumented.
            pub const fn get_ref(&self) -> &$bare {
                &self.0.get_ref().bare
            }

            /// Returns the client's own, without the creation context.
            pub fn into_inner(self) -> $bare {
                self.0.into_inner().bare
            }
        }

        impl From<$bare> for $ours {
            fn from(message: $bare) -> Self {
                Self::new($crate::server::extract(message))
            }
        }

        impl ::std::ops::Deref for $ours {
            type Target = $bare;

            fn deref(&self) -> &$bare {
                self.get_ref()
            }
        }

        impl ::otel_messaging_core::AsReceived for $ours {
            type Message = $crate::message::Delivered<$bare>;

            fn as_received(&self) -> &::otel_messaging_core::Received<Self::Message> {
                &self.0
            }
        }
    };
}
pub(crate) use received;
