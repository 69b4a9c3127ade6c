//! Tests that each diagnostic is logged once per instrumentation, through OpenTelemetry's internal
//! logging. One `tracing` subscriber of the whole process records them.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{InstrumentationScope, trace::TracerProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use otel_messaging_core::{
    Destination, Instrumentation, Instrumenter, Propagation, System, client::NotInjected,
};
use otel_messaging_testing::{
    faults::PanickingPropagator,
    toy::{Broker, Producer, Record, message::MAX_HEADERS},
};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::SubscriberExt as _;

/// Records the events of this project: the name, and the field `reason` if there is one.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Heard {
    fn take(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads the field `reason` of an event.
#[derive(Default)]
struct Reason(String);

impl Visit for Reason {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "reason" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().name().starts_with("Messaging.") {
            let mut reason = Reason::default();
            event.record(&mut reason);
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push((event.metadata().name(), reason.0));
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
        .with_filter(|message| {
            assert_ne!(message.destination().map(Destination::name), Some("panics"));
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
    let no_room = ("Messaging.ContextNotInjected", "there are too many headers".to_owned());
    assert_eq!(heard.take(), [no_room]);
    for name in ["bills", "invoices", "bills", "panics", "panics"] {
        producer.send(Record::new(name, "7 apples")).await.unwrap();
    }
    let expected = ["Messaging.TooManyDestinations", "Messaging.HookPanicked"];
    assert_eq!(heard.take(), expected.map(|name| (name, String::new())));

    // A context that the client crate removes again, and a tracer provider that panics.
    let builder = Instrumentation::builder().with_tracer_provider(Panicking);
    let instrumentation = builder.with_propagator(Propagation::custom(PanickingPropagator)).build();
    let instrumenter =
        Instrumenter::builder(System::new("toy", "toy", "1")).build(&instrumentation);
    for _ in 0..2 {
        instrumenter.report_not_injected(NotInjected::new("it is too large"));
    }
    let too_large = ("Messaging.ContextNotInjected", "it is too large".to_owned());
    assert_eq!(heard.take(), [too_large]);
    let producer = Producer::new(&Broker::new(1), &instrumentation);
    for _ in 0..2 {
        producer.send(Record::new("orders", "7 apples")).await.unwrap();
    }
    let expected = ["Messaging.PropagatorPanicked", "Messaging.ProviderPanicked"];
    assert_eq!(heard.take(), expected.map(|name| (name, String::new())));
}

/// A tracer provider that panics.
#[derive(Debug)]
struct Panicking;

impl TracerProvider for Panicking {
    type Tracer = SdkTracer;

    fn tracer_with_scope(&self, _: InstrumentationScope) -> SdkTracer {
        panic!("this provider panics, as the test wants")
    }
}
