//! The scenarios of JetStream.

use async_nats::jetstream::{self, Context, consumer::pull, stream};
use futures::StreamExt;
use otel_messaging_async_nats as ours;

use crate::{
    BATCH, Place, Result,
    in_flight::in_flight,
    mode::Side,
    nats::{connect, headers, traceparent},
    run::Run,
};

/// Creates a stream in memory, with one subject of the same name.
pub(crate) async fn create(place: &Place) -> Result {
    let config = stream::Config {
        name: place.name.clone(),
        subjects: vec![place.name.clone()],
        storage: stream::StorageType::Memory,
        ..stream::Config::default()
    };
    context(place).await?.create_stream(config).await?;
    Ok(())
}

/// Deletes the stream.
pub(crate) async fn delete(place: &Place) -> Result {
    context(place).await?.delete_stream(&place.name).await?;
    Ok(())
}

/// Publishes with this many acknowledgements in flight.
pub(crate) async fn publish(side: Side, place: &Place, limit: usize, run: &mut Run) -> Result {
    let subject = async_nats::Subject::from(&*place.name);
    match side {
        Side::Ours(instrumentation) => {
            let client = ours::Client::wrap(connect(place).await?, &instrumentation);
            let context = ours::jetstream::new(client);
            in_flight(limit, run, async |body| {
                context.publish(subject.clone(), body).await?.await?;
                Ok(())
            })
            .await
        }
        Side::Bare(by_hand) => {
            let context = context(place).await?;
            in_flight(limit, run, async |body| {
                let (headers, sent) = headers(&by_hand);
                let publishing = match headers {
                    Some(headers) => {
                        context.publish_with_headers(subject.clone(), headers, body).await?
                    }
                    None => context.publish(subject.clone(), body).await?,
                };
                let answer = publishing.await?;
                by_hand.sent(sent, i64::try_from(answer.sequence).ok());
                Ok(())
            })
            .await
        }
    }
}

/// Fetches messages, processes them as a batch, and acknowledges each.
pub(crate) async fn fetch(side: Side, place: &Place, run: &mut Run) -> Result {
    match side {
        Side::Ours(instrumentation) => {
            let client = ours::Client::wrap(connect(place).await?, &instrumentation);
            let stream = ours::jetstream::new(client).get_stream(&place.name).await?;
            let consumer = stream.create_consumer(config()).await?;
            run.ready();
            while let Some(messages) = run.next_phase() {
                let mut left = messages;
                while left > 0 {
                    let fetched = consumer.fetch().max_messages(BATCH.min(left)).messages();
                    let batch = fetched.await?.into_batch().await?;
                    left -= batch.len();
                    let work = async {
                        for message in &batch {
                            run.work(&message.payload);
                        }
                    };
                    batch.process(work).await;
                    for message in &batch {
                        message.ack().await?;
                    }
                }
            }
        }
        Side::Bare(by_hand) => {
            let stream = context(place).await?.get_stream(&place.name).await?;
            let consumer = stream.create_consumer(config()).await?;
            run.ready();
            while let Some(messages) = run.next_phase() {
                let mut left = messages;
                while left > 0 {
                    let called = by_hand.call();
                    let fetched = consumer.fetch().max_messages(BATCH.min(left)).messages();
                    let mut fetched = fetched.await?;
                    let mut batch = Vec::with_capacity(BATCH);
                    while let Some(message) = fetched.next().await {
                        batch.push(message?);
                    }
                    left -= batch.len();
                    let origin = |message: &jetstream::Message| {
                        by_hand.extract(|| traceparent(message.headers.as_ref()), 0)
                    };
                    let origins: Vec<_> = batch.iter().map(origin).collect();
                    if !batch.is_empty() {
                        by_hand.received(called, &origins);
                        by_hand.process(&origins, || {
                            for message in &batch {
                                run.work(&message.payload);
                            }
                        });
                    }
                    for (message, origin) in batch.iter().zip(&origins) {
                        by_hand.settle(origin, message.ack()).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn config() -> pull::Config {
    pull::Config { max_ack_pending: 100_000, ..pull::Config::default() }
}

async fn context(place: &Place) -> Result<Context> {
    Ok(jetstream::new(connect(place).await?))
}
