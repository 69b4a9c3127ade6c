use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{
    AsReceived as _, Destination, Instrumentation, Instrumenter, MessageView, OperationType,
    System,
    client::{AttributeValue, Clock, Field, Message, NotInjected, OutgoingMessage},
    semconv,
};

use super::{
    Broker, Outgoing,
    bare::operation,
    expect::{Attributes, operation_duration, sent_messages},
    scene::{Scene, order, values},
};
use crate::{
    attributes::assert_attributes,
    spans::remote,
    telemetry::{Seen, SeenBySampler, Telemetry},
};

/// Samplers see the conventions' sampling-relevant attributes and those of a hook. Other attributes
/// are set on recording spans only. A filter excludes operations from spans.
pub async fn r19_samplers_see_what_matters<B: Broker>() {
    seen_at_creation::<B>(SamplingDecision::RecordAndSample).await;
    seen_at_creation::<B>(SamplingDecision::Drop).await;
    a_hook_adds_at_creation::<B>().await;
    a_filter_excludes::<B>().await;
    hooks_see_the_message::<B>().await;
    sampled_out_builds_nothing(&SamplingDecision::Drop);
    sampled_out_builds_nothing(&SamplingDecision::RecordAndSample);
}

async fn seen_at_creation<B: Broker>(decision: SamplingDecision) {
    let sampler = SeenBySampler::new(decision.clone());
    let telemetry = Telemetry::builder().with_sampler(sampler.clone());
    let scene = Scene::<B>::on(telemetry, |builder| {
        // These are enabled, but are not sampling-relevant.
        builder.with_message_keys(true).with_message_sizes(true).with_captured_headers(["other"])
    })
    .await;
    scene.whole_life(order().with_headers([("other", "1")])).await;
    scene.broker.send_batch(vec![order()]).await;
    let batch = scene.broker.receive_batch(1).await.expect("a batch is received");
    batch.process(async {}).await;
    let single =
        [Some(OperationType::Send), Some(OperationType::Receive), Some(OperationType::Process)];
    let settle = B::SETTLE.map(|_| OperationType::Settle);
    let batch = [
        OperationType::Create,
        OperationType::Send,
        OperationType::Receive,
        OperationType::Process,
    ];
    let operations = single.into_iter().chain([settle]).flatten().chain(batch);
    let operations: Vec<OperationType> = operations.collect();
    let seen = sampler.seen();
    assert_eq!(seen.len(), operations.len(), "the sampler is called once per span: {seen:#?}");
    for (operation, seen) in operations.into_iter().zip(seen) {
        assert_seen(&scene, operation, &seen, Vec::new());
    }
    let exported = scene.telemetry.spans().len();
    assert_eq!(exported > 0, decision == SamplingDecision::RecordAndSample);
}

/// Asserts that a span was created with the sampling-relevant attributes and `more`.
#[track_caller]
fn assert_seen<B: Broker>(
    scene: &Scene<B>,
    operation: OperationType,
    seen: &Seen,
    more: Attributes,
) {
    let place = super::Place { partition: super::expect::first::<B>(), position: None };
    let name = scene.broker.destination(operation, "orders");
    assert_eq!(seen.name, format!("{} {name}", scene.verb(operation)));
    let mut expected = scene.counted(operation, "orders", place.partition);
    expected.push((semconv::OPERATION_TYPE, operation.as_str().into()));
    expected.extend(more);
    assert_attributes(&seen.attributes, expected);
}

async fn a_hook_adds_at_creation<B: Broker>() {
    let sampler = SeenBySampler::new(SamplingDecision::RecordAndSample);
    let telemetry = Telemetry::builder().with_sampler(sampler.clone());
    let scene = Scene::<B>::on(telemetry, |builder| {
        builder.with_attributes(|message| {
            let destination = message.destination();
            let name = destination.map(|destination| destination.name().len()).unwrap_or_default();
            vec![
                KeyValue::new("app.operation", message.operation().name()),
                KeyValue::new("app.length", i64::try_from(name).unwrap_or_default()),
            ]
        })
    })
    .await;
    let place = scene.send(order()).await;
    let added = |operation| -> Attributes {
        let length = scene.broker.destination(operation, "orders").len();
        let length = i64::try_from(length).expect("a short name");
        vec![("app.operation", scene.verb(operation).into()), ("app.length", length.into())]
    };
    assert_seen(&scene, OperationType::Send, &sampler.seen()[0], added(OperationType::Send));
    let receive = scene.received(B::place_of(&scene.receive().await));
    scene.telemetry.assert_spans([
        scene.sent(place).label("send").attributes(added(OperationType::Send)),
        receive.linked_to(remote("send")).attributes(added(OperationType::Receive)),
    ]);
}

/// Asserts that a filter excludes operations from spans, and that contexts and metrics remain.
async fn a_filter_excludes<B: Broker>() {
    let excluded = |message: &MessageView<'_>| {
        let destination = message.destination();
        let is_bill = destination.is_some_and(|destination| destination.name().contains("bills"));
        !is_bill && message.operation().operation_type() != OperationType::Receive
    };
    let scene = Scene::<B>::with(|builder| builder.with_filter(excluded)).await;
    let bill = || Outgoing::new("bills").with_partition(0);
    let request = scene
        .within("request", async {
            scene.send(bill()).await;
            super::scene::current_span()
        })
        .await;
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [super::scene::traceparent(&request)]);
    scene.telemetry.clear();
    let place = scene.send(order()).await;
    let message = scene.receive().await;
    message.as_received().process(async {}).await;
    scene.telemetry.assert_spans([
        scene.sent(place).label("send"),
        scene.processed(B::place_of(&message)).linked_to(remote("send")),
    ]);
    let first = super::expect::first::<B>();
    let points = |operation: OperationType| {
        let timed = |name| (1, scene.timed(operation, name, first));
        [timed("orders"), timed("bills")]
    };
    let counted = |operation: OperationType| {
        let counted = |name| (1, scene.counted(operation, name, first));
        vec![counted("orders"), counted("bills")]
    };
    let durations = points(OperationType::Send).into_iter().chain(points(OperationType::Receive));
    let process = scene.timed(OperationType::Process, "orders", first);
    scene.telemetry.assert_metrics([
        operation_duration(durations.collect()),
        sent_messages(counted(OperationType::Send)),
        super::expect::consumed_messages(counted(OperationType::Receive)),
        super::expect::process_duration(vec![(1, process)]),
    ]);
}

/// Asserts that hooks see the message of each operation on one message, sent or received, and the
/// number of messages and their destination of each operation on a batch.
async fn hooks_see_the_message<B: Broker>() {
    let seen: Arc<Mutex<Vec<SeenByHook>>> = Arc::default();
    let scene = Scene::<B>::with(|builder| {
        let (to_filter, to_attributes) = (Arc::clone(&seen), Arc::clone(&seen));
        let keep = |seen: &Mutex<Vec<SeenByHook>>, message: &MessageView<'_>| {
            seen.lock().expect("no lock is poisoned").push(SeenByHook::new(message));
        };
        let filter = move |message: &MessageView<'_>| {
            keep(&to_filter, message);
            true
        };
        let attributes = move |message: &MessageView<'_>| {
            keep(&to_attributes, message);
            Vec::new()
        };
        builder.with_filter(filter).with_attributes(attributes)
    })
    .await;
    let message = || {
        let message = order().with_headers([("type", "order")]).with_body("7 apples");
        Outgoing { key: Some(b"customer 7".to_vec()), ..message }
    };
    scene.whole_life(message()).await;
    scene.broker.send_batch(vec![message(), message()]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    batch.process(async {}).await;

    let destination = |operation| Some(scene.broker.destination(operation, "orders"));
    let one = |operation| SeenByHook {
        operation,
        count: 1,
        destination: destination(operation),
        header: Some(b"order".to_vec()),
        key: B::SYSTEM.key_attribute().map(|_| b"customer 7".to_vec()),
        body_size: Some(8),
    };
    let several = |operation| SeenByHook {
        operation,
        count: 2,
        destination: destination(operation),
        header: None,
        key: None,
        body_size: None,
    };
    let settle = B::SETTLE.map(|_| one(OperationType::Settle));
    let expected =
        [one(OperationType::Send), one(OperationType::Receive), one(OperationType::Process)]
            .into_iter()
            .chain(settle)
            .chain([one(OperationType::Create), one(OperationType::Create)])
            .chain(
                [OperationType::Send, OperationType::Receive, OperationType::Process].map(several),
            );
    // The filter sees an operation first, and the attributes are asked for after that.
    let expected: Vec<SeenByHook> = expected.flat_map(|seen| [seen.clone(), seen]).collect();
    assert_eq!(*seen.lock().expect("no lock is poisoned"), expected);
}

/// What a hook saw of an operation.
#[derive(Clone, Debug, PartialEq)]
struct SeenByHook {
    operation: OperationType,
    count: usize,
    destination: Option<String>,
    header: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    body_size: Option<usize>,
}

impl SeenByHook {
    fn new(message: &MessageView<'_>) -> Self {
        Self {
            operation: message.operation().operation_type(),
            count: message.count(),
            destination: message.destination().map(|destination| destination.name().to_owned()),
            header: message.header("type").map(<[u8]>::to_vec),
            key: message.key().map(<[u8]>::to_vec),
            body_size: message.body_size(),
        }
    }
}

/// A message that counts how often it is asked for attributes of recording spans.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn asked(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Message for Counting {
    fn destination(&self) -> Destination<'_> {
        Destination::new("orders")
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        if name == "captured" {
            self.asked();
        }
        None
    }

    fn attributes<'a>(
        &'a self,
        _: OperationType,
        visit: &mut dyn FnMut(&'static str, AttributeValue<'a>),
    ) {
        self.asked();
        visit("position", 1_i64.into());
    }

    fn key(&self) -> Option<&[u8]> {
        self.asked();
        None
    }

    fn body_size(&self) -> Option<usize> {
        self.asked();
        None
    }

    fn envelope_size(&self) -> Option<usize> {
        self.asked();
        None
    }
}

impl OutgoingMessage for Counting {
    fn replace_headers(&mut self, _: &[Field<'_>]) -> Result<(), NotInjected> {
        Ok(())
    }
}

/// Asserts, without a broker, that no further attribute is built for a span that is sampled out.
fn sampled_out_builds_nothing(decision: &SamplingDecision) {
    let telemetry = Telemetry::builder().with_sampler(SeenBySampler::new(decision.clone())).build();
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_metrics(false)
        .with_message_keys(true)
        .with_message_sizes(true)
        .with_captured_headers(["captured"])
        .build();
    let system = System::new("counting", "counting", "1").with_key_attribute("key");
    let instrumenter = Instrumenter::builder(system).build(&instrumentation);
    let mut message = Counting::default();
    let send = instrumenter.send(operation(OperationType::Send), &mut message);
    let is_recorded = *decision == SamplingDecision::RecordAndSample;
    assert_eq!(send.is_recording(), is_recorded);
    assert_eq!(send.span_context().is_valid(), is_recorded, "no span is kept if it is sampled out");
    send.end();
    let clock: Clock = instrumenter.clock();
    let received = instrumenter.receive(operation(OperationType::Receive), clock, message);
    received.process_sync(|| ());
    received.settle(operation(OperationType::Settle)).end();
    let asked = received.get_ref().0.load(Ordering::Relaxed);
    assert_eq!(asked > 0, *decision == SamplingDecision::RecordAndSample, "asked {asked} times");
}
