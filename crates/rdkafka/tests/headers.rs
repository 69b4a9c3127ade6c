//! Headers: read and replaced in any case, and untouched otherwise, whatever their bytes.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod support;

use std::time::{Duration, Instant};

use opentelemetry::baggage::BaggageExt;
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    Message,
    bare::producer::FutureProducer as Bare,
    message::{BorrowedMessage, Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use support::{Kafka, PATIENCE, headers_of, with_header};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01";

type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

fn headers<const N: usize>(headers: [(&[u8], Option<&[u8]>); N]) -> OwnedHeaders {
    headers.into_iter().fold(OwnedHeaders::new(), |list, (name, value)| {
        let Some(value) = value else {
            let key = str::from_utf8(name).unwrap();
            return list.insert(Header::<&[u8]> { key, value: None });
        };
        with_header(list, name, value)
    })
}

fn is_field(name: &[u8]) -> bool {
    ["traceparent", "tracestate", "baggage"]
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

/// The headers that are no propagator's.
fn others(message: &BorrowedMessage<'_>) -> Vec<OwnedHeader> {
    let mut headers = headers_of(message);
    headers.retain(|(name, _)| !is_field(name));
    headers
}

async fn send_bare(kafka: &Kafka, headers: OwnedHeaders) {
    let bare: Bare = kafka.config().create().unwrap();
    let record = FutureRecord::<str, str>::to("orders").payload("x").headers(headers);
    bare.send(record, PATIENCE).await.expect("the client takes it");
}

/// The name in lower case counts; where there is none, the last in any other case.
#[tokio::test(flavor = "multi_thread")]
async fn fields_are_read_in_any_case() {
    let kafka = Kafka::new();
    let consumer = kafka.consumer("orders");
    let (one, two) = (Some(TRACEPARENT.as_bytes()), Some(OTHER.as_bytes()));
    for (headers, expected) in [
        (headers([(b"Traceparent", one)]), Some(TRACEPARENT)),
        (headers([(b"Traceparent", one), (b"TRACEPARENT", two)]), Some(OTHER)),
        (headers([(b"traceparent", one), (b"Traceparent", two)]), Some(TRACEPARENT)),
        (headers([(b"Traceparent", two), (b"traceparent", one)]), Some(TRACEPARENT)),
        (headers([(b"traceparent", None), (b"Traceparent", one)]), None),
        (headers([(b"Traceparent", one), (b"TraceParent", None)]), None),
        (headers([(b"traceparent-", one), (b"xtraceparent", one)]), None),
        (headers([(b"traceparent\0x", one)]), None),
        (headers([(b"\xff", one), (b"", one), (b"tRACEPARENT", one)]), Some(TRACEPARENT)),
    ] {
        send_bare(&kafka, headers).await;
        let message = consumer.recv().await.unwrap();
        let map = message.creation_context().to_map();
        let found = map.get("traceparent").map(String::as_str);
        assert_eq!(found, expected, "{:?}", headers_of(&message));
    }
    let all = headers([
        (b"TraceState", Some(b"vendor=1")),
        (b"BAGGAGE", Some(b"tenant=south")),
        (b"TraceParent", one),
    ]);
    send_bare(&kafka, all).await;
    let message = consumer.recv().await.unwrap();
    let creation = message.creation_context();
    assert_eq!(creation.span_context().trace_state().header(), "vendor=1");
    let tenant = creation.to_context().baggage().get("tenant").map(ToString::to_string);
    assert_eq!(tenant.as_deref(), Some("south"));
}

/// A stale field is gone in every case, and what else there is stays where it was.
#[tokio::test(flavor = "multi_thread")]
async fn fields_are_replaced_in_any_case_and_nothing_else() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    let consumer = kafka.consumer("orders");
    let stale = Some(TRACEPARENT.as_bytes());
    let hostile: [(&[u8], Option<&[u8]>); 16] = [
        (b"Traceparent", stale),
        (b"a", Some(b"\xff\x00binary")),
        (b"TRACEPARENT", stale),
        (b"null", None),
        (b"\xff\xfe", Some(b"not text")),
        (b"traceparent", stale),
        (b"a", Some(b"again")),
        (b"TraceState", Some(b"stale=1")),
        (b"traceparen\xff", stale),
        (b"empty", Some(b"")),
        (b"traceparent", None),
        (b"", Some(b"no name")),
        (b"traceparent ", stale),
        (b"Baggage", Some(b"stale=1")),
        (b"Traceparent", stale),
        (b"xtraceparent", stale),
    ];
    let record = FutureRecord::<str, str>::to("orders").payload("x").headers(headers(hostile));
    producer.send(record, PATIENCE).await.unwrap();
    let kept = hostile.into_iter().filter(|(name, _)| !is_field(name));
    let kept: Vec<_> =
        kept.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect();
    for hop in 0..3 {
        let message = consumer.recv().await.unwrap();
        let sent = message.creation_context().to_map().remove("traceparent").expect("it is sent");
        assert!(sent != TRACEPARENT, "it is replaced");
        let mut expected = kept.clone();
        expected.push((b"traceparent".to_vec(), Some(sent.into_bytes())));
        assert_eq!(headers_of(&message), expected, "hop {hop}");
        let forwarded = message.detach().detach_headers().expect("it has headers");
        let record = FutureRecord::<str, str>::to("orders").payload("x").headers(forwarded);
        producer.send(record, PATIENCE).await.unwrap();
    }
}

/// The C library would remove both.
#[tokio::test(flavor = "multi_thread")]
async fn headers_are_left_alone_where_a_fields_name_goes_on_after_a_nul_byte() {
    let kafka = Kafka::new();
    let (producer, consumer) = (kafka.producer(), kafka.consumer("orders"));
    let stale: (&[u8], _) = (b"traceparent", Some(TRACEPARENT.as_bytes()));
    let longer: (&[u8], _) = (b"traceparent\0x", Some(&b"kept"[..]));
    for (sent, count) in [
        // The name itself is not there: the context is added.
        (headers([longer]), 2),
        (headers([longer, stale]), 2),
        (headers([stale, longer, stale]), 3),
    ] {
        let record = FutureRecord::<str, str>::to("orders").payload("x").headers(sent);
        producer.send(record, PATIENCE).await.unwrap();
        let message = consumer.recv().await.unwrap();
        let headers = headers_of(&message);
        assert!(headers.iter().any(|(_, value)| value.as_deref() == Some(b"kept")));
        assert_eq!(headers.len(), count);
    }
}

/// It takes no time that anybody would notice.
#[tokio::test(flavor = "multi_thread")]
async fn many_hostile_names_do_not_hold_up_a_send() {
    let kafka = Kafka::new();
    let consumer = kafka.consumer("orders");
    let names: [&[u8]; 3] = [b"traceparent\0x", b"Traceparent\0x", b"TRACEPARENT"];
    for name in names {
        let hostile =
            (0..50_000).fold(OwnedHeaders::new(), |headers, _| with_header(headers, name, b""));
        let record = FutureRecord::<str, str>::to("orders").payload("x").headers(hostile);
        let start = Instant::now();
        kafka.producer().send(record, PATIENCE).await.unwrap();
        let message = consumer.recv().await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert!(message.creation_context().is_valid());
    }
}

/// To the C library a name ends at its first NUL byte, but on the wire it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_a_nul_byte_is_another_name() {
    let kafka = Kafka::new();
    let consumer = kafka.consumer("orders");
    let headers = headers([(b"traceparent\0x", Some(b"1")), (b"Baggage\0", Some(b"2"))]);
    let record = FutureRecord::<str, str>::to("orders").payload("x").headers(headers);
    kafka.producer().send(record, PATIENCE).await.unwrap();
    let message = consumer.recv().await.unwrap();
    let values: Vec<_> = headers_of(&message).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values[..2], [Some(b"1".to_vec()), Some(b"2".to_vec())]);
    assert_eq!(values.len(), 3);
    assert!(message.creation_context().is_valid());
}

/// Each spelling costs a walk over all headers.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_spellings_are_sent_as_they_are() {
    let kafka = Kafka::new();
    let producer = kafka.producer();
    let consumer = kafka.consumer("orders");
    // Each bit of `index` is the case of a letter.
    let spelling = |index: u32| {
        let cased = "traceparent".char_indices().map(|(bit, letter)| {
            if index & (1 << bit) == 0 { letter } else { letter.to_ascii_uppercase() }
        });
        cased.collect::<String>()
    };
    for (spellings, is_replaced) in [(64, true), (65, false), (2048, false)] {
        let stale = (0..spellings).fold(OwnedHeaders::new(), |headers, index| {
            headers.insert(Header { key: &spelling(index), value: Some(TRACEPARENT) })
        });
        let record = FutureRecord::<str, str>::to("orders").payload("x").headers(stale);
        producer.send(record, PATIENCE).await.unwrap();
        let message = consumer.recv().await.unwrap();
        let expected = if is_replaced { 1 } else { spellings as usize };
        assert_eq!(headers_of(&message).len(), expected);
        let carried = message.creation_context().to_map().remove("traceparent").unwrap();
        assert_eq!(carried != TRACEPARENT, is_replaced);
    }
}

/// The largest records that the client takes, with headers: what a context adds would be too much.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_headers_that_just_fits_is_sent_as_it_was() {
    let kafka = Kafka::new();
    let mut config = kafka.config();
    config.set("message.max.bytes", "2000");
    let bare: Bare = config.create().unwrap();
    let producer = FutureProducer::wrap(bare.clone(), &kafka.instrumentation);
    let consumer = kafka.consumer("orders");
    let large = "x".repeat(1000);
    let lists: [&[Header<'_, &str>]; 3] = [
        &[
            Header { key: "first", value: Some("1") },
            Header { key: "Tracestate", value: Some("stale=1") },
            Header { key: "last", value: None },
        ],
        &[Header { key: "large", value: Some(&large) }],
        &vec![Header { key: "k", value: Some("v") }; 200],
    ];
    for list in lists {
        let headers = || {
            list.iter().fold(OwnedHeaders::new(), |headers, header| headers.insert(header.clone()))
        };
        let mut payload = "x".repeat(2000);
        loop {
            let record = FutureRecord::<str, str>::to("orders").payload(&payload);
            if bare.send_result(record.headers(headers())).is_ok() {
                break;
            }
            payload.pop();
        }
        let record = FutureRecord::<str, str>::to("orders").payload(&payload).headers(headers());
        producer.send(record, PATIENCE).await.expect("it fits as it does without us");
        let without_us = headers_of(&consumer.recv().await.unwrap());
        assert_eq!(headers_of(&consumer.recv().await.unwrap()), without_us);
    }
}

/// The client's own iteration panics at the one, and consumers read no header of the other.
#[tokio::test(flavor = "multi_thread")]
async fn poisoned_headers_are_passed_through() {
    let kafka = Kafka::new();
    let mut many = OwnedHeaders::new_with_capacity(100_001);
    for _ in 0..100_000 {
        many = many.insert(Header { key: "k", value: Some("v") });
    }
    let valid = Some(TRACEPARENT.as_bytes());
    let invalid_name = headers([(b"\xff\xfe", Some(b"v")), (b"traceparent", valid)]);
    let consumer = kafka.consumer("orders");
    let (producer, reader) = (kafka.producer(), kafka.consumer("invoices"));
    for (headers, is_valid) in [(invalid_name, true), (many, false)] {
        send_bare(&kafka, headers).await;
        let message = consumer.recv().await.expect("it is handed over");
        assert_eq!(message.creation_context().is_valid(), is_valid, "{}", message.offset());
        message.process(async {}).await;
        // And forwarded with all of them, but for the context.
        let before = others(&message);
        let record = FutureRecord::<str, str>::to("invoices").partition(0).payload("x");
        let headers = message.detach().detach_headers().expect("it has headers");
        producer.send(record.headers(headers), PATIENCE).await.expect("it is forwarded");
        let forwarded = reader.recv().await.unwrap();
        assert!(others(&forwarded) == before, "headers of {} changed", message.offset());
    }
}
