//! The class of the client's errors: the name of their kind.

use std::{
    convert::Infallible,
    fmt::{Debug, Display},
    io,
};

use ::async_nats::{Error, PublishError, SubscribeError, error};
use otel_messaging_core::{ErrorType, Failure};

/// An error of the client. Its `error.type` is the name of its kind, such as `NoResponders` or
/// `TimedOut`; its text becomes the span's status.
pub(crate) trait Classify {
    fn failure(&self) -> Failure;
}

impl<K> Classify for error::Error<K>
where
    K: Clone + Debug + Display + PartialEq,
{
    fn failure(&self) -> Failure {
        Failure::new(ErrorType::of_variant(&self.kind())).with_description(self.to_string())
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
        let io = self.downcast_ref::<io::Error>();
        let class = io.map_or(ErrorType::OTHER, |error| ErrorType::of_variant(&error.kind()));
        Failure::new(class).with_description(self.to_string())
    }
}

impl Classify for Infallible {
    fn failure(&self) -> Failure {
        match *self {}
    }
}

/// A result of the client, whose error has the client's class.
#[cfg(feature = "jetstream")]
pub(crate) struct Classified<'a, T, E>(pub(crate) &'a Result<T, E>);

#[cfg(feature = "jetstream")]
impl<T, E: Classify> otel_messaging_core::Outcome for Classified<'_, T, E> {
    fn failure(&self) -> Option<Failure> {
        self.0.as_ref().err().map(Classify::failure)
    }
}
