use opentelemetry::{Context, trace::TraceContextExt as _};
use otel_messaging_core::{AsReceived as _, Propagation};

use super::{
    Broker, Outgoing,
    propagator::w3c,
    scene::{Scene, creation_of, current_span, foreign, foreign_context, order, saw, with_baggage},
};
use crate::spans::{remote, span};

/// A context is extracted from the message's headers only, never from the ambient context. An
/// invalid span context counts as none.
pub async fn r02_extract_ignores_the_ambient_context<B: Broker>() {
    for propagation in w3c() {
        the_ambient_context_is_not_extracted::<B>(propagation.clone()).await;
        malformed_fields_count_as_none::<B>(propagation.clone()).await;
        well_formed_fields_are_read::<B>(propagation).await;
    }
}

async fn the_ambient_context_is_not_extracted<B: Broker>(propagation: Propagation) {
    let scene = Scene::<B>::with(|builder| builder.with_propagator(propagation)).await;
    let ambient = with_baggage(&Context::new(), "tenant", "ambient");
    let place = scene
        .within_context(&ambient, "request", async {
            let message = scene.receive_foreign(order()).await;
            let creation = creation_of::<B>(&message);
            assert!(!creation.is_valid(), "the message has no context: {creation:?}");
            assert!(creation.baggage().is_none());
            let Ok(inside) = message.as_received().process(saw(current_span)).await;
            assert_ne!(&inside, Context::current().span().span_context());
            B::place_of(&message)
        })
        .await;
    scene.telemetry.assert_spans([
        span("request").label("request"),
        scene.received(place).child_of("request"),
        scene.processed(place).child_of("request"),
    ]);
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Asserts that the invalid cases of the W3C test suite, and some more, count as no context.
async fn malformed_fields_count_as_none<B: Broker>(propagation: Propagation) {
    let scene = Scene::<B>::with(|builder| builder.with_propagator(propagation.clone())).await;
    let mut cases: Vec<Outgoing> = [
        String::new(),
        "garbage".to_owned(),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("FF-{TRACE}-{SPAN}-01"),
        format!(".0-{TRACE}-{SPAN}-01"),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-what-the-future"),
        format!("01-{TRACE}-{SPAN}-01what"),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-.{}-{SPAN}-01", &TRACE[1..]),
        format!("00-+{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}0-01"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-.0"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{TRACE}-{SPAN}-01é"),
    ]
    .into_iter()
    .map(|traceparent| order().with_headers([("traceparent", traceparent)]))
    .collect();
    // A `tracestate` needs a `traceparent`.
    cases.push(order().with_headers([("tracestate", "vendor=1")]));
    if B::HEADERS.binary {
        cases.push(order().with_headers([("traceparent", vec![0xff; 55])]));
    }
    if B::HEADERS.null {
        cases.push(order().with_all_headers(vec![("traceparent".to_owned(), None)]));
    }
    scene.broker.send_foreign(cases.clone()).await;
    for case in &cases {
        let message = scene.receive().await;
        let creation = creation_of::<B>(&message);
        assert!(!creation.is_valid(), "{propagation:?} accepted {:?}", case.headers);
    }
}

async fn well_formed_fields_are_read<B: Broker>(propagation: Propagation) {
    let scene = Scene::<B>::with(|builder| builder.with_propagator(propagation.clone())).await;
    let cases = [
        // Version 00 only, as the SDK's own propagator reads no other.
        (vec![foreign(0)], Some("a=1,b=2"), "a=1,b=2", true),
        (vec![foreign(0)], Some("not=a=list"), "", true),
        (vec![foreign(0)], None, "", true),
        (vec![foreign(0).replace("-01", "-00")], None, "", false),
        // The last of several values wins: a producer that appends headers wrote it last.
        (vec![foreign(7), foreign(0)], None, "", true),
    ];
    for (traceparents, tracestate, state, sampled) in cases {
        let [.., traceparent] = &*traceparents else { continue };
        let single = [traceparent.clone()];
        let traceparents = if B::HEADERS.duplicate { &*traceparents } else { &single };
        let fields = traceparents.iter().map(|value| ("traceparent", value.clone()));
        let fields = fields.chain(tracestate.map(|value| ("tracestate", value.to_owned())));
        let message = scene.receive_foreign(order().with_headers(fields)).await;
        let found = creation_of::<B>(&message).span_context();
        let expected = foreign_context(0);
        assert_eq!(found.trace_id(), expected.trace_id(), "{propagation:?}: {traceparents:?}");
        assert_eq!(found.span_id(), expected.span_id());
        assert_eq!(found.is_sampled(), sampled);
        assert_eq!(found.trace_state().header(), state);
        assert!(found.is_remote());
    }
    let place = {
        scene.telemetry.clear();
        let message = order().with_headers([("traceparent", foreign(3))]);
        let message = scene.receive_foreign(message).await;
        message.as_received().process(async {}).await;
        B::place_of(&message)
    };
    scene.telemetry.assert_spans([
        scene.received(place).linked_to(remote(foreign_context(3))),
        scene.processed(place).linked_to(remote(foreign_context(3))),
    ]);
}
