//! The load on Kafka.
//!
//! The consumer is assigned its partitions, so that it continues where it was when the broker comes
//! back: it has to get every offset once, and in order.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use futures::future::join_all;
use opentelemetry::context::FutureExt;
use otel_messaging::rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{CommitMode, Consumer, DefaultConsumerContext, StreamConsumer},
    message::BorrowedMessage,
    producer::{FutureProducer, FutureRecord, Producer},
    util::Timeout,
};
use otel_messaging_properties::{kafka, words};
use tokio::time::timeout;

use crate::{
    load::{Arrived, Load, moment, rest, work},
    note::Note,
};

const TOPIC: &str = "soak";
const PARTITIONS: usize = 3;
/// How long producers wait for their broker. The last one gives up while it is away.
const TIME_LIMITS: [&str; 3] = ["180000", "180000", "1000"];
/// Longer than any of these.
const LONG: Duration = Duration::from_secs(200);

/// Sends, receives, processes and commits, until the load is over.
pub(crate) async fn run(load: Arc<Load>) {
    make_topic(&load).await;
    load.is_ready.notify_one();
    let send = async {
        let senders = TIME_LIMITS.map(|limit| tokio::spawn(send(Arc::clone(&load), limit)));
        for sender in join_all(senders).await {
            sender.expect("the sender does not panic");
        }
        load.ledger.sent();
    };
    tokio::join!(send, receive(&load));
}

fn config(load: &Load) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &load.endpoint)
        .set("reconnect.backoff.max.ms", "500")
        // That the broker is away is no news.
        .set("log_level", "0");
    config
}

async fn make_topic(load: &Load) {
    let admin: AdminClient<DefaultClientContext> = config(load).create().expect("a client");
    let topic = NewTopic {
        name: TOPIC,
        num_partitions: 3,
        replication: TopicReplication::Fixed(1),
        config: Vec::new(),
    };
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    for made in admin.create_topics([&topic], &options).await.expect("Kafka answers") {
        made.expect("the topic is made");
    }
}

async fn send(load: Arc<Load>, time_limit: &str) {
    let mut config = config(&load);
    config.set("enable.idempotence", "true").set("message.timeout.ms", time_limit);
    let producer =
        FutureProducer::create(&config, DefaultClientContext, &load.telemetry.instrumentation());
    let producer: FutureProducer = producer.expect("a producer");
    let mut random = load.random();
    while load.is_sending() {
        send_some(&load, &producer, &mut random).await;
        rest(&mut random).await;
    }
    // The spans of sends that were dropped end with their delivery reports.
    tokio::task::block_in_place(|| producer.flush(Timeout::After(LONG))).expect("all is sent");
}

async fn send_some(load: &Load, producer: &FutureProducer, random: &mut Rng) {
    let count = if random.u8(..4) == 0 { random.usize(2..8) } else { 1 };
    let notes = load.offer(count, random);
    let bodies: Vec<String> = notes.iter().map(Note::to_string).collect();
    let records = bodies.iter().zip(&notes).map(|(body, note)| {
        let headers = kafka::owned(&note.headers(kafka::headers));
        FutureRecord::<str, str>::to(TOPIC).payload(body).headers(headers)
    });
    let records: Vec<_> = records.collect();
    let is_batch = count > 1 || random.u8(..8) == 0;
    let sending = async {
        if is_batch {
            return producer.send_batch(records, LONG).await;
        }
        let sends = records.into_iter().map(|record| producer.send(record, LONG));
        join_all(sends).await
    };
    let sending = sending.with_context(notes[0].context());
    let limit = if random.u8(..4) == 0 { moment(random) } else { LONG };
    load.answered(&notes, timeout(limit, sending).await);
}

async fn receive(load: &Load) {
    let mut config = config(load);
    config.set("group.id", "soak").set("enable.auto.commit", "false");
    let consumer =
        StreamConsumer::create(&config, DefaultConsumerContext, &load.telemetry.instrumentation());
    let consumer: StreamConsumer = consumer.expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let partition = i32::try_from(partition).unwrap_or_default();
        assignment.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&assignment).expect("it is assigned");
    let (mut random, mut next) = (load.random(), [0; PARTITIONS]);
    while load.is_receiving() && !load.ledger.is_complete() {
        if random.bool() {
            receive_singly(load, &consumer, &mut random, &mut next).await;
        } else {
            receive_batches(load, &consumer, &mut random, &mut next).await;
        }
    }
}

async fn receive_singly(
    load: &Load,
    consumer: &StreamConsumer,
    random: &mut Rng,
    next: &mut [i64; PARTITIONS],
) {
    for _ in 0..random.u8(1..30) {
        // Dropped in the middle of the wait: no message may be lost.
        match timeout(moment(random) * 10, consumer.recv()).await {
            Ok(Ok(message)) => {
                load.receives();
                take(load, &message, next);
                load.processes(1);
                let _ = timeout(moment(random), message.process(work(random))).await;
                commit(load, consumer, &message, random);
            }
            Ok(Err(_)) => load.fails_to_receive(),
            Err(_) => {}
        }
    }
}

async fn receive_batches(
    load: &Load,
    consumer: &StreamConsumer,
    random: &mut Rng,
    next: &mut [i64; PARTITIONS],
) {
    let mut batches = consumer.batches(random.usize(1..40), moment(random) * 10);
    let mut left = random.u8(1..8);
    // They are dropped between two batches, when they hold no message.
    while left > 0 && load.is_receiving() {
        let Ok(batch) = timeout(moment(random), batches.next()).await else {
            if load.ledger.is_complete() {
                return;
            }
            continue;
        };
        left -= 1;
        match batch.expect("the stream never ends") {
            Ok(batch) => {
                load.receives();
                batch.iter().for_each(|message| take(load, message, next));
                load.processes(batch.len());
                let _ = timeout(moment(random), batch.process(work(random))).await;
                batch.last().into_iter().for_each(|last| commit(load, consumer, last, random));
            }
            Err(_) => load.fails_to_receive(),
        }
    }
}

fn take(load: &Load, message: &BorrowedMessage<'_>, next: &mut [i64; PARTITIONS]) {
    let partition = usize::try_from(message.partition()).unwrap_or_default();
    let (offset, expected) = (message.offset(), next[partition]);
    if offset != expected {
        load.ledger.problem(format!("offset {offset} of {partition} came instead of {expected}"));
    }
    next[partition] = offset + 1;
    let headers = kafka::read(message);
    let is_traceparent = |name: &str| name.eq_ignore_ascii_case(words::FIELDS[0]);
    let arrived = Arrived {
        body: message.payload().unwrap_or_default(),
        creation: message.creation_context(),
        traceparents: headers.iter().filter(|(name, _)| is_traceparent(name)).count(),
        place: u64::try_from(offset).ok().map(|offset| offset * 8 + partition as u64),
        is_flagged: false,
    };
    load.arrived(&arrived, |note| {
        kafka::others(&headers) == kafka::others(&note.headers(kafka::headers))
    });
}

fn commit(load: &Load, consumer: &StreamConsumer, message: &BorrowedMessage<'_>, random: &mut Rng) {
    if random.u8(..4) == 0 {
        load.settles();
        // It fails while the broker is away. What it commits is not read here.
        let _ = consumer.commit_message(message, CommitMode::Async);
    }
}
