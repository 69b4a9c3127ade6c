//! How messages of JetStream are settled.

use std::{future::poll_fn, io, pin::Pin};

use ::async_nats::{
    Error,
    jetstream::{AckKind, Message, context::traits::TimeoutProvider as _},
};
use futures_core::Stream as _;
use otel_messaging_core::{ActiveOperation, Operation, Received, client::Call};
use tokio::time::timeout;

use crate::{delivered::Delivered, error_type::Classified, semconv};

/// Returns the operation that settles a message so; `None` if that only asks for time.
pub(crate) const fn operation(kind: AckKind) -> Option<Operation> {
    match kind {
        AckKind::Ack | AckKind::Next => Some(semconv::ACK),
        AckKind::Nak(_) => Some(semconv::NAK),
        AckKind::Term => Some(semconv::TERM),
        AckKind::Progress => None,
    }
}

/// Settles a message by `ack`, whose future is ready when the client has taken the settlement.
pub(crate) fn ack<F: Future<Output = Result<(), Error>>>(
    message: &Received<Delivered<Message>>,
    kind: AckKind,
    ack: impl FnOnce() -> F,
) -> impl Future<Output = F::Output> {
    Call::new(move || {
        let settling = operation(kind).map(|operation| message.settle(operation));
        (ack(), move |result| {
            if let Some(settling) = settling {
                settling.end_with(&Classified(&result));
            }
            result
        })
    })
}

/// Settles a message and waits until the server confirms it.
pub(crate) async fn double_ack(
    message: &Received<Delivered<Message>>,
    kind: AckKind,
) -> Result<(), Error> {
    let bare = &message.get_ref().bare;
    match operation(kind) {
        Some(operation) if message.instrumenter().is_enabled() => {
            let mut settling = message.settle(operation);
            let result = confirm(bare, kind, &mut settling).await;
            settling.end_with(&Classified(&result));
            result
        }
        _ => bare.double_ack_with(kind).await,
    }
}

/// Does what the client's `double_ack_with` does, call by call: the client does not say when it has
/// taken the settlement.
async fn confirm(
    message: &Message,
    kind: AckKind,
    settling: &mut ActiveOperation,
) -> Result<(), Error> {
    // The client has an error for a message that cannot be settled.
    let Some(reply) = &message.reply else { return message.double_ack_with(kind).await };
    let client = message.context.client();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    client.publish_with_reply(reply.clone(), inbox, kind.into()).await?;
    settling.handed_over();
    let answer = poll_fn(|context| Pin::new(&mut answers).poll_next(context));
    match timeout(message.context.timeout(), answer).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(io::Error::other("subscription dropped").into()),
        Err(_) => {
            let text = "double ack response timed out";
            Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
        }
    }
}
