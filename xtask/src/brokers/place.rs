//! A broker's directory under `target/brokers`, with the state that is kept there.

use super::{broker::Broker, endpoint::Endpoint, instance::Instance, state::State};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) struct Place {
    pub(crate) broker: Broker,
    pub(crate) instance: Instance,
    /// For what is downloaded or built once, for all instances.
    pub(crate) downloads: PathBuf,
    /// For what this instance writes.
    pub(crate) directory: PathBuf,
    pub(crate) state: State,
}

impl Place {
    pub(crate) fn of(broker: Broker, instance: &Instance, brokers: &Path) -> Self {
        let downloads = brokers.join(broker.name());
        let directory = instance.directory(brokers).join(broker.name());
        let state = State::load(&directory);
        Self { broker, instance: instance.clone(), downloads, directory, state }
    }

    /// Where our broker is, or would be.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, String> {
        let port = self.state.ports.first().ok_or("it has no port yet")?;
        Endpoint::parse(self.broker, &self.broker.endpoint(*port))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("broker.log")
    }

    /// Every native broker keeps what it stores in `data`.
    pub(crate) fn remove_data(&self) -> Result<(), String> {
        let data = self.directory.join("data");
        match fs::remove_dir_all(&data) {
            Err(error) if data.exists() => {
                Err(format!("{} could not be removed: {error}", data.display()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn save(&self) -> Result<(), String> {
        self.state.save(&self.directory)
    }
}
