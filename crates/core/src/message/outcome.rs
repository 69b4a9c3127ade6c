//! What a handler's result means for its span and metrics.

use crate::{ErrorType, Failure};

/// Says what a handler's result means: success, or a [`Failure`].
///
/// It is implemented for `()`, for every `Result`, and for [`FailedMessages`]. To classify the
/// errors of a type by their value, call `process_classified` of the message or batch; to rename
/// classes everywhere, see the builder's `with_error_types`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether the handler failed",
    label = "the handler returns `{Self}`",
    note = "return `()` or a `Result` from the handler",
    note = "or call `process_classified(future, |result| ..)`, whose closure says what `{Self}` means"
)]
pub trait Outcome {
    /// Returns how the handler failed, if it did.
    fn failure(&self) -> Option<Failure>;
}

impl Outcome for () {
    fn failure(&self) -> Option<Failure> {
        None
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn failure(&self) -> Option<Failure> {
        self.as_ref().err().map(|_| Failure::new(ErrorType::of::<E>()))
    }
}

/// Lists the messages of a batch whose processing failed, as the handler's result.
///
/// The span of the batch becomes an error and gets one event for each failed message, up to 128;
/// `error.type` is the class that all of them share, or `_OTHER`.
///
/// ```
/// use otel_messaging_core::{ErrorType, FailedMessages, Outcome};
///
/// let mut failed = FailedMessages::new();
/// assert!(failed.failure().is_none());
/// failed.add(3, ErrorType::new("declined"));
/// assert_eq!(failed.failure().unwrap().error_type().as_str(), "declined");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it is the handler's result: return it, or the failures are not reported"]
pub struct FailedMessages(Vec<(usize, ErrorType)>);

impl FailedMessages {
    /// Makes an empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the message at `index` of the batch, which failed with an error of this class.
    pub fn add(&mut self, index: usize, error_type: ErrorType) {
        self.0.push((index, error_type));
    }

    /// Returns how many messages failed.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no message failed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Outcome for FailedMessages {
    fn failure(&self) -> Option<Failure> {
        let (_, first) = self.0.first()?;
        let same = self.0.iter().all(|(_, error_type)| error_type == first);
        Some(Failure {
            error_type: if same { first.clone() } else { ErrorType::OTHER },
            description: format!("{} messages failed", self.0.len()).into(),
            messages: self.0.clone(),
        })
    }
}
