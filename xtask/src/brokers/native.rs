//! Servers without containers: started detached, asked until they answer, stopped by their id.

use super::{
    Place,
    broker::Broker,
    kafka, nats, port,
    process::Process,
    rabbitmq, ready,
    state::{Origin, Started, State},
    task::{self, Wait},
};
use std::{env, ffi::OsStr, fmt::Write as _, fs, path::Path, process::Command};

/// A server that is installed and configured, and has only to be started.
pub(super) struct Launch {
    /// What it is, for people.
    pub(super) title: String,
    pub(super) server: Command,
    /// Started before the server.
    pub(super) companion: Option<Command>,
}

/// Installs what is missing, starts the broker and waits until it answers. `place.state` says what
/// runs from the first moment on: a run that is interrupted is taken up by the next.
pub(super) fn up(place: &mut Place) -> Result<(), String> {
    let broker = place.broker;
    let ports = port::choose(broker, &place.instance, &place.state.ports)?;
    place.state = State { ports, started: None };
    for directory in [&place.downloads, &place.directory] {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{} could not be made: {error}", directory.display()))?;
    }
    let mut launch = match broker {
        Broker::Kafka => kafka::prepare(place),
        Broker::RabbitMq => rabbitmq::prepare(place),
        Broker::Nats => nats::prepare(place),
    }?;

    let companion_log = place.directory.join("companion.log");
    let companion = launch.companion.as_mut();
    let companion = companion.map(|command| Process::spawn(command, &companion_log)).transpose()?;
    let server = match Process::spawn(&mut launch.server, &place.log()) {
        Ok(server) => server,
        Err(cause) => {
            let _ = companion.map(|companion| companion.stop());
            return Err(cause);
        }
    };
    let origin = Origin::Native { server, companion };
    place.state.started = Some(Started::now(origin.clone(), launch.title));
    let outcome = place.save().and_then(|()| wait_until_ready(place));
    if outcome.is_err() {
        stop(&origin)?;
        place.state.started = None;
        place.save()?;
    }
    outcome
}

/// Waits for the answer of a broker that was started, now or by a run that was interrupted.
pub(super) fn wait_until_ready(place: &Place) -> Result<(), String> {
    let Some(Started { origin: Origin::Native { server, .. }, title, .. }) = &place.state.started
    else {
        return Err("it was not started".into());
    };
    let (broker, log) = (place.broker, place.log());
    let endpoint = place.endpoint()?;
    let what = format!("starting {title} on {endpoint} (pid {})", server.pid);
    let mut last_cause = String::new();
    task::wait(broker, &what, broker.start_limit(), &log, || {
        if !server.is_alive() {
            return Wait::Over(Err("the server has ended".into()));
        }
        match ready::ask(broker, &endpoint) {
            Ok(()) => Wait::Over(Ok(())),
            Err(cause) => {
                last_cause = cause;
                Wait::More
            }
        }
    })
    .map_err(|cause| {
        let lines = super::log::last_lines(&log);
        format!("{title} did not come up: {cause}; last answer: {last_cause}\n{lines}")
    })
}

/// Stops what of it is still alive, and nothing else.
pub(super) fn stop(origin: &Origin) -> Result<(), String> {
    let Origin::Native { server, companion } = origin else { return Ok(()) };
    let stopped = server.stop();
    companion.as_ref().map_or(Ok(()), Process::stop).and(stopped)
}

/// Ends the server at once, as a crash would. `place.state` goes on saying that it was started.
pub(super) fn kill(origin: &Origin) -> Result<(), String> {
    let Origin::Native { server, .. } = origin else { return Ok(()) };
    if server.is_alive() { server.kill() } else { Err("does not run any more".into()) }
}

/// A message for a program that is missing: what needs it, and how each system installs it.
pub(super) fn missing(broker: Broker, cause: &str, installs: &[(&str, &str)]) -> String {
    let mut text = format!("{cause}. Install it and run the command again:\n");
    for (system, command) in installs {
        let _ = writeln!(text, "  {system:<15} {command}");
    }
    let (variable, example) = (broker.variable(), broker.example());
    text + &format!("or start Docker, or name a broker: {variable}={example}")
}

/// True if the program is in `PATH`.
pub(super) fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// What a program prints about itself, wherever it prints it.
pub(super) fn words_of(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let words = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&words).into_owned())
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{} could not be written: {error}", path.display()))
}
