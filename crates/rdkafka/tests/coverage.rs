//! Every public way into the client is either covered or bare on purpose.
//!
//! The client's sources are read in the version that is built, so that a new release cannot add a
//! way in that nobody looked at.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::collections::{BTreeMap, BTreeSet};

use otel_messaging_testing::sources::Sources;

/// Whether a way into the client is told of by spans and metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Our type has it, and tells.
    Covered,
    /// Our type has it, and there is nothing to tell.
    Bare,
    /// Our type leaves it to the client's own, to which it dereferences.
    Deref,
}
use Way::{Bare, Covered, Deref};

const WAYS: &[(&str, &[(&str, Way)])] = &[
    ("BaseProducer", &[("send", Covered), ("poll", Bare)]),
    ("ThreadedProducer", &[("send", Covered), ("poll", Bare)]),
    ("FutureProducer", &[("send", Covered), ("send_result", Covered), ("poll", Bare)]),
    (
        "BaseConsumer",
        &[
            ("poll", Covered),
            ("iter", Covered),
            ("split_partition_queue", Covered),
            ("set_nonempty_callback", Bare),
            ("close_queue", Bare),
            ("closed", Bare),
        ],
    ),
    ("PartitionQueue", &[("poll", Covered), ("set_nonempty_callback", Bare)]),
    (
        "StreamConsumer",
        &[("recv", Covered), ("stream", Covered), ("split_partition_queue", Covered)],
    ),
    ("StreamPartitionQueue", &[("recv", Covered), ("stream", Covered)]),
    (
        "BorrowedMessage",
        &[
            ("detach", Covered),
            ("ptr", Deref),
            ("topic_ptr", Deref),
            ("key_len", Deref),
            ("payload_len", Deref),
        ],
    ),
    (
        "OwnedMessage",
        &[
            ("new", Bare),
            ("detach_headers", Deref),
            ("replace_headers", Bare),
            ("set_payload", Bare),
            ("set_key", Bare),
            ("set_topic", Bare),
            ("set_timestamp", Bare),
            ("set_partition", Bare),
            ("set_offset", Bare),
        ],
    ),
    (
        "Producer",
        &[
            ("client", Bare),
            ("context", Bare),
            ("in_flight_count", Bare),
            ("flush", Bare),
            ("purge", Bare),
            ("init_transactions", Bare),
            ("begin_transaction", Bare),
            ("send_offsets_to_transaction", Covered),
            ("commit_transaction", Bare),
            ("abort_transaction", Bare),
        ],
    ),
    (
        "Consumer",
        &[
            ("client", Bare),
            ("context", Bare),
            ("group_metadata", Bare),
            ("subscribe", Bare),
            ("unsubscribe", Bare),
            ("assign", Bare),
            ("unassign", Bare),
            ("incremental_assign", Bare),
            ("incremental_unassign", Bare),
            ("seek", Bare),
            ("seek_partitions", Bare),
            ("commit", Covered),
            ("commit_consumer_state", Covered),
            ("commit_message", Covered),
            ("store_offset", Bare),
            ("store_offset_from_message", Bare),
            ("store_offsets", Bare),
            ("subscription", Bare),
            ("assignment", Bare),
            ("assignment_lost", Bare),
            ("committed", Bare),
            ("committed_offsets", Bare),
            ("offsets_for_timestamp", Bare),
            ("offsets_for_times", Bare),
            ("position", Bare),
            ("fetch_metadata", Bare),
            ("fetch_watermarks", Bare),
            ("fetch_group_list", Bare),
            ("pause", Bare),
            ("resume", Bare),
            ("rebalance_protocol", Bare),
        ],
    ),
];

/// What the client implements for its types, beside the traits above: ours do too.
const TRAITS: &[(&str, &[&str])] = &[
    ("BaseProducer", &["FromClientConfig", "FromClientConfigAndContext", "Producer"]),
    ("ThreadedProducer", &["Clone", "FromClientConfig", "FromClientConfigAndContext", "Producer"]),
    ("FutureProducer", &["Clone", "FromClientConfig", "FromClientConfigAndContext", "Producer"]),
    ("DeliveryFuture", &["Future"]),
    (
        "BaseConsumer",
        &["Consumer", "FromClientConfig", "FromClientConfigAndContext", "IntoIterator"],
    ),
    ("Iter", &["Iterator"]),
    ("StreamConsumer", &["Consumer", "FromClientConfig", "FromClientConfigAndContext"]),
    ("MessageStream", &["Stream"]),
    ("BorrowedMessage", &["Debug", "Message"]),
    ("OwnedMessage", &["Clone", "Debug", "Message"]),
];

#[test]
fn every_public_method_of_the_client_is_covered_or_bare_on_purpose() {
    let client = sources("rdkafka");
    let found: BTreeMap<_, _> =
        WAYS.iter().map(|(name, _)| (*name, client.methods(None, name))).collect();
    let listed: BTreeMap<_, BTreeSet<_>> = WAYS
        .iter()
        .map(|(name, ways)| (*name, ways.iter().map(|(way, _)| (*way).to_owned()).collect()))
        .collect();
    assert_eq!(found, listed, "a way into the client is not listed here, or is no more");
}

#[test]
fn what_is_listed_as_ours_is_there() {
    let ours = sources(env!("CARGO_PKG_NAME"));
    for (name, ways) in WAYS.iter().filter(|(name, _)| !["Producer", "Consumer"].contains(name)) {
        for (way, _) in ways.iter().filter(|(_, kind)| *kind != Deref) {
            let has = ours.methods(None, name).contains(*way);
            assert!(has, "{name} has no `{way}` of its own");
        }
    }
}

#[test]
fn our_types_implement_what_the_clients_do() {
    let (client, ours) = (sources("rdkafka"), sources(env!("CARGO_PKG_NAME")));
    let listed: BTreeMap<_, BTreeSet<_>> = TRAITS
        .iter()
        .map(|(name, traits)| (*name, traits.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let found: BTreeMap<_, BTreeSet<String>> = TRAITS
        .iter()
        .map(|(name, _)| {
            let mut traits = client.traits(None, name);
            traits.retain(|name| name != "Send" && name != "Sync");
            (*name, traits)
        })
        .collect();
    assert_eq!(found, listed, "a trait of the client's types is not listed here, or is no more");
    for (name, traits) in listed {
        let ours = ours.traits(None, name);
        for missing in traits.difference(&ours) {
            // These two are implemented by macros; other tests would not compile without.
            let by_macro = ["Consumer", "Message"].contains(&missing.as_str());
            assert!(by_macro, "{name} does not implement {missing}");
        }
    }
}

fn sources(package: &str) -> Sources {
    Sources::of(package, env!("CARGO_MANIFEST_DIR"))
}
