//! The conformance suite on core NATS, with a server in this process.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicU8, Ordering};

use futures::StreamExt;
use otel_messaging_async_nats::{
    Client, HeaderMap, HeaderName, HeaderValue, Message, PublishError, Subscriber, bare,
    message::OutboundMessage,
    otel::{Batch, CreationContext, Instrumentation, Operation, OperationType, System},
    semconv,
};
use otel_messaging_testing::conformance::{
    self, Broker, Failing, Fault, Header, Headers, Outgoing, Place, Setup,
};
use support::{
    PATIENCE,
    server::{EVERYTHING, Info, Server},
};
use tokio::sync::Mutex;

otel_messaging_testing::conformance!(Core);

struct Core {
    server: Server,
    client: Client,
    /// Takes no message.
    stalled: Client,
    next: AtomicU8,
    messages: Mutex<Subscriber>,
    foreign: bare::Client,
}

/// What the next send meets.
const NOTHING: u8 = 0;
const STALL: u8 = 1;
const REFUSE: u8 = 2;

/// A refused message is larger than the server's limit, also without a context.
const REFUSED: usize = Info::DEFAULT.max_payload + 1;

impl Core {
    /// Returns the client for the next message, and the message.
    fn prepare(&self, message: &Outgoing) -> (&Client, OutboundMessage) {
        let mut outbound = outbound(message);
        match self.next.swap(NOTHING, Ordering::Relaxed) {
            STALL => (&self.stalled, outbound),
            REFUSE => {
                outbound.payload = vec![b'x'; REFUSED].into();
                (&self.client, outbound)
            }
            _ => (&self.client, outbound),
        }
    }
}

impl Broker for Core {
    type Message<'a> = Message;

    const SYSTEM: System = semconv::SYSTEM;
    const SEND: Operation = semconv::PUBLISH;
    const RECEIVE: Operation = semconv::RECEIVE;
    const SETTLE: Option<Operation> = None;
    const HEADERS: Headers =
        Headers { binary: false, null: false, duplicate: false, longest: 60_000 };
    const ENVELOPE_SIZE: bool = true;
    const PARTITIONS: bool = false;
    const ANSWERS_AFTER_DROP: bool = false;
    const TEMPORARY: Option<&'static str> = Some("_INBOX.x7Qk");
    const ANONYMOUS: Option<&'static str> = None;

    fn position(_: OperationType) -> Option<&'static str> {
        None
    }

    async fn start(_: Setup<'_>, instrumentation: &Instrumentation) -> Self {
        let server = Server::start().await;
        let client = support::connect(&server, instrumentation).await;
        let stalled = support::stalled(&server, instrumentation).await;
        let subscriber = client.queue_subscribe(EVERYTHING, "suite".to_owned()).await;
        let messages = Mutex::new(subscriber.expect("the client subscribes"));
        server.is_subscribed().await;
        let foreign = bare::connect(format!("127.0.0.1:{}", server.port)).await;
        let foreign = foreign.expect("the client connects");
        Self { server, client, stalled, next: AtomicU8::new(NOTHING), messages, foreign }
    }

    fn client(&self, operation: OperationType) -> conformance::Client {
        let sends = matches!(operation, OperationType::Create | OperationType::Send);
        conformance::Client {
            server: Some(("127.0.0.1".into(), Some(self.server.port))),
            group: (!sends).then_some("suite".into()),
            span_attributes: vec![("messaging.client.id", "1".into())],
        }
    }

    async fn send(&self, message: Outgoing) -> Result<Place, Outgoing> {
        let (client, outbound) = self.prepare(&message);
        result(publish(client, outbound).await, message)
    }

    async fn send_with_context(
        &self,
        message: Outgoing,
        creation: &CreationContext,
    ) -> Result<Place, Outgoing> {
        let (client, outbound) = self.prepare(&message);
        result(client.publish_with_context(outbound, creation).await, message)
    }

    async fn send_and_forget(&self, message: Outgoing) {
        self.send(message).await.expect("the client takes it");
    }

    async fn send_batch(&self, messages: Vec<Outgoing>) -> Vec<Result<Place, Outgoing>> {
        // Of a batch, the first message is refused.
        let outbound = messages.iter().map(|message| self.prepare(message).1);
        let results = self.client.publish_batch(outbound).await;
        results.into_iter().zip(messages).map(|(sent, message)| result(sent, message)).collect()
    }

    async fn send_foreign(&self, messages: Vec<Outgoing>) {
        for message in &messages {
            let OutboundMessage { subject, payload, headers, .. } = outbound(message);
            let headers = headers.unwrap_or_default();
            let sent = self.foreign.publish_with_headers(subject, headers, payload).await;
            sent.expect("the client takes it");
        }
    }

    async fn receive(&self) -> Result<Message, Failing> {
        Ok(self.messages.lock().await.next().await.expect("the subscription does not end"))
    }

    async fn receive_batch(&self, count: usize) -> Result<Batch<Message>, Failing> {
        let mut messages = self.messages.lock().await;
        let batch = messages.batches(count, PATIENCE).next().await;
        let Ok(batch) = batch.expect("the subscription does not end");
        Ok(batch)
    }

    async fn settle(&self, _: &Message) -> Result<(), Failing> {
        Ok(())
    }

    fn inject(&self, fault: Fault) -> Option<Failing> {
        let (next, error_type, description) = match fault {
            Fault::Stall => (STALL, "cancelled", String::new()),
            Fault::Refuse => {
                let limit = Info::DEFAULT.max_payload;
                let size = format!("limit of {limit} exceeded by message size of {REFUSED}");
                let description = format!("max payload size exceeded: Payload size {size}");
                (REFUSE, "MaxPayloadExceeded", description)
            }
            Fault::Fail | Fault::Receive | Fault::Settle => return None,
        };
        self.next.store(next, Ordering::Relaxed);
        Some(Failing { error_type: error_type.into(), description: description.into() })
    }

    fn without_room(&self, destination: &'static str) -> Option<Outgoing> {
        Some(Outgoing::new(destination).with_body(vec![b'x'; Info::DEFAULT.max_payload]))
    }

    fn headers_of(message: &Message) -> Vec<Header> {
        let all = message.headers.iter().flat_map(HeaderMap::iter);
        let value = |value: &HeaderValue| Some(value.as_str().as_bytes().to_vec());
        all.flat_map(|(name, values)| values.iter().map(|one| (name.to_string(), value(one))))
            .collect()
    }

    fn place_of(_: &Message) -> Place {
        Place::default()
    }

    fn body_of(message: &Message) -> Vec<u8> {
        message.payload.to_vec()
    }
}

/// Publishes by the methods that applications use.
async fn publish(client: &Client, message: OutboundMessage) -> Result<(), PublishError> {
    let OutboundMessage { subject, payload, headers, .. } = message;
    match headers {
        Some(headers) => client.publish_with_headers(subject, headers, payload).await,
        None => client.publish(subject, payload).await,
    }
}

fn result(sent: Result<(), PublishError>, message: Outgoing) -> Result<Place, Outgoing> {
    sent.map(|()| Place::default()).map_err(|_| message)
}

fn outbound(message: &Outgoing) -> OutboundMessage {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let name: HeaderName = name.parse().expect("the suite's names are names");
        let value = String::from_utf8(value.clone().expect("there are values")).expect("of text");
        headers.append(name, value.parse::<HeaderValue>().expect("without ends of lines"));
    }
    OutboundMessage {
        subject: (&*message.destination).into(),
        reply: None,
        payload: message.body.clone().into(),
        headers: (!message.headers.is_empty()).then_some(headers),
    }
}
