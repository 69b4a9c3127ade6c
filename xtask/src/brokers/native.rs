//! Starts servers without containers.

use super::{
    broker::Broker,
    health,
    instance::{Instance, Started},
    port, process,
};
use std::{ffi::OsStr, fs, process::Command};

/// A server that is installed and configured.
pub(super) struct Launch {
    /// The name and version, for messages.
    pub(super) title: String,
    pub(super) command: Command,
}

/// Installs what is missing, starts the server and waits until it answers. The state is saved
/// before the wait, so the next run finds the server after an interruption.
pub(super) fn up(instance: &mut Instance) -> Result<(), String> {
    instance.ports = port::choose(instance)?;
    for directory in [&instance.downloads, &instance.directory] {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{} could not be created: {error}", directory.display()))?;
    }
    let Launch { title, command } = (instance.broker.prepare)(instance)?;
    let pid = process::spawn(command, &instance.log())?;
    instance.started = Some(Started::Process { pid, title });
    instance.save()?;
    health::wait_until_up(instance)
}

/// Returns a message for a program that is missing, with the ways to install it.
pub(super) fn missing(broker: &Broker, cause: &str) -> String {
    let Broker { variable, example, installs, .. } = broker;
    let installs = installs.replace('\n', "\n  ");
    format!(
        "{cause}. Install it and run the command again:\n  {installs}\n\
         or start Docker, or name a broker: {variable}={example}"
    )
}

/// Returns what a program prints on both outputs, if it succeeds.
pub(super) fn output_of(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}
