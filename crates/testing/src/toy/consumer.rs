//! The instrumented consumer.

use otel_messaging_core::{Batch, Endpoint, Instrumentation, Operation, OperationType};

use super::{Broker, Fault, Message, producer::SYSTEM};

/// Asking for records, in the system's own words.
pub const FETCH: Operation = Operation::new(OperationType::Receive, "fetch");
/// Telling the broker that a message is done.
pub const ACK: Operation = Operation::new(OperationType::Settle, "ack");

/// Receives messages of some topics.
#[derive(Clone, Debug)]
pub struct Consumer {
    broker: Broker,
    topics: Vec<String>,
    endpoint: Endpoint,
}

impl Consumer {
    /// A consumer that works as `instrumentation` says.
    pub fn new<T: Into<String>>(
        broker: &Broker,
        topics: impl IntoIterator<Item = T>,
        instrumentation: &Instrumentation,
    ) -> Self {
        let endpoint = Endpoint::builder(SYSTEM).client_id("toy-consumer").consumer_group("toys");
        let endpoint = endpoint.server("toy.local", Some(7)).build(instrumentation);
        let topics = topics.into_iter().map(Into::into).collect();
        Self { broker: broker.clone(), topics, endpoint }
    }

    /// Waits for the next message. The clock starts with the call, the span is made at the
    /// hand-over: dropped while it waits, there is none (rule R11).
    ///
    /// # Errors
    /// Those of the client.
    pub async fn receive(&self) -> Result<Message, Fault> {
        let clock = self.endpoint.clock();
        let taken = self.broker.take(&self.topics, 1).await;
        let taken = taken.and_then(|mut one| one.pop().ok_or(Fault::FetchFailed));
        let failed =
            |&fault: &Fault| self.endpoint.receive_failed(FETCH, clock, None, fault.into());
        let record = taken.inspect_err(failed)?;
        Ok(Message(self.endpoint.receive(FETCH, clock, record)))
    }

    /// Waits for `count` messages and hands them over together: one span (rule R14). They are held
    /// rather than received, because it is the batch that is received.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn receive_batch(&self, count: usize) -> Result<Batch<Message>, Fault> {
        let clock = self.endpoint.clock();
        let failed =
            |&fault: &Fault| self.endpoint.receive_failed(FETCH, clock, None, fault.into());
        let records = self.broker.take(&self.topics, count).await.inspect_err(failed)?;
        let hold = |record| Message(self.endpoint.hold(record));
        let batch: Batch<Message> = records.into_iter().map(hold).collect();
        self.endpoint.receive_batch(FETCH, clock, &batch);
        Ok(batch)
    }

    /// Tells the broker that a message is done (rule R17).
    ///
    /// # Errors
    /// Those of the client.
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
