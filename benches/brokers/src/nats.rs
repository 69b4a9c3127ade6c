//! The scenarios of core NATS.

use std::slice;

use async_nats::{Client, HeaderMap};
use futures::StreamExt;
use otel_messaging_async_nats as ours;

use crate::{
    Place, Result,
    by_hand::{ByHand, Sent},
    mode::Side,
    run::Run,
};

/// Publishes one message after the other, and flushes at the end.
pub(crate) async fn publish(side: Side, place: &Place, run: &mut Run) -> Result {
    let (client, subject) = (connect(place).await?, async_nats::Subject::from(&*place.name));
    match side {
        Side::Ours(instrumentation) => {
            let client = ours::Client::wrap(client, &instrumentation);
            while let Some(messages) = run.next_phase() {
                for _ in 0..messages {
                    let body = run.pace.due().await;
                    client.publish(subject.clone(), body).await?;
                }
                client.flush().await?;
            }
        }
        Side::Bare(by_hand) => {
            while let Some(messages) = run.next_phase() {
                for _ in 0..messages {
                    let body = run.pace.due().await;
                    let (headers, sent) = headers(&by_hand);
                    match headers {
                        Some(headers) => {
                            client.publish_with_headers(subject.clone(), headers, body).await?;
                        }
                        None => client.publish(subject.clone(), body).await?,
                    }
                    by_hand.sent(sent, None);
                }
                client.flush().await?;
            }
        }
    }
    Ok(())
}

/// Receives and processes messages one by one.
pub(crate) async fn process(side: Side, place: &Place, run: &mut Run) -> Result {
    let client = connect(place).await?;
    match side {
        Side::Ours(instrumentation) => {
            let ours = ours::Client::wrap(client.clone(), &instrumentation);
            let mut messages = ours.subscribe(place.name.clone()).await?;
            round_trip(&client).await?;
            run.ready();
            while let Some(count) = run.next_phase() {
                for _ in 0..count {
                    let message = messages.next().await.ok_or("the subscription ended")?;
                    message.process(async { run.work(&message.payload) }).await;
                }
            }
        }
        Side::Bare(by_hand) => {
            let mut messages = client.subscribe(place.name.clone()).await?;
            round_trip(&client).await?;
            run.ready();
            while let Some(count) = run.next_phase() {
                for _ in 0..count {
                    let called = by_hand.call();
                    let message = messages.next().await.ok_or("the subscription ended")?;
                    let origin = by_hand.extract(|| traceparent(message.headers.as_ref()), 0);
                    let origins = slice::from_ref(&origin);
                    by_hand.received(called, origins);
                    by_hand.process(origins, || run.work(&message.payload));
                }
            }
        }
    }
    Ok(())
}

/// Waits until the server has done what was asked of it on this connection: a flush does not.
async fn round_trip(client: &Client) -> Result {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, "".into()).await?;
    answers.next().await.ok_or("the server does not answer")?;
    Ok(())
}

pub(crate) async fn connect(place: &Place) -> Result<Client> {
    Ok(async_nats::connect(&*place.endpoint).await?)
}

pub(crate) fn headers(by_hand: &ByHand) -> (Option<HeaderMap>, Option<Sent>) {
    let mut headers = None;
    let sent = by_hand.send(&mut |name, value| {
        headers.get_or_insert_with(HeaderMap::new).insert(name, value);
    });
    (headers, sent)
}

pub(crate) fn traceparent(headers: Option<&HeaderMap>) -> Option<&str> {
    Some(headers?.get("traceparent")?.as_str())
}
