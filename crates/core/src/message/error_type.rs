//! The class of an error, and how an operation failed.

use std::{any::type_name, borrow::Cow, fmt};

/// Names the low-cardinality class of an error: the value of `error.type`.
///
/// ```
/// use otel_messaging_core::ErrorType;
///
/// assert_eq!(ErrorType::of::<std::fmt::Error>().as_str(), "core::fmt::Error");
/// assert_eq!(ErrorType::new("declined").as_str(), "declined");
/// ```
///
/// Specification: [`error.type`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorType(Cow<'static, str>);

impl ErrorType {
    /// Says that the operation was dropped before the client had taken it.
    pub const CANCELLED: Self = Self(Cow::Borrowed("cancelled"));
    /// Says that the handler panicked.
    pub const PANIC: Self = Self(Cow::Borrowed("panic"));
    /// Stands for several classes at once, or an unknown one: the conventions' own value.
    pub const OTHER: Self = Self(Cow::Borrowed("_OTHER"));

    /// Makes the class called `name`. It becomes a metric's label, so it must come from a small
    /// set.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// Makes the class of every error of type `E`: the type's name. An [`Outcome`](crate::Outcome)
    /// of a `Result<_, E>` reports it. `Box<dyn Error>` and the like are one class for all: see
    /// `process_classified`.
    pub fn of<E: ?Sized>() -> Self {
        Self(Cow::Borrowed(type_name::<E>()))
    }

    /// Makes a class of the name of an enum's variant, as its derived `Debug` writes it. What the
    /// variant holds is left out: each value would be a label of its own.
    ///
    /// ```
    /// use otel_messaging_core::ErrorType;
    ///
    /// assert_eq!(ErrorType::of_variant(&Some(7)).as_str(), "Some");
    /// ```
    pub fn of_variant(kind: &impl fmt::Debug) -> Self {
        let mut name = format!("{kind:?}");
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        name.truncate(name.find(|letter| !is_part(letter)).unwrap_or(name.len()));
        Self::new(name)
    }

    /// Returns the class as text.
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

/// Says how an operation failed: a class for span and metrics, and a text for the span's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(crate) error_type: ErrorType,
    pub(crate) description: Cow<'static, str>,
    /// The failed messages of a batch, by their index.
    pub(crate) messages: Vec<(usize, ErrorType)>,
}

impl Failure {
    /// Makes a failure of this class.
    pub fn new(error_type: ErrorType) -> Self {
        Self { error_type, description: Cow::Borrowed(""), messages: Vec::new() }
    }

    /// Adds the description of the span's status. It is exported: leave out secrets.
    #[must_use = "a `Failure` is a value: this returns the changed one"]
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// Returns the class of the error.
    pub const fn error_type(&self) -> &ErrorType {
        &self.error_type
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_named_without_what_it_holds() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "only formatted")]
        enum Kind {
            TimedOut,
            Missing(u32),
            Refused { reason: &'static str },
        }
        for (kind, class) in [
            (Kind::TimedOut, "TimedOut"),
            (Kind::Missing(7), "Missing"),
            (Kind::Refused { reason: "full" }, "Refused"),
        ] {
            assert_eq!(ErrorType::of_variant(&kind).as_str(), class);
        }
        assert_eq!(ErrorType::of_variant(&fmt::Error).as_str(), "Error");
    }
}
