//! The class of a client's error: the code that Kafka or librdkafka gave it (rule R22).

use otel_messaging_core::{ErrorType, Failure};
use rdkafka::error::KafkaError;

/// `error.type` is the name of the error's code, such as `QueueFull` or `MessageTimedOut`; of an
/// error without a code, the name of its variant. The error's own text becomes the status.
pub(crate) fn of(error: &KafkaError) -> Failure {
    Failure::new(error_type(error)).with_description(error.to_string())
}

pub(crate) fn error_type(error: &KafkaError) -> ErrorType {
    if let Some(code) = error.rdkafka_error_code() {
        return ErrorType::new(format!("{code:?}"));
    }
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
