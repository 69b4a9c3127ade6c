use otel_messaging_integration_tests::kafka;

use crate::support::{ALL_METRICS, assert_story, export};

const RESULT: &str = "4 orders billed and mailed, 11 booked\n";

#[test]
fn spans_of_the_service_are_below_process_spans() {
    let broker = ("OTEL_MESSAGING_KAFKA", &*kafka());
    let bare = export(env!("CARGO_BIN_EXE_tracing-bare"), broker, RESULT);
    // Each span of a handler is in a trace of its own, and `booked` is on no span.
    assert_story(
        &bare.story(),
        &[
            (4, "check_out #: internal"),
            (4, "bill #: internal, billed"),
            (4, "mail #: internal in bill #"),
        ],
    );

    let instrumented = export(env!("CARGO_BIN_EXE_tracing-instrumented"), broker, RESULT);
    assert_story(
        &instrumented.story(),
        &[
            (4, "check_out #: internal"),
            (4, "send orders #: producer in check_out #"),
            (4, "poll orders #: client -> send orders #"),
            (4, "process orders #: consumer -> send orders #"),
            (4, "bill #: internal in process orders #, billed"),
            (4, "send bills #: producer in bill #"),
            (4, "mail #: internal in bill #"),
            (4, "send mails #: producer in mail #"),
            (4, "commit orders #: client in process orders # -> send orders #"),
            (4, "poll bills #: client -> send bills #"),
            (4, "process bills #: consumer -> send bills #, booked"),
            (4, "commit bills #: client in process bills # -> send bills #"),
        ],
    );
    assert_eq!(instrumented.metrics, ALL_METRICS);
}
