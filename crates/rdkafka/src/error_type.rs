//! The class of a client's error.

use otel_messaging_core::{ErrorType, Failure, Outcome};
use rdkafka::error::KafkaError;

/// Says how an operation failed: `error.type` is the name of the error's code, such as `QueueFull`
/// or `MessageTimedOut`, or of its variant where it has no code. The error's text becomes the
/// span's status.
pub(crate) fn failure(error: &KafkaError) -> Failure {
    let error_type = match error.rdkafka_error_code() {
        Some(code) => ErrorType::of_variant(&code),
        None => class_without_code(error),
    };
    Failure::new(error_type).with_description(error.to_string())
}

/// Returns the name of the variant: the client's `Debug` of an error is a text.
fn class_without_code(error: &KafkaError) -> ErrorType {
    match error {
        KafkaError::Canceled => ErrorType::new("Canceled"),
        KafkaError::ClientConfig(..) => ErrorType::new("ClientConfig"),
        KafkaError::ClientCreation(_) => ErrorType::new("ClientCreation"),
        KafkaError::NoMessageReceived => ErrorType::new("NoMessageReceived"),
        KafkaError::Nul(_) => ErrorType::new("Nul"),
        KafkaError::PartitionEOF(_) => ErrorType::new("PartitionEOF"),
        KafkaError::PauseResume(_) => ErrorType::new("PauseResume"),
        KafkaError::Seek(_) => ErrorType::new("Seek"),
        KafkaError::Subscription(_) => ErrorType::new("Subscription"),
        _ => ErrorType::of::<KafkaError>(),
    }
}

/// The error that an operation ends with, which is classified only where something records it.
pub(crate) struct Failed<'a>(pub(crate) &'a KafkaError);

impl Outcome for Failed<'_> {
    fn failure(&self) -> Option<Failure> {
        Some(failure(self.0))
    }
}
