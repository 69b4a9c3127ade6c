//! Instruments the bare client by hand, as the references: the code of tutorials, and careful code
//! for the same spans and metrics as ours.

mod careful;
mod tutorial;

pub(crate) use self::{careful::Careful, tutorial::Tutorial};

use opentelemetry::{Context, trace::SpanContext};
use std::time::{Instant, SystemTime};

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
}

/// A send whose answer is not there yet.
pub(crate) struct Sent {
    context: Context,
    called: Instant,
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
        }
    }

    /// Ends a send with the broker's answer, which has a position in the partition or stream.
    pub(crate) fn sent(&self, sent: Option<Sent>, position: Option<i64>) {
        match (self, sent) {
            (Self::Tutorial(_), Some(sent)) => Tutorial::sent(&sent),
            (Self::Careful(careful), Some(sent)) => careful.sent(&sent, position),
            _ => {}
        }
    }

    /// Takes the time before a receive.
    pub(crate) fn call(&self) -> Option<Called> {
        matches!(self, Self::Careful(_))
            .then(|| Called { wall: SystemTime::now(), clock: Instant::now() })
    }

    /// Reads a received message's context. `traceparent` looks up the header.
    pub(crate) fn extract<'a>(
        &self,
        traceparent: impl FnOnce() -> Option<&'a str>,
        position: i64,
    ) -> Origin {
        let context = match self {
            Self::Nothing | Self::Header => None,
            Self::Tutorial(tutorial) => traceparent().map(|header| tutorial.extract(header)),
            Self::Careful(careful) => traceparent().and_then(|header| careful.extract(header)),
        };
        Origin { context, position }
    }

    /// Makes the receive span and the metrics of received messages.
    pub(crate) fn received(&self, called: Option<Called>, origins: &[Origin]) {
        if let (Self::Careful(careful), Some(called)) = (self, called) {
            careful.received(&called, origins);
        }
    }

    /// Processes messages with `work`.
    pub(crate) fn process(&self, origins: &[Origin], work: impl FnOnce()) {
        match self {
            Self::Nothing | Self::Header => work(),
            Self::Tutorial(tutorial) => tutorial.process(origins, work),
            Self::Careful(careful) => careful.process(origins, work),
        }
    }

    /// Acknowledges a message with `settle`.
    pub(crate) async fn settle<T>(&self, origin: &Origin, settle: impl Future<Output = T>) -> T {
        match self {
            Self::Careful(careful) => careful.settle(origin, settle).await,
            _ => settle.await,
        }
    }
}
