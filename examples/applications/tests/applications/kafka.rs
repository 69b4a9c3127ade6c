use otel_messaging_integration_tests::kafka;

use crate::support::{ALL_METRICS, assert_story, run_pair};

const PAIR: [&str; 2] =
    [env!("CARGO_BIN_EXE_kafka-bare"), env!("CARGO_BIN_EXE_kafka-instrumented")];

#[test]
fn orders_are_linked_from_customer_to_ledger() {
    let result = "7 messages, 5 orders, 19 pieces booked\n";
    let exported = run_pair(PAIR, ("OTEL_MESSAGING_KAFKA", &kafka()), result);
    let mut story = exported.story();
    // The broker decides how many orders are ready at once, and a commit of all topics names none.
    let is_of_batch = |line: &mut String| {
        let is_of_all = line.starts_with("commit") && !line.starts_with("commit orders");
        line.starts_with("process accepted") || is_of_all
    };
    let of_batches: Vec<String> = story.extract_if(.., is_of_batch).collect();
    assert_story(
        &story,
        &[
            (7, "send orders #: producer"),
            (7, "poll orders #: client -> send orders #"),
            (7, "process orders #: consumer -> send orders #"),
            (7, "commit orders #: client in process orders # -> send orders #"),
            (1, "send accepted 1: producer in process orders 1 -> send orders 1"),
            (1, "send accepted 2: producer in process orders 2 -> send orders 2"),
            (1, "send dead 1: producer in process orders 3 -> send orders 3"),
            (1, "send accepted 3: producer in process orders 4 -> send orders 4"),
            (1, "send dead 2: producer in process orders 5 -> send orders 5"),
            (1, "send accepted 4: producer in process orders 6 -> send orders 6"),
            (1, "send accepted 5: producer in process orders 7 -> send orders 7"),
            (5, "poll accepted #: client -> send accepted #"),
        ],
    );
    let (commits, batches) = of_batches.split_at(of_batches.len() / 2);
    assert!(commits.iter().all(|commit| commit.ends_with(": client")), "{commits:#?}");
    let linked: Vec<&str> =
        batches.iter().filter_map(|batch| batch.split_once(": consumer")?.1.into()).collect();
    let all = " -> send accepted 1 -> send accepted 2 -> send accepted 3 -> send accepted 4 \
               -> send accepted 5";
    assert_eq!(linked.concat(), all, "{batches:#?}");
    assert!(batches.len() < 5, "these are no batches: {batches:#?}");
    assert_eq!(exported.metrics, ALL_METRICS);
}
