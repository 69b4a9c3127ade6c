//! How a broker is, and the line that says so.

use super::{
    broker::Broker,
    compose, directory,
    endpoint::Endpoint,
    instance::Instance,
    place::Place,
    ready, root,
    state::{Origin, Started},
};
use std::time::Duration;

/// How a broker of ours is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Up,
    /// It runs, and does not answer.
    Silent,
    /// We have started it, and it is not there any more: why, for people.
    Gone(String),
    NotStarted,
}

impl Health {
    pub(crate) fn of(place: &Place) -> Self {
        let Some(started) = &place.state.started else { return Self::NotStarted };
        if let Origin::Native { server, .. } = &started.origin
            && !server.is_alive()
        {
            let (pid, log) = (server.pid, place.log());
            return Self::Gone(format!(
                "{} (pid {pid}) was killed or has crashed; its log: {}",
                started.title,
                log.display()
            ));
        }
        let answer = place.endpoint().and_then(|endpoint| ready::ask(place.broker, &endpoint));
        match (answer, &started.origin) {
            (Ok(()), _) => Self::Up,
            (Err(_), Origin::Native { .. }) => Self::Silent,
            (Err(cause), Origin::Compose) => Self::Gone(format!("the container is gone: {cause}")),
        }
    }
}

/// Prints the broker's line; true if it is up.
pub(crate) fn show(broker: Broker, instance: &Instance) -> bool {
    let (is_up, text) = line(broker, instance);
    println!("{broker:<9} {:<5} {text}", if is_up { "up" } else { "down" });
    is_up
}

/// Says why the broker is not up, if it is not.
pub(crate) fn complaint(broker: Broker) -> Option<String> {
    let (is_up, text) = line(broker, &Instance::Shared);
    (!is_up).then_some(text)
}

fn line(broker: Broker, instance: &Instance) -> (bool, String) {
    let variable = broker.variable();
    match Endpoint::from_environment(broker, instance) {
        Err(cause) => return (false, cause),
        Ok(Some(endpoint)) => {
            return match ready::ask(broker, &endpoint) {
                Ok(()) => (true, format!("{endpoint}  from {variable}")),
                Err(cause) => (false, format!("{endpoint}  from {variable}: {cause}")),
            };
        }
        Ok(None) => {}
    }
    let place = Place::of(broker, instance, &directory());
    let health = Health::of(&place);
    let endpoint = place.endpoint().map(|endpoint| endpoint.value().to_owned()).unwrap_or_default();
    match (health, &place.state.started) {
        (Health::Up, Some(started)) => (true, format!("{endpoint}  {}", describe(started))),
        (Health::Silent, Some(started)) => {
            (false, format!("{endpoint}  {}, but it does not answer", describe(started)))
        }
        (Health::Gone(cause), _) => (false, cause),
        _ => line_of_another(broker, instance).unwrap_or_else(|| {
            (false, format!("not started; to start it: cargo xtask brokers up {broker}"))
        }),
    }
}

/// A container that somebody has started without us is what `up` would use.
fn line_of_another(broker: Broker, instance: &Instance) -> Option<(bool, String)> {
    let port =
        compose::is_available().then(|| compose::running_on(broker, instance, &root()))??;
    let endpoint = Endpoint::parse(broker, &broker.endpoint(port)).ok()?;
    let text = format!("{}  a container that was started without us", endpoint.value());
    Some(match ready::ask(broker, &endpoint) {
        Ok(()) => (true, text),
        Err(cause) => (false, format!("{text}: {cause}")),
    })
}

/// `Apache Kafka 4, pid 7, started 3 min 1 s ago`
fn describe(started: &Started) -> String {
    let age = duration(started.age());
    match &started.origin {
        Origin::Compose => format!("{}, started {age} ago", started.title),
        Origin::Native { server, .. } => {
            format!("{}, pid {}, started {age} ago", started.title, server.pid)
        }
    }
}

fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brokers::{process::Process, state::State};

    #[test]
    fn a_pid_that_belongs_to_another_process_is_gone() {
        let server = Process { pid: std::process::id(), start: "before the last boot".into() };
        let origin = Origin::Native { server, companion: None };
        let started = Some(Started::now(origin, "Apache Kafka".into()));
        let state = State { ports: vec![1, 2], started };
        let place =
            Place { state, ..Place::of(Broker::Kafka, &Instance::Shared, "/none".as_ref()) };
        let Health::Gone(cause) = Health::of(&place) else { panic!("it is not ours") };
        assert!(cause.contains("/none/kafka/broker.log"), "{cause}");
    }

    #[test]
    fn nothing_started_is_not_started() {
        let place = Place::of(Broker::Nats, &Instance::Shared, "/none".as_ref());
        assert_eq!(Health::of(&place), Health::NotStarted);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_secs(7)), "7 s");
        assert_eq!(duration(Duration::from_secs(61)), "1 min 1 s");
        assert_eq!(duration(Duration::from_secs(7380)), "2 h 3 min");
    }
}
