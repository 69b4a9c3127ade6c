//! The stream's answers to messages that are published.

use std::{
    fmt,
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
    answer: bare::PublishAckFuture,
    /// `None` without telemetry.
    operation: Option<ActiveOperation>,
}

impl PublishAckFuture {
    /// Waits for the answer to a message that the client took.
    pub(super) fn new(answer: bare::PublishAckFuture, mut operation: ActiveOperation) -> Self {
        operation.handed_over();
        Self { answer, operation: operation.is_running().then_some(operation) }
    }
}

impl IntoFuture for PublishAckFuture {
    type Output = Result<PublishAck, PublishError>;
    type IntoFuture = Answer;

    fn into_future(self) -> Answer {
        Answer { bare: self.answer.into_future(), operation: self.operation }
    }
}

/// The future of a [`PublishAckFuture`].
#[must_use = "futures do nothing unless polled"]
pub struct Answer {
    bare: <bare::PublishAckFuture as IntoFuture>::IntoFuture,
    operation: Option<ActiveOperation>,
}

impl Future for Answer {
    type Output = Result<PublishAck, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.bare.as_mut().poll(context));
        if let Some(mut operation) = self.operation.take() {
            match &result {
                Ok(ack) => {
                    describe(&mut operation, ack);
                    operation.end();
                }
                Err(error) => operation.fail(error.failure()),
            }
        }
        Poll::Ready(result)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("operation", &self.operation).finish_non_exhaustive()
    }
}

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
            *self = Self::Answered(ready!(Pin::new(answer).poll(context)));
        }
        Poll::Ready(())
    }
}
