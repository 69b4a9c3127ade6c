//! What every scenario needs: a broker, spans of the application, and the tree that they make.

use std::fmt::Write as _;

use opentelemetry::trace::SpanId;
use opentelemetry_sdk::trace::SdkTracer;
use otel_messaging_core::{Instrumentation, InstrumentationBuilder};
use otel_messaging_testing::{
    telemetry::{FinishedSpan, Telemetry},
    toy::{Broker, Consumer, Message, Producer, Record},
};
use tracing::{Dispatch, Subscriber, dispatcher};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{layer::SubscriberExt as _, registry::LookupSpan};

/// A broker, its telemetry, and whether a layer activates contexts.
pub(crate) struct Stage {
    pub(crate) telemetry: Telemetry,
    pub(crate) producer: Producer,
    pub(crate) consumer: Consumer,
    pub(crate) activation: bool,
}

impl Stage {
    pub(crate) fn new(activation: bool) -> Self {
        Self::with(activation, Telemetry::new(), |builder| builder)
    }

    pub(crate) fn with(
        activation: bool,
        telemetry: Telemetry,
        configure: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
    ) -> Self {
        let builder = Instrumentation::builder()
            .with_tracer_provider(telemetry.tracer_provider())
            .with_meter_provider(telemetry.meter_provider());
        let instrumentation = configure(builder).build();
        let broker = Broker::new(1);
        let producer = Producer::new(&broker, &instrumentation);
        let consumer = Consumer::new(&broker, ["orders"], &instrumentation);
        Self { telemetry, producer, consumer, activation }
    }

    pub(crate) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.telemetry.tracer())
            .with_context_activation(self.activation)
    }

    pub(crate) fn dispatch(&self) -> Dispatch {
        Dispatch::new(tracing_subscriber::registry().with(self.layer()))
    }

    /// For this thread, which is all there is of the runtime.
    pub(crate) fn subscribe(&self) -> dispatcher::DefaultGuard {
        dispatcher::set_default(&self.dispatch())
    }

    pub(crate) async fn send(&self, topic: &str) {
        self.producer.send(Record::new(topic, "7 apples")).await.unwrap();
    }

    /// Sends and receives an order, and forgets the spans of that.
    pub(crate) async fn order(&self) -> Message {
        self.send("orders").await;
        let order = self.consumer.receive().await.unwrap();
        self.telemetry.clear();
        order
    }

    /// The finished spans, each below its parent; siblings by name.
    fn tree(&self) -> String {
        let spans = self.telemetry.spans();
        let mut tree = String::new();
        let is_root = |span: &&FinishedSpan| {
            !spans.iter().any(|other| other.span_context.span_id() == span.parent_span_id)
        };
        let mut roots: Vec<_> = spans.iter().filter(is_root).collect();
        roots.sort_by_key(|span| span.name.clone());
        for root in roots {
            assert_eq!(root.parent_span_id, SpanId::INVALID, "the parent of {} is lost", root.name);
            write_tree(&mut tree, &spans, root, 0);
        }
        tree
    }
}

fn write_tree(tree: &mut String, spans: &[FinishedSpan], span: &FinishedSpan, depth: usize) {
    writeln!(tree, "{:1$}{2}", "", 2 * depth, span.name).unwrap();
    let own = &span.span_context;
    let mut children: Vec<_> =
        spans.iter().filter(|child| child.parent_span_id == own.span_id()).collect();
    children.sort_by_key(|span| span.name.clone());
    for child in children {
        assert_eq!(child.span_context.trace_id(), own.trace_id());
        write_tree(tree, spans, child, depth + 1);
    }
}

#[track_caller]
pub(crate) fn assert_tree(stage: &Stage, expected: &[&str]) {
    let tree = stage.tree();
    assert_eq!(
        tree.lines().collect::<Vec<_>>(),
        expected,
        "context activation: {}",
        stage.activation
    );
}

#[track_caller]
pub(crate) fn the(stage: &Stage, name: &str) -> FinishedSpan {
    let mut spans = stage.telemetry.spans();
    spans.retain(|span| span.name == name);
    assert_eq!(spans.len(), 1, "{name}: {spans:#?}");
    spans.remove(0)
}

/// Names of the events of a span.
#[track_caller]
pub(crate) fn events(stage: &Stage, name: &str) -> Vec<String> {
    the(stage, name).events.iter().map(|event| event.name.to_string()).collect()
}

/// Whether the layer made a span: then it has the layer's attributes.
#[track_caller]
pub(crate) fn is_of_layer(stage: &Stage, name: &str) -> bool {
    let span = the(stage, name);
    let is_of_layer = span.scope().name() == "application";
    let has_thread = span.attributes.iter().any(|attribute| attribute.key.as_str() == "thread.id");
    assert_eq!(is_of_layer, has_thread);
    is_of_layer
}
