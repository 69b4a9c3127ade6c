use opentelemetry::{
    Context, KeyValue, baggage::BaggageExt as _, context::FutureExt as _,
    propagation::TextMapCompositePropagator, trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use otel_messaging_core::{
    AsReceived as _, CreationContext, Instrumentation, Instrumenter, OperationType, Propagation,
};

use super::{
    super::{
        Broker,
        bare::operation,
        scene::{Scene, current_baggage, foreign, foreign_context, order, saw, values},
    },
    SYSTEM, record,
};

/// Asserts that only these keys of a message's baggage come to the handler.
pub(super) async fn is_taken_by_its_keys<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_extracted_baggage(["tenant"])).await;
    let headers = [("traceparent", foreign(1)), ("baggage", "debug=1,tenant=south".into())];
    let message = scene.receive_foreign(order().with_headers(headers)).await;
    let seen = saw(|| (current_baggage("tenant"), current_baggage("debug")));
    let Ok(seen) = message.as_received().process(seen).await;
    assert_eq!(seen, (Some("south".to_owned()), None));
}

/// Returns a context whose baggage has one member that may be sent.
fn around() -> Context {
    Context::new()
        .with_baggage([KeyValue::new("tenant", "north"), KeyValue::new("secret", "not to be sent")])
}

/// Asserts that only these keys of the ambient baggage, or of a given context, are sent.
pub(super) async fn is_put_in_by_its_keys<B: Broker>() {
    let scene = Scene::<B>::with(|builder| builder.with_injected_baggage(["tenant"])).await;
    // The copied baggage of another message is no way around.
    let copied = order().with_headers([("baggage", "secret=copied")]);
    let creation = around().with_remote_span_context(foreign_context(1));
    let creation = CreationContext::from_context(&creation);
    let send = async {
        scene.send(order()).await;
        scene.send(copied).await;
        scene.broker.send_batch(vec![order()]).await;
        let sent = scene.broker.send_with_context(order(), &creation).await;
        sent.expect("the message is sent");
    };
    send.with_context(around()).await;
    for _ in 0..4 {
        let headers = B::headers_of(&scene.receive().await);
        assert_eq!(values(&headers, "baggage"), ["tenant=north"]);
        assert_eq!(values(&headers, "traceparent").len(), 1);
    }
}

/// Asserts, without a broker, that other propagators are limited as our own code is, that keys are
/// compared as they are spelled, and that a list without keys lets nothing pass.
pub(super) fn is_limited_for_every_propagator() {
    let composite = TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]);
    for propagation in [Propagation::TraceContextAndBaggage, Propagation::custom(composite)] {
        for (keys, expected) in [(&["tenant"][..], Some("north")), (&["Tenant"], None), (&[], None)]
        {
            let instrumentation = Instrumentation::builder()
                .with_propagator(propagation.clone())
                .with_extracted_baggage(keys.to_vec())
                .with_injected_baggage(keys.to_vec())
                .build();
            let instrumenter = Instrumenter::builder(SYSTEM).build(&instrumentation);
            let headers =
                [("traceparent", foreign(1)), ("baggage", "secret=1,tenant=north".to_owned())];
            let received = instrumenter.extract(record(order().with_headers(headers)));
            let creation = received.creation_context();
            assert_eq!(*creation.span_context(), foreign_context(1));
            let taken = creation.baggage().map(|baggage| (baggage.len(), baggage.get("tenant")));
            let expected_taken = expected.map(|tenant| (1, Some(tenant.into())));
            let taken = taken.map(|(count, tenant)| (count, tenant.cloned()));
            assert_eq!(taken, expected_taken, "{propagation:?}, {keys:?}");

            let mut sent = record(order());
            let _current = around().attach();
            instrumenter.send(operation(OperationType::Send), &mut sent).end();
            let expected: Vec<String> =
                expected.iter().map(|tenant| format!("tenant={tenant}")).collect();
            assert_eq!(values(&sent.headers, "baggage"), expected, "{propagation:?}, {keys:?}");
        }
    }
}
