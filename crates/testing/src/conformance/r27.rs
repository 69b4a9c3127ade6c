use std::{collections::HashSet, convert::Infallible};

use opentelemetry::{
    Context,
    context::FutureExt as _,
    trace::{SpanContext, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision};
use otel_messaging_core::{
    AsReceived as _, InstrumentationBuilder, OperationType, ProcessParent, ReceiveSpans, Received,
    client::Message,
};

use super::{
    Broker, Outgoing,
    scene::{
        Scene, current_baggage, current_span, foreign, foreign_context, order, saw, with_baggage,
    },
};
use crate::{
    spans::{ExpectedSpan, remote, span},
    telemetry::{SeenBySampler, Telemetry},
};

/// The application chooses the parent of process spans for an instrumentation, and for a message.
/// Whatever is not the parent is linked. A root is one for every sampler.
pub async fn r27_the_topology_is_chosen<B: Broker>() {
    let scene = Scene::<B>::with(root).await;
    a_root_in_every_form(&scene).await;
    a_root_without_an_ambient_span(&scene).await;
    a_root_without_a_creation_context(&scene).await;
    a_root_of_a_batch(&scene).await;
    inside_a_root(&scene).await;
    samplers_see_no_parent::<B>().await;
    a_batch_past_the_link_limit::<B>().await;
    chosen_by_the_message::<B>().await;
    chosen_by_the_destination_and_the_count::<B>().await;
    a_choice_that_panics_is_ignored::<B>().await;
    without_a_span_the_chosen_context_flows::<B>().await;
    a_receive_span_is_a_trace_of_its_own::<B>().await;
    a_span_for_each_message_of_a_batch::<B>().await;
}

/// Counts the spans and the traces of a message that nothing surrounds, with and without receive
/// spans of single messages. README.md has the numbers.
async fn a_receive_span_is_a_trace_of_its_own<B: Broker>() {
    let settle = usize::from(B::SETTLE.is_some());
    for (receive_spans, spans, traces) in [(ReceiveSpans::All, 3, 3), (ReceiveSpans::Batches, 2, 2)]
    {
        let scene = Scene::<B>::with(|builder| builder.with_receive_spans(receive_spans)).await;
        scene.whole_life(order()).await;
        let finished = scene.telemetry.spans();
        let ids: HashSet<TraceId> =
            finished.iter().map(|span| span.span_context.trace_id()).collect();
        assert_eq!((finished.len(), ids.len()), (spans + settle, traces), "{receive_spans:?}");
    }
}

/// Asserts that the messages of a batch may be processed one by one: inside the batch's span, or with
/// a trace each.
async fn a_span_for_each_message_of_a_batch<B: Broker>() {
    let scene = Scene::<B>::new().await;
    scene.broker.send_foreign(vec![carrying(1), carrying(2)]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    let each = async {
        for message in &batch {
            message.as_received().process(async {}).await;
        }
    };
    batch.process(each).await;
    for message in &batch {
        message.as_received().process(async {}).await;
    }
    let linked = |id: usize| process(&scene, &batch[id - 1]).linked_to(remote(foreign_context(id)));
    let whole = (1..=2).fold(scene.batch(OperationType::Process, 2), |span, id| {
        let place = B::place_of(&batch[id - 1]);
        let position = scene.position_attribute(OperationType::Process, place);
        span.link_with(remote(foreign_context(id)), position)
    });
    scene.telemetry.assert_spans([
        whole.label("batch"),
        linked(1).child_of("batch"),
        linked(2).child_of("batch"),
        linked(1).root(),
        linked(2).root(),
    ]);
}

fn root(builder: InstrumentationBuilder) -> InstrumentationBuilder {
    builder.with_process_parent(ProcessParent::Root)
}

fn carrying(id: usize) -> Outgoing {
    order().with_headers([("traceparent", foreign(id))])
}

fn process<B: Broker>(scene: &Scene<B>, message: &B::Message<'_>) -> ExpectedSpan {
    scene.processed(B::place_of(message))
}

/// Asserts it for the future, the closure and the guard.
async fn a_root_in_every_form<B: Broker>(scene: &Scene<B>) {
    let message = scene.receive_foreign(carrying(1)).await;
    let received = message.as_received();
    let assert_root = || {
        let root = process(scene, &message).root();
        let root = root.linked_to(remote(foreign_context(1))).linked_to("loop").links_in_order();
        let spans = scene.telemetry.assert_spans([span("loop").label("loop"), root]);
        let [around, root] = [&spans[0], &spans[1]].map(|span| span.span_context.trace_id());
        assert!(root != around && root != foreign_context(1).trace_id(), "it has a new trace id");
        scene.telemetry.clear();
    };
    scene.telemetry.clear();
    scene.within("loop", received.process(async {})).await;
    assert_root();
    scene.within("loop", async { received.process_sync(|| ()) }).await;
    assert_root();
    scene.within("loop", async { received.start_process().end() }).await;
    assert_root();
}

async fn a_root_without_an_ambient_span<B: Broker>(scene: &Scene<B>) {
    let message = scene.receive_foreign(carrying(1)).await;
    scene.telemetry.clear();
    message.as_received().process(async {}).await;
    let root = process(scene, &message).root();
    scene.telemetry.assert_spans([root.linked_to(remote(foreign_context(1)))]);
}

async fn a_root_without_a_creation_context<B: Broker>(scene: &Scene<B>) {
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    scene.within("loop", message.as_received().process(async {})).await;
    let root = process(scene, &message).root().linked_to("loop");
    scene.telemetry.assert_spans([span("loop").label("loop"), root]);
}

/// Asserts that the span of a batch is a root with links to its messages, then to the ambient span.
async fn a_root_of_a_batch<B: Broker>(scene: &Scene<B>) {
    scene.broker.send_foreign(vec![carrying(1), carrying(2)]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    scene.within("loop", batch.process(async {})).await;
    batch.process(async {}).await;
    let root = || {
        let root = scene.batch(OperationType::Process, 2).root();
        batch.iter().zip(1..).fold(root, |root, (message, id)| {
            let position = scene.position_attribute(OperationType::Process, B::place_of(message));
            root.link_with(remote(foreign_context(id)), position)
        })
    };
    scene.telemetry.assert_spans([
        span("loop").label("loop"),
        root().linked_to("loop").links_in_order(),
        root().links_in_order(),
    ]);
}

/// Asserts that the handler works in the root, and with the baggage of the message or around it.
async fn inside_a_root<B: Broker>(scene: &Scene<B>) {
    let around = with_baggage(&Context::new(), "tenant", "ambient");
    for (baggage, expected) in [(None, "ambient"), (Some("tenant=south"), "south")] {
        let headers = baggage.map(|baggage| ("baggage", baggage));
        let message = scene.receive_foreign(carrying(1).with_headers(headers)).await;
        scene.telemetry.clear();
        let inside = saw(|| (current_span(), current_baggage("tenant")));
        let handled = message.as_received().process(inside);
        let Ok((own, tenant)) = scene.within_context(&around, "loop", handled).await;
        assert_eq!(tenant.as_deref(), Some(expected));
        let name = scene.broker.destination(OperationType::Process, "orders");
        assert_eq!(scene.the_span(&format!("process {name}")).span_context, own);
    }
}

/// Asserts it with the SDK's sampler that takes any span of the context for a parent, valid or not.
async fn samplers_see_no_parent<B: Broker>() {
    let sampler = SeenBySampler::new(SamplingDecision::RecordAndSample);
    let parent_based = Sampler::ParentBased(Box::new(sampler.clone()));
    let scene = Scene::<B>::on(Telemetry::builder().with_sampler(parent_based), root).await;
    let message = scene.receive_foreign(carrying(1)).await;
    scene.broker.send_foreign(vec![carrying(2)]).await;
    let batch = scene.broker.receive_batch(1).await.expect("a batch is received");
    scene.telemetry.clear();
    let asked = sampler.seen().len();
    let around = Context::new().with_remote_span_context(foreign_context(9));
    message.as_received().process(async {}).with_context(around.clone()).await;
    batch.process(async {}).with_context(around).await;
    let seen = sampler.seen().split_off(asked);
    let seen: Vec<_> = seen.iter().map(|seen| (seen.parent.clone(), seen.links.len())).collect();
    assert_eq!(seen, [(None, 2), (None, 2)], "a root's sampler is asked, and sees both links");
    assert_eq!(scene.telemetry.spans().len(), 2);
}

/// Asserts that the link to the ambient span is not lost where the batch has more links than the
/// SDK takes.
async fn a_batch_past_the_link_limit<B: Broker>() {
    let telemetry = Telemetry::builder().with_max_links_per_span(2);
    let scene = Scene::<B>::on(telemetry, |builder| root(builder).with_link_limit(2)).await;
    scene.broker.send_foreign(vec![carrying(1), carrying(2)]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    let around = Context::new().with_remote_span_context(foreign_context(9));
    batch.process(async {}).with_context(around).await;
    let child = scene.the_span("links");
    let links: Vec<_> = child.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(links, [foreign_context(9).span_id()]);
}

/// Asserts that a function of the message chooses, and leaves others to the instrumentation.
async fn chosen_by_the_message<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        root(builder).with_process_parent_by(|message| match message.header("topology")? {
            b"ambient" => Some(ProcessParent::Ambient),
            b"creation" => Some(ProcessParent::CreationContext),
            _ => None,
        })
    })
    .await;
    for topology in ["ambient", "creation", "other"] {
        let message = carrying(1).with_headers([("topology", topology)]);
        let message = scene.receive_foreign(message).await;
        scene.telemetry.clear();
        scene.within("loop", message.as_received().process(async {})).await;
        let creation = remote(foreign_context(1));
        let process = process(&scene, &message).linked_to(creation.clone());
        let process = match topology {
            "ambient" => process.child_of("loop"),
            "creation" => process.child_of(creation).linked_to("loop"),
            _ => process.root().linked_to("loop"),
        };
        scene.telemetry.assert_spans([span("loop").label("loop"), process]);
    }
}

/// Asserts that the function sees the operation, the destination and the size of a batch.
async fn chosen_by_the_destination_and_the_count<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        builder.with_process_parent_by(|message| {
            let is_process = message.operation().operation_type() == OperationType::Process;
            assert!(is_process, "it is asked for process spans only");
            let is_order = message.destination()?.name().contains("orders");
            (is_order && message.count() == 1).then_some(ProcessParent::Root)
        })
    })
    .await;
    let message = scene.receive_foreign(carrying(1)).await;
    scene.telemetry.clear();
    scene.within("loop", message.as_received().process(async {})).await;
    scene.broker.settle(&message).await.expect("the message is settled");
    let root = process(&scene, &message).root().linked_to("loop");
    let root = root.linked_to(remote(foreign_context(1)));
    scene.telemetry.assert_includes([span("loop").label("loop"), root]);
    scene.broker.send_foreign(vec![order(), order()]).await;
    let batch = scene.broker.receive_batch(2).await.expect("a batch is received");
    scene.telemetry.clear();
    scene.within("loop", batch.process(async {})).await;
    let child = scene.batch(OperationType::Process, 2).child_of("loop");
    scene.telemetry.assert_spans([span("loop").label("loop"), child]);
}

async fn a_choice_that_panics_is_ignored<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        root(builder).with_process_parent_by(|_| panic!("the choice panics"))
    })
    .await;
    let message = scene.receive_foreign(order()).await;
    scene.telemetry.clear();
    let handled = message.as_received().process(saw(|| "handled"));
    assert_eq!(scene.within("loop", handled).await, Ok::<_, Infallible>("handled"));
    let root = process(&scene, &message).root().linked_to("loop");
    scene.telemetry.assert_spans([span("loop").label("loop"), root]);
}

/// Asserts which context the handler has where there is no process span.
async fn without_a_span_the_chosen_context_flows<B: Broker>() {
    let scene = Scene::<B>::with(|builder| {
        let parent = |name: &[u8]| PARENTS.into_iter().find(|(known, ..)| known.as_bytes() == name);
        builder.with_tracing(false).with_process_parent_by(move |message| {
            parent(message.header("parent")?).map(|(_, parent, _)| parent)
        })
    })
    .await;
    for (name, parent, with_ambient) in PARENTS {
        let message = scene.receive_foreign(carrying(1).with_headers([("parent", name)])).await;
        let around = Context::new().with_remote_span_context(foreign_context(9));
        let inside = |around| span_inside(message.as_received(), around);
        assert_eq!(inside(around.clone()).await, foreign_context(with_ambient), "{parent:?}");
        assert_eq!(inside(Context::new()).await, foreign_context(1), "{parent:?}");
        // Without a creation context, only the ambient one is there to flow.
        let message = scene.receive_foreign(order().with_headers([("parent", name)])).await;
        let inside = span_inside(message.as_received(), around).await;
        assert_eq!(inside, foreign_context(9), "{parent:?}");
    }
}

/// The choices, and which context flows where context 1 is in the message and context 9 is ambient.
const PARENTS: [(&str, ProcessParent, usize); 4] = [
    ("ambient", ProcessParent::Ambient, 9),
    ("creation if no ambient", ProcessParent::CreationContextIfNoAmbient, 9),
    ("creation", ProcessParent::CreationContext, 1),
    ("root", ProcessParent::Root, 1),
];

async fn span_inside<M: Message>(message: &Received<M>, around: Context) -> SpanContext {
    let Ok(inside) = message.process(saw(current_span)).with_context(around).await;
    inside
}
