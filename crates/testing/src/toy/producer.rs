//! The instrumented producer.

use otel_messaging_core::{
    ActiveOperation, CreationContext, ErrorType, Failure, Instrumentation, Instrumenter, Operation,
    OperationType, System,
};

use super::{
    Broker, Fault, Record,
    broker::SendResult,
    message::{KEY, OFFSET},
};

/// The value of `messaging.system` and the instrumentation scope. A client crate has one.
pub const SYSTEM: System =
    System::new("toy", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_key_attribute(KEY);
/// The operation that sends records, named by the system's own verb.
pub const PUBLISH: Operation = Operation::new(OperationType::Send, "publish");

/// Sends records.
#[derive(Clone, Debug)]
pub struct Producer {
    broker: Broker,
    instrumenter: Instrumenter,
}

impl Producer {
    /// Makes a producer that is configured by `instrumentation`. It builds one instrumenter, which
    /// keeps the attributes that all operations share.
    pub fn new(broker: &Broker, instrumentation: &Instrumentation) -> Self {
        let instrumenter = Instrumenter::builder(SYSTEM)
            .client_id("toy-producer")
            .server("toy.local", Some(7))
            .build(instrumentation);
        Self { broker: broker.clone(), instrumenter }
    }

    /// Sends a record. The core starts the span and injects its context into the record.
    ///
    /// Cancel safety: if dropped before the broker accepted the record, it is not sent and the span
    /// ends as `cancelled`. If dropped later, the span ends without a status, as handed over.
    ///
    /// # Errors
    /// Returns the broker's fault and the record.
    pub async fn send(&self, mut record: Record) -> SendResult {
        let operation = self.instrumenter.send(PUBLISH, &mut record);
        self.hand_over(record, operation).await
    }

    /// Sends a record with the given creation context. The send span links to it.
    ///
    /// Cancel safety: as for [`send`](Self::send).
    ///
    /// # Errors
    /// Returns the broker's fault and the record.
    pub async fn send_with_context(
        &self,
        mut record: Record,
        creation: &CreationContext,
    ) -> SendResult {
        let operation = self.instrumenter.send_with_context(PUBLISH, &mut record, creation);
        self.hand_over(record, operation).await
    }

    /// Sends records as one batch. The core returns an operation for each of them.
    ///
    /// Cancel safety: if dropped, records that the broker accepted are sent and the others are not.
    /// The send span counts these as failed, with the error `cancelled`.
    pub async fn send_batch(&self, mut records: Vec<Record>) -> Vec<SendResult> {
        let operations = self.instrumenter.send_batch(PUBLISH, &mut records);
        let mut results = Vec::new();
        for (record, operation) in records.into_iter().zip(operations) {
            results.push(self.hand_over(record, operation).await);
        }
        results
    }

    /// Hands a record to the broker, and ends the operation with the broker's answer.
    async fn hand_over(&self, record: Record, mut operation: ActiveOperation) -> SendResult {
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
                    operation.set_attribute(OFFSET, offset);
                }
                operation.end();
            }
            Err((fault, _)) => operation.fail((*fault).into()),
        }
        result
    }
}

/// Returns the class of an error. It is a metric attribute, so it never contains the error's text.
impl From<Fault> for ErrorType {
    fn from(fault: Fault) -> Self {
        Self::of_variant(&fault)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(fault.into()).with_description("the toy is broken")
    }
}
