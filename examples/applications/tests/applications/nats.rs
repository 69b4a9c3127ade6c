use otel_messaging_integration_tests::nats;

use crate::support::{ALL_METRICS, assert_story, run_pair};

const PAIR: [&str; 2] = [env!("CARGO_BIN_EXE_nats-bare"), env!("CARGO_BIN_EXE_nats-instrumented")];

#[test]
fn requests_replies_and_batches_are_linked() {
    let result = "7 items wanted, 6 packed, worth 12\n";
    let exported = run_pair(PAIR, ("OTEL_MESSAGING_NATS", &nats()), result);
    assert_story(
        &exported.story(),
        &[
            (7, "request shop.price #: producer"),
            (7, "receive shop.price #: client -> request shop.price #"),
            (7, "process shop.price #: consumer -> request shop.price #"),
            // Inboxes are not named in spans.
            (7, "publish #: producer in process shop.price #"),
            (7, "receive #: client -> publish #"),
            (6, "publish shop.orders #: producer"),
            (
                1,
                "fetch shop.orders 1: client -> publish shop.orders 1 -> publish shop.orders 2 \
                 -> publish shop.orders 3 -> publish shop.orders 4",
            ),
            (
                1,
                "process shop.orders 1: consumer -> publish shop.orders 1 -> publish shop.orders 2 \
                 -> publish shop.orders 3 -> publish shop.orders 4",
            ),
            (4, "ack shop.orders #: client in process shop.orders 1 -> publish shop.orders #"),
            (1, "fetch shop.orders 2: client -> publish shop.orders 5 -> publish shop.orders 6"),
            (
                1,
                "process shop.orders 2: consumer -> publish shop.orders 5 -> publish shop.orders 6",
            ),
            (1, "ack shop.orders 5: client in process shop.orders 2 -> publish shop.orders 5"),
            (1, "ack shop.orders 6: client in process shop.orders 2 -> publish shop.orders 6"),
        ],
    );
    assert_eq!(exported.metrics, ALL_METRICS);
}
