//! The class of a client's error: the name of its kind (rule R22).

use std::{
    convert::Infallible,
    fmt::{Debug, Display},
    io,
};

use ::async_nats::{Error, PublishError, SubscribeError, error};
use otel_messaging_core::{ActiveOperation, ErrorType, Failure};

/// An error of the client's, as telemetry tells it: `error.type` is the name of its kind, such as
/// `NoResponders` or `TimedOut`; its own text becomes the status.
#[allow(unreachable_pub, reason = "it bounds a type of `Source`: Rust 1.89 does not see that")]
pub trait Classify {
    /// How the operation failed.
    fn failure(&self) -> Failure;
}

impl<K> Classify for error::Error<K>
where
    K: Clone + Debug + Display + PartialEq,
{
    fn failure(&self) -> Failure {
        Failure::new(class(&self.kind())).with_description(self.to_string())
    }
}

impl Classify for Error {
    fn failure(&self) -> Failure {
        if let Some(error) = self.downcast_ref::<PublishError>() {
            return error.failure();
        }
        if let Some(error) = self.downcast_ref::<SubscribeError>() {
            return error.failure();
        }
        let class = self.downcast_ref::<io::Error>().map(|error| class(&error.kind()));
        Failure::new(class.unwrap_or(ErrorType::OTHER)).with_description(self.to_string())
    }
}

impl Classify for Infallible {
    fn failure(&self) -> Failure {
        match *self {}
    }
}

/// The name of a variant, without what it holds: that would be a label of its own each time.
fn class(kind: &impl Debug) -> ErrorType {
    let mut name = format!("{kind:?}");
    let end = name.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(name.len());
    name.truncate(end);
    ErrorType::new(name)
}

/// Ends an operation whose result is the client's last word: what it refused was never sent.
pub(crate) fn end_refused<T, E: Classify>(operation: ActiveOperation, result: &Result<T, E>) {
    match result {
        Ok(_) => operation.end(),
        Err(error) => operation.reject(error.failure()),
    }
}

/// Ends an operation that the server was asked for.
#[cfg(feature = "jetstream")]
pub(crate) fn end<T, E: Classify>(operation: ActiveOperation, result: &Result<T, E>) {
    match result {
        Ok(_) => operation.end(),
        Err(error) => operation.fail(error.failure()),
    }
}
