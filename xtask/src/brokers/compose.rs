//! Brokers in containers, by `docker-compose.yml`, where a Docker engine with Compose answers.

use super::{
    Place,
    broker::Broker,
    instance::Instance,
    native, port, ready,
    state::{Origin, Started, State},
    task::{self, Wait},
};
use std::{path::Path, process::Command, time::Duration};

/// Images are downloaded in it.
const LIMIT: Duration = Duration::from_secs(15 * 60);

pub(super) fn is_available() -> bool {
    native::has("docker")
        && native::words_of("docker", &["compose", "version"]).is_some()
        && native::words_of("docker", &["info"]).is_some()
}

/// Starts the service and waits until it is healthy there and answers here. A container of ours
/// that has ended is started again as it is, with its data.
pub(super) fn up(place: &mut Place, root: &Path, is_restart: bool) -> Result<(), String> {
    let broker = place.broker;
    if let Some(port) = running_on(broker, &place.instance, root).filter(|_| !is_restart) {
        // Started by hand: used, and left to whoever started it.
        eprintln!("{broker}: the container is up already, and is not ours to stop");
        place.state.ports = vec![port];
        return ready::ask(broker, &place.endpoint()?);
    }
    let ports = port::choose(broker, &place.instance, &place.state.ports)?;
    place.state = State { ports, started: None };
    let port = place.state.ports.first().copied().unwrap_or_default();
    let mut command = command(broker, &place.instance, root);
    command
        .args(["up", "--detach", "--wait", broker.name()])
        .env(broker.port_variable(), port.to_string());
    if let (Instance::Own(_), Some(second)) = (&place.instance, place.state.ports.get(1)) {
        // The usual one is the shared broker's.
        command.env("OTEL_MESSAGING_RABBITMQ_MANAGEMENT_PORT", second.to_string());
    }
    let what = format!("starting the container on port {port}");
    let title = format!("container {broker}");
    place.state.started = Some(Started::now(Origin::Compose, title));
    place.save()?;
    let outcome = task::run(broker, &what, &mut command, &place.log(), LIMIT)
        .and_then(|()| wait_until_ready(place));
    if outcome.is_err() {
        down(broker, &place.instance, root)?;
        place.state.started = None;
        place.save()?;
    }
    outcome
}

pub(super) fn wait_until_ready(place: &Place) -> Result<(), String> {
    let (broker, endpoint) = (place.broker, place.endpoint()?);
    let what = format!("waiting for the container's answer on {endpoint}");
    task::wait(broker, &what, broker.start_limit(), &place.log(), || {
        ready::ask(broker, &endpoint).map_or(Wait::More, |()| Wait::Over(Ok(())))
    })
}

/// Stops and removes the service's container with its data.
pub(super) fn down(broker: Broker, instance: &Instance, root: &Path) -> Result<(), String> {
    run(command(broker, instance, root).args(["rm", "--stop", "--force", "--volumes"]), broker)
}

/// Ends the server at once, as a crash would; the container stays, with its data.
pub(super) fn kill(broker: Broker, instance: &Instance, root: &Path) -> Result<(), String> {
    run(command(broker, instance, root).arg("kill"), broker)
}

fn run(command: &mut Command, broker: Broker) -> Result<(), String> {
    let output = command
        .arg(broker.name())
        .output()
        .map_err(|error| format!("docker could not be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("docker compose failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// The port of a container that runs already: `127.0.0.1:9092`
pub(super) fn running_on(broker: Broker, instance: &Instance, root: &Path) -> Option<u16> {
    let inside = broker.usual_ports().first()?.to_string();
    let output =
        command(broker, instance, root).args(["port", broker.name(), &inside]).output().ok()?;
    let address = String::from_utf8(output.stdout).ok()?;
    // Of a container that is stopped it says `:0`.
    address.trim().rsplit_once(':')?.1.parse().ok().filter(|port| *port > 0)
}

fn command(broker: Broker, instance: &Instance, root: &Path) -> Command {
    let mut command = Command::new("docker");
    command.arg("compose").arg("--file").arg(root.join("docker-compose.yml"));
    command.args(instance.project().map(|project| format!("--project-name={project}")));
    command.args(["--profile", broker.name()]).current_dir(root);
    command
}
