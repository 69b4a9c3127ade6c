//! Requests: what their spans say, and which of them count as sent.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use futures::{FutureExt, StreamExt};
use opentelemetry::trace::SpanKind;
use otel_messaging_async_nats::{
    Client, HeaderMap, Request, RequestErrorKind,
    client::traits,
    otel::semconv::{self, CLIENT_OPERATION_DURATION, CLIENT_SENT_MESSAGES},
};
use otel_messaging_testing::{
    attributes::any,
    metrics::{ExpectedMetric, counter, histogram},
    spans::{ExpectedSpan, remote, span},
};
use support::{
    Attribute, Nats,
    server::{Info, Server, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_inside_the_process_span() {
    let nats = Nats::new().await;
    let mut requests = nats.client.subscribe("price").await.unwrap();
    let client = nats.client.clone();
    let responder = tokio::spawn(async move {
        for _ in 0..4 {
            let request = requests.next().await.unwrap();
            let answer = client.publish(request.reply.clone().unwrap(), "7".into());
            request.process(answer).await.unwrap();
        }
    });
    let client = &nats.client;
    let with_inbox = Request::new().inbox("_INBOX.mine".into());
    let answers = [
        client.request("price", "apples".into()).await.unwrap().into_inner(),
        client
            .request_with_headers("price", HeaderMap::new(), "".into())
            .await
            .unwrap()
            .into_inner(),
        client.send_request("price", with_inbox).await.unwrap().into_inner(),
        traits::Requester::send_request(client, "price", Request::new()).await.unwrap(),
    ];
    assert!(answers.iter().all(|answer| answer.payload == "7"));
    responder.await.unwrap();
    assert_eq!(nats.server.published(8).await[0].payload, b"apples");
    let temporary =
        [(semconv::DESTINATION_NAME, any()), (semconv::DESTINATION_TEMPORARY, true.into())];
    nats.telemetry.assert_spans((0..4).flat_map(|index: u8| {
        let (ask, handle, answer) =
            (format!("ask{index}"), format!("handle{index}"), format!("answer{index}"));
        [
            request(&nats, "price").label(ask.clone()),
            nats.receive("price").linked_to(remote(ask.clone())),
            nats.process("price").linked_to(remote(ask)).label(handle.clone()),
            span("publish")
                .kind(SpanKind::Producer)
                .child_of(handle)
                .attributes(nats.attributes("publish", "send", None))
                .attributes(temporary.clone())
                .label(answer.clone()),
            span("receive")
                .kind(SpanKind::Client)
                .attributes(nats.attributes("receive", "receive", None))
                .attributes(temporary.clone())
                .linked_to(remote(answer)),
        ]
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_counts_as_sent_unless_the_client_refused_it() {
    let server = Server::telling(Info { max_payload: 100, ..Info::DEFAULT }).await;
    let nats = Nats::on(server, |builder| builder).await;
    let client = &nats.client;
    let _silent = client.get_ref().subscribe("silent").await.unwrap();
    let hasty = || Request::new().timeout(Some(Duration::from_millis(1)));
    let large = || Request::new().payload(vec![b'x'; 101].into());
    let inbox = || "_INBOX.mine".to_owned();
    let mut spans = Vec::new();
    for (subject, asked, kind) in [
        ("nobody", Request::new(), RequestErrorKind::NoResponders),
        ("nobody", Request::new().inbox(inbox()), RequestErrorKind::NoResponders),
        ("silent", hasty(), RequestErrorKind::TimedOut),
        ("silent", hasty().inbox(inbox()), RequestErrorKind::TimedOut),
        ("not a subject", Request::new(), RequestErrorKind::InvalidSubject),
        ("large", large(), RequestErrorKind::MaxPayloadExceeded),
    ] {
        let error = client.send_request(subject, asked).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let failed = request(&nats, subject).error(format!("{kind:?}"), Some(&error.to_string()));
        spans.push(failed);
    }
    nats.telemetry.assert_spans(spans);
    let failed = |subject, error| (subject, Some(error));
    nats.telemetry.assert_metrics([
        sent(&nats, [(2, failed("nobody", "NoResponders")), (2, failed("silent", "TimedOut"))]),
        timed(
            &nats,
            [
                (2, failed("nobody", "NoResponders")),
                (2, failed("silent", "TimedOut")),
                (1, failed("not a subject", "InvalidSubject")),
                (1, failed("large", "MaxPayloadExceeded")),
            ],
        ),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_client_refuses_requests() {
    let nats = Nats::new().await;
    nats.client.drain().await.unwrap();
    while nats.client.get_ref().publish("orders", "".into()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for asked in [Request::new(), Request::new().inbox("_INBOX.mine".to_owned())] {
        let error = nats.client.send_request("price", asked).await.unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Other);
    }
    nats.telemetry.assert_metrics([timed(&nats, [(2, ("price", Some("Other")))])]);
}

/// Polls a request once and drops it.
async fn start_and_drop(client: &Client, asked: Request) {
    let mut asking = pin!(client.send_request("price", asked));
    let polled = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context)));
    assert!(polled.await.is_pending(), "it was answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_was_sent_if_the_client_had_taken_it() {
    for asked in [Request::new, || Request::new().inbox("_INBOX.mine".to_owned())] {
        let nats = Nats::new().await;
        let _silent = nats.client.get_ref().subscribe("price").await.unwrap();
        start_and_drop(&nats.client, asked()).await;
        nats.server.published(1).await;
        nats.telemetry.assert_spans([request(&nats, "price")]);
        nats.telemetry.assert_metrics([
            sent(&nats, [(1, ("price", None))]),
            timed(&nats, [(1, ("price", None))]),
        ]);

        let nats = Nats::stalled().await;
        start_and_drop(&nats.client, asked()).await;
        nats.telemetry.assert_spans([request(&nats, "price").error("cancelled", None)]);
        nats.telemetry.assert_metrics([timed(&nats, [(1, ("price", Some("cancelled")))])]);
    }
}

/// Whatever the client's task and the dropped futures do at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_requests_count_as_sent_as_arrive() {
    let nats = Nats::new().await;
    let _silent = nats.client.get_ref().subscribe("price").await.unwrap();
    for round in 0..2_000 {
        let mut asking = Box::pin(nats.client.request("price", "".into()));
        for _ in 0..round % 5 {
            assert!((&mut asking).now_or_never().is_none(), "it was answered");
            tokio::task::yield_now().await;
        }
        drop(asking);
    }
    nats.client.get_ref().publish("end", "".into()).await.unwrap();
    let arrived = until(|| {
        let published = nats.server.published_so_far();
        published.last().is_some_and(|last| last.subject == "end").then_some(published)
    });
    let arrived = u64::try_from(arrived.await.len() - 1).unwrap();
    assert_eq!(arrived, 1_600, "a request that is never polled is not sent");
    nats.telemetry.assert_metrics([
        sent(&nats, [(arrived, ("price", None))]),
        timed(&nats, [(arrived, ("price", None))]),
    ]);
}

fn request(nats: &Nats, subject: &str) -> ExpectedSpan {
    let attributes = nats.attributes("request", "send", Some(subject));
    span(format!("request {subject}")).kind(SpanKind::Producer).attributes(attributes)
}

/// The subject of requests, and how they failed.
type Series = (&'static str, Option<&'static str>);

fn labels(nats: &Nats, (subject, error): Series) -> Vec<Attribute> {
    let mut labels = nats.metric_labels("request", subject);
    labels.extend(error.map(|error| (semconv::ERROR_TYPE, error.into())));
    labels
}

fn sent(nats: &Nats, points: impl IntoIterator<Item = (u64, Series)>) -> ExpectedMetric {
    let metric = counter(CLIENT_SENT_MESSAGES).unit("{message}");
    points
        .into_iter()
        .fold(metric, |metric, (count, series)| metric.point(count, labels(nats, series)))
}

fn timed(nats: &Nats, points: impl IntoIterator<Item = (u64, Series)>) -> ExpectedMetric {
    let metric =
        histogram(CLIENT_OPERATION_DURATION).unit("s").boundaries(&semconv::DURATION_BOUNDARIES);
    points.into_iter().fold(metric, |metric, (count, series)| {
        let operation = [(semconv::OPERATION_TYPE, "send".into())];
        metric.point(count, labels(nats, series).into_iter().chain(operation))
    })
}
