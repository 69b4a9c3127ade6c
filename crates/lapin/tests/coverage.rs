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
    // Messages that come back were sent from here.
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

/// What the client implements for its types: ours do too.
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
    let client = Sources::of("lapin");
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
    for (name, ways) in WAYS.iter().filter(|(name, _)| *name != "ConsumerDelegate") {
        for (way, kind) in *ways {
            let has = ours.methods.get(*name).is_some_and(|methods| methods.contains(*way));
            let should = matches!(kind, Covered | Bare);
            assert_eq!(has, should, "whether {name} has a `{way}` of its own");
        }
    }
}

#[test]
fn our_types_implement_what_the_clients_do() {
    let (client, ours) = (Sources::of("lapin"), Sources::of(env!("CARGO_PKG_NAME")));
    let listed: BTreeMap<_, BTreeSet<_>> = TRAITS
        .iter()
        .map(|(name, traits)| (*name, traits.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let found: BTreeMap<_, BTreeSet<String>> = TRAITS
        .iter()
        .map(|(name, _)| {
            let mut traits = client.traits.get(*name).cloned().unwrap_or_default();
            traits.retain(|name| name != "Drop");
            (*name, traits)
        })
        .collect();
    assert_eq!(found, listed, "a trait of the client's types is not listed here, or is no more");
    for (name, traits) in listed {
        let ours = ours.traits.get(name).cloned().unwrap_or_default();
        for missing in traits.difference(&ours) {
            // By a macro; other tests would not compile without.
            assert_eq!(missing, "Debug", "{name} does not implement {missing}");
        }
    }
}

/// The public methods and implemented traits of a package's types, by the names of the types.
#[derive(Default)]
struct Sources {
    methods: BTreeMap<String, BTreeSet<String>>,
    traits: BTreeMap<String, BTreeSet<String>>,
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
                    if let ImplItem::Fn(method) = item
                        && matches!(method.vis, Visibility::Public(_))
                    {
                        let method = method.sig.ident.to_string();
                        self.methods.entry(name.clone()).or_default().insert(method);
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
