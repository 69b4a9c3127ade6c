//! Several messages that are processed as one (rule R14).

use std::{fmt, ops::Deref};

use opentelemetry::{KeyValue, trace::TraceContextExt};

use crate::{
    ActiveOperation, AsReceived, Operation, OperationType, Received,
    endpoint::{Start, ambient},
    links::{Common, all_links, overflow_links},
    process_forms,
};

/// Messages that are processed together: one span, with a link to the creation context of each.
///
/// It dereferences to a slice of the messages, and is collected from any iterator or stream of them:
///
/// ```
/// use otel_messaging_core::{Batch, CreationContext, Endpoint, Instrumentation, System};
///
/// const JOBS: System = System::new("jobs", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
///
/// let endpoint = Endpoint::builder(JOBS).build(&Instrumentation::default());
/// let rows = [("invoice 7", CreationContext::NONE), ("invoice 8", CreationContext::NONE)];
/// let batch: Batch<_> =
///     rows.into_iter().map(|(row, context)| endpoint.restore("nightly", context, row)).collect();
/// let rows = batch.process_sync(|| -> Result<usize, std::fmt::Error> { Ok(batch.len()) });
/// assert_eq!(rows, Ok(2));
/// ```
pub struct Batch<L> {
    messages: Vec<L>,
    link_attributes: Option<Box<LinkAttributes<L>>>,
}

type LinkAttributes<L> = dyn Fn(&L) -> Vec<KeyValue> + Send + Sync;

impl<L> Batch<L> {
    /// Adds attributes to the link of each message, such as the id of the job it stands for.
    /// A message without a context has no link, and so no place for them.
    #[must_use = "this returns the batch with the attributes"]
    pub fn with_link_attributes<F>(mut self, attributes: F) -> Self
    where
        F: Fn(&L) -> Vec<KeyValue> + Send + Sync + 'static,
    {
        self.link_attributes = Some(Box::new(attributes));
        self
    }

    /// The messages.
    pub fn into_vec(self) -> Vec<L> {
        self.messages
    }
}

impl<L: AsReceived> Batch<L> {
    process_forms! {
        /// Runs `future` as the processing of the whole batch: in ONE CONSUMER span that links to
        /// every message's creation context, is current inside, and ends with the result (R12,
        /// R14).
        ///
        /// Its parent is the ambient span, and the baggage is the ambient one; each message's own
        /// context is at hand as [`Received::creation_context`].
        /// Cancel safety: dropped in the middle, the span ends as `cancelled`.
    }

    /// Starts to process this batch, for code that is neither one future nor one closure. The
    /// work is done in [`ActiveOperation::context`]. An empty batch has no span.
    pub fn start_process(&self) -> ActiveOperation {
        let Some(first) = self.messages.first() else { return ActiveOperation::none() };
        let endpoint = first.as_received().endpoint();
        let Some(inner) = &endpoint.0 else { return ActiveOperation::none() };
        let Some(ambient) = ambient() else { return ActiveOperation::none() };
        let messages = || self.messages.iter().map(AsReceived::as_received);
        let common = Common::of(OperationType::Process, messages().map(Received::get_ref));
        let links = || {
            self.messages.iter().filter_map(|message| {
                let own = self.link_attributes.as_ref();
                let own = own.and_then(|own| inner.settings.guard(|| own(message)));
                common.link(inner, message.as_received(), own.unwrap_or_default())
            })
        };
        let wants_span = inner.settings.tracing;
        let all = all_links(wants_span, self.messages.len(), links());
        let linked = all.len();
        let mut active = inner.start(Start {
            operation: Operation::PROCESS,
            destination: common.destination(),
            parent: &ambient,
            links: all,
            is_creation_context: false,
            wants_span,
            started: inner.now(),
        });
        common.describe(&mut active, self.messages.len());
        overflow_links(&active, linked, links());
        let own = active.span_context();
        let process = |message: &&Received<_>| message.start_process_in(own.as_ref());
        active.count(messages().filter(process).count() as u64);
        active.work_in(|span| match span {
            Some(span) => ambient.with_span(span),
            None => ambient.clone(),
        });
        ActiveOperation::running(active)
    }
}

/// An empty batch, to be extended.
impl<L> Default for Batch<L> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<L> Extend<L> for Batch<L> {
    fn extend<I: IntoIterator<Item = L>>(&mut self, messages: I) {
        self.messages.extend(messages);
    }
}

impl<L> FromIterator<L> for Batch<L> {
    fn from_iter<I: IntoIterator<Item = L>>(messages: I) -> Self {
        Self { messages: messages.into_iter().collect(), link_attributes: None }
    }
}

impl<L> From<Vec<L>> for Batch<L> {
    fn from(messages: Vec<L>) -> Self {
        Self { messages, link_attributes: None }
    }
}

impl<L> Deref for Batch<L> {
    type Target = [L];

    fn deref(&self) -> &[L] {
        &self.messages
    }
}

impl<L> IntoIterator for Batch<L> {
    type Item = L;
    type IntoIter = std::vec::IntoIter<L>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.into_iter()
    }
}

impl<'a, L> IntoIterator for &'a Batch<L> {
    type Item = &'a L;
    type IntoIter = std::slice::Iter<'a, L>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.iter()
    }
}

impl<L: fmt::Debug> fmt::Debug for Batch<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.messages).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_collected_extended_and_taken_apart() {
        let mut batch: Batch<u8> = [1, 2].into_iter().collect();
        batch.extend([3]);
        assert_eq!((batch.len(), batch.last()), (3, Some(&3)));
        assert_eq!(batch.into_vec(), [1, 2, 3]);
        assert!(Batch::<u8>::default().is_empty());
    }
}
