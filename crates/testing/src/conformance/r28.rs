mod baggage;

use std::{convert::Infallible, sync::Mutex};

use opentelemetry::{
    Context,
    context::FutureExt as _,
    trace::{Link, SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::trace::Sampler;
use otel_messaging_core::{
    AsReceived as _, CreationContext, Destination, ExistingContext, Instrumentation,
    InstrumentationBuilder, Instrumenter, OperationType, ProcessParent, Propagation, System, Trust,
    client::Message,
};

use super::{
    Broker, Outgoing,
    propagator::{ONE_FIELD, OneField, w3c},
    scene::{
        Scene, creation_of, current_baggage, current_span, foreign, foreign_context, order, saw,
        values, with_baggage,
    },
};
use crate::{
    spans::{ExpectedSpan, remote, span},
    telemetry::Telemetry,
    toy::Record,
};

const ALL: [Trust; 3] = [Trust::Full, Trust::Links, Trust::None];
const PARENTS: [ProcessParent; 3] =
    [ProcessParent::Ambient, ProcessParent::CreationContext, ProcessParent::Root];

/// The application chooses how far it believes the context of a message, for an instrumentation and
/// for a message, and which keys of baggage are taken from messages and put into them.
pub async fn r28_trust_is_chosen<B: Broker>() {
    assert_eq!(Trust::default(), Trust::Full);
    spans_parents_and_baggage::<B>().await;
    without_spans::<B>().await;
    what_the_application_keeps_is_its_own::<B>().await;
    for trust in ALL {
        forwarded::<B>(trust).await;
        every_propagator_is_limited(trust);
        restored(trust);
        samplers_follow_a_forged_flag(trust);
    }
    chosen_by_the_message::<B>().await;
    chosen_for_outgoing_messages::<B>().await;
    a_choice_that_panics_believes_nothing::<B>().await;
    headers_that_are_not_wanted_are_not_read();
    baggage::is_taken_by_its_keys::<B>().await;
    baggage::is_put_in_by_its_keys::<B>().await;
    baggage::is_limited_for_every_propagator();
}

/// Makes trust and parent a choice of the message, as a scene takes long to start.
fn by_the_message(builder: InstrumentationBuilder) -> InstrumentationBuilder {
    fn named<T: Copy + std::fmt::Debug>(all: [T; 3], name: Option<&[u8]>) -> Option<T> {
        all.into_iter().find(|choice| name == Some(format!("{choice:?}").as_bytes()))
    }
    builder
        .with_trust_by(|message| named(ALL, message.header("trust")))
        .with_process_parent_by(|message| named(PARENTS, message.header("parent")))
}

/// Returns the headers by which a message chooses.
fn choosing(trust: Trust, parent: ProcessParent) -> [(&'static str, String); 2] {
    [("trust", format!("{trust:?}")), ("parent", format!("{parent:?}"))]
}

/// A message with all that a producer may claim.
fn claiming(id: usize) -> Outgoing {
    order().with_headers(claim(id))
}

fn claim(id: usize) -> [(&'static str, String); 3] {
    [
        ("traceparent", foreign(id)),
        ("tracestate", "vendor=1".to_owned()),
        ("baggage", "tenant=south".to_owned()),
    ]
}

/// Expects what `trust` leaves of the span that [`claiming`] names.
fn believed(trust: Trust, id: usize) -> SpanContext {
    match trust {
        Trust::Full => CreationContext::from_map(claim(id)).span_context().clone(),
        Trust::Links => foreign_context(id),
        _ => SpanContext::NONE,
    }
}

/// Adds the link to what is left of the span that [`claiming`] names.
fn linked(expected: ExpectedSpan, trust: Trust, id: usize) -> ExpectedSpan {
    match trust {
        Trust::None => expected,
        _ => expected.linked_to(remote(believed(trust, id))),
    }
}

/// Asserts parents, links and baggage of the spans of a message, for each combination.
async fn spans_parents_and_baggage<B: Broker>() {
    let scene = Scene::<B>::with(by_the_message).await;
    for trust in ALL {
        for parent in PARENTS {
            scene.telemetry.clear();
            single_message(&scene, trust, parent).await;
        }
    }
}

async fn single_message<B: Broker>(scene: &Scene<B>, trust: Trust, parent: ProcessParent) {
    let message = claiming(1).with_headers(choosing(trust, parent));
    let message = scene.receive_foreign(message).await;
    let creation = creation_of::<B>(&message);
    assert_eq!(*creation.span_context(), believed(trust, 1), "{trust:?}");
    assert_eq!(creation.baggage().is_some(), trust == Trust::Full, "{trust:?}");
    assert_eq!(B::headers_of(&message).len(), 5, "the headers stay in the message");
    let around = with_baggage(&Context::new(), "tenant", "ambient");
    let handled = message.as_received().process(saw(|| current_baggage("tenant")));
    let Ok(tenant) = scene.within_context(&around, "loop", handled).await;
    assert_eq!(tenant.as_deref(), Some(if trust == Trust::Full { "south" } else { "ambient" }));
    // Without ambient baggage, the handler sends on that of the message, or none.
    let billing = scene.broker.send(Outgoing::new("bills").with_partition(0));
    message.as_received().process(billing).await.expect("the message is sent");
    scene.broker.settle(&message).await.expect("the message is settled");
    let place = B::place_of(&message);
    let creation = || remote(believed(trust, 1));
    let process = || linked(scene.processed(place), trust, 1);
    let is_parent = trust == Trust::Full && parent == ProcessParent::CreationContext;
    let in_loop = match parent {
        _ if is_parent => process().child_of(creation()).linked_to("loop"),
        ProcessParent::Root => process().root().linked_to("loop"),
        _ => process().child_of("loop"),
    };
    let alone = if is_parent { process().child_of(creation()) } else { process().root() };
    // A settlement is a child of the span that processed the message first.
    let settled = scene.settled(place).map(|settle| linked(settle.child_of("first"), trust, 1));
    let spans = [
        span("loop").label("loop"),
        linked(scene.received(place), trust, 1),
        in_loop.label("first"),
        alone.label("second"),
    ];
    scene.telemetry.assert_includes(spans.into_iter().chain(settled));
    assert_state_of_links(scene, trust);
    let bill = B::headers_of(&scene.receive().await);
    let expected: &[&str] = if trust == Trust::Full { &["tenant=south"] } else { &[] };
    assert_eq!(values(&bill, "baggage"), expected, "{trust:?}");
}

/// Asserts that a `tracestate` is on links that are fully believed only.
#[track_caller]
fn assert_state_of_links<B: Broker>(scene: &Scene<B>, trust: Trust) {
    let states = |link: &Link| link.span_context.trace_state().header();
    let is_remote = |link: &&Link| link.span_context.is_remote();
    let expected = if trust == Trust::Full { "vendor=1" } else { "" };
    for span in scene.telemetry.spans() {
        for state in span.links.iter().filter(is_remote).map(states) {
            assert_eq!(state, expected, "{trust:?}, {}", span.name);
        }
    }
}

/// Asserts which context flows on where there is no process span.
async fn without_spans<B: Broker>() {
    let scene = Scene::<B>::with(|builder| by_the_message(builder).with_tracing(false)).await;
    for (trust, parent) in ALL.into_iter().flat_map(|trust| PARENTS.map(|parent| (trust, parent))) {
        let message = claiming(1).with_headers(choosing(trust, parent));
        let message = scene.receive_foreign(message).await;
        let inside = || message.as_received().process(saw(current_span));
        let expected = if trust == Trust::Full { believed(trust, 1) } else { SpanContext::NONE };
        assert_eq!(inside().await, Ok::<_, Infallible>(expected), "{trust:?}, {parent:?}");
        let around = Context::new().with_remote_span_context(foreign_context(9));
        let is_ambient = trust != Trust::Full || parent == ProcessParent::Ambient;
        let expected = if is_ambient { foreign_context(9) } else { believed(trust, 1) };
        assert_eq!(inside().with_context(around).await, Ok(expected), "{trust:?}, {parent:?}");
        let forward = scene.broker.send(order());
        message.as_received().process(forward).await.expect("the message is sent");
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(headers.is_empty(), trust != Trust::Full, "{trust:?}: {headers:?}");
    }
}

/// Asserts what becomes of the context in headers that the application copies.
async fn forwarded<B: Broker>(trust: Trust) {
    let scene = Scene::<B>::with(|builder| builder.with_trust(trust)).await;
    let place = scene.send(claiming(1)).await;
    let sent = scene.telemetry.assert_spans([linked(scene.sent(place), trust, 1)]);
    assert_state_of_links(&scene, trust);
    let headers = B::headers_of(&scene.receive().await);
    assert_eq!(values(&headers, "traceparent"), [super::scene::traceparent(&sent[0].span_context)]);
    assert_eq!(values(&headers, "tracestate"), [""; 0], "it was the other context's");
    assert_eq!(values(&headers, "baggage"), [""; 0], "it was the other context's");
}

/// Asserts that a creation context of the application's own is kept, whoever else is believed.
async fn what_the_application_keeps_is_its_own<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        by_the_message(builder).with_existing_context(ExistingContext::Keep)
    })
    .await;
    for trust in ALL {
        scene.send(claiming(1).with_headers([("trust", format!("{trust:?}"))])).await;
        let creation = CreationContext::from_map([("traceparent", foreign(2))]);
        let message = order().with_headers([("trust", format!("{trust:?}"))]);
        let sent = scene.broker.send_with_context(message, &creation).await;
        sent.expect("the message is sent");
        for id in [1, 2] {
            let headers = B::headers_of(&scene.receive().await);
            assert_eq!(values(&headers, "traceparent"), [foreign(id)], "{trust:?}");
        }
    }
}

/// The system of instrumenters without a broker.
const SYSTEM: System = System::new("bare", "bare", "1");

/// Makes a message that has no broker.
fn record(message: Outgoing) -> Record {
    Record { headers: message.headers, ..Record::new("orders", message.body) }
}

/// Asserts it for each propagator, also for one with another format than W3C's.
fn every_propagator_is_limited(trust: Trust) {
    let extract = |propagation, message| {
        let builder = Instrumentation::builder().with_propagator(propagation).with_trust(trust);
        let instrumenter = Instrumenter::builder(SYSTEM).build(&builder.build());
        instrumenter.extract(record(message)).creation_context().clone()
    };
    for propagation in w3c() {
        let creation = extract(propagation, claiming(1));
        assert_eq!(*creation.span_context(), believed(trust, 1), "{trust:?}");
    }
    let foreign = foreign_context(1);
    let field = format!("{}/{}", foreign.trace_id(), foreign.span_id());
    let message = order().with_headers([(ONE_FIELD, field)]);
    let creation = extract(Propagation::custom(OneField), message);
    assert_eq!(creation.is_valid(), trust != Trust::None, "{trust:?}");
}

/// Asserts, without a broker, that a context which was stored is believed as one of a message is.
fn restored(trust: Trust) {
    let telemetry = Telemetry::new();
    let instrumentation = Instrumentation::builder()
        .with_tracer_provider(telemetry.tracer_provider())
        .with_trust(trust)
        .with_process_parent(ProcessParent::CreationContext)
        .build();
    let outbox = Instrumenter::builder(SYSTEM).build(&instrumentation);
    let row = outbox.restore("invoices", CreationContext::from_map(claim(1)), "invoice 7");
    assert_eq!(*row.creation_context().span_context(), believed(trust, 1));
    assert_eq!(row.creation_context().baggage().is_some(), trust == Trust::Full);
    row.process_sync(|| ());
    // A copy is the same message.
    row.map_ref(Clone::clone).process_sync(|| ());
    for span in telemetry.spans() {
        let is_in_its_trace = span.span_context.trace_id() == foreign_context(1).trace_id();
        assert_eq!(is_in_its_trace, trust == Trust::Full);
        assert_eq!(span.links.len(), usize::from(trust != Trust::None));
    }
    assert_eq!(telemetry.spans().len(), 2);
}

/// Asserts, without a broker, that the sampled flag of a message decides only for a span whose
/// parent it is.
fn samplers_follow_a_forged_flag(trust: Trust) {
    for parent in PARENTS {
        let is_followed = trust == Trust::Full && parent == ProcessParent::CreationContext;
        for (root, flags) in [(Sampler::AlwaysOff, "01"), (Sampler::AlwaysOn, "00")] {
            // The flag says the opposite of what the root sampler says.
            let is_sampled = is_followed == (flags == "01");
            let telemetry = Telemetry::builder().with_sampler(Sampler::parent_based(root)).build();
            let instrumentation = Instrumentation::builder()
                .with_tracer_provider(telemetry.tracer_provider())
                .with_trust(trust)
                .with_process_parent(parent)
                .build();
            let forged = format!("{}{flags}", &foreign(1)[..53]);
            let forged = record(order().with_headers([("traceparent", forged)]));
            let message = Instrumenter::builder(SYSTEM).build(&instrumentation).extract(forged);
            message.process_sync(|| {
                assert_eq!(
                    current_span().is_sampled(),
                    is_sampled,
                    "{trust:?}, {parent:?}, {flags}"
                );
            });
        }
    }
}

/// Asserts that a function of the message chooses, also for each message of a batch.
async fn chosen_by_the_message<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder.with_trust(Trust::None).with_trust_by(|message| {
            let operation = message.operation();
            assert_eq!(operation.operation_type(), OperationType::Receive);
            assert_eq!((operation.name(), message.count()), ("receive", 1));
            let is_order = message.destination()?.name().contains("orders");
            match message.header("from")? {
                b"us" if is_order => Some(Trust::Full),
                b"partners" => Some(Trust::Links),
                _ => None,
            }
        })
    })
    .await;
    let from = ["us", "partners", "strangers"];
    let messages =
        from.iter().zip(1..).map(|(from, id)| claiming(id).with_headers([("from", *from)]));
    scene.broker.send_foreign(messages.collect()).await;
    let batch = scene.broker.receive_batch(3).await.expect("a batch is received");
    batch.process(async {}).await;
    let expected = |operation| {
        let links = batch.iter().zip(1..).zip([Trust::Full, Trust::Links]);
        links.fold(scene.batch(operation, 3), |span, ((message, id), trust)| {
            let position = scene.position_attribute(operation, B::place_of(message));
            span.link_with(remote(believed(trust, id)), position)
        })
    };
    let spans = [OperationType::Receive, OperationType::Process].map(expected);
    let spans = scene.telemetry.assert_spans(spans);
    for span in spans {
        let states = span.links.iter().map(|link| link.span_context.trace_state().header());
        assert_eq!(states.collect::<Vec<_>>(), ["vendor=1", ""]);
    }
    let has_baggage = batch.iter().map(|message| creation_of::<B>(message).baggage().is_some());
    assert_eq!(has_baggage.collect::<Vec<_>>(), [true, false, false]);
}

/// Asserts that the function chooses for a context that an outgoing message carries already.
async fn chosen_for_outgoing_messages<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder.with_trust_by(|message| match message.operation().operation_type() {
            OperationType::Send => Some(Trust::Links),
            OperationType::Create => Some(Trust::None),
            _ => None,
        })
    })
    .await;
    let place = scene.send(claiming(1)).await;
    scene.broker.send_batch(vec![claiming(2)]).await;
    scene.telemetry.assert_spans([
        linked(scene.sent(place), Trust::Links, 1),
        scene.created().label("created"),
        scene.sent_batch(1).linked_to("created"),
    ]);
}

/// Asserts that a message which makes the function panic is not believed for that.
async fn a_choice_that_panics_believes_nothing<B: Broker>() {
    let scene =
        Scene::<B>::with(|builder| builder.with_trust_by(|_| panic!("the choice panics"))).await;
    let message = scene.receive_foreign(claiming(1)).await;
    assert_eq!(*creation_of::<B>(&message), CreationContext::NONE);
    assert_eq!(message.as_received().process(saw(|| "handled")).await, Ok("handled"));
    scene.telemetry.assert_spans([
        scene.received(B::place_of(&message)),
        scene.processed(B::place_of(&message)),
    ]);
}

/// A message that keeps which headers it is asked for.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Message for Asked {
    fn destination(&self) -> Destination<'_> {
        Destination::new("orders")
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.lock().expect("no lock is poisoned").push(name.to_owned());
        (name == "traceparent")
            .then_some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    }
}

/// Asserts, without a broker, that what is not wanted of a message is not even looked for.
fn headers_that_are_not_wanted_are_not_read() {
    for (trust, expected) in [
        (Trust::Full, &["traceparent", "tracestate", "baggage"][..]),
        (Trust::Links, &["traceparent"]),
        (Trust::None, &[]),
    ] {
        let instrumentation = Instrumentation::builder()
            .with_propagator(Propagation::TraceContextAndBaggage)
            .with_trust(trust)
            .build();
        let received =
            Instrumenter::builder(SYSTEM).build(&instrumentation).extract(Asked::default());
        assert_eq!(*received.get_ref().0.lock().expect("no lock is poisoned"), expected);
    }
}
