//! Tests what the documentation's page "Security" says of hostile messages, beside rule R28.

use opentelemetry::{Array, Value, baggage::Baggage, trace::SpanContext};
use opentelemetry_sdk::trace::SamplingDecision;
use otel_messaging_core::{
    Batch, CreationContext, Instrumentation, InstrumentationBuilder, Instrumenter, Operation,
    OperationType, Propagation, Received, System, Trust,
};
use otel_messaging_testing::{
    telemetry::{SeenBySampler, Telemetry},
    toy::Record,
};

const RECEIVE: Operation = Operation::new(OperationType::Receive, "receive");
const ALL: [Trust; 3] = [Trust::Full, Trust::Links, Trust::None];

fn instrumenter(
    telemetry: &Telemetry,
    configure: impl FnOnce(InstrumentationBuilder) -> InstrumentationBuilder,
) -> Instrumenter {
    let builder = Instrumentation::builder()
        .with_propagator(Propagation::TraceContextAndBaggage)
        .with_tracer_provider(telemetry.tracer_provider());
    Instrumenter::builder(System::new("toy", "toy", "1")).build(&configure(builder).build())
}

fn traceparent(id: usize) -> String {
    format!("00-0af7651916cd43dd8448eb21{id:08x}-b7ad6b71{id:08x}-01")
}

fn record(headers: &[(&str, &str)]) -> Record {
    let header =
        |(name, value): &(&str, &str)| ((*name).to_owned(), Some(value.as_bytes().to_vec()));
    Record { headers: headers.iter().map(header).collect(), ..Record::new("orders", "") }
}

/// A sampler that follows links can be steered by what is linked: by the flag and the ids with
/// `Links`, by a `tracestate` too with `Full`, by nothing with `None`.
#[test]
fn samplers_see_of_links_what_trust_leaves() {
    for trust in ALL {
        let sampler = SeenBySampler::new(SamplingDecision::RecordAndSample);
        let telemetry = Telemetry::builder().with_sampler(sampler.clone()).build();
        let instrumenter = instrumenter(&telemetry, |builder| builder.with_trust(trust));
        let headers = [("traceparent", &*traceparent(1)), ("tracestate", "otm=o:1")];
        let message = instrumenter.receive(RECEIVE, instrumenter.clock(), record(&headers));
        message.process_sync(|| ());
        message.settle(Operation::new(OperationType::Settle, "settle")).end();
        let state = if trust == Trust::Full { "otm=o:1" } else { "" };
        let seen = sampler.seen();
        assert_eq!(seen.len(), 3);
        for seen in seen {
            let links = seen.links.iter().map(|link| &link.span_context);
            let links: Vec<_> = links.map(SpanContext::is_sampled).collect();
            assert_eq!(links, vec![true; usize::from(trust != Trust::None)], "{trust:?}");
            let states = seen.links.iter().map(|link| link.span_context.trace_state().header());
            assert!(states.into_iter().all(|found| found == state), "{trust:?}");
        }
    }
}

fn batch(
    instrumenter: &Instrumenter,
    headers: impl Fn(usize) -> Record,
) -> Batch<Received<Record>> {
    (1..=300).map(|id| instrumenter.extract(headers(id))).collect()
}

/// A message has one link at most, and 128 of these past the first 128 have one more span.
#[test]
fn links_are_as_many_as_messages() {
    for trust in ALL {
        let telemetry = Telemetry::new();
        let instrumenter =
            instrumenter(&telemetry, |builder| builder.with_trust(trust).with_link_limit(128));
        batch(&instrumenter, |id| record(&[("traceparent", &traceparent(id))])).process_sync(|| ());
        let links: Vec<usize> = telemetry.spans().iter().map(|span| span.links.len()).collect();
        match trust {
            Trust::None => assert_eq!(links, [0]),
            _ => assert_eq!(links, [128, 44, 128]),
        }
    }
}

/// What a link takes of a message is bounded by W3C's limits: here, a `tracestate` of 8 kB, and one
/// that is longer than any valid one.
#[test]
fn a_tracestate_is_exported_with_each_link_unless_it_is_dropped() {
    let member = |key: usize| format!("k{key}={}", "v".repeat(250));
    let long: Vec<String> = (0..32).map(member).collect();
    let long = long.join(",");
    assert!(long.len() > 8_000);
    for (state, trust, expected) in [
        (long.clone(), Trust::Full, long.len()),
        (long.clone(), Trust::Links, 0),
        (format!("{long},{}", member(32)), Trust::Full, 0),
        ("x".repeat(1_000_000), Trust::Full, 0),
    ] {
        let telemetry = Telemetry::new();
        let instrumenter = instrumenter(&telemetry, |builder| builder.with_trust(trust));
        let headers = [("traceparent", &*traceparent(1)), ("tracestate", &*state)];
        instrumenter.extract(record(&headers)).process_sync(|| ());
        let link = &telemetry.spans()[0].links.links[0];
        assert_eq!(link.span_context.trace_state().header().len(), expected, "{trust:?}");
    }
}

/// Baggage past W3C's limits is not taken, whatever the trust.
#[test]
fn baggage_is_bounded() {
    let members = |count: usize| (0..count).map(|key| format!("k{key}=v")).collect::<Vec<_>>();
    for (baggage, expected) in
        [(members(64).join(","), 64), (members(1_000).join(","), 64), ("k=".repeat(5_000), 0)]
    {
        let telemetry = Telemetry::new();
        let instrumenter = instrumenter(&telemetry, |builder| builder);
        let received = instrumenter.extract(record(&[("baggage", &baggage)]));
        let taken = received.creation_context().baggage().map_or(0, Baggage::len);
        assert_eq!(taken, expected);
    }
}

/// The value of a captured header is text of the sender's, of any length and with line breaks.
#[test]
fn a_captured_header_is_recorded_as_it_is() {
    let value = format!("7\n ERROR all is lost\u{1b}[2J{}", "x".repeat(100_000));
    for trust in ALL {
        let telemetry = Telemetry::new();
        let instrumenter = instrumenter(&telemetry, |builder| {
            builder.with_trust(trust).with_captured_headers(["shop"])
        });
        let headers = [("shop", &*value), ("traceparent", &*traceparent(1)), ("secret", "1")];
        instrumenter.extract(record(&headers)).process_sync(|| ());
        let captured: Vec<_> = telemetry.spans()[0]
            .attributes
            .iter()
            .filter(|attribute| attribute.key.as_str().starts_with("messaging.header."))
            .map(|attribute| (attribute.key.to_string(), attribute.value.clone()))
            .collect();
        let text = Value::Array(Array::String(vec![value.clone().into()]));
        assert_eq!(captured, [("messaging.header.shop".to_owned(), text)], "{trust:?}");
    }
}

/// What an application passes on by hand is believed: it loses the mark of its trust.
#[test]
fn what_is_passed_on_by_hand_is_believed() {
    let telemetry = Telemetry::new();
    let links = instrumenter(&telemetry, |builder| builder.with_trust(Trust::Links));
    let received = links.extract(record(&[("traceparent", &traceparent(1))]));
    let creation = received.creation_context();
    let mut forward = record(&[]);
    links
        .send_with_context(Operation::new(OperationType::Send, "send"), &mut forward, creation)
        .end();
    let headers = forward.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    let expected = traceparent(1);
    assert_eq!(headers.collect::<Vec<_>>(), [("traceparent", Some(expected.as_bytes()))]);
    assert_eq!(CreationContext::from_context(&creation.to_context()), *creation);
}
