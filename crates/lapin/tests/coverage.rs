//! Every public way into the client is either covered or bare on purpose.
//!
//! The client's sources are read in the version that is built: a new release cannot add a way in
//! that is not listed here.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::collections::{BTreeMap, BTreeSet};

use otel_messaging_testing::sources::Sources;

/// Says whether a way into the client is instrumented.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Our type has it, with telemetry.
    Covered,
    /// Our type has it, and it needs no telemetry.
    Bare,
    /// Our type dereferences to the client's own for it.
    Deref,
    /// It makes the client's own type, which can be wrapped.
    Missing,
}
use Way::{Bare, Covered, Deref, Missing};

const WAYS: &[(&str, &[(&str, Way)])] = &[
    (
        "Acker",
        &[
            ("ack", Covered),
            ("nack", Covered),
            ("reject", Covered),
            ("poisoned", Deref),
            ("usable", Deref),
        ],
    ),
    // Messages that come back were sent by this client.
    ("BasicReturnMessage", &[("error", Missing)]),
    (
        "Channel",
        &[
            ("access_request", Deref),
            ("basic_ack", Covered),
            ("basic_cancel", Deref),
            ("basic_consume", Covered),
            ("basic_get", Covered),
            ("basic_nack", Covered),
            ("basic_publish", Covered),
            ("basic_qos", Deref),
            ("basic_recover", Deref),
            ("basic_recover_async", Deref),
            ("basic_reject", Covered),
            ("channel_flow", Deref),
            ("close", Deref),
            ("confirm_select", Deref),
            ("exchange_bind", Deref),
            ("exchange_declare", Deref),
            ("exchange_delete", Deref),
            ("exchange_unbind", Deref),
            ("id", Deref),
            ("queue_bind", Deref),
            ("queue_declare", Bare),
            ("queue_delete", Bare),
            ("queue_purge", Deref),
            ("queue_unbind", Deref),
            ("status", Deref),
            ("tx_commit", Deref),
            ("tx_rollback", Deref),
            ("tx_select", Deref),
            ("wait_for_confirms", Deref),
            ("wait_for_recovery", Deref),
        ],
    ),
    ("Connect", &[("connect", Bare), ("connect_with_config", Bare)]),
    (
        "Connection",
        &[
            ("close", Deref),
            ("configuration", Deref),
            ("connect", Bare),
            ("connect_uri", Bare),
            ("connect_uri_with_config", Bare),
            ("connect_uri_with_runtime", Bare),
            ("connect_with_config", Bare),
            ("connect_with_runtime", Bare),
            ("connector", Missing),
            ("create_channel", Bare),
            ("events_listener", Deref),
            ("run", Bare),
            ("status", Deref),
            ("update_secret", Deref),
        ],
    ),
    (
        "ConnectionBuilder",
        &[
            ("connect", Bare),
            ("new_with_runtime", Bare),
            ("with_properties", Bare),
            ("with_tls_config", Bare),
            ("with_uri", Bare),
            ("with_uri_str", Bare),
        ],
    ),
    ("Consumer", &[("queue", Deref), ("set_delegate", Covered), ("tag", Deref)]),
    ("ConsumerDelegate", &[("drop_prefetched_messages", Bare), ("on_new_delivery", Covered)]),
    ("DefaultConnectionBuilder", &[("new", Bare)]),
    ("Delivery", &[("mock", Bare)]),
];

/// The traits that the client implements for its types: ours implement them too.
const TRAITS: &[(&str, &[&str])] = &[
    ("Acker", &["Clone", "Debug", "PartialEq"]),
    ("BasicGetMessage", &["Debug", "Deref", "DerefMut", "PartialEq"]),
    ("Channel", &["Clone", "Debug", "PartialEq"]),
    ("Connection", &["Debug"]),
    ("ConnectionBuilder", &["Debug"]),
    ("Consumer", &["Clone", "Debug", "Stream"]),
    ("Delivery", &["Debug", "Deref", "PartialEq"]),
    ("PublisherConfirm", &["Debug", "Future"]),
];

#[test]
fn every_public_method_of_the_client_is_covered_or_bare_on_purpose() {
    let client = sources("lapin");
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
    for (name, ways) in WAYS.iter().filter(|(name, _)| *name != "ConsumerDelegate") {
        for (way, kind) in *ways {
            let has = ours.methods(None, name).contains(*way);
            let should = matches!(kind, Covered | Bare);
            assert_eq!(has, should, "whether {name} has a `{way}` of its own");
        }
    }
}

#[test]
fn our_types_implement_what_the_clients_do() {
    let (client, ours) = (sources("lapin"), sources(env!("CARGO_PKG_NAME")));
    let listed: BTreeMap<_, BTreeSet<_>> = TRAITS
        .iter()
        .map(|(name, traits)| (*name, traits.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let found: BTreeMap<_, _> =
        TRAITS.iter().map(|(name, _)| (*name, client.traits(None, name))).collect();
    assert_eq!(found, listed, "a trait of the client's types is not listed here, or is no more");
    for (name, traits) in listed {
        let ours = ours.traits(None, name);
        for missing in traits.difference(&ours) {
            // A macro implements it; other tests would not compile without.
            assert_eq!(missing, "Debug", "{name} does not implement {missing}");
        }
    }
}

fn sources(package: &str) -> Sources {
    Sources::of(package, env!("CARGO_MANIFEST_DIR"))
}
