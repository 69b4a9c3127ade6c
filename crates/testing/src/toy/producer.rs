//! The instrumented producer.

use opentelemetry::KeyValue;
use otel_messaging_core::{
    ActiveOperation, CreationContext, Endpoint, ErrorType, FailedMessages, Failure,
    Instrumentation, Operation, OperationType, System,
};

use super::{
    Broker, Fault, Record,
    broker::SendResult,
    message::{KEY, OFFSET},
};

/// The value of `messaging.system` and the instrumentation scope, which a client crate has once
/// (rule R23).
pub const SYSTEM: System =
    System::new("toy", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_key_attribute(KEY);
/// Handing a record to the broker, in the system's own words.
pub const PUBLISH: Operation = Operation::new(OperationType::Send, "publish");

/// Sends records.
#[derive(Clone, Debug)]
pub struct Producer {
    broker: Broker,
    endpoint: Endpoint,
}

impl Producer {
    /// A producer that works as `instrumentation` says. An endpoint is made once for a client: it
    /// keeps what all operations have in common.
    pub fn new(broker: &Broker, instrumentation: &Instrumentation) -> Self {
        let endpoint = Endpoint::builder(SYSTEM).client_id("toy-producer");
        let endpoint = endpoint.server("toy.local", Some(7)).build(instrumentation);
        Self { broker: broker.clone(), endpoint }
    }

    /// Sends a record. The core starts the span and writes its context into the record (rules R6
    /// and R8).
    ///
    /// # Errors
    /// Those of the client, with the record.
    pub async fn send(&self, mut record: Record) -> SendResult {
        let operation = self.endpoint.send(PUBLISH, &mut record);
        self.deliver(record, operation).await
    }

    /// Sends a record that was created in `creation` (rule R9).
    ///
    /// # Errors
    /// Those of the client, with the record.
    pub async fn send_created(&self, mut record: Record, creation: &CreationContext) -> SendResult {
        let operation = self.endpoint.send_created(PUBLISH, &mut record, creation);
        self.deliver(record, operation).await
    }

    /// The span ends with the broker's answer (rule R10); dropped at an `.await`, it ends as the
    /// core knows it should (rule R24).
    async fn deliver(&self, record: Record, mut operation: ActiveOperation) -> SendResult {
        let record = match self.broker.accept(record).await {
            Ok(record) => record,
            Err((fault, record)) => {
                operation.reject(fault.into());
                return Err((fault, record));
            }
        };
        operation.handed_over();
        let result = self.broker.store(record).await;
        match &result {
            Ok(record) => {
                if let (Some(partition), Some(offset)) = (record.partition, record.offset) {
                    operation.set_partition(partition);
                    operation.set_attribute(KeyValue::new(OFFSET, offset));
                }
                operation.end();
            }
            Err((fault, _)) => operation.fail((*fault).into()),
        }
        result
    }

    /// Sends records as one batch (rule R7). Those that were refused are not counted as sent
    /// (rule R18).
    pub async fn send_batch(&self, mut records: Vec<Record>) -> Vec<SendResult> {
        let mut operation = self.endpoint.send_batch(PUBLISH, &mut records);
        let (mut results, mut failed, mut refused) = (Vec::new(), FailedMessages::new(), 0);
        for (index, record) in records.into_iter().enumerate() {
            let result = match self.broker.accept(record).await {
                Ok(record) => self.broker.store(record).await,
                refusal => refusal.inspect_err(|_| refused += 1),
            };
            if let Err((fault, _)) = &result {
                failed.add(index, (*fault).into());
            }
            results.push(result);
        }
        operation.withdraw(refused);
        operation.end_with(&failed);
        results
    }
}

/// A class, never a text: it becomes a label (rule R22).
impl From<Fault> for ErrorType {
    fn from(fault: Fault) -> Self {
        Self::new(format!("{fault:?}"))
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(fault.into()).with_description("the toy is broken")
    }
}
