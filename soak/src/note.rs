//! What is written into a message: which one it is, and what it has to arrive with.

use std::fmt;

use arbitrary::Unstructured;
use fastrand::Rng;
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};

/// The body of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// The message's number in the ledger.
    pub(crate) id: u64,
    /// The trace that it was sent in.
    pub(crate) trace: TraceId,
    /// What its headers were made of.
    pub(crate) seed: u64,
}

impl Note {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(body).ok()?.split(' ');
        let note = Self {
            id: words.next()?.parse().ok()?,
            trace: TraceId::from_hex(words.next()?).ok()?,
            seed: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(note)
    }

    /// The context to send the message in.
    pub(crate) fn context(&self) -> Context {
        let (span, flags) = (SpanId::from(7), TraceFlags::SAMPLED);
        let remote = SpanContext::new(self.trace, span, flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(remote)
    }

    /// Makes the message's hostile headers: the same each time.
    pub(crate) fn headers<T: Default>(
        &self,
        make: impl FnOnce(&mut Unstructured<'_>) -> arbitrary::Result<T>,
    ) -> T {
        let mut random = Rng::with_seed(self.seed);
        let mut bytes = [0; 600];
        random.fill(&mut bytes);
        // Bytes that are too few make no headers, which is fine, too.
        make(&mut Unstructured::new(&bytes)).unwrap_or_default()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.trace, self.seed)
    }
}
