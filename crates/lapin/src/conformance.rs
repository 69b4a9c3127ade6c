//! The conformance suite without RabbitMQ: a broker in memory, behind the client's mock deliveries.
//!
//! What only a channel does is left out; the suite on a real broker has it.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lapin::{
    BasicProperties, message as bare,
    options::BasicAckOptions,
    types::{AMQPValue, FieldTable, ShortString},
};
use otel_messaging_core::{
    ActiveOperation, Batch, CreationContext, Endpoint, ErrorType, FailedMessages, Failure,
    Instrumentation, OperationType,
};
use otel_messaging_testing::{
    attributes::{ExpectedValue, any},
    conformance,
    conformance::{
        Broker, Client, Failing, Fault, Header, Headers, Outgoing as Sent, Place, Setup,
    },
    toy::{self, Record},
};

use crate::{
    destination::{Names, Queues},
    message::{Delivery, Source},
    publish::{Outgoing, Publish},
    semconv,
};

conformance!(Mock);

/// The broker's default.
const FRAME_MAX: usize = 131_072;
const KEY: &str = "new";

struct Mock {
    broker: toy::Broker,
    exchanges: Vec<String>,
    endpoint: Endpoint,
    names: Names,
    queues: Queues,
    source: Arc<Source>,
    tags: AtomicU64,
}

impl Mock {
    /// To the exchange of this name, or else to the queue of this name.
    fn outgoing<'a>(&self, message: &'a Sent) -> Outgoing<'a> {
        let name = &*message.destination;
        let is_exchange = self.exchanges.iter().any(|exchange| exchange == name);
        let (exchange, routing_key) = if is_exchange { (name, KEY) } else { ("", name) };
        let publish = Publish {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            payload: &message.body,
            properties: BasicProperties::default().with_headers(table(&message.headers)),
            ..Publish::default()
        };
        let name = self.names.published(exchange, routing_key, &self.queues);
        Outgoing { publish, name, frame_max: FRAME_MAX }
    }

    async fn deliver(
        &self,
        message: &Sent,
        outgoing: Outgoing<'_>,
        mut operation: ActiveOperation,
    ) -> Result<Place, Sent> {
        match self.broker.accept(record(message, &outgoing.publish)).await {
            Ok(record) => {
                operation.handed_over();
                let result = self.broker.store(record).await;
                match &result {
                    Ok(_) => operation.end(),
                    Err((fault, _)) => operation.fail((*fault).into()),
                }
                result.map(|_| Place::default()).map_err(|_| message.clone())
            }
            Err((fault, _)) => {
                operation.reject(fault.into());
                Err(message.clone())
            }
        }
    }

    fn delivery(&self, record: Record) -> bare::Delivery {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed) + 1;
        let exchange = ShortString::from(record.topic);
        let mut delivery = bare::Delivery::mock(tag, exchange, KEY.into(), false, record.body);
        delivery.properties = BasicProperties::default().with_headers(table(&record.headers));
        delivery
    }
}

fn table(headers: &[Header]) -> FieldTable {
    let header = |(name, value): &Header| {
        let value = value.clone();
        let value = value.map_or(AMQPValue::Void, |value| AMQPValue::LongString(value.into()));
        (ShortString::from(name.as_str()), value)
    };
    headers.iter().map(header).collect::<BTreeMap<_, _>>().into()
}

fn headers_of(properties: &BasicProperties) -> Vec<Header> {
    let header = |(name, value): (&ShortString, &AMQPValue)| match value {
        AMQPValue::LongString(text) => (name.to_string(), Some(text.as_bytes().to_vec())),
        AMQPValue::Void => (name.to_string(), None),
        other => panic!("the suite sends no {other:?}"),
    };
    properties.headers().iter().flatten().map(header).collect()
}

fn record(message: &Sent, publish: &Publish<'_>) -> Record {
    let headers = headers_of(&publish.properties);
    Record { headers, ..Record::new(&*message.destination, publish.payload) }
}

fn failing(fault: toy::Fault) -> Failing {
    Failing { error_type: format!("{fault:?}").into(), description: "the toy is broken".into() }
}

impl Broker for Mock {
    type Message<'a> = Delivery;

    const SYSTEM: &'static str = "rabbitmq";
    const SCOPE: (&'static str, &'static str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    const SEND: &'static str = "publish";
    const RECEIVE: &'static str = "receive";
    const SETTLE: Option<&'static str> = Some("ack");
    const HEADERS: Headers =
        Headers { binary: true, null: true, duplicate: false, longest: 100_000 };
    const KEY: Option<&'static str> = None;
    const ENVELOPE_SIZE: bool = true;
    const PARTITIONS: bool = false;
    const ANSWERS_AFTER_DROP: bool = false;
    const TEMPORARY: Option<&'static str> = Some("amq.rabbitmq.reply-to.x7Qk");
    const ANONYMOUS: Option<&'static str> = Some("amq.gen-x7Qk");

    fn position(operation: OperationType) -> Option<&'static str> {
        let is_sent = matches!(operation, OperationType::Create | OperationType::Send);
        (!is_sent).then_some(semconv::DELIVERY_TAG)
    }

    fn message_attributes(operation: OperationType) -> Vec<(&'static str, ExpectedValue)> {
        let has_none = matches!(operation, OperationType::Create | OperationType::Settle);
        if has_none { Vec::new() } else { vec![(semconv::ROUTING_KEY, any())] }
    }

    async fn start(setup: Setup<'_>, instrumentation: &Instrumentation) -> Self {
        let endpoint = Endpoint::builder(semconv::SYSTEM).server("::1", Some(5672));
        let endpoint = endpoint.build(instrumentation);
        Self {
            broker: toy::Broker::new(1),
            exchanges: setup.destinations.iter().map(ToString::to_string).collect(),
            source: Arc::new(Source::new("shop".into(), endpoint.clone(), Arc::default())),
            endpoint,
            names: Names::default(),
            queues: Queues::default(),
            tags: AtomicU64::new(0),
        }
    }

    async fn spawn(future: impl Future<Output = ()> + Send + 'static) -> bool {
        tokio::spawn(future).await.is_ok()
    }

    fn destination(&self, operation: OperationType, name: &str) -> String {
        match operation {
            _ if !self.exchanges.iter().any(|exchange| exchange == name) => name.to_owned(),
            OperationType::Create | OperationType::Send => format!("{name}:{KEY}"),
            _ => format!("{name}:{KEY}:shop"),
        }
    }

    fn client(&self, _: OperationType) -> Client {
        Client { server: Some(("::1".into(), Some(5672))), ..Client::default() }
    }

    async fn send(&self, message: Sent) -> Result<Place, Sent> {
        let mut outgoing = self.outgoing(&message);
        let operation = self.endpoint.send(semconv::PUBLISH, &mut outgoing);
        self.deliver(&message, outgoing, operation).await
    }

    async fn send_created(&self, message: Sent, creation: &CreationContext) -> Result<Place, Sent> {
        let mut outgoing = self.outgoing(&message);
        let operation = self.endpoint.send_created(semconv::PUBLISH, &mut outgoing, creation);
        self.deliver(&message, outgoing, operation).await
    }

    async fn send_and_forget(&self, message: Sent) {
        self.broker.inject(toy::Fault::Silent);
        let mut send = Box::pin(self.send(message));
        assert!(futures::poll!(send.as_mut()).is_pending(), "the broker answered");
    }

    async fn send_batch(&self, messages: Vec<Sent>) -> Vec<Result<Place, Sent>> {
        let mut outgoing: Vec<_> = messages.iter().map(|message| self.outgoing(message)).collect();
        let mut operation = self.endpoint.send_batch(semconv::PUBLISH, &mut outgoing);
        let (mut results, mut failed, mut refused) = (Vec::new(), FailedMessages::new(), 0);
        for (index, (message, outgoing)) in messages.iter().zip(&outgoing).enumerate() {
            let result = match self.broker.accept(record(message, &outgoing.publish)).await {
                Ok(record) => self.broker.store(record).await,
                refusal => refusal.inspect_err(|_| refused += 1),
            };
            results.push(match result {
                Ok(_) => Ok(Place::default()),
                Err((fault, _)) => {
                    failed.add(index, ErrorType::from(fault));
                    Err(message.clone())
                }
            });
        }
        operation.withdraw(refused);
        operation.end_with(&failed);
        results
    }

    async fn send_foreign(&self, messages: Vec<Sent>) {
        for message in messages {
            let outgoing = self.outgoing(&message);
            let stored = self.broker.store(record(&message, &outgoing.publish)).await;
            assert!(stored.is_ok(), "{stored:?}");
        }
    }

    async fn receive(&self) -> Result<Delivery, Failing> {
        let clock = self.endpoint.clock();
        let taken = self.broker.take(&self.exchanges, 1).await.map_err(|fault| {
            self.endpoint.receive_failed(semconv::RECEIVE, clock, None, Failure::from(fault));
            failing(fault)
        });
        let delivery = self.delivery(taken?.remove(0));
        Ok(self.source.receive(semconv::RECEIVE, clock, delivery))
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<Delivery>, Failing> {
        let clock = self.endpoint.clock();
        let taken = self.broker.take(&self.exchanges, count).await.map_err(failing)?;
        let hold = |record| Delivery::of(self.source.hold(self.delivery(record)));
        let batch: Batch<Delivery> = taken.into_iter().map(hold).collect();
        self.endpoint.receive_batch(semconv::RECEIVE, clock, &batch);
        Ok(batch)
    }

    async fn process_with<'a, F>(message: Delivery, handler: impl FnOnce(Delivery) -> F + Send)
    where
        F: Future<Output = ()> + Send,
    {
        message.process_with(handler).await;
    }

    /// Settling a mock never fails, and once is enough for a delivery.
    async fn settle(&self, message: &Delivery) -> Result<(), Failing> {
        assert_eq!(message.ack(BasicAckOptions::default()).await, Ok(true));
        Ok(())
    }

    fn inject(&self, fault: Fault) -> Option<Failing> {
        let fault = match fault {
            Fault::Stall => toy::Fault::Full,
            Fault::Refuse => toy::Fault::Refused,
            Fault::Fail => toy::Fault::Lost,
            Fault::Receive => toy::Fault::FetchFailed,
            Fault::Settle => return None,
        };
        self.broker.inject(fault);
        Some(failing(fault))
    }

    /// Headers that fill their frame.
    fn without_room(&self, destination: &'static str) -> Option<Sent> {
        // Frame, content and properties; the table and its one entry.
        let value = FRAME_MAX - (8 + 12 + 2) - 4 - (1 + "filler".len() + 1 + 4);
        let headers = vec![("filler".to_owned(), Some(vec![b'x'; value]))];
        Some(Sent::new(destination).with_all_headers(headers))
    }

    fn headers_of(message: &Delivery) -> Vec<Header> {
        headers_of(&message.properties)
    }

    fn place_of(message: &Delivery) -> Place {
        Place { partition: None, position: i64::try_from(message.delivery_tag).ok() }
    }

    fn body_of(message: &Delivery) -> Vec<u8> {
        message.data.clone()
    }
}
