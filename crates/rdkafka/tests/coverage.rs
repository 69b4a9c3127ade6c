//! Every public method of the client's types is listed here, as instrumented or as bare on purpose.
//!
//! The client's sources are read in the version that is built, so that a new release cannot add one
//! unnoticed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::collections::{BTreeMap, BTreeSet};

use otel_messaging_testing::sources::Sources;

/// What becomes of a method of the client's type.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Our type has it, with spans and metrics.
    Covered,
    /// Our type has it, and there is nothing to record.
    Bare,
    /// Our type dereferences to the client's own, which has it.
    Deref,
}
use Kind::{Bare, Covered, Deref};

const METHODS: &[(&str, &[(&str, Kind)])] = &[
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

/// What the client implements for its types. That ours do too is what `api.rs` compiles.
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
fn every_public_method_of_the_client_is_listed() {
    let client = sources("rdkafka");
    let found: BTreeMap<_, _> =
        METHODS.iter().map(|(name, _)| (*name, client.methods(None, name))).collect();
    let listed: BTreeMap<_, _> = METHODS
        .iter()
        .map(|(name, methods)| (*name, names(methods.iter().map(|(method, _)| *method))))
        .collect();
    assert_eq!(found, listed, "a method of the client is not listed here, or is no more");
}

#[test]
fn what_is_listed_as_ours_is_there() {
    let ours = sources(env!("CARGO_PKG_NAME"));
    let types = METHODS.iter().filter(|(name, _)| !["Producer", "Consumer"].contains(name));
    for (name, methods) in types {
        let found = ours.methods(None, name);
        for (method, _) in methods.iter().filter(|(_, kind)| *kind != Deref) {
            assert!(found.contains(*method), "{name} has no `{method}` of its own");
        }
    }
}

#[test]
fn every_trait_of_the_clients_types_is_listed() {
    let client = sources("rdkafka");
    let found: BTreeMap<_, _> = TRAITS
        .iter()
        .map(|(name, _)| {
            let mut traits = client.traits(None, name);
            traits.retain(|name| name != "Send" && name != "Sync");
            (*name, traits)
        })
        .collect();
    let listed: BTreeMap<_, _> =
        TRAITS.iter().map(|(name, traits)| (*name, names(traits.iter().copied()))).collect();
    assert_eq!(found, listed, "a trait of the client's types is not listed here, or is no more");
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

fn sources(package: &str) -> Sources {
    Sources::of(package, env!("CARGO_MANIFEST_DIR"))
}
