//! What an operator hears of: one diagnostic through OpenTelemetry's internal logging (rules R4
//! and R20), which is heard through `tracing`, by one subscriber for the whole process.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_messaging_core::{Destination, Instrumentation};
use otel_messaging_testing::toy::{Broker, Producer, Record, message::MAX_HEADERS};
use tracing_subscriber::layer::SubscriberExt as _;

/// Remembers the names of our events.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<&'static str>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().name().starts_with("Messaging.") {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push(event.metadata().name());
        }
    }
}

#[tokio::test]
async fn r04_and_r20_each_diagnostic_is_given_once() {
    let heard = Heard::default();
    let subscriber = tracing_subscriber::registry().with(heard.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(SdkTracerProvider::builder().build())
        .with_destination_limit(1)
        .with_filter(|_, destination| {
            assert_ne!(destination.map(Destination::name), Some("panics"));
            true
        })
        .build();
    let producer = Producer::new(&Broker::new(1), &instrumentation);
    let full = || Record {
        headers: (0..MAX_HEADERS).map(|_| (String::new(), None)).collect(),
        ..Record::new("orders", "7 apples")
    };
    producer.send(full()).await.unwrap();
    producer.send(full()).await.unwrap();
    assert_eq!(*heard.0.lock().unwrap(), ["Messaging.ContextNotInjected"]);
    for name in ["bills", "invoices", "bills", "panics", "panics"] {
        producer.send(Record::new(name, "7 apples")).await.unwrap();
    }
    let expected =
        ["Messaging.ContextNotInjected", "Messaging.TooManyDestinations", "Messaging.HookPanicked"];
    assert_eq!(*heard.0.lock().unwrap(), expected);
}
