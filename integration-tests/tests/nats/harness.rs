//! JetStream as the conformance suite uses it.

use std::sync::atomic::{AtomicU8, Ordering};

use futures::StreamExt;
use otel_messaging_async_nats::{
    Client, ConnectOptions, HeaderMap, HeaderName, HeaderValue, bare,
    jetstream::{
        self, Context, ContextBuilder, Message,
        consumer::{PullConsumer, pull},
        context::PublishError,
        message::OutboundMessage,
        publish::PublishAck,
        stream::{self, StorageType},
    },
    otel::{Batch, CreationContext, Instrumentation, Operation, OperationType, System},
    semconv,
};
use otel_messaging_integration_tests::{nats, unique};
use otel_messaging_testing::{
    attributes::ExpectedValue,
    conformance::{self, Broker, Failing, Fault, Header, Headers, Outgoing, Place, Setup},
};
use tokio::sync::Mutex;

use crate::support::PATIENCE;

/// A stream and a consumer of the test's own, on the shared server.
pub(crate) struct JetStream {
    client: Client,
    context: Context,
    /// Has no room, and waits for some.
    full: Context,
    /// Has no room, and does not wait.
    refusing: Context,
    /// What takes the room of the two.
    _unanswered: [bare::jetstream::context::PublishAckFuture; 2],
    next: AtomicU8,
    /// The name of the stream, with which all subjects start.
    name: String,
    consumer: PullConsumer,
    messages: Mutex<pull::Stream>,
    foreign: bare::jetstream::Context,
}

/// What the next operation meets.
const USUAL: u8 = 0;
const STALL: u8 = 1;
const REFUSE: u8 = 2;
const FAIL: u8 = 3;
const RECEIVE: u8 = 4;
const SETTLE: u8 = 5;

impl JetStream {
    fn take_next(&self, wanted: &[u8]) -> u8 {
        let next = self.next.load(Ordering::Relaxed);
        if wanted.contains(&next) { self.next.swap(USUAL, Ordering::Relaxed) } else { USUAL }
    }

    fn message(&self, message: &Outgoing) -> OutboundMessage {
        let subject = self.destination(OperationType::Send, &message.destination);
        let headers = (!message.headers.is_empty()).then(|| headers(&message.headers));
        OutboundMessage::new(subject.into(), message.body.clone().into(), headers)
    }

    /// Returns the context for the next message, and the message.
    fn prepare(&self, message: &Outgoing) -> (&Context, OutboundMessage) {
        let mut outbound = self.message(message);
        let context = match self.take_next(&[STALL, REFUSE, FAIL]) {
            STALL => &self.full,
            REFUSE => &self.refusing,
            FAIL => {
                let headers = outbound.headers.get_or_insert_default();
                headers.insert(bare::header::NATS_EXPECTED_LAST_MESSAGE_ID, "nobody's");
                &self.context
            }
            _ => &self.context,
        };
        (context, outbound)
    }

    async fn send_as(
        &self,
        message: Outgoing,
        creation: Option<&CreationContext>,
    ) -> Result<Place, Outgoing> {
        let (context, outbound) = self.prepare(&message);
        let sent = match creation {
            Some(creation) => context.publish_with_context(outbound, creation).await,
            None => publish(context, outbound).await,
        };
        let result = match sent {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        result.map(|ack| place(&ack)).map_err(|_| message)
    }
}

/// Publishes by the methods that applications use.
async fn publish(
    context: &Context,
    message: OutboundMessage,
) -> Result<jetstream::context::PublishAckFuture, PublishError> {
    let OutboundMessage { subject, payload, headers } = message;
    match headers {
        Some(headers) => context.publish_with_headers(subject, headers, payload).await,
        None => context.publish(subject, payload).await,
    }
}

impl Broker for JetStream {
    type Message<'a> = Message;

    const SYSTEM: System = semconv::SYSTEM;
    const SEND: Operation = semconv::PUBLISH;
    const RECEIVE: Operation = semconv::RECEIVE;
    const SETTLE: Option<Operation> = Some(semconv::ACK);
    /// The client keeps headers in a hash map: they have no order.
    const HEADERS: Headers =
        Headers { binary: false, null: false, duplicate: false, longest: 60_000 };
    const ENVELOPE_SIZE: bool = true;
    const PARTITIONS: bool = false;
    const ANSWERS_AFTER_DROP: bool = false;
    const TEMPORARY: Option<&'static str> = Some("_INBOX.x7Qk");
    const ANONYMOUS: Option<&'static str> = None;

    fn position(operation: OperationType) -> Option<&'static str> {
        (operation != OperationType::Create).then_some(semconv::SEQUENCE)
    }

    fn answer(&self) -> Vec<(&'static str, ExpectedValue)> {
        vec![(semconv::STREAM, self.name.clone().into())]
    }

    fn destination(&self, _: OperationType, name: &str) -> String {
        match name.strip_prefix("_INBOX.") {
            Some(inbox) => format!("_INBOX.{}.{inbox}", self.name),
            None => format!("{}.{name}", self.name),
        }
    }

    async fn start(_: Setup<'_>, instrumentation: &Instrumentation) -> Self {
        let name = unique();
        let client = Client::connect(nats(), ConnectOptions::new(), instrumentation).await;
        let client = client.expect("the client connects");
        let context = jetstream::new(client.clone());
        let config = stream::Config {
            name: name.clone(),
            subjects: vec![format!("{name}.>"), format!("_INBOX.{name}.>")],
            storage: StorageType::Memory,
            ..Default::default()
        };
        let stream = context.create_stream(config).await.expect("the stream is made");
        let config = pull::Config { durable_name: Some("suite".to_owned()), ..Default::default() };
        let consumer = stream.create_consumer(config).await.expect("the consumer is made");
        let messages = Mutex::new(consumer.messages().await.expect("it is asked for messages"));
        let narrow = |waits| {
            let builder = ContextBuilder::new().max_ack_inflight(1);
            builder.backpressure_on_inflight(waits).build(client.get_ref().clone())
        };
        let (full, refusing) = (narrow(true), narrow(false));
        let mut unanswered = Vec::new();
        for context in [&full, &refusing] {
            let subject = format!("filler-{name}");
            unanswered.push(context.publish(subject, "".into()).await.expect("there is room"));
        }
        let Ok(unanswered) = unanswered.try_into() else { unreachable!("there are two") };
        let foreign = bare::connect(nats()).await.expect("the client connects");
        Self {
            full: Context::wrap(full, &client),
            refusing: Context::wrap(refusing, &client),
            _unanswered: unanswered,
            client,
            context,
            next: AtomicU8::new(USUAL),
            name,
            consumer,
            messages,
            foreign: bare::jetstream::new(foreign),
        }
    }

    fn client(&self, operation: OperationType) -> conformance::Client {
        let sends = matches!(operation, OperationType::Create | OperationType::Send);
        let info = self.client.server_info();
        let mut span_attributes = vec![("messaging.client.id", info.client_id.to_string().into())];
        if !sends {
            span_attributes.push((semconv::STREAM, self.name.clone().into()));
        }
        conformance::Client {
            server: Some((info.host.into(), Some(info.port))),
            group: (!sends).then_some("suite".into()),
            span_attributes,
        }
    }

    /// Consumers are named after their stream.
    fn fallback_destination(&self, operation: OperationType) -> Option<String> {
        let sends = matches!(operation, OperationType::Create | OperationType::Send);
        (!sends).then(|| self.name.clone())
    }

    async fn send(&self, message: Outgoing) -> Result<Place, Outgoing> {
        self.send_as(message, None).await
    }

    async fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> Result<Place, Outgoing> {
        self.send_as(message, Some(creation)).await
    }

    async fn send_and_forget(&self, message: Outgoing) {
        let (context, message) = self.prepare(&message);
        drop(publish(context, message).await.expect("the client takes it"));
    }

    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<Place, Outgoing>> {
        let next = self.next.load(Ordering::Relaxed);
        let outbound: Vec<_> = messages
            .iter()
            .map(|message| {
                self.next.store(next, Ordering::Relaxed);
                self.prepare(message)
            })
            .collect();
        let context = outbound.first().map_or(&self.context, |(context, _)| context);
        let results = context.publish_batch(outbound.into_iter().map(|(_, message)| message)).await;
        let place = |(result, message): (Result<PublishAck, PublishError>, _)| {
            result.map(|ack| place(&ack)).map_err(|_| message)
        };
        results.into_iter().zip(messages).map(place).collect()
    }

    async fn send_foreign(&self, messages: Vec<Outgoing>) {
        for message in &messages {
            let OutboundMessage { subject, payload, headers } = self.message(message);
            let headers = headers.unwrap_or_default();
            let sent = self.foreign.publish_with_headers(subject, headers, payload).await;
            sent.expect("the client takes it").await.expect("the stream takes it");
        }
    }

    async fn receive(&self) -> Result<Message, Failing> {
        let mut messages = self.messages.lock().await;
        if self.take_next(&[RECEIVE]) == RECEIVE {
            let deleted = self.foreign.delete_consumer_from_stream("suite", &self.name).await;
            deleted.expect("the consumer is deleted");
            *messages = self.consumer.messages().await.expect("the request is sent later");
        }
        let message = messages.next().await.expect("it never ends");
        message.map_err(|error| failing(error.kind(), &error))
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<Message>, Failing> {
        let mut messages = self.messages.lock().await;
        let batch = messages.batches(count, PATIENCE).next().await.expect("it never ends");
        batch.map_err(|error| failing(error.kind(), &error))
    }

    async fn receive_nothing(&self) {
        let fetch = self.consumer.fetch().max_messages(1).messages().await;
        let batch = fetch.expect("the client asks").into_batch().await;
        assert!(batch.expect("the server answers").is_empty());
    }

    async fn settle(&self, message: &Message) -> Result<(), Failing> {
        if self.take_next(&[SETTLE]) == SETTLE {
            self.client.drain().await.expect("it is drained");
            while self.client.get_ref().publish("nowhere", "".into()).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        message.ack().await.map_err(|error| {
            let error = error.downcast_ref::<bare::PublishError>().expect("it is no other");
            failing(error.kind(), error)
        })
    }

    fn inject(&self, fault: Fault) -> Option<Failing> {
        // Old servers do not answer a request for messages of a consumer that was deleted.
        if fault == Fault::Receive && !self.client.is_server_compatible(2, 10, 0) {
            return None;
        }
        let (next, error_type, description) = match fault {
            Fault::Stall => (STALL, "cancelled", ""),
            Fault::Refuse => (REFUSE, "MaxAckPending", "max ack pending reached"),
            Fault::Fail => (
                FAIL,
                "WrongLastMessageId",
                "wrong last message id: wrong last msg ID:  (code 400, error code 10070)",
            ),
            Fault::Receive => (RECEIVE, "NoResponders", "no responders"),
            Fault::Settle => (SETTLE, "Send", "failed to send message: channel closed"),
        };
        self.next.store(next, Ordering::Relaxed);
        Some(Failing { error_type: error_type.into(), description: description.into() })
    }

    fn without_room(&self, destination: &'static str) -> Option<Outgoing> {
        Some(Outgoing::new(destination).with_body(vec![b'x'; self.client.max_payload()]))
    }

    fn headers_of(message: &Message) -> Vec<Header> {
        let all = message.headers.iter().flat_map(HeaderMap::iter);
        let value = |value: &HeaderValue| Some(value.as_str().as_bytes().to_vec());
        all.flat_map(|(name, values)| values.iter().map(|one| (name.to_string(), value(one))))
            .collect()
    }

    fn place_of(message: &Message) -> Place {
        let info = message.info().expect("it is JetStream's");
        Place { partition: None, position: i64::try_from(info.stream_sequence).ok() }
    }

    fn body_of(message: &Message) -> Vec<u8> {
        message.payload.to_vec()
    }
}

impl Drop for JetStream {
    /// Deletes the stream: the server may be shared.
    fn drop(&mut self) {
        let delete = self.foreign.delete_stream(&self.name);
        tokio::task::block_in_place(|| {
            // Nothing depends on the result.
            let _ = tokio::runtime::Handle::current().block_on(delete);
        });
    }
}

fn headers(headers: &[Header]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("the suite's names are names");
        let value = String::from_utf8(value.clone().expect("there are values")).expect("of text");
        map.append(name, value.parse::<HeaderValue>().expect("without ends of lines"));
    }
    map
}

fn place(ack: &PublishAck) -> Place {
    Place { partition: None, position: i64::try_from(ack.sequence).ok() }
}

fn failing(kind: impl std::fmt::Debug, error: &impl ToString) -> Failing {
    Failing { error_type: format!("{kind:?}").into(), description: error.to_string().into() }
}
