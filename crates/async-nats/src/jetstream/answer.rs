//! The stream's answers to what is published.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::async_nats::{
    jetstream::{
        context::{self as bare, PublishError, PublishErrorKind},
        publish::PublishAck,
    },
    message::OutboundMessage,
};
use opentelemetry::KeyValue;
use otel_messaging_core::ActiveOperation;

use crate::{facts::Connection, failure::Classify as _, semconv, sending::Sending};

/// [`async_nats::jetstream::context::PublishAckFuture`](bare::PublishAckFuture), instrumented:
/// what becomes of a message.
///
/// Dropping it does not recall the message: its span has ended at the hand-over then, and the
/// client waits for the answer by itself (rule R10).
#[derive(Debug)]
pub struct PublishAckFuture {
    pub(super) answer: bare::PublishAckFuture,
    pub(super) operation: ActiveOperation,
}

impl IntoFuture for PublishAckFuture {
    type Output = Result<PublishAck, PublishError>;
    type IntoFuture = Answer;

    fn into_future(self) -> Answer {
        let Self { answer, mut operation } = self;
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

/// The client's own type of a future that answers.
type Answer = Pin<Box<dyn Future<Output = Result<PublishAck, PublishError>> + Send>>;

fn describe(operation: &mut ActiveOperation, ack: &PublishAck) {
    if operation.is_recording() {
        operation.set_attribute(KeyValue::new(semconv::STREAM, ack.stream.clone()));
        let sequence = i64::try_from(ack.sequence).unwrap_or(i64::MAX);
        operation.set_attribute(KeyValue::new(semconv::SEQUENCE, sequence));
        if ack.duplicate {
            operation.set_attribute(KeyValue::new(semconv::DUPLICATE, true));
        }
    }
}

/// The messages of a batch that the client took, and what became of them.
pub(super) struct Answers {
    sending: Sending,
    unanswered: VecDeque<(usize, Answer)>,
    results: Vec<Result<PublishAck, PublishError>>,
}

impl Answers {
    /// Starts to publish these as a batch.
    pub(super) fn to(messages: &mut [OutboundMessage], connection: &Connection) -> Self {
        let sending = Sending::start(connection, messages);
        Self { sending, unanswered: VecDeque::new(), results: Vec::with_capacity(messages.len()) }
    }

    /// Waits for the answer to the next message, if the client took it: from now on, as each has
    /// its time for itself.
    pub(super) fn expect(
        &mut self,
        taken: Result<bare::PublishAckFuture, PublishError>,
        context: &mut Context<'_>,
    ) {
        let index = self.results.len();
        let result = match taken {
            Ok(answer) => {
                self.sending.taken();
                let mut answer = answer.into_future();
                match answer.as_mut().poll(context) {
                    Poll::Ready(result) => self.sending.answered(index, result),
                    Poll::Pending => {
                        self.unanswered.push_back((index, answer));
                        // Until it is answered.
                        Err(PublishError::new(PublishErrorKind::BrokenPipe))
                    }
                }
            }
            Err(error) => {
                self.sending.refused(&error.failure());
                Err(error)
            }
        };
        self.results.push(result);
    }

    /// Ready when all are answered.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some((index, answer)) = self.unanswered.front_mut() {
            let result = ready!(answer.as_mut().poll(context));
            self.results[*index] = self.sending.answered(*index, result);
            self.unanswered.pop_front();
        }
        Poll::Ready(())
    }

    /// What became of each message.
    pub(super) fn into_results(self) -> Vec<Result<PublishAck, PublishError>> {
        self.results
    }
}
