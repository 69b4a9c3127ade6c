//! What a handler's result means for its span and metrics.

use std::{any::type_name, borrow::Cow, fmt};

/// The low-cardinality class of an error: the value of `error.type` (rule R22).
///
/// ```
/// use otel_messaging_core::ErrorType;
///
/// assert_eq!(ErrorType::of::<std::fmt::Error>().as_str(), "core::fmt::Error");
/// assert_eq!(ErrorType::new("declined").as_str(), "declined");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorType(Cow<'static, str>);

impl ErrorType {
    /// The operation was dropped before it was done.
    pub const CANCELLED: Self = Self(Cow::Borrowed("cancelled"));
    /// The handler panicked.
    pub const PANIC: Self = Self(Cow::Borrowed("panic"));
    /// Several classes at once, or none that is known: the conventions' own value.
    pub const OTHER: Self = Self(Cow::Borrowed("_OTHER"));

    /// The class called `name`. It becomes a metric's label, so it must come from a small set.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// The class of every error of type `E`: the type's name, which is what an [`Outcome`] of a
    /// `Result<_, E>` reports. `Box<dyn Error>` and the like are one class for all: see
    /// `process_classified`.
    pub fn of<E: ?Sized>() -> Self {
        Self(Cow::Borrowed(type_name::<E>()))
    }

    /// The class as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(feature = "otel")]
    pub(crate) fn into_value(self) -> opentelemetry::Value {
        self.0.into()
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(crate) error_type: ErrorType,
    pub(crate) description: Cow<'static, str>,
    pub(crate) messages: Vec<(usize, ErrorType)>,
}

impl Failure {
    /// A failure of this class.
    pub fn new(error_type: ErrorType) -> Self {
        Self { error_type, description: Cow::Borrowed(""), messages: Vec::new() }
    }

    /// Adds what the span's status should say beside the class. It is exported: leave out what
    /// is secret.
    #[must_use = "a `Failure` is a value: this returns the changed one"]
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// The class of the error.
    pub const fn error_type(&self) -> &ErrorType {
        &self.error_type
    }
}

/// The messages of a batch whose processing failed, as a handler may return them (rule R14).
///
/// The span of the batch becomes an error and gets one event for each failed message, up to 128;
/// `error.type` is the class all of them share, or `_OTHER`.
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
    /// None failed so far.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The message at `index` of the batch failed with an error of this class.
    pub fn add(&mut self, index: usize, error_type: ErrorType) {
        self.0.push((index, error_type));
    }

    /// How many failed.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none failed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a handler's result means: nothing went wrong, or a [`Failure`].
///
/// It is implemented for `()`, for every `Result`, and for [`FailedMessages`]. To classify the
/// errors of a type by their value, see `process_classified` of the received message or batch; to
/// rename classes everywhere, see the builder's `with_error_types`.
pub trait Outcome {
    /// How the handler failed, if it did.
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
