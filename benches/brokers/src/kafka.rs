//! The scenarios of Kafka.

use std::{
    slice,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures::StreamExt;
use otel_messaging_rdkafka as ours;
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfigAndContext,
    consumer::{Consumer, StreamConsumer},
    message::{BorrowedMessage, DeliveryResult, Header, Headers, OwnedHeaders},
    producer::{BaseRecord, FutureProducer, FutureRecord, ProducerContext, ThreadedProducer},
    util::Timeout,
};

use crate::{
    BATCH, Place, Result,
    by_hand::{ByHand, Origin, Sent},
    fail,
    in_flight::in_flight,
    mode::Side,
    run::Run,
};

/// Creates the topic, with one partition.
pub(crate) async fn create(place: &Place) -> Result {
    let admin: AdminClient<DefaultClientContext> = config(place).create()?;
    // What is deleted goes at once: a run sends gigabytes.
    let topic =
        NewTopic::new(&place.name, 1, TopicReplication::Fixed(1)).set("file.delete.delay.ms", "0");
    for result in admin.create_topics([&topic], &AdminOptions::new()).await? {
        result.map_err(|(name, error)| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// Deletes the topic.
pub(crate) async fn delete(place: &Place) -> Result {
    let admin: AdminClient<DefaultClientContext> = config(place).create()?;
    admin.delete_topics(&[&place.name], &AdminOptions::new()).await?;
    Ok(())
}

/// Sends without waiting for delivery reports, but for a place in flight.
pub(crate) fn forget(side: Side, place: &Place, limit: usize, run: &mut Run) -> Result {
    let config = config(place);
    let (topic, delivered) = (&*place.name, Delivered::default());
    match side {
        Side::Ours(instrumentation) => {
            let context = delivered.clone();
            let producer =
                ours::producer::ThreadedProducer::create(&config, context, &instrumentation)?;
            send_all(limit, &delivered, run, |body| {
                let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).payload(body);
                Ok(producer.send(record).map_err(|(error, _)| error)?)
            })
        }
        Side::Bare(by_hand) => {
            let by_hand: Arc<ByHand> = by_hand.into();
            if by_hand.waits_for_answers() {
                let context = Reported { delivered: delivered.clone(), by_hand: by_hand.clone() };
                let producer = ThreadedProducer::from_config_and_context(&config, context)?;
                return send_all(limit, &delivered, run, |body| {
                    let (headers, sent) = headers(&by_hand);
                    let record: BaseRecord<'_, (), [u8], Box<Option<Sent>>> =
                        BaseRecord::with_opaque_to(topic, Box::new(sent)).payload(body);
                    let record = BaseRecord { headers, ..record };
                    Ok(producer.send(record).map_err(|(error, _)| error)?)
                });
            }
            let producer = ThreadedProducer::from_config_and_context(&config, delivered.clone())?;
            send_all(limit, &delivered, run, |body| {
                let (headers, sent) = headers(&by_hand);
                let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).payload(body);
                let outcome = producer.send(BaseRecord { headers, ..record });
                by_hand.sent(sent, None);
                Ok(outcome.map_err(|(error, _)| error)?)
            })
        }
    }
}

fn send_all(
    limit: usize,
    delivered: &Delivered,
    run: &mut Run,
    mut send: impl FnMut(&[u8]) -> Result,
) -> Result {
    let mut count = 0;
    let wait_for = |least| {
        // To wake this thread would be work for each report, which is what is measured.
        while delivered.0.load(Ordering::Acquire) < least {
            thread::sleep(Duration::from_micros(200));
        }
    };
    while let Some(messages) = run.next_phase() {
        for _ in 0..messages {
            let body = run.pace.wait();
            wait_for((count + 1_usize).saturating_sub(limit));
            send(&body)?;
            count += 1;
        }
        wait_for(count);
    }
    Ok(())
}

/// Counts the delivery reports.
#[derive(Clone, Default)]
struct Delivered(Arc<AtomicUsize>);

impl Delivered {
    fn count(&self, result: &DeliveryResult<'_>) {
        if let Err((error, _)) = result {
            fail(&format!("a message was not delivered: {error}"));
        }
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.count(result);
    }
}

/// Ends the spans with the delivery reports.
struct Reported {
    delivered: Delivered,
    by_hand: Arc<ByHand>,
}

impl ClientContext for Reported {}

impl ProducerContext for Reported {
    type DeliveryOpaque = Box<Option<Sent>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Option<Sent>>) {
        self.by_hand.sent(*sent, result.as_ref().ok().map(Message::offset));
        self.delivered.count(result);
    }
}

/// Sends with this many futures at a time.
pub(crate) async fn future(side: Side, place: &Place, limit: usize, run: &mut Run) -> Result {
    let producer: FutureProducer = config(place).create()?;
    let (topic, forever) = (&*place.name, Timeout::Never);
    match side {
        Side::Ours(instrumentation) => {
            let producer = ours::producer::FutureProducer::wrap(producer, &instrumentation);
            in_flight(limit, run, async |body| {
                let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(topic).payload(&body);
                producer.send(record, forever).await.map_err(|(error, _)| error)?;
                Ok(())
            })
            .await
        }
        Side::Bare(by_hand) => {
            in_flight(limit, run, async |body| {
                let (headers, sent) = headers(&by_hand);
                let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(topic).payload(&body);
                let sending = producer.send(FutureRecord { headers, ..record }, forever);
                let delivery = sending.await.map_err(|(error, _)| error)?;
                by_hand.sent(sent, Some(delivery.offset));
                Ok(())
            })
            .await
        }
    }
}

/// Receives and processes messages one by one.
pub(crate) async fn process(side: Side, place: &Place, run: &mut Run) -> Result {
    let consumer = consumer(place)?;
    run.ready();
    match side {
        Side::Ours(instrumentation) => {
            let consumer = ours::consumer::StreamConsumer::wrap(consumer, &instrumentation);
            while let Some(messages) = run.next_phase() {
                for _ in 0..messages {
                    let message = consumer.recv().await?;
                    let work = async { run.work(message.payload().unwrap_or_default()) };
                    message.process(work).await;
                }
            }
        }
        Side::Bare(by_hand) => {
            while let Some(messages) = run.next_phase() {
                for _ in 0..messages {
                    let called = by_hand.call();
                    let message = consumer.recv().await?;
                    let origin = origin(&by_hand, &message);
                    let origins = slice::from_ref(&origin);
                    by_hand.received(called, origins);
                    let work = || run.work(message.payload().unwrap_or_default());
                    by_hand.process(origins, work);
                }
            }
        }
    }
    Ok(())
}

/// Receives and processes messages in batches.
pub(crate) async fn batch(side: Side, place: &Place, run: &mut Run) -> Result {
    let consumer = consumer(place)?;
    run.ready();
    match side {
        Side::Ours(instrumentation) => {
            let consumer = ours::consumer::StreamConsumer::wrap(consumer, &instrumentation);
            let mut batches = consumer.batches(BATCH, Duration::from_secs(1));
            while let Some(messages) = run.next_phase() {
                let mut left = messages;
                while left > 0 {
                    let batch = batches.next().await.ok_or("there are no more batches")??;
                    left = left.saturating_sub(batch.len());
                    let work = async {
                        for message in &batch {
                            run.work(message.payload().unwrap_or_default());
                        }
                    };
                    batch.process(work).await;
                }
            }
        }
        Side::Bare(by_hand) => {
            let mut stream = consumer.stream();
            while let Some(messages) = run.next_phase() {
                let mut left = messages;
                while left > 0 {
                    let called = by_hand.call();
                    let mut batch = Vec::with_capacity(BATCH);
                    while batch.len() < BATCH.min(left) {
                        batch.push(stream.next().await.ok_or("there are no more messages")??);
                    }
                    left -= batch.len();
                    let origins: Vec<_> =
                        batch.iter().map(|message| origin(&by_hand, message)).collect();
                    by_hand.received(called, &origins);
                    by_hand.process(&origins, || {
                        for message in &batch {
                            run.work(message.payload().unwrap_or_default());
                        }
                    });
                }
            }
        }
    }
    Ok(())
}

fn consumer(place: &Place) -> Result<StreamConsumer> {
    let mut config = config(place);
    config.set("group.id", "bench").set("enable.auto.commit", "false");
    // What is fetched ahead is not measured: little, so that it is the same part in each mode. A
    // consumer that has taken all of it would wait for the next fetch for a second by default.
    config.set("queued.min.messages", "10000").set("fetch.queue.backoff.ms", "1");
    let consumer: StreamConsumer = config.create()?;
    let mut topic = TopicPartitionList::new();
    topic.add_partition_offset(&place.name, 0, Offset::Beginning)?;
    consumer.assign(&topic)?;
    Ok(consumer)
}

fn config(place: &Place) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &place.endpoint);
    config
}

fn headers(by_hand: &ByHand) -> (Option<OwnedHeaders>, Option<Sent>) {
    let mut headers = None;
    let sent = by_hand.send(&mut |key, value| {
        let all = headers.take().unwrap_or_else(OwnedHeaders::new);
        headers = Some(all.insert(Header { key, value: Some(value) }));
    });
    (headers, sent)
}

fn origin(by_hand: &ByHand, message: &BorrowedMessage<'_>) -> Origin {
    let traceparent = || {
        let header = message.headers()?.iter().find(|header| header.key == "traceparent")?;
        str::from_utf8(header.value?).ok()
    };
    by_hand.extract(traceparent, message.offset())
}
