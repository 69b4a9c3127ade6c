//! Which brokers are meant: those that everybody shares, or a test's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A set of brokers with ports and data of its own. A test that kills its broker has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instance {
    Shared,
    Own(String),
}

const DIRECTORY: &str = "instances";

impl Instance {
    /// A name is a directory's and a Compose project's.
    pub(crate) fn own(name: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_plain) {
            Ok(Self::Own(name.to_owned()))
        } else {
            Err(format!("`{name}` is no name for an instance: small letters, digits and `-` are"))
        }
    }

    /// All that were ever started below `brokers`, the shared one first.
    pub(crate) fn all(brokers: &Path) -> Vec<Self> {
        let entries = fs::read_dir(brokers.join(DIRECTORY)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let own = names.filter_map(|name| Self::own(&name).ok());
        [Self::Shared].into_iter().chain(own).collect()
    }

    /// Where its brokers have their directories.
    pub(crate) fn directory(&self, brokers: &Path) -> PathBuf {
        match self {
            Self::Shared => brokers.to_owned(),
            Self::Own(name) => brokers.join(DIRECTORY).join(name),
        }
    }

    /// The Compose project of an instance that is not the shared one.
    pub(crate) fn project(&self) -> Option<String> {
        match self {
            Self::Shared => None,
            Self::Own(name) => Some(format!("otel-messaging-{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_directory() {
        assert_eq!(Instance::own("kafka-restart"), Ok(Instance::Own("kafka-restart".into())));
        for name in ["", "..", "a/b", "-a", "A", "a b"] {
            assert!(Instance::own(name).is_err(), "{name}");
        }
    }

    #[test]
    fn instances_are_found_by_their_directories() {
        let brokers = std::env::temp_dir().join(format!("xtask-instances-{}", std::process::id()));
        assert_eq!(Instance::all(&brokers), [Instance::Shared]);
        let own = Instance::Own("restart".into());
        fs::create_dir_all(own.directory(&brokers)).unwrap();
        assert_eq!(Instance::all(&brokers), [Instance::Shared, own]);
        fs::remove_dir_all(brokers).unwrap();
    }
}
