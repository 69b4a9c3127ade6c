//! The load on RabbitMQ.
//!
//! Each task has a connection, and makes another when that fails: so clients that are closed have
//! to leave nothing behind.

use std::{error::Error, sync::Arc, time::Duration};

use fastrand::Rng;
use futures::{StreamExt, future::join_all};
use opentelemetry::context::FutureExt;
use otel_messaging::{
    lapin::{
        BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
        Publish, bare,
        message::Delivery,
        options::{
            BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
            BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions, QueueDeclareOptions,
        },
        types::FieldTable,
    },
    otel::AsReceived,
};
use otel_messaging_properties::{rabbitmq, words};
use tokio::time::timeout;

use crate::{
    load::{Arrived, Load, moment, rest, work},
    note::Note,
};

const QUEUE: &str = "soak";
const SENDERS: usize = 3;
/// How long a broker that runs may take to answer. The client may forget a confirm when the
/// connection is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The errors of a broker that is killed.
type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Connects once: the client then makes a runtime of its own, which stays.
pub(crate) async fn warm_up(load: &Load) {
    while session(load, async |_| Ok(())).await.is_err() {}
}

/// Sends, receives, processes and settles, until the load is over.
pub(crate) async fn run(load: Arc<Load>) {
    load.is_ready.notify_one();
    let send = async {
        let senders = [(); SENDERS].map(|()| {
            let load = Arc::clone(&load);
            tokio::spawn(async move {
                let mut random = load.random();
                while load.is_sending() {
                    let sending = async |channel: &Channel| send(&load, channel, &mut random).await;
                    // It fails when the broker is killed.
                    let _ = session(&load, sending).await;
                }
            })
        });
        for sender in join_all(senders).await {
            sender.expect("the sender does not panic");
        }
        load.ledger.sent();
    };
    let receive = async {
        let mut random = load.random();
        while load.is_receiving() && !load.ledger.is_complete() {
            let receiving = async |channel: &Channel| receive(&load, channel, &mut random).await;
            let _ = session(&load, receiving).await;
        }
    };
    tokio::join!(send, receive);
}

/// Connects, and works until that fails or is done.
async fn session(load: &Load, work: impl AsyncFnOnce(&Channel) -> Result) -> Result {
    // Each connection uses more and more of its buffers, which hold some frames of the largest size:
    // with the usual 128 KiB, that would look like a leak for a long time.
    let uri = format!("{}?frame_max=16384", load.endpoint);
    let connect = bare::Connection::connect(&uri, ConnectionProperties::default());
    let Ok(Ok(connection)) = timeout(PATIENCE, connect).await else {
        tokio::time::sleep(Duration::from_millis(200)).await;
        return Err("there is no broker".into());
    };
    let instrumentation = load.telemetry.instrumentation();
    let connection = Connection::wrap(connection, &load.endpoint, &instrumentation);
    let worked = async {
        let channel = connection.create_channel().await?;
        let (durable, arguments) = (QueueDeclareOptions::durable(), FieldTable::default());
        channel.queue_declare(QUEUE.into(), durable, arguments).await?;
        work(&channel).await
    };
    let worked = worked.await;
    // It is closed already where that has failed.
    let _ = timeout(PATIENCE, connection.close(200, "".into())).await;
    worked
}

async fn send(load: &Load, channel: &Channel, random: &mut Rng) -> Result {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    while load.is_sending() {
        send_some(load, channel, random).await?;
        rest(random).await;
    }
    Ok(())
}

async fn send_some(load: &Load, channel: &Channel, random: &mut Rng) -> Result {
    let count = if random.u8(..4) == 0 { random.usize(2..8) } else { 1 };
    let notes = load.offer(count, random);
    let bodies: Vec<String> = notes.iter().map(Note::to_string).collect();
    let messages = bodies.iter().zip(&notes).map(|(body, note)| Publish {
        routing_key: QUEUE.into(),
        payload: body.as_bytes(),
        // Stored on disk before it is confirmed.
        properties: BasicProperties::default()
            .with_delivery_mode(2)
            .with_headers(note.headers(rabbitmq::table)),
        ..Publish::default()
    });
    let messages: Vec<Publish<'_>> = messages.collect();
    let is_batch = count > 1 || random.u8(..8) == 0;
    let sending = async {
        if is_batch {
            return channel.basic_publish_batch(messages).await;
        }
        join_all(messages.into_iter().map(|message| publish(channel, message))).await
    };
    let sending = sending.with_context(notes[0].context());
    let is_dropped = random.u8(..4) == 0;
    let limit = if is_dropped { moment(random) } else { PATIENCE };
    let answers = timeout(limit, sending).await;
    let answers = answers.map(|answers| answers.into_iter().map(confirmed).collect::<Vec<_>>());
    let failed = answers.iter().flatten().any(std::result::Result::is_err);
    let is_silent = answers.is_err() && !is_dropped;
    load.answered(&notes, answers);
    if failed || is_silent { Err("the connection is lost".into()) } else { Ok(()) }
}

async fn publish(channel: &Channel, message: Publish<'_>) -> bare::Result<Confirmation> {
    let Publish { exchange, routing_key, payload, properties, .. } = message;
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange, routing_key, options, payload, properties).await?.await
}

fn confirmed(answer: bare::Result<Confirmation>) -> bare::Result<()> {
    match answer? {
        Confirmation::Ack(_) => Ok(()),
        other => panic!("confirms are on, and the queue takes all: {other:?}"),
    }
}

async fn receive(load: &Load, channel: &Channel, random: &mut Rng) -> Result {
    channel.basic_qos(50, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(QUEUE.into(), "".into(), options, arguments).await?;
    while load.is_receiving() && !load.ledger.is_complete() {
        if random.bool() {
            receive_singly(load, &mut consumer, random).await?;
        } else {
            receive_batches(load, &consumer, random).await?;
        }
    }
    Ok(())
}

async fn receive_singly(load: &Load, consumer: &mut Consumer, random: &mut Rng) -> Result {
    for _ in 0..random.u8(1..30) {
        // Dropped in the middle of the wait: no message may be lost.
        let Ok(delivery) = timeout(moment(random) * 10, consumer.next()).await else { continue };
        let delivery = some(load, delivery)?;
        take(load, &delivery);
        load.processes(1);
        let _ = timeout(moment(random), delivery.process(work(random))).await;
        settle(load, &delivery, random).await?;
    }
    Ok(())
}

async fn receive_batches(load: &Load, consumer: &Consumer, random: &mut Rng) -> Result {
    let (max, wait) = (random.usize(1..40), moment(random) * 10);
    let mut batches = consumer.batches(max, wait, tokio::time::sleep);
    let mut left = random.u8(1..8);
    // They are dropped between two batches, when they hold no message.
    while left > 0 && load.is_receiving() {
        let Ok(batch) = timeout(moment(random), batches.next()).await else {
            if load.ledger.is_complete() {
                return Ok(());
            }
            continue;
        };
        left -= 1;
        let batch = some(load, batch)?;
        batch.iter().for_each(|delivery| take(load, delivery));
        load.processes(batch.len());
        let _ = timeout(moment(random), batch.process(work(random))).await;
        if let Some(last) = batch.last() {
            load.settles();
            last.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(())
}

/// Enters what a consumer has returned.
fn some<T>(load: &Load, received: Option<bare::Result<T>>) -> Result<T> {
    match received {
        Some(Ok(received)) => {
            load.receives();
            Ok(received)
        }
        Some(Err(error)) => {
            load.fails_to_receive();
            Err(error.into())
        }
        None => Err("the consumer was cancelled".into()),
    }
}

fn take(load: &Load, delivery: &Delivery) {
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let is_traceparent = |name: &str| name.eq_ignore_ascii_case(words::FIELDS[0]);
    let arrived = Arrived {
        body: &delivery.data,
        creation: delivery.as_received().creation_context(),
        traceparents: headers.inner().keys().filter(|name| is_traceparent(name.as_str())).count(),
        // A queue has no places.
        place: None,
        is_flagged: delivery.redelivered,
    };
    load.arrived(&arrived, |note| {
        rabbitmq::others(&headers) == rabbitmq::others(&note.headers(rabbitmq::table))
    });
}

async fn settle(load: &Load, delivery: &Delivery, random: &mut Rng) -> Result {
    load.settles();
    let settling = async |random: &mut Rng| match random.u8(..10) {
        0 => delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await,
        1 => delivery.reject(BasicRejectOptions { requeue: true }).await,
        _ => delivery.ack(BasicAckOptions::default()).await,
    };
    let limit = if random.u8(..4) == 0 { moment(random) } else { PATIENCE };
    // The client settles also what was dropped.
    timeout(limit, settling(random)).await.unwrap_or(Ok(true))?;
    Ok(())
}
