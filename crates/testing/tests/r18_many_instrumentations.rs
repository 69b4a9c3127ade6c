//! R18: only the first instrumentations of a process register a callback, and all are counted. It is a
//! process of its own, as it uses up the callbacks.

mod counts;

use opentelemetry_sdk::metrics::Temporality;

use self::counts::{exporter, instrumenter, last, process, provider};

#[test]
fn r18_any_number_of_instrumentations_is_counted() {
    let exporter = exporter(Temporality::Cumulative);
    let provider = provider(&[&exporter]);
    (0..600).for_each(|_| process(&instrumenter(provider.clone()), "nightly"));
    provider.force_flush().unwrap();
    assert_eq!(last(&exporter), Some(600));
}
