//! The load on NATS: a stream of JetStream, and a durable consumer.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use futures::future::join_all;
use opentelemetry::context::FutureExt;
use otel_messaging::async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{
        self, AckKind, Context,
        consumer::{Consumer, pull},
        message::{Message, OutboundMessage},
        stream,
    },
};
use otel_messaging_properties::{nats, words};
use tokio::time::timeout;

use crate::{
    load::{Arrived, Load, moment, rest, work},
    note::Note,
};

const STREAM: &str = "soak";
const SUBJECT: &str = "soak.orders";
const SENDERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends, receives, processes and settles, until the load is over.
pub(crate) async fn run(load: Arc<Load>) {
    let context = jetstream::new(connect(&load).await);
    let subjects = vec![SUBJECT.to_owned()];
    let config = stream::Config { name: STREAM.to_owned(), subjects, ..Default::default() };
    let stream = context.create_stream(config).await.expect("the stream is made");
    let config = pull::Config {
        durable_name: Some("soak".to_owned()),
        // What is not settled comes again soon.
        ack_wait: Duration::from_secs(5),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.expect("the consumer is made");
    load.is_ready.notify_one();
    let send = async {
        let sender = |()| tokio::spawn(send(Arc::clone(&load), context.clone()));
        let senders = [(); SENDERS].map(sender);
        for sender in join_all(senders).await {
            sender.expect("the sender does not panic");
        }
        load.ledger.sent();
    };
    tokio::join!(send, receive(&load, &consumer));
}

async fn connect(load: &Load) -> Client {
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(50));
    let client = Client::connect(&load.endpoint, options, &load.telemetry.instrumentation()).await;
    client.expect("NATS answers")
}

async fn send(load: Arc<Load>, context: Context) {
    let mut random = load.random();
    while load.is_sending() {
        send_some(&load, &context, &mut random).await;
        rest(&mut random).await;
    }
}

async fn send_some(load: &Load, context: &Context, random: &mut Rng) {
    let count = if random.u8(..4) == 0 { random.usize(2..8) } else { 1 };
    let notes = load.offer(count, random);
    let messages = notes.iter().map(|note| {
        let mut headers = headers(note);
        // The client may write a message again after it was connected again.
        headers.insert("Nats-Msg-Id", note.id.to_string());
        OutboundMessage::new(SUBJECT.into(), note.to_string().into(), Some(headers))
    });
    let messages: Vec<OutboundMessage> = messages.collect();
    let way = random.u8(..10);
    let sending = async {
        match way {
            // Nobody waits for the stream's answer.
            0 => {
                let client = context.client();
                for OutboundMessage { payload, headers, .. } in messages {
                    let headers = headers.unwrap_or_default();
                    let _ = client.publish_with_headers(SUBJECT, headers, payload).await;
                }
                Vec::new()
            }
            1..6 if count == 1 => {
                join_all(messages.into_iter().map(|message| publish(context, message))).await
            }
            _ => context.publish_batch(messages).await,
        }
    };
    let sending = sending.with_context(notes[0].context());
    let limit = if random.u8(..4) == 0 { moment(random) } else { PATIENCE };
    load.answered(&notes, timeout(limit, sending).await);
}

async fn publish(
    context: &Context,
    message: OutboundMessage,
) -> Result<jetstream::publish::PublishAck, jetstream::context::PublishError> {
    let OutboundMessage { payload, headers, .. } = message;
    context.publish_with_headers(SUBJECT, headers.unwrap_or_default(), payload).await?.await
}

/// Makes the hostile headers that come as they were sent: the client trims values, and names with
/// space are none.
fn headers(note: &Note) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, values) in note.headers(nats::map).iter() {
        let text: &str = name.as_ref();
        if text.is_empty() || text.contains(char::is_whitespace) {
            continue;
        }
        for value in values.iter().filter(|value| value.as_str().trim() == value.as_str()) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

async fn receive(load: &Load, consumer: &Consumer<pull::Config>) {
    let mut random = load.random();
    while load.is_receiving() && !load.ledger.is_complete() {
        if random.bool() {
            receive_singly(load, consumer, &mut random).await;
        } else {
            receive_batches(load, consumer, &mut random).await;
        }
    }
}

/// Takes some messages of a request, and leaves the others to come again.
async fn receive_singly(load: &Load, consumer: &Consumer<pull::Config>, random: &mut Rng) {
    let request = consumer.batch().max_messages(random.usize(1..40));
    let request = request.expires(Duration::from_millis(random.u64(50..500))).messages();
    let Some(mut messages) = asked(load, request.await) else { return };
    for _ in 0..random.u8(1..60) {
        let Ok(next) = timeout(moment(random) * 10, futures::StreamExt::next(&mut messages)).await
        else {
            continue;
        };
        let message = match next {
            Some(Ok(message)) => message,
            Some(Err(_)) => return load.fails_to_receive(),
            None => return,
        };
        load.receives();
        take(load, &message);
        load.processes(1);
        let _ = timeout(moment(random), message.process(work(random))).await;
        settle(load, &message, random).await;
    }
}

async fn receive_batches(load: &Load, consumer: &Consumer<pull::Config>, random: &mut Rng) {
    let stream = consumer.stream().max_messages_per_batch(random.usize(1..40)).messages();
    let Some(mut messages) = asked(load, stream.await) else { return };
    let mut batches = messages.batches(random.usize(1..40), moment(random) * 10);
    let (mut left, mut waits) = (random.u8(1..8), 300);
    while left > 0 && waits > 0 && load.is_receiving() && !load.ledger.is_complete() {
        let Ok(batch) = timeout(moment(random), batches.next()).await else {
            waits -= 1;
            continue;
        };
        left -= 1;
        match batch {
            Some(Ok(batch)) => {
                load.receives();
                batch.iter().for_each(|message| take(load, message));
                load.processes(batch.len());
                let _ = timeout(moment(random), batch.process(work(random))).await;
                for message in &batch {
                    settle(load, message, random).await;
                }
            }
            Some(Err(_)) => load.fails_to_receive(),
            None => return,
        }
    }
}

/// Enters the error of a request for messages.
fn asked<T, E>(load: &Load, asked: Result<T, E>) -> Option<T> {
    if asked.is_err() {
        load.fails_to_receive();
    }
    asked.ok()
}

fn take(load: &Load, message: &Message) {
    let found = message.headers.clone().unwrap_or_default();
    let info = message.info().expect("it is a message of a stream");
    let is_traceparent = |name: &str| {
        nats::is_field(name) && name.to_ascii_lowercase().ends_with(&words::FIELDS[0][1..])
    };
    let named = found.iter().filter(|(name, _)| is_traceparent(name.as_ref()));
    let arrived = Arrived {
        body: &message.payload,
        creation: message.creation_context(),
        traceparents: named.map(|(_, values)| values.len()).sum(),
        place: Some(info.stream_sequence),
        is_flagged: info.delivered > 1,
    };
    load.arrived(&arrived, |note| {
        let mut expected = nats::others(&headers(note));
        expected.insert("Nats-Msg-Id".to_owned(), vec![note.id.to_string()]);
        nats::others(&found) == expected
    });
}

async fn settle(load: &Load, message: &Message, random: &mut Rng) {
    let way = random.u8(..20);
    // Left, to come again.
    if way == 0 {
        return;
    }
    load.settles();
    let settling = async {
        match way {
            1 => message.ack_with(AckKind::Nak(None)).await,
            2..6 => message.double_ack().await,
            _ => message.ack().await,
        }
    };
    let limit = if random.u8(..4) == 0 { moment(random) } else { PATIENCE };
    // It fails while the server is away. Then the message comes again.
    let _ = timeout(limit, settling).await;
}
