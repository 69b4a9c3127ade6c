//! The conformance suite.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use futures::StreamExt;
use otel_messaging_integration_tests::{rabbitmq, unique};
use otel_messaging_lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    ExchangeKind, Publish, Result as ClientResult, bare,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
        ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    otel::{Batch, CreationContext, Instrumentation, Operation, OperationType, System},
    semconv,
    types::{AMQPValue, FieldTable, LongString, ShortString},
    uri::AMQPUri,
};
use otel_messaging_testing::{
    attributes::{ExpectedValue, any},
    conformance,
    conformance::{Broker, Client, Failing, Fault, Header, Headers, Outgoing, Place, Setup},
};
use tokio::sync::Mutex;

conformance!(RabbitMq);

const PATIENCE: Duration = Duration::from_secs(30);
/// The routing key of all messages to an exchange.
const KEY: &str = "new";
/// The broker's default.
const FRAME_MAX: usize = 131_072;

/// The instrumented clients of one test, whose exchanges route to one queue.
struct RabbitMq {
    suffix: String,
    server: (String, u16),
    exchanges: Vec<&'static str>,
    publisher: Channel,
    /// A channel that was closed.
    closed: Channel,
    consumer: Mutex<Consumer>,
    /// The channel that `consumer` is on.
    consuming: Channel,
    foreign: bare::Channel,
    next: AtomicU8,
    _connection: Connection,
}

impl RabbitMq {
    fn exchange(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    fn queue(&self) -> String {
        format!("shop-{}", self.suffix)
    }

    /// Returns whether the next call shall meet this fault, once.
    fn meets(&self, fault: Fault) -> bool {
        let met =
            self.next.compare_exchange(fault as u8 + 1, 0, Ordering::Relaxed, Ordering::Relaxed);
        met.is_ok()
    }

    fn is_exchange(&self, name: &str) -> bool {
        self.exchanges.contains(&name)
    }

    /// Makes a message to the exchange of this name, or else to the queue of this name.
    fn message<'a>(&self, message: &'a Outgoing) -> Publish<'a> {
        let name = &*message.destination;
        let (exchange, routing_key) =
            if self.is_exchange(name) { (self.exchange(name), KEY) } else { (String::new(), name) };
        Publish {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            options: BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            payload: &message.body,
            properties: properties(message),
        }
    }

    /// Binds the queue to the exchanges or unbinds it, so that no queue takes what is published.
    async fn bind(&self, queue: bool) {
        for exchange in &self.exchanges {
            let (name, exchange) = (self.queue().into(), self.exchange(exchange).into());
            let (options, none) = (QueueBindOptions::default(), FieldTable::default());
            let done = if queue {
                self.foreign.queue_bind(name, exchange, KEY.into(), options, none).await
            } else {
                self.foreign.queue_unbind(name, exchange, KEY.into(), none).await
            };
            done.expect("the queue is bound or not");
        }
    }

    async fn publish(
        &self,
        message: Outgoing,
        creation: Option<&CreationContext>,
    ) -> Result<Place, Outgoing> {
        let fails = self.meets(Fault::Fail);
        let channel = if self.meets(Fault::Refuse) { &self.closed } else { &self.publisher };
        if fails {
            self.bind(false).await;
        }
        let mut publish = self.message(&message);
        publish.options.mandatory = fails;
        let confirm = if let Some(creation) = creation {
            channel.basic_publish_with_context(publish, creation).await
        } else {
            let Publish { exchange, routing_key, options, payload, properties } = publish;
            channel.basic_publish(exchange, routing_key, options, payload, properties).await
        };
        let result = match confirm {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        };
        if fails {
            self.bind(true).await;
        }
        answer(&result, message)
    }
}

fn answer(result: &ClientResult<Confirmation>, message: Outgoing) -> Result<Place, Outgoing> {
    match result {
        Ok(Confirmation::Ack(None)) => Ok(Place::default()),
        Ok(_) | Err(_) => Err(message),
    }
}

fn properties(message: &Outgoing) -> BasicProperties {
    let header = |(name, value): &Header| {
        let value = value.clone();
        let value = value.map_or(AMQPValue::Void, |value| AMQPValue::LongString(value.into()));
        (ShortString::from(name.as_str()), value)
    };
    let headers: BTreeMap<_, _> = message.headers.iter().map(header).collect();
    let properties = BasicProperties::default();
    if headers.is_empty() { properties } else { properties.with_headers(headers.into()) }
}

impl Broker for RabbitMq {
    type Message<'a> = Delivery;

    const SYSTEM: System = semconv::SYSTEM;
    const SEND: Operation = semconv::PUBLISH;
    const RECEIVE: Operation = semconv::RECEIVE;
    const SETTLE: Option<Operation> = Some(semconv::ACK);
    const HEADERS: Headers =
        Headers { binary: true, null: true, duplicate: false, longest: 100_000 };
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
        let uri = rabbitmq();
        let AMQPUri { authority, .. } = uri.parse().expect("it is a URI");
        let connection = bare::Connection::connect(&uri, ConnectionProperties::default()).await;
        let connection = connection.expect("the broker is there");
        let foreign = connection.create_channel().await.expect("a channel is made");
        let connection = Connection::wrap(connection, &uri, instrumentation);
        let channel = async || connection.create_channel().await.expect("a channel is made");
        let (publisher, closed, consuming) = (channel().await, channel().await, channel().await);
        closed.close(200, "done".into()).await.expect("it is closed");
        for confirming in [&*publisher, &foreign] {
            let confirm = confirming.confirm_select(ConfirmSelectOptions::default()).await;
            confirm.expect("confirms are on");
        }
        let suffix = unique();
        let queue: ShortString = format!("shop-{suffix}").into();
        let none = FieldTable::default;
        let declared =
            foreign.queue_declare(queue.clone(), QueueDeclareOptions::exclusive(), none());
        declared.await.expect("the queue is made");
        for exchange in setup.destinations {
            let exchange: ShortString = format!("{exchange}-{suffix}").into();
            let options =
                ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
            let made =
                foreign.exchange_declare(exchange.clone(), ExchangeKind::Direct, options, none());
            made.await.expect("the exchange is made");
            // The second binding keeps the exchange while the first is taken away.
            for key in [KEY, "other"] {
                let options = QueueBindOptions::default();
                let bound = foreign.queue_bind(
                    queue.clone(),
                    exchange.clone(),
                    key.into(),
                    options,
                    none(),
                );
                bound.await.expect("the queue is bound");
            }
        }
        let options = BasicConsumeOptions::default();
        let consumer = consuming.basic_consume(queue, "".into(), options, none()).await;
        Self {
            suffix,
            server: (authority.host, authority.port),
            exchanges: setup.destinations.to_vec(),
            publisher,
            closed,
            consumer: Mutex::new(consumer.expect("the queue is there")),
            consuming,
            foreign,
            next: AtomicU8::new(0),
            _connection: connection,
        }
    }

    fn destination(&self, operation: OperationType, name: &str) -> String {
        match operation {
            _ if !self.is_exchange(name) => name.to_owned(),
            OperationType::Create | OperationType::Send => format!("{}:{KEY}", self.exchange(name)),
            _ => format!("{}:{KEY}:{}", self.exchange(name), self.queue()),
        }
    }

    fn client(&self, _: OperationType) -> Client {
        let (host, port) = self.server.clone();
        Client { server: Some((host.into(), Some(port))), ..Client::default() }
    }

    async fn send(&self, message: Outgoing) -> Result<Place, Outgoing> {
        self.publish(message, None).await
    }

    async fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> Result<Place, Outgoing> {
        self.publish(message, Some(creation)).await
    }

    async fn send_and_forget(&self, message: Outgoing) {
        let Publish { exchange, routing_key, options, payload, properties } =
            self.message(&message);
        let publish =
            self.publisher.basic_publish(exchange, routing_key, options, payload, properties);
        drop(publish.await.expect("it is handed over"));
    }

    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<Place, Outgoing>> {
        let fails = self.meets(Fault::Fail);
        let channel = if self.meets(Fault::Refuse) { &self.closed } else { &self.publisher };
        if fails {
            self.bind(false).await;
        }
        let publish = messages.iter().map(|message| {
            let mut publish = self.message(message);
            publish.options.mandatory = fails;
            publish
        });
        let results = channel.basic_publish_batch(publish).await;
        if fails {
            self.bind(true).await;
        }
        results
            .into_iter()
            .zip(messages)
            .map(|(result, message)| answer(&result, message))
            .collect()
    }

    async fn send_foreign(&self, messages: Vec<Outgoing>) {
        for message in messages {
            let Publish { exchange, routing_key, options, payload, properties } =
                self.message(&message);
            let publish =
                self.foreign.basic_publish(exchange, routing_key, options, payload, properties);
            let confirm = publish.await.expect("it is published").await;
            assert_eq!(confirm.expect("it is confirmed"), Confirmation::Ack(None));
        }
    }

    async fn receive(&self) -> Result<Delivery, Failing> {
        if self.meets(Fault::Receive) {
            let (none, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let consuming = self.consuming.get_ref();
            let nowhere =
                consuming.basic_publish("nowhere".into(), "".into(), none, b"", properties);
            drop(nowhere.await.expect("the broker is told"));
        }
        let next = self.consumer.lock().await.next().await.expect("it is not cancelled");
        next.map_err(|error| Failing {
            error_type: "NOT_FOUND".into(),
            description: error.to_string().into(),
        })
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<Delivery>, Failing> {
        let mut batches = self.consumer.lock().await.batches(count, PATIENCE, tokio::time::sleep);
        Ok(batches.next().await.expect("it is not cancelled").expect("nothing fails"))
    }

    async fn receive_nothing(&self) {
        let got = self.consuming.basic_get(self.queue().into(), BasicGetOptions::default()).await;
        assert_eq!(got.expect("the queue is there"), None);
    }

    async fn settle(&self, message: &Delivery) -> Result<(), Failing> {
        if self.meets(Fault::Settle) {
            self.consuming.close(200, "done".into()).await.expect("it is closed");
        }
        let settled = message.ack(BasicAckOptions::default()).await.expect("nothing fails");
        if settled { Ok(()) } else { Err(poisoned()) }
    }

    fn inject(&self, fault: Fault) -> Option<Failing> {
        self.next.store(fault as u8 + 1, Ordering::Relaxed);
        let failing = |error_type: &'static str, description: &'static str| {
            Some(Failing { error_type: error_type.into(), description: description.into() })
        };
        match fault {
            // The client queues what it cannot write.
            Fault::Stall => {
                self.next.store(0, Ordering::Relaxed);
                None
            }
            Fault::Refuse => {
                failing("InvalidChannelState", "invalid channel state: Closed (basic.publish)")
            }
            Fault::Fail => failing("NO_ROUTE", "NO_ROUTE"),
            Fault::Receive => failing(
                "NOT_FOUND",
                "protocol error: AMQP soft error: NOT-FOUND: NOT_FOUND - no exchange 'nowhere' in vhost '/'",
            ),
            Fault::Settle => Some(poisoned()),
        }
    }

    /// Headers that fill their frame.
    fn without_room(&self, destination: &'static str) -> Option<Outgoing> {
        // Frame, content and properties; the table and its one entry.
        let value = FRAME_MAX - (8 + 12 + 2) - 4 - (1 + "filler".len() + 1 + 4);
        let headers = vec![("filler".to_owned(), Some(vec![b'x'; value]))];
        Some(Outgoing::new(destination).with_all_headers(headers))
    }

    fn headers_of(message: &Delivery) -> Vec<Header> {
        let header = |(name, value): (&ShortString, &AMQPValue)| {
            let value = match value {
                AMQPValue::LongString(text) => Some(LongString::as_bytes(text).to_vec()),
                AMQPValue::Void => None,
                other => panic!("the suite sends no {other:?}"),
            };
            (name.to_string(), value)
        };
        message.properties.headers().iter().flatten().map(header).collect()
    }

    fn place_of(message: &Delivery) -> Place {
        Place { partition: None, position: i64::try_from(message.delivery_tag).ok() }
    }

    fn body_of(message: &Delivery) -> Vec<u8> {
        message.data.clone()
    }
}

fn poisoned() -> Failing {
    Failing { error_type: "poisoned".into(), description: "".into() }
}
