//! The stream's answers to messages that are published.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::async_nats::jetstream::{
    context::{self as bare, PublishError},
    publish::PublishAck,
};
use otel_messaging_core::ActiveOperation;

use crate::{error_type::Classify as _, semconv};

/// [`async_nats::jetstream::context::PublishAckFuture`](bare::PublishAckFuture), instrumented:
/// waits for the stream's answer, which ends the span.
///
/// Dropping it does not recall the message. The span then ends at the hand-over, without an error,
/// and the client waits for the answer by itself.
#[derive(Debug)]
pub struct PublishAckFuture {
    pub(super) answer: bare::PublishAckFuture,
    /// `None` without telemetry.
    pub(super) operation: Option<ActiveOperation>,
}

impl IntoFuture for PublishAckFuture {
    type Output = Result<PublishAck, PublishError>;
    type IntoFuture = Answer;

    fn into_future(self) -> Answer {
        let Self { answer, operation } = self;
        let Some(mut operation) = operation else { return answer.into_future() };
        Box::pin(async move {
            let result = answer.await;
            match &result {
                Ok(ack) => {
                    describe(&mut operation, ack);
                    operation.end();
                }
                Err(error) => operation.fail(error.failure()),
            }
            result
        })
    }
}

/// The client's own type of a future that waits for an answer.
type Answer = Pin<Box<dyn Future<Output = Result<PublishAck, PublishError>> + Send>>;

fn describe(operation: &mut ActiveOperation, ack: &PublishAck) {
    if operation.is_recording() {
        operation.set_attribute(semconv::STREAM, &ack.stream);
        operation.set_attribute(semconv::SEQUENCE, ack.sequence);
        if ack.duplicate {
            operation.set_attribute(semconv::DUPLICATE, true);
        }
    }
}

/// The answers to the messages of a batch, in order.
#[derive(Default)]
pub(super) struct Answers {
    messages: Vec<Published>,
    /// How many of them were polled, which starts their timeout.
    polled: usize,
    /// How many of them, from the first one on, were answered.
    answered: usize,
}

/// A message of a batch.
enum Published {
    Waiting(Answer),
    Answered(Result<PublishAck, PublishError>),
}

impl Answers {
    /// Adds the next message, which the client took or refused.
    pub(super) fn push(&mut self, taken: Result<PublishAckFuture, PublishError>) {
        self.messages.push(match taken {
            Ok(answer) => Published::Waiting(answer.into_future()),
            Err(error) => Published::Answered(Err(error)),
        });
    }

    /// Polls until all messages are answered.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(message) = self.messages.get_mut(self.polled) {
            let _ = message.poll(context);
            self.polled += 1;
        }
        while let Some(message) = self.messages.get_mut(self.answered) {
            ready!(message.poll(context));
            self.answered += 1;
        }
        Poll::Ready(())
    }

    /// Returns the answers once all messages are answered.
    pub(super) fn into_results(self) -> Vec<Result<PublishAck, PublishError>> {
        let answered = |message| match message {
            Published::Answered(result) => Some(result),
            Published::Waiting(_) => None,
        };
        self.messages.into_iter().filter_map(answered).collect()
    }
}

impl Published {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(answer) = self {
            *self = Self::Answered(ready!(answer.as_mut().poll(context)));
        }
        Poll::Ready(())
    }
}
