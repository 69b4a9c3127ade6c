//! `cargo xtask brokers`: real brokers, on any machine.

mod broker;
mod compose;
mod endpoint;
mod instance;
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
use self::{endpoint::Endpoint, instance::Instance, place::Place, state::Origin, status::Health};
use crate::UsageError;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "\
Usage: cargo xtask brokers up|down|kill|status [--instance name] [kafka] [rabbitmq] [nats]

Starts, stops or shows message brokers for tests; all three unless some are named.
  up       start what does not run yet, and wait until it answers
  down     stop what `up` has started, and nothing else; its data goes, its downloads stay
  kill     end what `up` has started as a crash would; the next `up` finds its data
  status   one line for each; fails unless all are up

  --instance name   brokers of their own beside the shared ones, for a test that kills them;
                    `down` without it stops all instances

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
    Kill,
    Status,
}

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    action: Action,
    /// The shared one unless it is named.
    instance: Option<Instance>,
    brokers: Vec<Broker>,
}

/// Fails if one of the brokers that were asked for could not be started, stopped, or is not up.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let Some(Request { action, instance, brokers }) = parse(args)? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let one = instance.clone().unwrap_or(Instance::Shared);
    let is_good = match action {
        Action::Up => up_instance(&brokers, &one).is_ok(),
        Action::Down => match instance {
            Some(instance) => down_instances(&brokers, &[instance]),
            None => down(&brokers),
        },
        Action::Kill => each(&brokers, |broker| kill_one(broker, &one)),
        // Every line is shown, also after one that is bad.
        Action::Status => {
            let down = brokers.iter().filter(|&&broker| !status::show(broker, &one));
            down.count() == 0
        }
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Brings brokers up, and gives the environment in which tests find them. What went wrong has been
/// said when it returns.
pub(crate) fn up(brokers: &[Broker]) -> Result<Vec<(&'static str, String)>, Failed> {
    up_instance(brokers, &Instance::Shared)
}

fn up_instance(
    brokers: &[Broker],
    instance: &Instance,
) -> Result<Vec<(&'static str, String)>, Failed> {
    let mut environment = Vec::new();
    let is_good = each(brokers, |broker| {
        let endpoint = up_one(broker, instance)?;
        environment.push((broker.variable(), endpoint.value().to_owned()));
        Ok(())
    });
    if is_good { Ok(environment) } else { Err(Failed) }
}

/// Says which of these brokers are not up any more: what failed meanwhile may be due to that.
pub(crate) fn complain(brokers: &[Broker]) {
    for &broker in brokers {
        if let Some(cause) = status::complaint(broker) {
            eprintln!("{broker}: is down after the tests: {cause}");
        }
    }
}

/// Something did not work, and it has been said what.
#[derive(Debug)]
pub(crate) struct Failed;

/// Stops what we have started of these brokers, in every instance. True if nothing of it is left.
pub(crate) fn down(brokers: &[Broker]) -> bool {
    down_instances(brokers, &Instance::all(&directory()))
}

fn down_instances(brokers: &[Broker], instances: &[Instance]) -> bool {
    let down = |instance: &Instance| each(brokers, |broker| down_one(broker, instance));
    instances.iter().map(down).fold(true, |before, is_good| before & is_good)
}

/// Does something to each broker, also after one that it failed for. True if none failed.
fn each(brokers: &[Broker], mut action: impl FnMut(Broker) -> Result<(), String>) -> bool {
    let mut is_good = true;
    for &broker in brokers {
        if let Err(cause) = action(broker) {
            eprintln!("{broker}: {cause}");
            is_good = false;
        }
    }
    is_good
}

fn up_one(broker: Broker, instance: &Instance) -> Result<Endpoint, String> {
    if let Some(endpoint) = Endpoint::from_environment(broker, instance)? {
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
    let mut place = Place::of(broker, instance, &directory);
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
    // Held until the port is taken: two workspaces that start a broker at the same time would choose
    // the same one, and each take the other's for its own.
    let _ports = process::lock(&env::temp_dir().join("otel-messaging-ports")).ok();
    if compose::is_available() {
        compose::up(place, &root(), is_restart)
    } else {
        native::up(place)
    }
}

fn down_one(broker: Broker, instance: &Instance) -> Result<(), String> {
    let directory = directory();
    let _lock = process::lock(&directory)?;
    let mut place = Place::of(broker, instance, &directory);
    let text = match place.state.started.take() {
        // Of the many instances there are, few had this broker.
        None if *instance != Instance::Shared => return Ok(()),
        None if env::var_os(broker.variable()).is_some() => {
            format!("comes from {}, so it is not ours to stop", broker.variable())
        }
        None => "was not started by us; nothing to stop".into(),
        Some(started) => {
            match started.origin {
                Origin::Compose => compose::down(broker, instance, &root()),
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

fn kill_one(broker: Broker, instance: &Instance) -> Result<(), String> {
    let directory = directory();
    let _lock = process::lock(&directory)?;
    let place = Place::of(broker, instance, &directory);
    match &place.state.started {
        None => return Err("was not started by us, so it is not ours to kill".into()),
        Some(started) if started.origin == Origin::Compose => {
            compose::kill(broker, instance, &root())
        }
        Some(started) => native::kill(&started.origin),
    }?;
    println!("{broker}: killed");
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
fn parse(args: &[OsString]) -> Result<Option<Request>, UsageError> {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if words.iter().any(|word| matches!(word.as_ref(), "-h" | "--help")) {
        return Ok(None);
    }
    let mut words = words.into_iter();
    let action = match words.next().as_deref() {
        Some("up") => Action::Up,
        Some("down") => Action::Down,
        Some("kill") => Action::Kill,
        Some("status") => Action::Status,
        Some(unknown) => {
            let cause =
                format!("`brokers` has no action `{unknown}`: it has up, down, kill and status");
            return Err(UsageError(cause));
        }
        None => {
            let cause = "`brokers` needs an action: up, down, kill or status";
            return Err(UsageError(cause.into()));
        }
    };
    let mut instance = None;
    let mut brokers = Vec::new();
    while let Some(name) = words.next() {
        if name == "--instance" {
            let name = words.next().unwrap_or_default();
            instance = Some(Instance::own(&name).map_err(UsageError)?);
            continue;
        }
        let name = &*name;
        let broker = Broker::from_name(name).ok_or_else(|| {
            UsageError(format!("there is no broker `{name}`: there are kafka, rabbitmq and nats"))
        })?;
        if !brokers.contains(&broker) {
            brokers.push(broker);
        }
    }
    let brokers = if brokers.is_empty() { Broker::ALL.to_vec() } else { brokers };
    Ok(Some(Request { action, instance, brokers }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Option<Request>, String> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        parse(&args).map_err(|UsageError(cause)| cause)
    }

    #[test]
    fn all_brokers_are_meant_unless_some_are_named() {
        let all = Request { action: Action::Up, instance: None, brokers: Broker::ALL.to_vec() };
        assert_eq!(parsed(&["up"]), Ok(Some(all)));
        let brokers = vec![Broker::Nats, Broker::Kafka];
        let named = Request { action: Action::Down, instance: None, brokers };
        assert_eq!(parsed(&["down", "nats", "kafka", "nats"]), Ok(Some(named)));
    }

    #[test]
    fn an_instance_may_be_named() {
        let request = parsed(&["kill", "--instance", "restart", "kafka"]).unwrap().unwrap();
        assert_eq!(request.action, Action::Kill);
        assert_eq!(request.instance, Some(Instance::Own("restart".into())));
        assert_eq!(request.brokers, [Broker::Kafka]);
        assert!(parsed(&["up", "--instance"]).unwrap_err().contains("no name for an instance"));
        assert!(parsed(&["up", "--instance", "../x"]).is_err());
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
