//! The instrumented consumer.

use std::{
    fmt,
    task::{Context, Poll},
};

use otel_messaging_core::{
    Batch, Failure, Incoming, Instrumentation, Instrumenter, Operation, OperationType,
    client::Source,
};

use super::{Broker, Fault, Message, producer::SYSTEM};

/// The operation that receives records, named by the system's own verb.
pub const FETCH: Operation = Operation::new(OperationType::Receive, "fetch");
/// The operation that settles a message, named by the system's own verb.
pub const ACK: Operation = Operation::new(OperationType::Settle, "ack");

/// Receives messages of some topics.
#[derive(Clone, Debug)]
pub struct Consumer {
    broker: Broker,
    topics: Vec<String>,
    instrumenter: Instrumenter,
}

impl Consumer {
    /// Makes a consumer of `topics` that is configured by `instrumentation`.
    pub fn new<T: Into<String>>(
        broker: &Broker,
        topics: impl IntoIterator<Item = T>,
        instrumentation: &Instrumentation,
    ) -> Self {
        let instrumenter = Instrumenter::builder(SYSTEM)
            .client_id("toy-consumer")
            .consumer_group("toys")
            .server("toy.local", Some(7))
            .build(instrumentation);
        let topics = topics.into_iter().map(Into::into).collect();
        Self { broker: broker.clone(), topics, instrumenter }
    }

    /// Waits for the next message. Its receive span is made at the hand-over, and starts at the
    /// first poll.
    ///
    /// Cancel safety: if dropped while it waits, no message is lost and no span is made.
    ///
    /// # Errors
    /// Returns the broker's fault unchanged. The receive span is marked as failed.
    pub async fn receive(&self) -> Result<Message, Fault> {
        let clock = self.instrumenter.clock();
        let taken = self.broker.take(&self.topics, 1).await;
        let taken = taken.and_then(|mut one| one.pop().ok_or(Fault::FetchFailed));
        match taken {
            Ok(record) => Ok(Message(self.instrumenter.receive(FETCH, clock, record))),
            Err(fault) => {
                self.instrumenter.receive_failed(FETCH, clock, None, fault.into());
                Err(fault)
            }
        }
    }

    /// Waits for `count` messages and returns them as a batch, with one receive span.
    ///
    /// Cancel safety: if dropped while it waits, no message is lost and no span is made.
    ///
    /// # Errors
    /// Returns the broker's fault unchanged. The receive span is marked as failed.
    pub async fn receive_batch(&self, count: usize) -> Result<Batch<Message>, Fault> {
        let clock = self.instrumenter.clock();
        match self.broker.take(&self.topics, count).await {
            Ok(records) => {
                let extract = |record| Message(self.instrumenter.extract(record));
                let batch: Batch<Message> = records.into_iter().map(extract).collect();
                self.instrumenter.receive_batch(FETCH, clock, &batch);
                Ok(batch)
            }
            Err(fault) => {
                self.instrumenter.receive_failed(FETCH, clock, None, fault.into());
                Err(fault)
            }
        }
    }

    /// Returns a stream of messages, with a receive span for each. Its method `batches` collects
    /// them into batches instead.
    pub fn messages(&self) -> Incoming<Messages> {
        Incoming::new(Messages(self.clone()))
    }

    /// Acknowledges a message, in a settle span.
    ///
    /// # Errors
    /// Returns the broker's fault unchanged. The settle span is marked as failed.
    pub fn ack(&self, message: &Message) -> Result<(), Fault> {
        let operation = message.0.settle(ACK);
        let result = self.broker.forget(message);
        match result {
            Ok(()) => operation.end(),
            Err(fault) => operation.fail(fault.into()),
        }
        result
    }
}

/// The client's stream of messages, which the core polls.
pub struct Messages(Consumer);

impl Source for Messages {
    type Message = Message;
    type Error = Fault;
    const OPERATION: Operation = FETCH;

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Message, Fault>>> {
        let Consumer { broker, topics, instrumenter } = &self.0;
        broker.poll_take(topics, 1, context).map(|taken| {
            let record = taken.map(|mut one| one.pop()).transpose()?;
            Some(record.map(|record| Message(instrumenter.extract(record))))
        })
    }

    fn instrumenter(&self) -> &Instrumenter {
        &self.0.instrumenter
    }

    fn failure(fault: &Fault) -> Option<Failure> {
        Some((*fault).into())
    }

    /// Treats a record without a body as a status of the broker, to show how to handle these.
    fn is_status(message: &Message) -> bool {
        message.body.is_empty()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Messages").field(&self.0).finish()
    }
}
