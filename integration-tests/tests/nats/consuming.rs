//! Every kind of consumer, and every way to settle.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use opentelemetry::trace::{SpanContext, SpanKind, Status};
use otel_messaging_async_nats::{
    jetstream::{
        AckKind, Message,
        consumer::{AckPolicy, OrderedPullConsumer, pull, push},
    },
    otel::semconv,
};
use otel_messaging_testing::spans::{ExpectedSpan, remote, span};

use crate::support::{Nats, PATIENCE, at, count, deliveries};

fn durable() -> pull::Config {
    pull::Config { durable_name: Some("billing".to_owned()), ..Default::default() }
}

/// The contexts of the messages, in the order of their numbers.
fn contexts(messages: &[Message]) -> Vec<SpanContext> {
    messages.iter().map(|one| one.creation_context().span_context().clone()).collect()
}

/// Takes `messages` messages, and expects each to have its own receive span.
async fn one_by_one<S, E>(
    nats: &Nats,
    verb: &'static str,
    group: Option<&'static str>,
    stream: S,
    messages: usize,
) where
    S: Stream<Item = Result<Message, E>>,
    E: std::fmt::Debug,
{
    let taken: Vec<Message> = stream.take(messages).try_collect().await.unwrap();
    let bodies: Vec<_> = taken.iter().map(|one| one.payload.clone()).collect();
    assert_eq!(bodies, (0..messages).map(|index| index.to_string()).collect::<Vec<_>>());
    assert!(contexts(&taken).iter().all(SpanContext::is_valid));
    let spans = contexts(&taken).into_iter().zip(1..).map(|(context, sequence)| {
        nats.consuming(verb, "receive", group).attributes(at(sequence)).linked_to(remote(context))
    });
    nats.telemetry.assert_spans(spans);
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_one_by_one() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, durable()).await;
    let fetched = consumer.fetch().max_messages(10).messages().await.unwrap();
    one_by_one(&nats, "fetch", Some("billing"), fetched, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_as_a_batch() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, durable()).await;
    let fetched = consumer.fetch().max_messages(10).messages().await.unwrap();
    let batch = fetched.into_batch().await.unwrap();
    batch.process(async {}).await;
    let linked = |span: ExpectedSpan| {
        let span = span.attributes(count(3));
        contexts(&batch)
            .into_iter()
            .zip(1..)
            .fold(span, |span, (context, sequence)| span.link_with(remote(context), at(sequence)))
            .links_in_order()
    };
    nats.telemetry.assert_spans([
        linked(nats.consuming("fetch", "receive", Some("billing"))),
        linked(nats.consuming("process", "process", Some("billing"))),
    ]);
    // An empty batch has no span.
    nats.telemetry.clear();
    let fetched = consumer.fetch().messages().await.unwrap();
    let batch = fetched.into_batch().await.unwrap();
    batch.process(async {}).await;
    assert!(batch.is_empty());
    nats.telemetry.assert_spans([]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_waited_for() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(2, durable()).await;
    let batch = consumer.batch().max_messages(2).expires(PATIENCE).messages().await.unwrap();
    one_by_one(&nats, "fetch", Some("billing"), batch, 2).await;
    // Time is over before there are two.
    let batch = consumer.batch().max_messages(2).expires(Duration::from_millis(50));
    assert!(batch.messages().await.unwrap().into_batch().await.unwrap().is_empty());
}

/// The span of a fetch that has no message to be named after.
fn failed_fetch(nats: &Nats) -> ExpectedSpan {
    let mut attributes = nats.attributes("fetch", "receive");
    attributes.pop();
    span(format!("fetch {}", nats.name))
        .kind(SpanKind::Client)
        .attributes(attributes)
        .attributes(nats.stream_attribute())
        .attributes([
            (semconv::DESTINATION_NAME, nats.name.clone().into()),
            (semconv::CONSUMER_GROUP_NAME, "billing".into()),
        ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_fails_is_a_failed_span() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(0, pull::Config { max_batch: 2, ..durable() }).await;
    let fetched = consumer.fetch().max_messages(3).messages().await.unwrap();
    let error = fetched.into_batch().await.unwrap_err();
    let failed = failed_fetch(&nats).error("Other", Some(&error.to_string()));
    nats.telemetry.assert_spans([failed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_of_a_batch_loses_no_message() {
    let nats = Nats::new().await;
    let (stream, consumer) = nats.consumer(2, durable()).await;
    let fetched = consumer.batch().max_messages(5).expires(PATIENCE).messages().await.unwrap();
    let delete = async {
        // Both messages are on their way by then.
        while consumer.get_info().await.unwrap().num_ack_pending < 2 {}
        stream.delete_consumer("billing").await.unwrap();
    };
    let (batch, ()) = tokio::join!(fetched.into_batch(), delete);
    let batch = batch.unwrap();
    assert_eq!(batch.len(), 2);
    let fetch = nats.consuming("fetch", "receive", Some("billing")).attributes(count(2));
    let fetch = contexts(&batch)
        .into_iter()
        .zip(1..)
        .fold(fetch, |span, (context, sequence)| span.link_with(remote(context), at(sequence)));
    let spans = nats.telemetry.spans();
    let failed = spans.iter().find(|span| span.status != Status::Unset);
    let failed = failed.expect("the failure has a span").clone();
    let failure = failed_fetch(&nats).attributes([(semconv::ERROR_TYPE, "Other".into())]);
    nats.telemetry.assert_spans([fetch, failure.status(failed.status.clone())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_sequences() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, durable()).await;
    one_by_one(&nats, "receive", Some("billing"), consumer.messages().await.unwrap(), 3).await;

    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, durable()).await;
    let stream = consumer.stream().max_messages_per_batch(1).expires(PATIENCE).messages().await;
    one_by_one(&nats, "receive", Some("billing"), stream.unwrap(), 3).await;

    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, durable()).await;
    let sequence = consumer.sequence(1).unwrap().try_flatten();
    one_by_one(&nats, "fetch", Some("billing"), sequence, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_and_ordered() {
    let nats = Nats::new().await;
    let config = push::Config {
        deliver_subject: format!("deliver-{}", nats.name),
        deliver_group: Some("billers".to_owned()),
        durable_name: Some("billing".to_owned()),
        ..Default::default()
    };
    let (_, consumer) = nats.consumer(3, config).await;
    one_by_one(&nats, "receive", Some("billers"), consumer.messages().await.unwrap(), 3).await;

    let nats = Nats::new().await;
    let config = push::OrderedConfig {
        deliver_subject: format!("deliver-{}", nats.name),
        ..Default::default()
    };
    let (_, consumer) = nats.consumer(3, config).await;
    one_by_one(&nats, "receive", None, consumer.messages().await.unwrap(), 3).await;

    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, pull::OrderedConfig::default()).await;
    let consumer: OrderedPullConsumer = consumer;
    one_by_one(&nats, "receive", None, consumer.messages().await.unwrap(), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_settle() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(7, durable()).await;
    let mut messages = consumer.messages().await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..7 {
        taken.push(messages.next().await.unwrap().unwrap());
    }
    let contexts = contexts(&taken);
    nats.telemetry.clear();
    taken[0].ack().await.unwrap();
    taken[1].ack_with(AckKind::Progress).await.unwrap();
    taken[1].ack_with(AckKind::Nak(Some(PATIENCE))).await.unwrap();
    taken[2].ack_with(AckKind::Term).await.unwrap();
    taken[3].double_ack().await.unwrap();
    taken[4].double_ack_with(AckKind::Nak(Some(PATIENCE))).await.unwrap();
    taken[5].double_ack_with(AckKind::Progress).await.unwrap();
    let settled = |verb: &'static str, index: usize| {
        nats.consuming(verb, "settle", Some("billing"))
            .attributes(at(i64::try_from(index).unwrap() + 1))
            .linked_to(remote(contexts[index].clone()))
    };
    nats.telemetry.assert_spans([
        settled("ack", 0),
        settled("nak", 1),
        settled("term", 2),
        settled("ack", 3),
        settled("nak", 4),
    ]);
    // A settlement is a child of the process span.
    nats.telemetry.clear();
    taken[5].process(async {}).await;
    taken[5].ack().await.unwrap();
    let process = |index: usize| {
        nats.consuming("process", "process", Some("billing"))
            .attributes(at(i64::try_from(index).unwrap() + 1))
            .linked_to(remote(contexts[index].clone()))
    };
    nats.telemetry
        .assert_spans([process(5).label("process"), settled("ack", 5).child_of("process")]);
    // So is the settlement by an acker.
    nats.telemetry.clear();
    let (message, acker) = taken.pop().unwrap().split();
    assert_eq!((message.reply.clone(), &*message.payload), (None, &b"6"[..]));
    message.process(async {}).await;
    acker.ack_with(AckKind::Progress).await.unwrap();
    acker.double_ack().await.unwrap();
    let ack = settled("ack", 6).child_of("process");
    nats.telemetry.assert_spans([process(6).label("process"), ack]);
    let left = consumer.get_info().await.unwrap();
    assert_eq!(left.num_ack_pending, 2, "two were asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_delivery_is_processed_and_linked_to_the_one_publish() {
    let nats = Nats::new().await;
    let config = pull::Config { ack_wait: Duration::from_millis(100), ..durable() };
    let (_, consumer) = nats.consumer(1, config).await;
    let mut messages = consumer.messages().await.unwrap();
    let mut creation = None;
    // The first delivery is not settled, the second is refused, and so on.
    for delivery in 1..=4 {
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(message.info().unwrap().delivered, delivery);
        message.process(async {}).await;
        match delivery {
            2 => message.ack_with(AckKind::Nak(None)).await.unwrap(),
            4 => message.double_ack().await.unwrap(),
            _ => {}
        }
        creation.get_or_insert(message.creation_context().span_context().clone());
    }
    let creation = creation.unwrap();
    let of = |operation, kind, delivery| {
        let span = nats.consuming(operation, kind, Some("billing")).attributes(at(1));
        let span = span.linked_to(remote(creation.clone()));
        if delivery > 1 { span.attributes(deliveries(delivery)) } else { span }
    };
    let labelled = |delivery: i64| of("process", "process", delivery).label(delivery.to_string());
    nats.telemetry.assert_spans(
        (1..=4)
            .flat_map(|delivery| [of("receive", "receive", delivery), labelled(delivery)])
            .chain([of("nak", "settle", 2).child_of("2"), of("ack", "settle", 4).child_of("4")]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetched_batch_that_is_dropped_is_delivered_again() {
    let nats = Nats::new().await;
    let config = pull::Config { ack_wait: Duration::from_secs(1), ..durable() };
    let (_, consumer) = nats.consumer(3, config).await;
    let fetched = consumer.batch().max_messages(10).expires(PATIENCE).messages().await.unwrap();
    tokio::select! {
        batch = fetched.into_batch() => panic!("there are no ten: {batch:?}"),
        () = async { while consumer.get_info().await.unwrap().num_ack_pending < 3 {} } => {}
    }
    nats.telemetry.assert_spans([]);
    let messages = consumer.messages().await.unwrap();
    let again: Vec<Message> = messages.take(3).try_collect().await.unwrap();
    let bodies: Vec<_> = again.iter().map(|one| one.payload.clone()).collect();
    assert_eq!(bodies, ["0", "1", "2"]);
    assert!(again.iter().all(|message| message.info().unwrap().delivered > 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_advisory_of_the_last_delivery_is_a_message_too() {
    let nats = Nats::new().await;
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{}.billing", nats.name);
    let mut advisories = nats.client.subscribe(subject.clone()).await.unwrap();
    let config = pull::Config {
        ack_wait: Duration::from_millis(50),
        max_deliver: 2,
        ack_policy: AckPolicy::Explicit,
        ..durable()
    };
    let (_, consumer) = nats.consumer(1, config).await;
    let mut messages = consumer.messages().await.unwrap();
    for _ in 0..2 {
        messages.next().await.unwrap().unwrap();
    }
    nats.telemetry.clear();
    // The server checks only while a request waits.
    let advisory = tokio::select! {
        advisory = advisories.next() => advisory.unwrap(),
        message = messages.next() => panic!("delivered too often: {message:?}"),
    };
    assert!(str::from_utf8(&advisory.payload).unwrap().contains("max_deliver"));
    let mut attributes = nats.attributes("receive", "receive");
    attributes.pop();
    nats.telemetry.assert_spans([span(format!("receive {subject}"))
        .kind(SpanKind::Client)
        .attributes(attributes)
        .attributes([(semconv::DESTINATION_NAME, subject.clone().into())])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_may_move() {
    let nats = Nats::new().await;
    let (_, consumer) = nats.consumer(3, durable()).await;
    let context = nats.context.clone();
    let orders = nats.subject("orders");
    let work = tokio::spawn(async move {
        let batch = consumer.fetch().max_messages(2).messages().await?.into_batch().await?;
        let settled = batch.process(async {
            for message in &batch {
                message.double_ack().await?;
            }
            Ok::<_, otel_messaging_async_nats::Error>(batch.len())
        });
        let settled = settled.await?;
        context.publish(orders, "3".into()).await?.await?;
        let mut messages = consumer.messages().await?;
        let mut batches = messages.batches(2, PATIENCE);
        let batch = batches.next().await.ok_or("it never ends")??;
        let (message, acker) = batch.into_vec().remove(0).split();
        message.process_with(|_| async move { acker.double_ack().await }).await?;
        Ok::<_, otel_messaging_async_nats::Error>(settled)
    });
    assert_eq!(work.await.unwrap().unwrap(), 2);
}
