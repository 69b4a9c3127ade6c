//! The class of the client's errors: the name of AMQP's reply code, or of the client's own error.

use lapin::{Confirmation, Error, ErrorKind, message::BasicReturnMessage, protocol::AMQPErrorKind};
use otel_messaging_core::{ErrorType, Failure};

/// Classifies an error: `error.type` is the name of the reply code, such as `NOT_FOUND`, or the
/// name of the client's variant, such as `InvalidChannelState`. The error's text becomes the
/// span's status.
pub(crate) fn of(error: &Error) -> Failure {
    let class = match error.kind() {
        ErrorKind::ProtocolError(error) => reply(error.kind()),
        kind => ErrorType::of_variant(kind),
    };
    Failure::new(class).with_description(error.to_string())
}

/// Classifies the broker's answer to a publish: it refused the message (`nack`), or no queue takes
/// it (`NO_ROUTE`). `None` is success.
pub(crate) fn of_confirm(result: &lapin::Result<Confirmation>) -> Option<Failure> {
    match result {
        Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) => {
            Some(of_return(message))
        }
        Ok(Confirmation::Nack(None)) => Some(Failure::new(ErrorType::new("nack"))),
        Ok(Confirmation::Ack(None) | Confirmation::NotRequested) => None,
        Err(error) => Some(of(error)),
    }
}

fn of_return(message: &BasicReturnMessage) -> Failure {
    let class = match message.error() {
        Some(error) => reply(error.kind()),
        None => ErrorType::new(message.reply_code.to_string()),
    };
    Failure::new(class).with_description(message.reply_text.to_string())
}

/// Names a reply code as the broker writes it: the client has dashes instead.
fn reply(kind: &AMQPErrorKind) -> ErrorType {
    let name = match kind {
        AMQPErrorKind::Soft(error) => error.to_string(),
        AMQPErrorKind::Hard(error) => error.to_string(),
    };
    ErrorType::new(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use lapin::{
        ChannelState,
        message::Delivery,
        protocol::{AMQPError, AMQPHardError, AMQPSoftError},
    };

    use super::*;

    #[test]
    fn a_class_is_the_name_of_a_reply_code_or_of_a_variant() {
        let reply = |kind| ErrorKind::ProtocolError(AMQPError::new(kind, "queue 7 is gone".into()));
        for (kind, class) in [
            (reply(AMQPSoftError::NOTFOUND.into()), "NOT_FOUND"),
            (reply(AMQPSoftError::PRECONDITIONFAILED.into()), "PRECONDITION_FAILED"),
            (reply(AMQPHardError::CONNECTIONFORCED.into()), "CONNECTION_FORCED"),
            (ErrorKind::InvalidChannelState(ChannelState::Closed, "ack"), "InvalidChannelState"),
            (ErrorKind::ChannelsLimitReached, "ChannelsLimitReached"),
            (ErrorKind::MissingHeartbeatError, "MissingHeartbeatError"),
            (ErrorKind::IOError(std::io::Error::other("7").into()), "IOError"),
        ] {
            let error = Error::from(kind);
            let expected = Failure::new(ErrorType::new(class)).with_description(error.to_string());
            assert_eq!(of(&error), expected);
        }
    }

    #[test]
    fn an_answer_is_a_failure_if_the_message_is_in_no_queue() {
        assert_eq!(of_confirm(&Ok(Confirmation::NotRequested)), None);
        assert_eq!(of_confirm(&Ok(Confirmation::Ack(None))), None);
        let nack = Failure::new(ErrorType::new("nack"));
        assert_eq!(of_confirm(&Ok(Confirmation::Nack(None))), Some(nack));
        let error = || Error::from(ErrorKind::ChannelsLimitReached);
        assert_eq!(of_confirm(&Err(error())), Some(of(&error())));
        for (reply_code, class) in [(312, "NO_ROUTE"), (999, "999")] {
            let delivery = Delivery::mock(0, "".into(), "q".into(), false, Vec::new());
            let returned = BasicReturnMessage { delivery, reply_code, reply_text: "why".into() };
            let failure = Failure::new(ErrorType::new(class)).with_description("why");
            assert_eq!(of_confirm(&Ok(Confirmation::Ack(Some(returned)))), Some(failure));
        }
    }
}
