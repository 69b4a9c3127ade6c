//! The conformance suite on the toy broker, with process spans that are spans of `tracing`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{
    cell::RefCell,
    sync::{Arc, Mutex},
};

use opentelemetry::{
    Context,
    trace::{SpanBuilder, Tracer, TracerProvider as _},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use otel_messaging_testing::{conformance::Broker as _, telemetry::observe_tracer_providers};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;

#[path = "toy/harness.rs"]
mod harness;

thread_local! {
    static TRACER: RefCell<LatestTracer> = RefCell::default();
}

/// The tracer of the latest provider that was made in a test, as the layer is made before.
#[derive(Clone, Debug, Default)]
struct LatestTracer(Arc<Mutex<Option<SdkTracer>>>);

impl Tracer for LatestTracer {
    type Span = opentelemetry_sdk::trace::Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Self::Span {
        let tracer = self.0.lock().expect("no test panics while it holds the lock").clone();
        tracer.expect("a provider was made").build_with_context(builder, parent)
    }
}

fn observe(provider: &SdkTracerProvider) {
    let tracer = provider.tracer_with_scope(harness::Toy::scope());
    TRACER.with_borrow(|latest| {
        latest.0.lock().expect("no test panics while it holds the lock").replace(tracer);
    });
}

/// Runs a rule on a runtime whose threads have a subscriber with a layer that adds nothing of its
/// own to spans.
fn run(context_activation: bool, rule: impl Future<Output = ()>) {
    observe_tracer_providers(observe);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(TRACER.with_borrow(Clone::clone))
        .with_context_activation(context_activation)
        .with_location(false)
        .with_threads(false)
        .with_target(false);
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let _default = tracing::dispatcher::set_default(&dispatch);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
        .build();
    runtime.expect("a runtime starts").block_on(rule);
}

macro_rules! activated {
    ($broker:ty, $($rule:ident)+) => {
        $(
            #[test]
            fn $rule() {
                super::run(true, otel_messaging_testing::conformance::$rule::<$broker>());
            }
        )+
    };
}

macro_rules! not_activated {
    ($broker:ty, $($rule:ident)+) => {
        $(
            #[test]
            fn $rule() {
                super::run(false, otel_messaging_testing::conformance::$rule::<$broker>());
            }
        )+
    };
}

mod with_context_activation {
    otel_messaging_testing::conformance_rules!(activated, super::harness::Toy);
}

mod without_context_activation {
    otel_messaging_testing::conformance_rules!(not_activated, super::harness::Toy);
}
