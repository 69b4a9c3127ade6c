//! What a process span is where a layer records it, and what is not the same.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use futures::FutureExt as _;
use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    trace::{SpanKind, Status, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{Batch, ErrorType, Failure, Instrumentation, ProcessParent, semconv};
use otel_messaging_testing::{
    attributes::any,
    faults::Panics,
    spans::{remote, span},
    telemetry::{SeenBySampler, Telemetry},
    toy::{Broker, Consumer, Producer, Record},
};
use tracing::{
    Dispatch, Instrument as _, Subscriber, dispatcher, error, info, info_span,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    layer::{self, SubscriberExt as _},
    registry::LookupSpan,
};

use crate::stage::{Stage, events, is_of_layer, the};

/// Everything else is compared by the conformance suite, whose layer adds nothing.
#[tokio::test]
async fn scope_and_some_attributes_are_the_layers() {
    let telemetry = Telemetry::builder().expecting_scope(toy_scope()).build();
    let stage = Stage::with(true, telemetry, |builder| builder);
    let layer = stage.layer().with_level(true).with_tracked_inactivity(true).with_location(true);
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let _default = dispatcher::set_default(&subscriber);
    stage.send("orders").await;
    let order = stage.consumer.receive().await.unwrap();
    let sent = the(&stage, "publish orders").span_context.clone();
    stage.telemetry.clear();
    order.process(async {}).await;
    let scope = InstrumentationScope::builder("application").build();
    let process = span("process orders").kind(SpanKind::Consumer).scope(scope).attributes([
        ("thread.id", any()),
        ("thread.name", any()),
        ("target", "otel_messaging".into()),
        ("level", "INFO".into()),
        (semconv::SYSTEM, "toy".into()),
        (semconv::OPERATION_NAME, "process".into()),
        (semconv::OPERATION_TYPE, "process".into()),
        (semconv::DESTINATION_NAME, "orders".into()),
        (semconv::DESTINATION_PARTITION_ID, "0".into()),
        (semconv::CONSUMER_GROUP_NAME, "toys".into()),
        (semconv::SERVER_ADDRESS, "toy.local".into()),
        (semconv::SERVER_PORT, 7.into()),
        (semconv::CLIENT_ID, "toy-consumer".into()),
        ("messaging.toy.offset", 0.into()),
    ]);
    stage.telemetry.assert_spans([process.linked_to(remote(sent))]);
}

/// As in every span of the layer's, an event of level ERROR sets the status.
#[tokio::test]
async fn an_event_of_level_error_sets_the_status() {
    let stage = Stage::new(true);
    let _default = stage.subscribe();
    let order = stage.order().await;
    order.process(async { error!("odd") }).await;
    let process = the(&stage, "process orders");
    assert_eq!(process.status, Status::error(""));
    assert!(!process.attributes.iter().any(|it| it.key.as_str() == semconv::ERROR_TYPE));
    // What the handler's result says comes after it.
    let order = stage.order().await;
    let declined =
        |(): &()| Some(Failure::new(ErrorType::new("declined")).with_description("no money"));
    order.process_classified(async { error!("odd") }, declined).await;
    assert_eq!(the(&stage, "process orders").status, Status::error("no money"));
}

fn toy_scope() -> InstrumentationScope {
    let (name, version) = otel_messaging_testing::toy::producer::SYSTEM.scope();
    InstrumentationScope::builder(name)
        .with_version(version)
        .with_schema_url(semconv::SCHEMA_URL)
        .build()
}

/// The layer's sampler is asked once, with all that the own tracer's would see.
#[tokio::test]
async fn the_sampler_sees_links_and_attributes() {
    for decision in [SamplingDecision::RecordAndSample, SamplingDecision::Drop] {
        let sampler = SeenBySampler::new(decision.clone());
        let telemetry = Telemetry::builder().with_sampler(sampler.clone()).build();
        let stage = Stage::with(false, telemetry, |builder| {
            builder.with_attributes(|_| vec![KeyValue::new("shop", "north")])
        });
        let _default = stage.subscribe();
        let batch: Batch<_> = [stage.order().await, stage.order().await].into_iter().collect();
        let worker = info_span!("worker");
        batch.process(async {}).instrument(worker).await;
        let seen = sampler.seen();
        let seen: Vec<_> = seen.iter().filter(|seen| seen.name == "process orders").collect();
        let [seen] = seen[..] else { panic!("{seen:?}") };
        assert_eq!((seen.kind.clone(), seen.links.len()), (SpanKind::Consumer, 2));
        assert!(seen.parent.is_some());
        for (key, value) in [
            ("shop", "north"),
            (semconv::SYSTEM, "toy"),
            (semconv::DESTINATION_NAME, "orders"),
            (semconv::CONSUMER_GROUP_NAME, "toys"),
        ] {
            assert!(seen.attributes.contains(&KeyValue::new(key, value)), "{key}");
        }
    }
}

/// A root of its trace is one for subscribers too: a log inside it does not name the spans around.
#[tokio::test]
async fn a_root_has_no_parent_in_the_subscriber() {
    for (choice, expected) in
        [(ProcessParent::Ambient, Some("worker")), (ProcessParent::Root, None)]
    {
        let stage =
            Stage::with(true, Telemetry::new(), |builder| builder.with_process_parent(choice));
        let parents = Parents::default();
        let subscriber = tracing_subscriber::registry().with(stage.layer()).with(parents.clone());
        let _default = dispatcher::set_default(&Dispatch::new(subscriber));
        let order = stage.order().await;
        let batch: Batch<_> = [stage.order().await].into_iter().collect();
        let worker = info_span!("worker");
        order.process(async {}).instrument(worker.clone()).await;
        batch.process(async {}).instrument(worker).await;
        assert_eq!(*parents.0.lock().unwrap(), [expected; 2], "{choice:?}");
    }
}

/// Keeps the name of the parent of each process span.
#[derive(Clone, Default)]
struct Parents(Arc<Mutex<Vec<Option<&'static str>>>>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Parents {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let span = context.span(id).unwrap();
        if span.name() == "process" {
            self.0.lock().unwrap().push(span.parent().map(|parent| parent.name()));
        }
    }
}

/// Only the layer has a provider: there is no global one.
#[tokio::test]
async fn process_spans_need_no_other_provider() {
    let telemetry = Telemetry::new();
    let layer = tracing_opentelemetry::layer().with_tracer(telemetry.tracer());
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let _default = dispatcher::set_default(&subscriber);
    let broker = Broker::new(1);
    let instrumentation = Instrumentation::builder().with_metrics(false).build();
    let producer = Producer::new(&broker, &instrumentation);
    let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
    for count in 1..200 {
        producer.send(Record::new("orders", "")).await.unwrap();
        let order = consumer.receive().await.unwrap();
        order.process(async {}).await;
        assert_eq!(telemetry.spans().len(), count);
    }
}

/// The span ends with the handler and lasts as long as the metric says, even if a layer keeps it.
#[tokio::test]
async fn a_span_that_is_kept_ends_with_the_handler() {
    let stage = Stage::new(true);
    let _default = stage.subscribe();
    let order = stage.order().await;
    let mut kept = None;
    order.process(async { kept = Some(tracing::Span::current()) }).await;
    let before = the(&stage, "process orders");
    let sums = stage.telemetry.histogram_sums(semconv::PROCESS_DURATION);
    let difference = sums[0] - before.seconds();
    assert!((0.0..0.05).contains(&difference), "{sums:?} s, the span {} s", before.seconds());
    kept.unwrap().in_scope(|| info!("too late"));
    assert!(events(&stage, "process orders").is_empty());
    assert_eq!(the(&stage, "process orders").end_time, before.end_time);
}

#[test]
fn a_panic_in_the_layer_never_reaches_the_handler() {
    for panics in [Panics::InSampler, Panics::WhenSpansStart, Panics::WhenSpansEnd] {
        let stage = Arc::new(Stage::new(true));
        let tracer = panics.tracer_provider().tracer("panics");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
        let _default = dispatcher::set_default(&subscriber);
        let order = || stage.order().now_or_never().unwrap();
        let handled = order().process(async { Ok::<_, Infallible>("handled") }).now_or_never();
        assert_eq!(handled, Some(Ok("handled")));
        let batch: Batch<_> = [order(), order()].into_iter().collect();
        assert_eq!(batch.process_sync(|| Ok::<_, Infallible>("handled")), Ok("handled"));
        drop(order().start_process());
        let order = order();
        let work = || order.process_sync(|| -> () { panic!("this handler panics, as wanted") });
        let panic = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"this handler panics, as wanted"));
        // The metrics are complete: one message alone, one batch, two that failed.
        let sums = stage.telemetry.histogram_sums(semconv::PROCESS_DURATION);
        assert_eq!(sums.len(), 3, "{sums:?}");
        assert!(!Context::current().span().span_context().is_valid());
    }
}

/// A layer of its own that panics when spans are entered or closed.
struct Hostile;

impl<S: Subscriber> Layer<S> for Hostile {
    fn on_enter(&self, _: &Id, _: layer::Context<'_, S>) {
        panic!("this layer panics, as the test wants");
    }

    fn on_close(&self, _: Id, _: layer::Context<'_, S>) {
        panic!("this layer panics, as the test wants");
    }
}

#[test]
fn a_panic_of_another_layer_never_reaches_the_handler() {
    let stage = Stage::new(true);
    let layers = tracing_subscriber::registry().with(stage.layer()).with(Hostile);
    let _default = dispatcher::set_default(&Dispatch::new(layers));
    let order = stage.order().now_or_never().unwrap();
    let handled = order.process(async { Ok::<_, Infallible>("handled") }).now_or_never();
    assert_eq!(handled, Some(Ok("handled")));
    assert!(is_of_layer(&stage, "process orders"));
}
