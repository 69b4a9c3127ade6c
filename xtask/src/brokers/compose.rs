//! Runs brokers in containers, by `docker-compose.yml`.

use super::{
    health,
    instance::{Instance, Started},
    native, port, ready, task,
};
use crate::{cargo, toolchain::is_in_path};
use std::{path::Path, process::Command};

/// Returns true if a Docker engine with Compose answers.
pub(super) fn is_available() -> bool {
    is_in_path("docker")
        && native::output_of("docker", &["compose", "version"]).is_some()
        && native::output_of("docker", &["info"]).is_some()
}

/// Starts the service and waits until it answers. A container of ours that has ended is started
/// again with its data.
pub(super) fn up(instance: &mut Instance) -> Result<(), String> {
    let broker = instance.broker;
    if instance.started.is_none()
        && let Some(port) = running_port(instance)
    {
        // Somebody has started it by hand, so `down` leaves it alone.
        eprintln!("{broker}: the container is up already, and is not ours to stop");
        instance.ports = vec![port];
        return ready::ask(broker, &instance.endpoint());
    }
    instance.ports = port::choose(instance)?;
    instance.started = Some(Started::Container);
    instance.save()?;
    run(instance, "starting the container", &["up", "--detach", "--wait"], &instance.log())?;
    health::wait_until_up(instance)
}

/// Removes the service's container and its data.
pub(super) fn down(instance: &Instance) -> Result<(), String> {
    let log = instance.directory.join("down.log");
    run(instance, "removing the container", &["rm", "--stop", "--force", "--volumes"], &log)
}

/// Kills the server. The container stays, with its data.
pub(super) fn kill(instance: &Instance) -> Result<(), String> {
    run(instance, "killing the container", &["kill"], &instance.directory.join("kill.log"))
}

/// Returns the port on this machine of a container that runs.
pub(super) fn running_port(instance: &Instance) -> Option<u16> {
    if !is_available() {
        return None;
    }
    let inside = instance.broker.ports.first()?.to_string();
    let output = compose(instance).args(["port", instance.broker.name, &inside]).output().ok()?;
    let address = String::from_utf8(output.stdout).ok()?;
    // It prints `127.0.0.1:9092`, and `:0` for a container that has stopped.
    address.trim().rsplit_once(':')?.1.parse().ok().filter(|port| *port > 0)
}

fn run(instance: &Instance, what: &str, args: &[&str], log: &Path) -> Result<(), String> {
    let mut command = compose(instance);
    command.args(args).arg(instance.broker.name);
    task::run(instance.broker, what, command, log)
}

fn compose(instance: &Instance) -> Command {
    let root = cargo::root();
    let mut command = Command::new("docker");
    command.arg("compose").arg("--file").arg(root.join("docker-compose.yml"));
    if let Some(port) = instance.ports.first() {
        command.env(instance.broker.port_variable(), port.to_string());
    }
    if let Some(name) = &instance.name {
        command.arg(format!("--project-name=otel-messaging-{name}"));
        // The shared RabbitMQ has the usual port of the management page.
        if let Some(second) = instance.ports.get(1) {
            command.env("OTEL_MESSAGING_RABBITMQ_MANAGEMENT_PORT", second.to_string());
        }
    }
    command.args(["--profile", instance.broker.name]).current_dir(root);
    command
}
