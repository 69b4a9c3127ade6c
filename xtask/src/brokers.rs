//! `cargo xtask brokers`: starts and stops real brokers.

mod broker;
mod compose;
mod health;
mod instance;
mod kafka;
mod log;
mod native;
mod nats;
mod package;
mod port;
mod process;
mod rabbitmq;
mod ready;
mod task;

pub(crate) use self::package::install as install_package;
use self::{
    broker::Broker,
    instance::{Instance, Started},
};
use crate::{UsageError, cargo};
use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

const USAGE: &str = "\
Usage: cargo xtask brokers up|down|kill|status [--instance name] [kafka] [rabbitmq] [nats]

Starts, stops or shows message brokers for tests: the named ones, or all three.
  up       start each broker that is not running, and wait until it answers
  down     stop what `up` has started, and nothing else; removes its data, keeps its downloads
  kill     end what `up` has started as a crash would; the next `up` finds its data
  status   print one line for each broker; fails unless all of them are up

  --instance name   separate brokers beside the shared ones, for a test that kills its broker;
                    `down` without this option stops all instances

A broker comes from the first of these sources that is available:
  1. the environment, which names a broker that is running:
       OTEL_MESSAGING_KAFKA=host:9092   OTEL_MESSAGING_NATS=host:4222
       OTEL_MESSAGING_RABBITMQ=amqp://user:password@host:5672/vhost
  2. a Docker engine with Compose, by docker-compose.yml
  3. a server on this machine: Apache Kafka by Maven (Java 17 or newer), RabbitMQ from the
     system's packages, nats-server by the Go toolchain or from the system's packages

Brokers from 2 and 3 listen on 127.0.0.1 only, on the usual port or the next free one. To choose it:
OTEL_MESSAGING_KAFKA_PORT, OTEL_MESSAGING_RABBITMQ_PORT, OTEL_MESSAGING_NATS_PORT.
Downloads, data, logs and the state are under target/brokers.
";

#[derive(Debug)]
enum Action {
    Up,
    Down,
    Kill,
    Status,
}

struct Request {
    action: Action,
    brokers: Vec<&'static Broker>,
    /// The instance, if not the shared one.
    name: Option<String>,
}

/// Fails if one of the brokers could not be started or stopped, or is not up.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let Some(Request { action, brokers, name }) = parse(args)? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let name = name.as_deref();
    let is_good = match action {
        Action::Up => each(&brokers, |broker| up(broker, name).map(drop)),
        Action::Down if name.is_some() => each(&brokers, |broker| down(broker, name)),
        Action::Down => down_instances(&brokers),
        Action::Kill => each(&brokers, |broker| kill(broker, name)),
        Action::Status => {
            // Prints every line, also after a broker that is down.
            brokers.iter().fold(true, |is_good, broker| health::print(broker, name) & is_good)
        }
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Brings all brokers up and returns the environment variables with their endpoints. Returns `None`
/// after it has reported a broker that could not be started.
pub(crate) fn up_all() -> Option<Vec<(&'static str, String)>> {
    up_those(|_| true)
}

/// Brings the brokers up whose name passes `is_wanted`, as [`up_all`] does.
pub(crate) fn up_those(is_wanted: impl Fn(&str) -> bool) -> Option<Vec<(&'static str, String)>> {
    let mut environment = Vec::new();
    let wanted: Vec<_> = broker::ALL.into_iter().filter(|broker| is_wanted(broker.name)).collect();
    let is_good = each(&wanted, |broker| {
        environment.push((broker.variable, up(broker, None)?));
        Ok(())
    });
    is_good.then_some(environment)
}

/// Stops all brokers that `up` has started, in every instance. Returns true if nothing is left.
pub(crate) fn down_all() -> bool {
    down_instances(&broker::ALL)
}

/// Reports the brokers that are not up any more. Tests may have failed because of that.
pub(crate) fn report_down() {
    for broker in broker::ALL {
        if let Err(cause) = health::line(broker, None) {
            eprintln!("{broker}: is down after the tests: {cause}");
        }
    }
}

fn down_instances(brokers: &[&'static Broker]) -> bool {
    let down = |name: Option<String>| each(brokers, |broker| down(broker, name.as_deref()));
    Instance::names(&directory()).into_iter().fold(true, |is_good, name| down(name) & is_good)
}

/// Applies the action to each broker, also after a failure. Returns true if none failed.
fn each(
    brokers: &[&'static Broker],
    mut action: impl FnMut(&'static Broker) -> Result<(), String>,
) -> bool {
    let mut is_good = true;
    for broker in brokers {
        if let Err(cause) = action(broker) {
            eprintln!("{broker}: {cause}");
            is_good = false;
        }
    }
    is_good
}

/// Starts the broker if it is not running, and returns its endpoint. Tests read the endpoint from
/// the end of the last line on stdout.
fn up(broker: &'static Broker, name: Option<&str>) -> Result<String, String> {
    if let Some(endpoint) = broker.environment_endpoint(name)? {
        let variable = broker.variable;
        ready::ask(broker, &endpoint).map_err(|cause| {
            format!("no broker answers at {variable}: {cause}; start it, or unset {variable}")
        })?;
        println!("{broker}: up at {}, from {variable}", ready::server(broker, &endpoint));
        return Ok(endpoint);
    }
    let _lock = process::lock(&directory())?;
    let mut instance = Instance::load(broker, name, &directory());
    let outcome = match health::check(&instance) {
        _ if instance.started.is_none() => start(&mut instance),
        Ok(()) => {
            println!("{broker}: is up already at {}", instance.endpoint());
            return Ok(instance.endpoint());
        }
        Err(cause) if instance.has_ended() || instance.started == Some(Started::Container) => {
            eprintln!("{broker}: {}: {cause}; starting it again", instance.title());
            start(&mut instance)
        }
        // An earlier run was interrupted during the start.
        Err(_) => health::wait_until_up(&instance),
    };
    if let Err(cause) = outcome {
        stop(&mut instance).map_err(|stop| format!("{cause}\n{stop}"))?;
        return Err(cause);
    }
    println!("{broker}: up at {}", instance.endpoint());
    Ok(instance.endpoint())
}

fn start(instance: &mut Instance) -> Result<(), String> {
    // Held until the port is bound. Without it, two workspaces could choose the same free port, and
    // one of them would use the broker of the other.
    let _ports = process::lock(&env::temp_dir().join("otel-messaging-ports")).ok();
    if compose::is_available() { compose::up(instance) } else { native::up(instance) }
}

fn stop(instance: &mut Instance) -> Result<(), String> {
    match instance.started {
        None => return Ok(()),
        Some(Started::Container) => compose::down(instance)?,
        Some(Started::Process { pid, .. }) => {
            process::end(pid, &instance.log(), &["TERM", "KILL"])?;
        }
    }
    instance.started = None;
    instance.save()
}

fn down(broker: &'static Broker, name: Option<&str>) -> Result<(), String> {
    let _lock = process::lock(&directory())?;
    let mut instance = Instance::load(broker, name, &directory());
    let text = match instance.started {
        // Most named instances have one broker only.
        None if name.is_some() => return Ok(()),
        None => "was not started by us; nothing to stop",
        Some(_) => "stopped",
    };
    stop(&mut instance)?;
    // Also after a start that failed, perhaps because of the data.
    instance.remove_data()?;
    println!("{broker}: {text}");
    Ok(())
}

/// Ends the server at once. The state still says that it was started, so `up` starts it again.
fn kill(broker: &'static Broker, name: Option<&str>) -> Result<(), String> {
    let _lock = process::lock(&directory())?;
    let instance = Instance::load(broker, name, &directory());
    match instance.started {
        None => return Err("was not started by us, so it is not ours to kill".into()),
        Some(_) if instance.has_ended() => return Err("is not running any more".into()),
        Some(Started::Container) => compose::kill(&instance)?,
        Some(Started::Process { pid, .. }) => process::end(pid, &instance.log(), &["KILL"])?,
    }
    println!("{broker}: killed");
    Ok(())
}

fn directory() -> PathBuf {
    cargo::root().join("target").join("brokers")
}

/// Returns `None` if only help was asked for.
fn parse(args: &[OsString]) -> Result<Option<Request>, UsageError> {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if words.iter().any(|word| word == "-h" || word == "--help") {
        return Ok(None);
    }
    let mut words = words.iter().map(AsRef::as_ref);
    let action = match words.next() {
        Some("up") => Action::Up,
        Some("down") => Action::Down,
        Some("kill") => Action::Kill,
        Some("status") => Action::Status,
        other => {
            let other = other.map(|word| format!(", not `{word}`")).unwrap_or_default();
            let cause = format!("`brokers` needs an action: up, down, kill or status{other}");
            return Err(UsageError(cause));
        }
    };
    let (mut brokers, mut name) = (Vec::new(), None);
    while let Some(word) = words.next() {
        if word == "--instance" {
            let word = words.next().unwrap_or_default();
            name = Some(instance::checked_name(word).map_err(UsageError)?);
            continue;
        }
        let broker =
            broker::ALL.into_iter().find(|broker| broker.name == word).ok_or_else(|| {
                UsageError(format!(
                    "there is no broker `{word}`: there are kafka, rabbitmq and nats"
                ))
            })?;
        brokers.push(broker);
    }
    if brokers.is_empty() {
        brokers = broker::ALL.to_vec();
    }
    Ok(Some(Request { action, brokers, name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives action, instance and brokers as text.
    fn parsed(args: &[&str]) -> Result<String, String> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let request = parse(&args).map_err(|UsageError(cause)| cause)?;
        Ok(request.map_or("help".into(), |Request { action, brokers, name }| {
            let brokers: Vec<&str> = brokers.iter().map(|broker| broker.name).collect();
            format!("{action:?} {} {name:?}", brokers.join(" "))
        }))
    }

    #[test]
    fn brokers_and_the_instance_can_be_named() {
        assert_eq!(parsed(&["up"]).unwrap(), "Up kafka rabbitmq nats None");
        assert_eq!(parsed(&["down", "nats", "kafka"]).unwrap(), "Down nats kafka None");
        let request = parsed(&["kill", "--instance", "restart", "kafka"]).unwrap();
        assert_eq!(request, "Kill kafka Some(\"restart\")");
        assert_eq!(parsed(&["up", "--help"]).unwrap(), "help");
    }

    #[test]
    fn unknown_words_are_named() {
        assert!(parsed(&[]).unwrap_err().contains("needs an action"));
        assert!(parsed(&["start"]).unwrap_err().contains("`start`"));
        assert!(parsed(&["up", "pulsar"]).unwrap_err().contains("`pulsar`"));
        assert!(parsed(&["up", "--instance"]).unwrap_err().contains("no name for an instance"));
        assert!(parsed(&["up", "--instance", "../x"]).is_err());
    }
}
