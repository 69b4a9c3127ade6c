//! Several messages that are processed as one.

use std::{fmt, ops::Deref};

use crate::{AsReceived, process_forms};

/// Messages that are processed together: one span, with a link to the creation context of each.
///
/// It dereferences to a slice of the messages, and is collected from any iterator or stream of them:
///
/// ```
/// use otel_messaging_core::{Batch, CreationContext, Instrumentation, Instrumenter, System};
///
/// const JOBS: System = System::new("jobs", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
///
/// let jobs = Instrumenter::builder(JOBS).build(&Instrumentation::default());
/// let rows = [("invoice 7", CreationContext::NONE), ("invoice 8", CreationContext::NONE)];
/// let batch: Batch<_> =
///     rows.into_iter().map(|(row, context)| jobs.restore("nightly", context, row)).collect();
/// let rows = batch.process_sync(|| -> Result<usize, std::fmt::Error> { Ok(batch.len()) });
/// assert_eq!(rows, Ok(2));
/// ```
pub struct Batch<L> {
    messages: Vec<L>,
    #[cfg(feature = "otel")]
    link_attributes: Option<Box<LinkAttributes<L>>>,
}

#[cfg(feature = "otel")]
type LinkAttributes<L> = dyn Fn(&L) -> Vec<opentelemetry::KeyValue> + Send + Sync;

impl<L> Batch<L> {
    /// Adds attributes to the link of each message, such as the id of the job it stands for. A
    /// message without a context has no link, and its attributes are left out.
    #[cfg(feature = "otel")]
    #[must_use = "this returns the batch with the attributes"]
    pub fn with_link_attributes<F>(mut self, attributes: F) -> Self
    where
        F: Fn(&L) -> Vec<opentelemetry::KeyValue> + Send + Sync + 'static,
    {
        self.link_attributes = Some(Box::new(attributes));
        self
    }

    /// Returns the messages.
    pub fn into_vec(self) -> Vec<L> {
        self.messages
    }
}

impl<L: AsReceived> Batch<L> {
    process_forms! {
        /// Runs `future` inside ONE CONSUMER span for the whole batch, which links to every span that
        /// sent a message. Make spans of your own inside `future`: one that is made before, as in
        /// `process(work.instrument(info_span!("bill")))`, is apart from it. Write
        /// `process(async { work.instrument(info_span!("bill")).await })`.
        ///
        /// The span starts at the first poll, is current inside `future` at every `.await`, and
        /// ends with the result: `()`, any `Result` or [`FailedMessages`](crate::FailedMessages).
        /// Its parent is the ambient span, unless [`ProcessParent`](crate::ProcessParent) says
        /// `Root`, and the baggage is the ambient one; each message has its own context in
        /// `creation_context`. A panic ends the span as an error and goes on
        /// unwinding.
        ///
        /// Cancel safety: dropped before the end, the span ends as `cancelled`.
    }
}

#[cfg(feature = "otel")]
mod process {
    use opentelemetry::trace::{Link, SpanContext, TraceContextExt};

    use super::Batch;
    use crate::{
        ActiveOperation, AsReceived, MessageView, Operation, OperationType, ProcessParent,
        Received,
        options::diagnostics::Diagnostic,
        span::{
            ambient::without_span,
            end::OperationState,
            links::{Common, Members},
            start::{Start, Subject},
        },
    };

    impl<L: AsReceived> Batch<L> {
        /// Starts the process span of this batch and returns its guard, for code that is neither
        /// one future nor one closure. Work in [`ActiveOperation::context`]; dropped without `end`,
        /// the span is recorded as `cancelled`. An empty batch has no span.
        pub fn start_process(&self) -> ActiveOperation {
            let Some(first) = self.messages.first() else { return ActiveOperation::none() };
            let instrumenter = first.as_received().instrumenter();
            let Some(inner) = &instrumenter.0 else { return ActiveOperation::none() };
            let Some(ambient) = inner.ambient() else { return ActiveOperation::none() };
            let messages = || self.messages.iter().map(AsReceived::as_received);
            let wants_span = inner.providers.may_want_process_span(&inner.settings);
            let common =
                Common::of(OperationType::Process, messages().map(Received::get_ref), wants_span);
            let view = || {
                let destination = common.shared_destination();
                MessageView::of_several(Operation::PROCESS, destination, self.messages.len())
            };
            let is_root = inner.settings.process_parent(view) == ProcessParent::Root;
            let beside = is_root.then(|| ambient.span().span_context().clone());
            let beside = beside.filter(SpanContext::is_valid).map(Link::with_context);
            let own_attributes = |message: &L| {
                let own = self.link_attributes.as_ref()?;
                inner.settings.guard(Diagnostic::HookPanicked, || own(message))
            };
            let links = |skip| {
                let own = |message: &L| own_attributes(message).unwrap_or_default();
                let mut links = common.links(inner, &self.messages, skip, own);
                links.extend(beside.clone());
                links
            };
            let members = Members { count: self.messages.len(), common: &common, links: &links };
            let subject = Subject::Batch(&members);
            let root = is_root.then(|| without_span(&ambient));
            let start = Start::new(inner, Operation::PROCESS, subject, true);
            let state = start.and_then(|mut start| {
                if is_root {
                    start.set_root();
                }
                start.begin(root.as_ref().unwrap_or(&ambient))
            });
            let own = state.as_ref().and_then(OperationState::span_context);
            let is_first = |message: &&Received<_>| message.context.count(own.as_ref());
            let first_times = messages().filter(is_first).count() as u64;
            let Some(mut state) = state else { return ActiveOperation::none() };
            state.count(first_times);
            state.work_in(&ambient, || ambient.clone());
            ActiveOperation::running(Some(state))
        }
    }
}

/// Makes an empty batch, to be extended.
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
        messages.into_iter().collect::<Vec<_>>().into()
    }
}

impl<L> From<Vec<L>> for Batch<L> {
    fn from(messages: Vec<L>) -> Self {
        Self {
            messages,
            #[cfg(feature = "otel")]
            link_attributes: None,
        }
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
