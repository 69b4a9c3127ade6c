//! `cargo xtask brokers`: real brokers, on any machine.

mod broker;
mod compose;
mod endpoint;
mod kafka;
mod log;
mod native;
mod nats;
mod package;
mod place;
mod port;
mod process;
mod rabbitmq;
mod ready;
mod state;
mod status;
mod task;

pub(crate) use self::broker::Broker;
use self::{endpoint::Endpoint, place::Place, state::Origin, status::Health};
use crate::UsageError;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "\
Usage: cargo xtask brokers up|down|status [kafka] [rabbitmq] [nats]

Starts, stops or shows message brokers for tests; all three unless some are named.
  up       start what does not run yet, and wait until it answers
  down     stop what `up` has started, and nothing else; its data goes, its downloads stay
  status   one line for each; fails unless all are up

A broker comes from the first of these that there is:
  1. the environment, which names one that runs already:
       OTEL_MESSAGING_KAFKA=host:9092   OTEL_MESSAGING_NATS=host:4222
       OTEL_MESSAGING_RABBITMQ=amqp://user:password@host:5672/vhost
  2. a Docker engine with Compose, by docker-compose.yml
  3. a server on this machine: Apache Kafka by Maven (Java 17 or newer), RabbitMQ from the
     system's packages, nats-server by the Go toolchain or from the system's packages

Ours listen on 127.0.0.1 only, on the usual port or the next that is free. To have a certain one:
OTEL_MESSAGING_KAFKA_PORT, OTEL_MESSAGING_RABBITMQ_PORT, OTEL_MESSAGING_NATS_PORT.
Everything is under target/brokers: downloads, data, logs, and what is running.
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Up,
    Down,
    Status,
}

/// Fails if one of the brokers that were asked for could not be started, stopped, or is not up.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let Some((action, brokers)) = parse(args)? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let is_good = match action {
        Action::Up => up(&brokers).is_ok(),
        Action::Down => down(&brokers),
        // Every line is shown, also after one that is bad.
        Action::Status => {
            let down = brokers.iter().filter(|&&broker| !status::show(broker));
            down.count() == 0
        }
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Brings brokers up, and gives the environment in which tests find them. What went wrong has been
/// said when it returns.
pub(crate) fn up(brokers: &[Broker]) -> Result<Vec<(&'static str, String)>, Failed> {
    let mut environment = Vec::new();
    let mut outcome = Ok(());
    for &broker in brokers {
        match up_one(broker) {
            Ok(endpoint) => environment.push((broker.variable(), endpoint.value().to_owned())),
            Err(cause) => {
                eprintln!("{broker}: {cause}");
                outcome = Err(Failed);
            }
        }
    }
    outcome.map(|()| environment)
}

/// Something did not work, and it has been said what.
#[derive(Debug)]
pub(crate) struct Failed;

/// Stops what we have started of these brokers. True if nothing of it is left.
pub(crate) fn down(brokers: &[Broker]) -> bool {
    let mut is_good = true;
    for &broker in brokers {
        if let Err(cause) = down_one(broker) {
            eprintln!("{broker}: {cause}");
            is_good = false;
        }
    }
    is_good
}

fn up_one(broker: Broker) -> Result<Endpoint, String> {
    if let Some(endpoint) = Endpoint::from_environment(broker)? {
        let variable = broker.variable();
        ready::ask(broker, &endpoint).map_err(|cause| {
            format!(
                "no broker answers where {variable} says: {cause}; start it, or unset {variable}"
            )
        })?;
        println!("{broker}: up at {endpoint}, from {variable}");
        return Ok(endpoint);
    }
    let directory = directory();
    let _lock = process::lock(&directory)?;
    let mut place = Place::of(broker, &directory);
    match Health::of(&place) {
        Health::Up => {
            let endpoint = place.endpoint()?;
            println!("{broker}: is up already at {}", endpoint.value());
            return Ok(endpoint);
        }
        // An earlier run was interrupted while it started.
        Health::Silent => match place.state.started.as_ref().map(|started| &started.origin) {
            Some(Origin::Native { server, .. }) => {
                let pid = server.pid;
                native::wait_until_ready(&place).map_err(|cause| {
                    format!("{cause}\n  pid {pid} still runs; to stop it: cargo xtask brokers down {broker}")
                })?;
            }
            _ => start(&mut place, true)?,
        },
        Health::Gone(cause) => {
            eprintln!("{broker}: {cause}; starting it again");
            // What it left behind would be in the way.
            place.state.started.take().map_or(Ok(()), |started| native::stop(&started.origin))?;
            start(&mut place, true)?;
        }
        Health::NotStarted => start(&mut place, false)?,
    }
    let endpoint = place.endpoint()?;
    println!("{broker}: up at {}", endpoint.value());
    Ok(endpoint)
}

fn start(place: &mut Place, is_restart: bool) -> Result<(), String> {
    if compose::is_available() {
        compose::up(place, &root(), is_restart)
    } else {
        native::up(place)
    }
}

fn down_one(broker: Broker) -> Result<(), String> {
    let directory = directory();
    let _lock = process::lock(&directory)?;
    let mut place = Place::of(broker, &directory);
    let text = match place.state.started.take() {
        None if env::var_os(broker.variable()).is_some() => {
            format!("comes from {}, so it is not ours to stop", broker.variable())
        }
        None => "was not started by us; nothing to stop".into(),
        Some(started) => {
            match started.origin {
                Origin::Compose => compose::down(broker, &root()),
                Origin::Native { .. } => native::stop(&started.origin),
            }?;
            place.save()?;
            "stopped".into()
        }
    };
    // Also that of a broker which could not start because of it.
    place.remove_data()?;
    println!("{broker}: {text}");
    Ok(())
}

fn directory() -> PathBuf {
    root().join("target").join("brokers")
}

/// The workspace that we were started in: cargo says so, whichever workspace built us.
fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// `None` if only help was asked for.
fn parse(args: &[OsString]) -> Result<Option<(Action, Vec<Broker>)>, UsageError> {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if words.iter().any(|word| matches!(word.as_ref(), "-h" | "--help")) {
        return Ok(None);
    }
    let Some((action, names)) = words.split_first() else {
        return Err(UsageError("`brokers` needs an action: up, down or status".into()));
    };
    let action = match action.as_ref() {
        "up" => Action::Up,
        "down" => Action::Down,
        "status" => Action::Status,
        unknown => {
            let cause = format!("`brokers` has no action `{unknown}`: it has up, down and status");
            return Err(UsageError(cause));
        }
    };
    let mut brokers = Vec::new();
    for name in names {
        let broker = Broker::from_name(name).ok_or_else(|| {
            UsageError(format!("there is no broker `{name}`: there are kafka, rabbitmq and nats"))
        })?;
        if !brokers.contains(&broker) {
            brokers.push(broker);
        }
    }
    Ok(Some((action, if brokers.is_empty() { Broker::ALL.to_vec() } else { brokers })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Option<(Action, Vec<Broker>)>, String> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        parse(&args).map_err(|UsageError(cause)| cause)
    }

    #[test]
    fn all_brokers_are_meant_unless_some_are_named() {
        assert_eq!(parsed(&["up"]), Ok(Some((Action::Up, Broker::ALL.to_vec()))));
        let named = Ok(Some((Action::Down, vec![Broker::Nats, Broker::Kafka])));
        assert_eq!(parsed(&["down", "nats", "kafka", "nats"]), named);
    }

    #[test]
    fn help_starts_nothing() {
        assert_eq!(parsed(&["up", "--help"]), Ok(None));
    }

    #[test]
    fn what_is_unknown_is_named() {
        assert!(parsed(&[]).unwrap_err().contains("needs an action"));
        assert!(parsed(&["start"]).unwrap_err().contains("`start`"));
        assert!(parsed(&["up", "pulsar"]).unwrap_err().contains("`pulsar`"));
    }
}
