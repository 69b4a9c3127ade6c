//! Instruments the bare client by hand, as the references: the code of tutorials, and for the same
//! spans and metrics as ours careful code, and the SDK alone.

mod careful;
mod sdk;
mod tutorial;

pub(crate) use self::{careful::Careful, sdk::Sdk, tutorial::Tutorial};

use std::time::{Instant, SystemTime};

use opentelemetry::{Context, trace::SpanContext};
use opentelemetry_sdk::trace::Span;

/// A `traceparent` as every instrumented message has it.
pub(crate) const TRACEPARENT: (&str, &str) =
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

/// What is around the bare client's calls.
pub(crate) enum ByHand {
    /// Nothing.
    Nothing,
    /// A constant header.
    Header,
    /// The code of a tutorial.
    Tutorial(Tutorial),
    /// Careful code.
    Careful(Box<Careful>),
    /// The SDK alone.
    Sdk(Box<Sdk>),
}

/// A send whose answer is not there yet: its span, and when it was called.
pub(crate) enum Sent {
    Context(Context, Instant),
    Span(Option<Box<Span>>, Instant),
}

/// The time at which a receive was called.
pub(crate) struct Called {
    wall: SystemTime,
    clock: Instant,
}

/// What is known of a received message.
#[derive(Default)]
pub(crate) struct Origin {
    context: Option<SpanContext>,
    position: i64,
}

impl ByHand {
    /// Starts a send: calls `put` with the name and value of each header.
    pub(crate) fn send(&self, put: &mut dyn FnMut(&str, &str)) -> Option<Sent> {
        match self {
            Self::Nothing => None,
            Self::Header => {
                put(TRACEPARENT.0, TRACEPARENT.1);
                None
            }
            Self::Tutorial(tutorial) => Some(tutorial.send(put)),
            Self::Careful(careful) => Some(careful.send(put)),
            Self::Sdk(sdk) => Some(sdk.send(put)),
        }
    }

    /// Ends a send with the broker's answer, which has a position in the partition or stream.
    pub(crate) fn sent(&self, sent: Option<Sent>, position: Option<i64>) {
        match (self, sent) {
            (Self::Tutorial(_), Some(Sent::Context(context, _))) => Tutorial::sent(&context),
            (Self::Careful(careful), Some(Sent::Context(context, called))) => {
                careful.sent(&context, called, position);
            }
            (Self::Sdk(sdk), Some(Sent::Span(span, called))) => sdk.sent(span, called),
            _ => {}
        }
    }

    /// Returns whether a span ends with the broker's answer.
    pub(crate) const fn waits_for_answers(&self) -> bool {
        matches!(self, Self::Careful(_) | Self::Sdk(_))
    }

    /// Takes the time before a receive.
    pub(crate) fn call(&self) -> Option<Called> {
        matches!(self, Self::Careful(_) | Self::Sdk(_))
            .then(|| Called { wall: SystemTime::now(), clock: Instant::now() })
    }

    /// Reads a received message's context. `traceparent` looks up the header.
    pub(crate) fn extract<'a>(
        &self,
        traceparent: impl FnOnce() -> Option<&'a str>,
        position: i64,
    ) -> Origin {
        let context = match self {
            Self::Nothing | Self::Header | Self::Sdk(_) => None,
            Self::Tutorial(tutorial) => traceparent().map(|header| tutorial.extract(header)),
            Self::Careful(careful) => traceparent().and_then(|header| careful.extract(header)),
        };
        Origin { context, position }
    }

    /// Makes the receive span and the metrics of received messages.
    pub(crate) fn received(&self, called: Option<Called>, origins: &[Origin]) {
        match (self, called) {
            (Self::Careful(careful), Some(called)) => careful.received(&called, origins),
            (Self::Sdk(sdk), Some(called)) => sdk.received(&called, origins),
            _ => {}
        }
    }

    /// Processes messages with `work`.
    pub(crate) fn process(&self, origins: &[Origin], work: impl FnOnce()) {
        match self {
            Self::Nothing | Self::Header => work(),
            Self::Tutorial(tutorial) => tutorial.process(origins, work),
            Self::Careful(careful) => careful.process(origins, work),
            Self::Sdk(sdk) => sdk.process(origins, work),
        }
    }

    /// Acknowledges a message with `settle`.
    pub(crate) async fn settle<T>(&self, origin: &Origin, settle: impl Future<Output = T>) -> T {
        match self {
            Self::Careful(careful) => careful.settle(origin, settle).await,
            Self::Sdk(sdk) => sdk.settle(settle).await,
            _ => settle.await,
        }
    }
}
