//! What we remember of a broker between two runs: its ports, and what we have started.

use super::process::Process;
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The content of the file `state` in a broker's directory: lines of `key=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Chosen once and kept, so that a restarted broker is found where it was.
    pub(crate) ports: Vec<u16>,
    pub(crate) started: Option<Started>,
}

/// A broker that we have started and not stopped. It need not be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) origin: Origin,
    /// In seconds of Unix time.
    pub(crate) at: u64,
    /// What runs, for people.
    pub(crate) title: String,
}

/// How it was started, and by what it is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Compose,
    /// The server, and a process that it needs beside it (RabbitMQ's port mapper).
    Native {
        server: Process,
        companion: Option<Process>,
    },
}

impl Started {
    pub(crate) fn now(origin: Origin, title: String) -> Self {
        let at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        Self { origin, at, title }
    }

    pub(crate) fn age(&self) -> Duration {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Duration::from_secs(now.as_secs().saturating_sub(self.at))
    }
}

impl State {
    /// What cannot be read counts as nothing: the worst that follows is a port that is taken.
    pub(crate) fn load(directory: &Path) -> Self {
        fs::read_to_string(file(directory)).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Replaces the file in one step: a reader sees the old state or the new one.
    pub(crate) fn save(&self, directory: &Path) -> Result<(), String> {
        let new = directory.join("state.new");
        let written: io::Result<()> = fs::create_dir_all(directory)
            .and_then(|()| fs::write(&new, self.to_text()))
            .and_then(|()| fs::rename(&new, file(directory)));
        written.map_err(|error| format!("{} could not be written: {error}", new.display()))
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            text.lines().find_map(|line| line.split_once('=').filter(|(found, _)| *found == key))
        };
        let value = |key: &str| value(key).map(|(_, value)| value);
        let process = |key: &str| {
            let (pid, start) = value(key)?.split_once(' ')?;
            Some(Process { pid: pid.parse().ok()?, start: start.to_owned() })
        };
        let ports = value("ports").unwrap_or_default().split(' ');
        let origin = match value("origin") {
            Some("compose") => Some(Origin::Compose),
            Some("native") => process("server")
                .map(|server| Origin::Native { server, companion: process("companion") }),
            _ => None,
        };
        Self {
            ports: ports.filter_map(|port| port.parse().ok()).collect(),
            started: origin.map(|origin| Started {
                origin,
                at: value("at").and_then(|at| at.parse().ok()).unwrap_or_default(),
                title: value("title").unwrap_or_default().to_owned(),
            }),
        }
    }

    fn to_text(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let mut text = format!("ports={}\n", ports.join(" "));
        if let Some(Started { origin, at, title }) = &self.started {
            match origin {
                Origin::Compose => text.push_str("origin=compose\n"),
                Origin::Native { server, companion } => {
                    text.push_str("origin=native\n");
                    let processes = [("server", Some(server)), ("companion", companion.as_ref())];
                    for (key, process) in processes {
                        if let Some(Process { pid, start }) = process {
                            let _ = writeln!(text, "{key}={pid} {start}");
                        }
                    }
                }
            }
            let _ = write!(text, "at={at}\ntitle={title}\n");
        }
        text
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("state")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(origin: Origin) -> State {
        let started = Started { origin, at: 1_700_000_000, title: "Apache Kafka 4".into() };
        State { ports: vec![9092, 19092], started: Some(started) }
    }

    fn process(pid: u32) -> Process {
        Process { pid, start: "3f2a Mon Jan  1 10:00:00 2026".into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let states = [
            State::default(),
            State { ports: vec![4222], started: None },
            started(Origin::Compose),
            started(Origin::Native { server: process(7), companion: None }),
            started(Origin::Native { server: process(7), companion: Some(process(8)) }),
        ];
        for state in states {
            assert_eq!(State::parse(&state.to_text()), state);
        }
    }

    #[test]
    fn what_is_damaged_counts_as_not_started() {
        let torn = "ports=9092 x\norigin=native\nserver=12\n";
        assert_eq!(State::parse(torn), State { ports: vec![9092], started: None });
        assert_eq!(State::parse("\u{0}\n=\norigin=elsewhere"), State::default());
    }

    #[test]
    fn a_state_survives_on_disk() {
        let directory = std::env::temp_dir().join(format!("xtask-state-{}", std::process::id()));
        assert_eq!(State::load(&directory), State::default());
        started(Origin::Compose).save(&directory).unwrap();
        assert_eq!(State::load(&directory), started(Origin::Compose));
        fs::remove_dir_all(directory).unwrap();
    }
}
