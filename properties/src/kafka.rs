//! Kafka: a record leaves its producer with one context and all other headers unchanged.

use std::{cell::OnceCell, mem, sync::Mutex, time::Duration};

use arbitrary::{Result, Unstructured};
use opentelemetry::Context;
use otel_messaging_core::{CreationContext, Instrumentation, Propagation};
use otel_messaging_rdkafka::{
    ClientConfig, ClientContext, Message, Timestamp, bare,
    message::{DeliveryResult, Header, Headers, OwnedHeaders, OwnedMessage},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig},
};

use crate::words;

/// A name, and a value that may be null.
pub type OwnedHeader = (String, Option<Vec<u8>>);

/// Makes hostile headers.
pub fn headers(bytes: &mut Unstructured<'_>) -> Result<Vec<OwnedHeader>> {
    let count = bytes.int_in_range(0..=12)?;
    let header = |_| {
        let name = words::name(bytes)?;
        Ok((name, bytes.ratio(7, 8)?.then(|| words::value(bytes)).transpose()?))
    };
    (0..count).map(header).collect()
}

/// Writes headers into the client's list.
pub fn owned(headers: &[OwnedHeader]) -> OwnedHeaders {
    let insert = |list: OwnedHeaders, (key, value): &OwnedHeader| {
        list.insert(Header { key, value: value.as_deref() })
    };
    headers.iter().fold(OwnedHeaders::new(), insert)
}

/// Reads the client's list. Names end at their first NUL byte, as the C library returns them.
pub fn read(message: &impl Message) -> Vec<OwnedHeader> {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
}

/// Returns the headers that no context is written to, as [`read`] returns them.
pub fn others(headers: &[OwnedHeader]) -> Vec<OwnedHeader> {
    headers.iter().filter(|(name, _)| !words::is_field(name)).map(until_nul).collect()
}

fn until_nul((name, value): &OwnedHeader) -> OwnedHeader {
    (name.split('\0').next().unwrap_or_default().to_owned(), value.clone())
}

/// Returns whether a field cannot be replaced: the C library would remove another header, whose name
/// is the field's with a NUL byte and more.
fn is_refused(headers: &[OwnedHeader]) -> bool {
    let is_there = |start: &str| headers.iter().any(|(name, _)| name == start);
    let starts = headers.iter().filter_map(|(name, _)| Some(name.split_once('\0')?.0));
    starts.filter(|start| words::is_field(start)).any(is_there)
}

/// Checks that a record which is sent has exactly the ambient context, behind all its other headers;
/// and that a message with the same headers is read as the one that was sent.
///
/// # Errors
/// Returns an error if the bytes make no input.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut bytes = Unstructured::new(bytes);
    let context = words::context(&mut bytes)?;
    let headers = headers(&mut bytes)?;
    // Reading hostile headers does not panic.
    drop(creation(owned(&headers)));
    let sent = send(&owned(&headers), &context);
    if is_refused(&headers) {
        let all: Vec<_> = headers.iter().map(until_nul).collect();
        assert_eq!(sent, all);
        return Ok(());
    }
    let mut expected = others(&headers);
    let fields = context.to_map();
    let written = words::FIELDS.into_iter().filter_map(|name| Some((name, fields.get(name)?)));
    expected.extend(written.map(|(name, value)| (name.to_owned(), Some(value.clone().into()))));
    assert_eq!(sent, expected, "{headers:?}");
    assert_eq!(creation(owned(&sent)), context, "{headers:?}");
    Ok(())
}

fn creation(headers: OwnedHeaders) -> CreationContext {
    let (topic, time) = ("orders".to_owned(), Timestamp::NotAvailable);
    let message = bare::message::OwnedMessage::new(None, None, topic, time, 0, 0, Some(headers));
    OwnedMessage::from(message).creation_context().clone()
}

/// Sends a record, and returns the headers that the client would have written.
fn send(headers: &OwnedHeaders, context: &CreationContext) -> Vec<OwnedHeader> {
    thread_local! {
        static PRODUCER: OnceCell<BaseProducer<Reported>> = const { OnceCell::new() };
    }
    PRODUCER.with(|producer| {
        let producer = producer.get_or_init(producer_without_broker);
        let _ambient = Context::attach(context.to_context());
        let record = BaseRecord::<str, str>::to("orders").payload("7").headers(headers.clone());
        let sent = producer.send(record).map_err(|(error, _)| error);
        assert_eq!(sent, Ok(()));
        // The record waits for its broker. Purged, it comes back with a delivery report.
        producer.purge(PurgeConfig::default().queue());
        loop {
            if let Some(headers) = mem::take(&mut *lock(&producer.context().0)) {
                return headers;
            }
            // It serves reports for as long as it is told to.
            producer.poll(Duration::ZERO);
        }
    })
}

fn producer_without_broker() -> BaseProducer<Reported> {
    let mut config = ClientConfig::new();
    // Nothing listens there, and the client is not to say so.
    config.set("bootstrap.servers", "127.0.0.1:1").set("log_level", "0");
    let instrumentation = Instrumentation::builder()
        .with_propagator(Propagation::TraceContextAndBaggage)
        .with_tracing(false)
        .with_metrics(false)
        .build();
    match BaseProducer::create(&config, Reported::default(), &instrumentation) {
        Ok(producer) => producer,
        Err(error) => panic!("no producer: {error}"),
    }
}

/// The headers of the record that came back.
#[derive(Default)]
struct Reported(Mutex<Option<Vec<OwnedHeader>>>);

impl ClientContext for Reported {}

impl ProducerContext for Reported {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let message = match result {
            Ok(message) | Err((_, message)) => message,
        };
        *lock(&self.0) = Some(read(message));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
