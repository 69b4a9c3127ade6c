//! Every public way into the client is either covered or bare on purpose (DESIGN, section 5).
//!
//! The client's sources are read in the version that is built, so that a new release cannot add a
//! way in that nobody looked at.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use cargo_metadata::MetadataCommand;
use syn::{ImplItem, Item, TraitItem, Type, Visibility};

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
    let client = Sources::of("rdkafka");
    let types: Vec<&str> = WAYS.iter().map(|(name, _)| *name).collect();
    let found: BTreeMap<_, _> = types
        .iter()
        .map(|&name| (name, client.methods.get(name).cloned().unwrap_or_default()))
        .collect();
    let listed: BTreeMap<_, BTreeSet<_>> = WAYS
        .iter()
        .map(|(name, ways)| (*name, ways.iter().map(|(way, _)| (*way).to_owned()).collect()))
        .collect();
    assert_eq!(found, listed, "a way into the client is not listed here, or is no more");
}

#[test]
fn what_is_listed_as_ours_is_there() {
    let ours = Sources::of(env!("CARGO_PKG_NAME"));
    for (name, ways) in WAYS.iter().filter(|(name, _)| !["Producer", "Consumer"].contains(name)) {
        for (way, _) in ways.iter().filter(|(_, kind)| *kind != Deref) {
            let has = ours.methods.get(*name).is_some_and(|methods| methods.contains(*way));
            assert!(has, "{name} has no `{way}` of its own");
        }
    }
}

#[test]
fn our_types_implement_what_the_clients_do() {
    let (client, ours) = (Sources::of("rdkafka"), Sources::of(env!("CARGO_PKG_NAME")));
    let listed: BTreeMap<_, BTreeSet<_>> = TRAITS
        .iter()
        .map(|(name, traits)| (*name, traits.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let found: BTreeMap<_, BTreeSet<String>> = TRAITS
        .iter()
        .map(|(name, _)| {
            let mut traits = client.traits.get(*name).cloned().unwrap_or_default();
            traits.retain(|name| name != "Drop" && name != "Send" && name != "Sync");
            (*name, traits)
        })
        .collect();
    assert_eq!(found, listed, "a trait of the client's types is not listed here, or is no more");
    for (name, traits) in listed {
        let ours = ours.traits.get(name).cloned().unwrap_or_default();
        for missing in traits.difference(&ours) {
            // These two are implemented by macros; other tests would not compile without.
            let by_macro = ["Consumer", "Message"].contains(&missing.as_str());
            assert!(by_macro, "{name} does not implement {missing}");
        }
    }
}

/// The public methods and implemented traits of a package's types, by the names of the types.
#[derive(Default)]
struct Sources {
    methods: BTreeMap<String, BTreeSet<String>>,
    traits: BTreeMap<String, BTreeSet<String>>,
    /// The public methods that a macro of this name makes.
    macros: BTreeMap<String, BTreeSet<String>>,
    /// The macros that a type's implementation calls.
    calls: Vec<(String, String)>,
}

impl Sources {
    fn of(package: &str) -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .other_options(["--locked".to_owned(), format!("--filter-platform={}", host())])
            .exec()
            .expect("cargo knows the workspace");
        let package = metadata.packages.iter().find(|found| *found.name == *package);
        let manifest = &package.expect("the package is built").manifest_path;
        let mut sources = Self::default();
        let directory = manifest.parent().expect("it is in a directory").join("src");
        sources.read(directory.as_std_path());
        for (name, called) in &sources.calls {
            let made = sources.macros.get(called).cloned().unwrap_or_default();
            sources.methods.entry(name.clone()).or_default().extend(made);
        }
        sources
    }

    fn read(&mut self, path: &Path) {
        if path.is_dir() {
            for entry in fs::read_dir(path).expect("it is readable") {
                self.read(&entry.expect("it is readable").path());
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).expect("it is text");
            let file = syn::parse_file(&text).expect("it is Rust");
            file.items.iter().for_each(|item| self.look_at(item));
        }
    }

    fn look_at(&mut self, item: &Item) {
        match item {
            Item::Impl(implementation) => {
                let Some(name) = name_of(&implementation.self_ty) else { return };
                if let Some((_, path, _)) = &implementation.trait_ {
                    let last = path.segments.last().expect("a path has a last segment");
                    self.traits.entry(name).or_default().insert(last.ident.to_string());
                    return;
                }
                for item in &implementation.items {
                    match item {
                        ImplItem::Fn(method) if matches!(method.vis, Visibility::Public(_)) => {
                            let method = method.sig.ident.to_string();
                            self.methods.entry(name.clone()).or_default().insert(method);
                        }
                        ImplItem::Macro(call) => {
                            let called = call.mac.path.segments.last().expect("a path has one");
                            self.calls.push((name.clone(), called.ident.to_string()));
                        }
                        _ => {}
                    }
                }
            }
            Item::Macro(definition) => {
                let Some(name) = &definition.ident else { return };
                let methods = self.macros.entry(name.to_string()).or_default();
                let mut is_public = false;
                let text = definition.mac.tokens.to_string();
                let mut words = text.split_whitespace();
                while let Some(word) = words.next() {
                    match word {
                        "pub" => is_public = true,
                        "const" | "async" => {}
                        "fn" if is_public => methods.extend(words.next().map(str::to_owned)),
                        _ => is_public = false,
                    }
                }
            }
            Item::Trait(definition) => {
                for item in &definition.items {
                    if let TraitItem::Fn(method) = item {
                        let methods = self.methods.entry(definition.ident.to_string()).or_default();
                        methods.insert(method.sig.ident.to_string());
                    }
                }
            }
            Item::Struct(definition) => {
                for attribute in definition.attrs.iter().filter(|a| a.path().is_ident("derive")) {
                    attribute
                        .parse_nested_meta(|derived| {
                            let last = derived.path.segments.last().expect("a path has one");
                            let traits = self.traits.entry(definition.ident.to_string());
                            traits.or_default().insert(last.ident.to_string());
                            Ok(())
                        })
                        .expect("derives are paths");
                }
            }
            _ => {}
        }
    }
}

/// Without it, cargo would fetch the dependencies of every platform.
fn host() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("it speaks UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("it tells its host").to_owned()
}

fn name_of(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(reference) => name_of(&reference.elem),
        _ => None,
    }
}
