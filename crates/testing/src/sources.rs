//! The public methods and traits of a package's types, read from its sources.
//!
//! A test of a client crate compares them with the methods that the crate instruments, so that it
//! fails if a new release of the client has a new way to send or to receive.

#![allow(clippy::expect_used, reason = "only tests call it, and a panic fails them")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::MetadataCommand;
use syn::{ImplItem, Item, TraitItem, Type, Visibility};

/// The public methods and implemented traits of a package's types.
#[derive(Debug, Default)]
pub struct Sources {
    directory: PathBuf,
    methods: Names,
    traits: Names,
    /// For each macro by name: the public methods that it defines.
    macros: BTreeMap<String, BTreeSet<String>>,
    /// The macros that are called in the implementation of a type.
    calls: Vec<(Key, String)>,
}

/// The file of a type, relative to `src`, and its name.
type Key = (PathBuf, String);
type Names = BTreeMap<Key, BTreeSet<String>>;

impl Sources {
    /// Reads the sources of `package`, in the version that the crate in `manifest_directory` is
    /// built with. In a test, `manifest_directory` is `env!("CARGO_MANIFEST_DIR")`.
    ///
    /// # Panics
    ///
    /// If the sources cannot be read or parsed.
    pub fn of(package: &str, manifest_directory: &str) -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(manifest_directory).join("Cargo.toml"))
            .other_options(["--locked".to_owned(), format!("--filter-platform={}", host())])
            .exec()
            .expect("cargo knows the workspace");
        let package = metadata.packages.iter().find(|found| *found.name == *package);
        let manifest = &package.expect("the package is built").manifest_path;
        let directory = manifest.parent().expect("it is in a directory").join("src");
        let mut sources = Self { directory: directory.into(), ..Self::default() };
        sources.read(&sources.directory.clone());
        for (key, called) in &sources.calls {
            let made = sources.macros.get(called).cloned().unwrap_or_default();
            sources.methods.entry(key.clone()).or_default().extend(made);
        }
        sources
    }

    /// Returns the directory `src` of the package.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the public methods of the types with this name, and the methods of the traits with
    /// this name, in one file or in all.
    pub fn methods(&self, file: Option<&str>, name: &str) -> BTreeSet<String> {
        select(&self.methods, file, name)
    }

    /// Returns the traits that the types with this name implement, except for `Drop`, in one file
    /// or in all.
    pub fn traits(&self, file: Option<&str>, name: &str) -> BTreeSet<String> {
        let mut traits = select(&self.traits, file, name);
        traits.remove("Drop");
        traits
    }

    /// Tells whether there is a type with this name.
    pub fn has_type(&self, name: &str) -> bool {
        self.traits.keys().any(|(_, of)| of == name)
    }

    fn read(&mut self, path: &Path) {
        if path.is_dir() {
            for entry in fs::read_dir(path).expect("it is readable") {
                self.read(&entry.expect("it is readable").path());
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).expect("it is text");
            let file = syn::parse_file(&text).expect("it is Rust");
            let path = path.strip_prefix(&self.directory).expect("it is there").to_owned();
            file.items.iter().for_each(|item| self.look_at(&path, item));
        }
    }

    fn look_at(&mut self, file: &Path, item: &Item) {
        match item {
            Item::Impl(implementation) => {
                let Some(name) = name_of(&implementation.self_ty) else { return };
                let key = (file.to_owned(), name);
                if let Some((_, path, _)) = &implementation.trait_ {
                    self.traits.entry(key).or_default().insert(last(path));
                    return;
                }
                for item in &implementation.items {
                    match item {
                        ImplItem::Fn(method) if matches!(method.vis, Visibility::Public(_)) => {
                            let methods = self.methods.entry(key.clone()).or_default();
                            methods.insert(method.sig.ident.to_string());
                        }
                        ImplItem::Macro(call) => {
                            self.calls.push((key.clone(), last(&call.mac.path)));
                        }
                        _ => {}
                    }
                }
            }
            Item::Macro(definition) => {
                let Some(name) = &definition.ident else { return };
                let methods = self.macros.entry(name.to_string()).or_default();
                methods.extend(public_functions(&definition.mac.tokens.to_string()));
            }
            Item::Trait(definition) => {
                let key = (file.to_owned(), definition.ident.to_string());
                for item in &definition.items {
                    if let TraitItem::Fn(method) = item {
                        let methods = self.methods.entry(key.clone()).or_default();
                        methods.insert(method.sig.ident.to_string());
                    }
                }
            }
            Item::Struct(definition) => {
                let key = (file.to_owned(), definition.ident.to_string());
                let traits = self.traits.entry(key).or_default();
                for attribute in definition.attrs.iter().filter(|a| a.path().is_ident("derive")) {
                    let derives = attribute.parse_nested_meta(|derived| {
                        traits.insert(last(&derived.path));
                        Ok(())
                    });
                    derives.expect("derives are paths");
                }
            }
            _ => {}
        }
    }
}

fn select(names: &Names, file: Option<&str>, name: &str) -> BTreeSet<String> {
    let is_meant =
        |(found, of): &Key| of == name && file.is_none_or(|file| found == Path::new(file));
    let meant = names.iter().filter(|(key, _)| is_meant(key));
    meant.flat_map(|(_, names)| names).cloned().collect()
}

/// Returns the names after `pub fn` in the tokens of a macro, which need not be whole items.
fn public_functions(tokens: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_public = false;
    let mut words = tokens.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "pub" => is_public = true,
            "const" | "async" => {}
            "fn" if is_public => names.extend(words.next().map(str::to_owned)),
            _ => is_public = false,
        }
    }
    names
}

fn last(path: &syn::Path) -> String {
    path.segments.last().expect("a path has a last segment").ident.to_string()
}

fn name_of(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(last(&path.path)),
        Type::Reference(reference) => name_of(&reference.elem),
        _ => None,
    }
}

/// Returns the host platform. Without it, cargo fetches the dependencies of all platforms.
fn host() -> String {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("it speaks UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("it tells its host").to_owned()
}
