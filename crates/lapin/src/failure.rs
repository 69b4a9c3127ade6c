//! The class of a client's error: the name of AMQP's reply code, or of the client's own error
//! (rule R22).

use lapin::{Confirmation, Error, ErrorKind, message::BasicReturnMessage, protocol::AMQPErrorKind};
use otel_messaging_core::{ErrorType, Failure};

/// `error.type` is the name of the reply code, such as `NOT_FOUND`; of an error without one, the
/// name of the client's variant, such as `InvalidChannelState`. The error's own text becomes the
/// status.
pub(crate) fn of(error: &Error) -> Failure {
    let class = match error.kind() {
        ErrorKind::ProtocolError(error) => reply(error.kind()),
        kind => {
            let kind = format!("{kind:?}");
            let name = kind.split(|c: char| !c.is_alphanumeric()).next();
            name.unwrap_or_default().to_owned()
        }
    };
    Failure::new(ErrorType::new(class)).with_description(error.to_string())
}

/// What a confirm says is wrong, if anything: the broker refused the message (`nack`), or had
/// nowhere to put it (`NO_ROUTE`).
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
        None => message.reply_code.to_string(),
    };
    Failure::new(ErrorType::new(class)).with_description(message.reply_text.to_string())
}

/// As the broker writes it: the client has dashes instead.
fn reply(kind: &AMQPErrorKind) -> String {
    match kind {
        AMQPErrorKind::Soft(error) => error.to_string(),
        AMQPErrorKind::Hard(error) => error.to_string(),
    }
    .replace('-', "_")
}

#[cfg(test)]
mod tests {
    use lapin::{
        ChannelState,
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
}
