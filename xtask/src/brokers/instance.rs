//! Keeps the state of a broker of one instance in its directory under `target/brokers`.

use super::{broker::Broker, process};
use std::{
    fs,
    path::{Path, PathBuf},
};

const INSTANCES: &str = "instances";

pub(super) struct Instance {
    pub(super) broker: &'static Broker,
    /// The name after `--instance`; `None` for the shared brokers.
    pub(super) name: Option<String>,
    /// Holds downloads and builds, which all instances share.
    pub(super) downloads: PathBuf,
    /// Holds the data, logs and state of this instance.
    pub(super) directory: PathBuf,
    /// Kept after a stop, so that the broker gets the same ports again.
    pub(super) ports: Vec<u16>,
    /// What `up` has started and nothing has stopped. It may have crashed.
    pub(super) started: Option<Started>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Started {
    Container,
    Process { pid: u32, title: String },
}

impl Instance {
    /// Reads the state. Anything that cannot be read counts as not started.
    pub(super) fn load(broker: &'static Broker, name: Option<&str>, brokers: &Path) -> Self {
        let downloads = brokers.join(broker.name);
        let directory = name.map_or_else(
            || downloads.clone(),
            |name| brokers.join(INSTANCES).join(name).join(broker.name),
        );
        let text = fs::read_to_string(directory.join("state")).unwrap_or_default();
        let (ports, started) = parse(&text);
        Self { broker, name: name.map(str::to_owned), downloads, directory, ports, started }
    }

    /// Returns the shared instance and all named ones that have a directory.
    pub(super) fn names(brokers: &Path) -> Vec<Option<String>> {
        let entries = fs::read_dir(brokers.join(INSTANCES)).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let named = named.filter_map(|name| checked_name(&name).ok()).map(Some);
        [None].into_iter().chain(named).collect()
    }

    /// Replaces the state file in one step, because `status` reads it without a lock.
    pub(super) fn save(&self) -> Result<(), String> {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let started = match &self.started {
            None => String::new(),
            Some(Started::Container) => "container".into(),
            Some(Started::Process { pid, title }) => format!("{pid} {title}"),
        };
        let new = self.directory.join("state.new");
        write(&new, &format!("ports={}\nstarted={started}\n", ports.join(" ")))?;
        fs::rename(&new, self.directory.join("state"))
            .map_err(|error| format!("{} could not be renamed: {error}", new.display()))
    }

    /// Returns where the broker listens after `up`.
    pub(super) fn endpoint(&self) -> String {
        self.broker.endpoint(self.ports.first().copied().unwrap_or_default())
    }

    /// Returns true if a server process was started and does not run any more.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.started, Some(Started::Process { .. })) && !process::is_running(&self.log())
    }

    /// Describes what was started.
    pub(super) fn title(&self) -> String {
        match &self.started {
            None => String::new(),
            Some(Started::Container) => "container".into(),
            Some(Started::Process { pid, title }) => format!("{title}, pid {pid}"),
        }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("broker.log")
    }

    /// Returns the directory of everything that the server stores.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn remove_data(&self) -> Result<(), String> {
        let data = self.data();
        if !data.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&data)
            .map_err(|error| format!("{} could not be removed: {error}", data.display()))
    }
}

/// Refuses a name that could not be a directory and a Compose project.
pub(super) fn checked_name(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_plain) {
        Ok(name.to_owned())
    } else {
        Err(format!("`{name}` is no name for an instance: use small letters, digits and `-`"))
    }
}

/// Writes a file and creates its directory.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{} could not be written: {error}", path.display()))
}

fn parse(state: &str) -> (Vec<u16>, Option<Started>) {
    let value = |key| state.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    let ports = value("ports=").split(' ').filter_map(|port| port.parse().ok()).collect();
    let started = match value("started=") {
        "container" => Some(Started::Container),
        process => process.split_once(' ').and_then(|(pid, title)| {
            Some(Started::Process { pid: pid.parse().ok()?, title: title.to_owned() })
        }),
    };
    (ports, started)
}

#[cfg(test)]
mod tests {
    use super::{super::nats::NATS, *};

    #[test]
    fn names_stay_within_their_directory() {
        assert_eq!(checked_name("kafka-restart"), Ok("kafka-restart".into()));
        for name in ["", "..", "a/b", "-a", "A", "a b"] {
            assert!(checked_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_saved() {
        let directory = tempfile::tempdir().unwrap();
        let brokers = directory.path();
        assert_eq!(Instance::names(brokers), [None]);
        let process = || Started::Process { pid: 7, title: "NATS 2.15.2".into() };
        for (ports, started) in
            [(vec![], None), (vec![4222], Some(Started::Container)), (vec![1, 2], Some(process()))]
        {
            let mut instance = Instance::load(&NATS, Some("own"), brokers);
            (instance.ports, instance.started) = (ports, started);
            instance.save().unwrap();
            let loaded = Instance::load(&NATS, Some("own"), brokers);
            assert_eq!((loaded.ports, loaded.started), (instance.ports, instance.started));
        }
        assert_eq!(Instance::names(brokers), [None, Some("own".into())]);
        assert_eq!(Instance::load(&NATS, None, brokers).started, None);
        // A damaged state counts as not started.
        assert_eq!(parse("ports=9092 x\nstarted=12\n"), (vec![9092], None));
        assert_eq!(parse("\u{0}\n=\nstarted=x y"), (vec![], None));
    }
}
