//! Implements the suite's `Broker` for the toy broker, as each client crate does for its own.

use otel_messaging_core::{
    Batch, CreationContext, Instrumentation, Operation, OperationType, System,
};
use otel_messaging_testing::{
    conformance::{self, Client, Failing, Header, Headers, Outgoing, Place, Setup},
    toy::{self, Consumer, Fault, Message, Producer, Record, broker::SendResult, message},
};

/// A toy broker with one instrumented producer and one instrumented consumer.
pub(crate) struct Toy {
    broker: toy::Broker,
    producer: Producer,
    consumer: Consumer,
}

impl conformance::Broker for Toy {
    type Message<'a> = Message;

    const SYSTEM: System = toy::producer::SYSTEM;
    const SEND: Operation = toy::producer::PUBLISH;
    const RECEIVE: Operation = toy::consumer::FETCH;
    const SETTLE: Option<Operation> = Some(toy::consumer::ACK);
    const HEADERS: Headers =
        Headers { binary: true, null: true, duplicate: true, longest: 1 << 20 };
    const ENVELOPE_SIZE: bool = false;
    const PARTITIONS: bool = true;
    const ANSWERS_AFTER_DROP: bool = false;
    const TEMPORARY: Option<&'static str> = Some("_inbox.x7Qk");
    const ANONYMOUS: Option<&'static str> = Some("_gen.x7Qk");

    fn position(operation: OperationType) -> Option<&'static str> {
        (operation != OperationType::Create).then_some("messaging.toy.offset")
    }

    async fn start(setup: Setup<'_>, instrumentation: &Instrumentation) -> Self {
        let broker = toy::Broker::new(setup.partitions);
        let producer = Producer::new(&broker, instrumentation);
        let consumer = Consumer::new(&broker, setup.destinations.iter().copied(), instrumentation);
        Self { broker, producer, consumer }
    }

    fn client(&self, operation: OperationType) -> Client {
        let sends = matches!(operation, OperationType::Create | OperationType::Send);
        let id = if sends { "toy-producer" } else { "toy-consumer" };
        Client {
            server: Some(("toy.local".into(), Some(7))),
            group: (!sends).then_some("toys".into()),
            span_attributes: vec![("messaging.client.id", id.into())],
        }
    }

    async fn send(&self, message: Outgoing) -> Result<Place, Outgoing> {
        result(self.producer.send(record(message)).await)
    }

    async fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> Result<Place, Outgoing> {
        result(self.producer.send_with_context(record(message), creation).await)
    }

    async fn send_and_forget(&self, message: Outgoing) {
        self.broker.inject(Fault::Silent);
        let mut send = Box::pin(self.producer.send(record(message)));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(send.as_mut().poll(context).is_ready())
        });
        assert!(!polled.await, "the broker answered");
    }

    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<Place, Outgoing>> {
        let records = messages.into_iter().map(record).collect();
        self.producer.send_batch(records).await.into_iter().map(result).collect()
    }

    async fn send_foreign(&self, messages: Vec<Outgoing>) {
        for message in messages {
            let stored = self.broker.store(record(message)).await;
            assert!(stored.is_ok(), "{stored:?}");
        }
    }

    async fn receive(&self) -> Result<Message, Failing> {
        self.consumer.receive().await.map_err(failing)
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<Message>, Failing> {
        self.consumer.receive_batch(count).await.map_err(failing)
    }

    async fn settle(&self, message: &Message) -> Result<(), Failing> {
        self.consumer.ack(message).map_err(failing)
    }

    fn inject(&self, fault: conformance::Fault) -> Option<Failing> {
        let fault = match fault {
            conformance::Fault::Stall => Fault::Full,
            conformance::Fault::Refuse => Fault::Refused,
            conformance::Fault::Fail => Fault::Lost,
            conformance::Fault::Receive => Fault::FetchFailed,
            conformance::Fault::Settle => Fault::AckFailed,
        };
        self.broker.inject(fault);
        Some(failing(fault))
    }

    fn without_room(&self, destination: &'static str) -> Option<Outgoing> {
        let headers = (0..message::MAX_HEADERS).map(|index| (index.to_string(), None));
        Some(Outgoing::new(destination).with_all_headers(headers.collect()))
    }

    fn headers_of(message: &Message) -> Vec<Header> {
        message.headers.clone()
    }

    fn place_of(message: &Message) -> Place {
        Place { partition: message.partition, position: message.offset }
    }

    fn body_of(message: &Message) -> Vec<u8> {
        message.body.clone()
    }
}

fn record(message: Outgoing) -> Record {
    let Outgoing { destination, partition, key, body, headers } = message;
    Record { topic: destination.into_owned(), partition, offset: None, key, body, headers }
}

fn result(result: SendResult) -> Result<Place, Outgoing> {
    match result {
        Ok(Record { partition, offset, .. }) => Ok(Place { partition, position: offset }),
        Err((_, Record { topic, partition, key, body, headers, .. })) => {
            Err(Outgoing { destination: topic.into(), partition, key, body, headers })
        }
    }
}

fn failing(fault: Fault) -> Failing {
    Failing { error_type: format!("{fault:?}").into(), description: "the toy is broken".into() }
}
