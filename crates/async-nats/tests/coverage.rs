//! Compares the public methods of the client's types with a list: each is covered, or bare on
//! purpose.
//!
//! It reads the client's sources in the version that is built, so that a new release cannot add an
//! untraced way in unnoticed.

#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{collections::BTreeSet, fs};

use otel_messaging_testing::sources::Sources;

/// Whether a method of the client has telemetry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Our type has it, with telemetry or returning a type that has it.
    Covered,
    /// Our type has it, and it needs no telemetry.
    Bare,
    /// Our type has it by dereferencing to the client's own.
    Deref,
    /// Our type has it by the core's macro for wrappers.
    Macro,
    /// Our type does not have it: the docs say what to do instead.
    Absent,
}
use Way::{Absent, Bare, Covered, Deref, Macro};

/// The client's types that ours wrap: their file, name, the file of ours, and their methods.
const WAYS: &[(&str, &str, &str, &[(&str, Way)])] = &[
    (
        "client.rs",
        "Client",
        "client.rs",
        &[
            ("timeout", Deref),
            ("try_server_info", Deref),
            ("server_info", Deref),
            ("max_payload", Deref),
            ("is_server_compatible", Deref),
            ("publish", Covered),
            ("publish_with_headers", Covered),
            ("publish_with_reply", Covered),
            ("publish_with_reply_and_headers", Covered),
            ("request", Covered),
            ("request_with_headers", Covered),
            ("send_request", Covered),
            ("new_inbox", Deref),
            ("subscribe", Covered),
            ("queue_subscribe", Covered),
            ("flush", Bare),
            ("drain", Deref),
            ("connection_state", Deref),
            ("force_reconnect", Deref),
            ("set_server_pool", Deref),
            ("server_pool", Deref),
            ("statistics", Deref),
        ],
    ),
    (
        "lib.rs",
        "Subscriber",
        "subscriber.rs",
        &[("unsubscribe", Deref), ("unsubscribe_after", Deref), ("drain", Deref)],
    ),
    (
        "jetstream/context.rs",
        "Context",
        "jetstream/context.rs",
        &[
            ("set_timeout", Deref),
            ("client", Covered),
            ("wait_for_acks", Deref),
            ("publish", Covered),
            ("publish_with_headers", Covered),
            ("send_publish", Covered),
            ("query_account", Deref),
            ("create_stream", Covered),
            ("get_stream_no_info", Covered),
            ("get_stream", Covered),
            ("get_or_create_stream", Covered),
            ("delete_stream", Deref),
            ("update_stream", Deref),
            ("create_or_update_stream", Deref),
            ("stream_by_subject", Deref),
            ("stream_names", Deref),
            ("streams", Deref),
            ("get_key_value", Deref),
            ("create_key_value", Deref),
            ("update_key_value", Deref),
            ("create_or_update_key_value", Deref),
            ("delete_key_value", Deref),
            ("get_consumer_from_stream", Covered),
            ("delete_consumer_from_stream", Deref),
            ("create_consumer_on_stream", Covered),
            ("update_consumer_on_stream", Covered),
            ("create_consumer_strict_on_stream", Covered),
            ("request", Deref),
            ("send_request", Deref),
            ("create_object_store", Deref),
            ("get_object_store", Deref),
            ("delete_object_store", Deref),
        ],
    ),
    ("jetstream/context.rs", "PublishAckFuture", "jetstream/answer.rs", &[]),
    (
        "jetstream/stream.rs",
        "Stream",
        "jetstream/stream.rs",
        &[
            ("info", Deref),
            ("cached_info", Deref),
            ("get_info", Deref),
            ("info_with_subjects", Deref),
            ("info_builder", Deref),
            ("direct_get_builder", Deref),
            ("direct_get_next_for_subject", Covered),
            ("direct_get_first_for_subject", Covered),
            ("direct_get", Covered),
            ("direct_get_last_for_subject", Covered),
            ("raw_message_builder", Deref),
            ("get_raw_message", Covered),
            ("get_first_raw_message_by_subject", Covered),
            ("get_next_raw_message_by_subject", Covered),
            ("get_last_raw_message_by_subject", Covered),
            ("delete_message", Deref),
            ("purge", Deref),
            ("purge_subject", Deref),
            ("create_consumer", Covered),
            ("update_consumer", Covered),
            ("create_consumer_strict", Covered),
            ("consumer_info", Deref),
            ("get_consumer", Covered),
            ("get_or_create_consumer", Covered),
            ("delete_consumer", Deref),
            ("pause_consumer", Deref),
            ("resume_consumer", Deref),
            ("unpin_consumer", Deref),
            ("reset_consumer", Deref),
            ("consumer_names", Deref),
            ("consumers", Deref),
        ],
    ),
    (
        "jetstream/consumer/mod.rs",
        "Consumer",
        "jetstream/consumer.rs",
        &[
            // Ours wraps one.
            ("new", Absent),
            ("info", Deref),
            ("get_info", Deref),
            ("cached_info", Deref),
            ("reset", Deref),
        ],
    ),
    (
        "jetstream/consumer/pull.rs",
        "Consumer",
        "jetstream/consumer/pull.rs",
        &[
            ("messages", Covered),
            ("stream", Covered),
            // What it asks for is received by a subscription, which is instrumented.
            ("request_batch", Deref),
            ("fetch", Covered),
            ("batch", Covered),
            ("sequence", Covered),
        ],
    ),
    (
        "jetstream/consumer/pull.rs",
        "StreamBuilder",
        "jetstream/consumer/pull.rs",
        &[
            ("new", Absent),
            ("max_bytes_per_batch", Bare),
            ("max_messages_per_batch", Bare),
            ("heartbeat", Bare),
            ("expires", Bare),
            ("min_pending", Bare),
            ("priority", Bare),
            ("min_ack_pending", Bare),
            ("group", Bare),
            ("messages", Covered),
        ],
    ),
    (
        "jetstream/consumer/pull.rs",
        "FetchBuilder",
        "jetstream/consumer/pull.rs",
        &[
            ("new", Absent),
            ("max_bytes", Bare),
            ("max_messages", Bare),
            ("heartbeat", Bare),
            ("expires", Bare),
            ("min_pending", Bare),
            ("priority", Bare),
            ("min_ack_pending", Bare),
            ("group", Bare),
            ("messages", Covered),
        ],
    ),
    (
        "jetstream/consumer/pull.rs",
        "BatchBuilder",
        "jetstream/consumer/pull.rs",
        &[
            ("new", Absent),
            ("max_bytes", Bare),
            ("max_messages", Bare),
            ("heartbeat", Bare),
            ("min_pending", Bare),
            ("min_ack_pending", Bare),
            ("group", Bare),
            ("expires", Bare),
            ("messages", Covered),
        ],
    ),
    ("jetstream/consumer/pull.rs", "Batch", "jetstream/consumer/pull.rs", &[]),
    ("jetstream/consumer/pull.rs", "Sequence", "jetstream/consumer/pull.rs", &[]),
    ("jetstream/consumer/pull.rs", "Stream", "jetstream/consumer/pull.rs", &[]),
    ("jetstream/consumer/pull.rs", "Ordered", "jetstream/consumer/pull.rs", &[]),
    (
        "jetstream/consumer/push.rs",
        "Consumer",
        "jetstream/consumer/push.rs",
        &[("messages", Covered)],
    ),
    ("jetstream/consumer/push.rs", "Messages", "jetstream/consumer/push.rs", &[]),
    ("jetstream/consumer/push.rs", "Ordered", "jetstream/consumer/push.rs", &[]),
    (
        "jetstream/message.rs",
        "Message",
        "jetstream/message.rs",
        &[
            ("split", Covered),
            ("ack", Covered),
            ("ack_with", Covered),
            ("double_ack_with", Covered),
            ("double_ack", Covered),
            ("info", Deref),
        ],
    ),
    (
        "jetstream/message.rs",
        "Acker",
        "jetstream/message.rs",
        &[
            ("new", Absent),
            ("ack", Covered),
            ("ack_with", Covered),
            ("double_ack_with", Covered),
            ("double_ack", Covered),
        ],
    ),
    ("jetstream/message.rs", "StreamMessage", "jetstream/message.rs", &[]),
    (
        "service/mod.rs",
        "ServiceBuilder",
        "service/builder.rs",
        &[
            ("description", Bare),
            // It names a type of another crate; a `Config` takes one.
            ("stats_handler", Absent),
            ("metadata", Bare),
            ("queue_group", Bare),
            ("start", Covered),
        ],
    ),
    (
        "service/mod.rs",
        "Service",
        "service/builder.rs",
        &[
            ("stop", Bare),
            ("reset", Deref),
            ("stats", Deref),
            ("info", Deref),
            ("group", Covered),
            ("group_with_queue_group", Covered),
            ("endpoint_builder", Covered),
            ("endpoint", Covered),
        ],
    ),
    (
        "service/mod.rs",
        "Group",
        "service/builder.rs",
        &[
            ("group", Covered),
            ("group_with_queue_group", Covered),
            ("endpoint_builder", Covered),
            ("endpoint", Covered),
        ],
    ),
    (
        "service/mod.rs",
        "EndpointBuilder",
        "service/builder.rs",
        &[("name", Bare), ("metadata", Bare), ("queue_group", Bare), ("add", Covered)],
    ),
    ("service/endpoint.rs", "Endpoint", "service/endpoint.rs", &[("stop", Bare)]),
    (
        "service/mod.rs",
        "Request",
        "service/request.rs",
        &[("respond", Covered), ("respond_with_headers", Covered)],
    ),
    ("message.rs", "Message", "message.rs", &[]),
];

/// The traits that the client implements for these types. Ours do too, but for those marked; the
/// file of ours is empty where there are several.
const TRAITS: &[(&str, &str, &str, &[(&str, Way)])] = &[
    (
        "client.rs",
        "Client",
        "",
        &[
            ("Clone", Covered),
            ("Debug", Macro),
            ("Publisher", Covered),
            ("Requester", Covered),
            ("Sink", Covered),
            // It returns the client's own type.
            ("Subscriber", Absent),
            ("TimeoutProvider", Covered),
        ],
    ),
    ("lib.rs", "Subscriber", "subscriber.rs", &[("Debug", Covered), ("Stream", Covered)]),
    (
        "jetstream/context.rs",
        "Context",
        "jetstream/context.rs",
        &[
            // It returns a client that is not instrumented.
            ("ClientProvider", Absent),
            ("Clone", Covered),
            ("Debug", Macro),
            // That of core NATS. JetStream's returns the client's own type.
            ("Publisher", Covered),
            // For requests to the API, which are no messages: through `get_ref`.
            ("RequestSender", Absent),
            ("Requester", Covered),
            ("TimeoutProvider", Covered),
        ],
    ),
    (
        "jetstream/context.rs",
        "PublishAckFuture",
        "jetstream/answer.rs",
        &[("Debug", Covered), ("IntoFuture", Covered)],
    ),
    (
        "jetstream/message.rs",
        "Message",
        "jetstream/message.rs",
        // Ours converts into our message of core NATS.
        &[("Clone", Covered), ("Debug", Covered), ("Deref", Deref), ("From", Deref)],
    ),
    (
        "message.rs",
        "Message",
        "message.rs",
        &[
            ("Clone", Covered),
            ("Debug", Covered),
            // The context would be lost.
            ("Deserialize", Absent),
            ("Serialize", Deref),
        ],
    ),
];

#[test]
fn every_public_method_of_the_client_is_covered_or_bare_on_purpose() {
    let client = sources("async-nats");
    for (file, name, _, ways) in WAYS {
        let listed: BTreeSet<&str> = ways.iter().map(|(way, _)| *way).collect();
        let found = client.methods(Some(file), name);
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, listed, "{file}, {name}: found and listed");
        assert!(client.has_type(name), "{name} is no more");
    }
}

#[test]
fn what_is_listed_as_ours_is_there() {
    let ours = sources(env!("CARGO_PKG_NAME"));
    for (_, name, file, ways) in WAYS {
        let text = fs::read_to_string(ours.directory().join(file)).expect("it is text");
        for (way, kind) in *ways {
            // A macro's methods are named in its call.
            let forms = [
                format!("fn {way}("),
                format!("fn {way}<"),
                format!(" {way}["),
                format!(" {way}: "),
                format!(" {way}("),
            ];
            let has = forms.iter().any(|form| text.contains(form.as_str()));
            assert!(has || matches!(kind, Deref | Absent), "{name} has no `{way}` of its own");
        }
    }
}

#[test]
fn our_types_implement_what_the_clients_do() {
    let (client, ours) = (sources("async-nats"), sources(env!("CARGO_PKG_NAME")));
    for (theirs, name, file, traits) in TRAITS {
        let found = client.traits(Some(theirs), name);
        let listed: BTreeSet<String> = traits.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed, "{theirs}, {name}: found and listed");
        let ours = ours.traits(Some(*file).filter(|file| !file.is_empty()), name);
        let covered = traits.iter().filter(|(_, kind)| *kind == Covered).map(|(name, _)| *name);
        let missing: Vec<&str> = covered.filter(|name| !ours.contains(*name)).collect();
        assert!(missing.is_empty(), "{name} does not implement {missing:?}");
    }
}

fn sources(package: &str) -> Sources {
    Sources::of(package, env!("CARGO_MANIFEST_DIR"))
}
