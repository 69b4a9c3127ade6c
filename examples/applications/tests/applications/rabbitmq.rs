use otel_messaging_integration_tests::rabbitmq;

use crate::support::{ALL_METRICS, assert_story, run_pair};

const PAIR: [&str; 2] =
    [env!("CARGO_BIN_EXE_rabbitmq-bare"), env!("CARGO_BIN_EXE_rabbitmq-instrumented")];

#[test]
fn results_and_dead_letters_are_linked() {
    let result = "measured: [\"307200\", \"256\", \"786432\"], dead: [\"wide high\", \"800\"]\n";
    let exported = run_pair(PAIR, ("OTEL_MESSAGING_RABBITMQ", &rabbitmq()), result);
    assert_story(
        &exported.story(),
        &[
            (5, "publish pictures #: producer"),
            (5, "receive pictures #: client -> publish pictures #"),
            (2, "process pictures #: consumer -> publish pictures #"),
            (1, "process pictures 3: consumer -> publish pictures 3 failed"),
            (1, "process pictures 4: consumer -> publish pictures 4"),
            (1, "process pictures 5: consumer -> publish pictures 5 failed"),
            (2, "publish sizes #: producer in process pictures #"),
            (1, "publish sizes 3: producer in process pictures 4"),
            (2, "ack pictures #: client in process pictures # -> publish pictures #"),
            (1, "ack pictures 3: client in process pictures 4 -> publish pictures 4"),
            (1, "reject pictures 1: client in process pictures 3 -> publish pictures 3"),
            (1, "reject pictures 2: client in process pictures 5 -> publish pictures 5"),
            (3, "receive sizes #: client -> publish sizes #"),
            (3, "process sizes #: consumer -> publish sizes #"),
            (3, "ack sizes #: client in process sizes # -> publish sizes #"),
            // A dead letter keeps the context with which it was published.
            (1, "receive dead 1: client -> publish pictures 3"),
            (1, "receive dead 2: client -> publish pictures 5"),
            (1, "process dead 1: consumer -> publish pictures 3"),
            (1, "process dead 2: consumer -> publish pictures 5"),
            (1, "ack dead 1: client in process dead 1 -> publish pictures 3"),
            (1, "ack dead 2: client in process dead 2 -> publish pictures 5"),
        ],
    );
    assert_eq!(exported.metrics, ALL_METRICS);
}
