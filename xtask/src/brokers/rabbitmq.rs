//! Runs RabbitMQ from the system's packages, as a process that uses nothing of `/etc` or `/var`.

use super::{
    broker::Broker,
    instance::{Instance, write},
    native::{self, Launch},
    package,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(super) static RABBITMQ: Broker = Broker {
    name: "rabbitmq",
    variable: "OTEL_MESSAGING_RABBITMQ",
    example: "amqp://user:password@host:5672/vhost",
    local: "amqp://guest:guest@127.0.0.1:{port}/%2f",
    ports: &[5672, 25672], // clients, Erlang distribution
    // The protocol header of AMQP 0-9-1.
    request: b"AMQP\0\0\x09\x01",
    check,
    prepare,
    installs: "\
Debian, Ubuntu  sudo apt-get install --no-install-recommends rabbitmq-server
Fedora, RHEL    sudo dnf install rabbitmq-server
macOS           brew install rabbitmq",
};

/// The server's own scripts. The one that Debian has in `PATH` needs root or the user `rabbitmq`.
const SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
];

/// Checks for `connection.start`: a method frame on channel 0, its size, class 10, method 10.
fn check(answer: &[u8; 12]) -> Result<(), &'static str> {
    if answer[..3] == [1, 0, 0] && answer[7..11] == [0, 10, 0, 10] {
        Ok(())
    } else {
        Err("it does not speak AMQP 0-9-1")
    }
}

fn prepare(instance: &Instance) -> Result<Launch, String> {
    let script = install(&instance.downloads)?;
    let (port, distribution) = (instance.ports[0], instance.ports[1]);
    let (data, etc) = (instance.data(), instance.directory.join("etc"));
    // The other files below do not exist. Their names keep RabbitMQ from reading those of the machine.
    write(&etc.join("rabbitmq.conf"), "")?;
    fs::create_dir_all(&data)
        .map_err(|error| format!("{} could not be created: {error}", data.display()))?;
    let node = format!("otel-messaging-{port}@localhost");
    // A node that has its name and port from the start needs no port mapper (epmd).
    let erlang = format!(
        "-noinput -sname {node} -erl_epmd_port {distribution} \
         -kernel inet_dist_use_interface {{127,0,0,1}}"
    );
    let title = title(&script);
    let mut command = Command::new(script);
    command
        // Makes the script replace itself with the server, so that the pid is the server's.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_NODENAME", node)
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erlang)
        // Without this, Erlang starts a port mapper on all interfaces, which stays after the server.
        // RabbitMQ tries to start one every minute, by an Erlang that then ends with an error.
        .env("ERL_FLAGS", "-start_epmd false")
        .env("ERL_CRASH_DUMP_SECONDS", "0")
        .env("RABBITMQ_CONFIG_FILE", etc.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", etc.join("advanced.config"))
        .env("RABBITMQ_CONF_ENV_FILE", etc.join("environment"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", etc.join("enabled_plugins"))
        .env("RABBITMQ_LOG_BASE", instance.directory.join("log"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
        .env("HOME", data) // for Erlang's cookie
        .current_dir(&instance.directory);
    Ok(Launch { title, command })
}

fn install(directory: &Path) -> Result<PathBuf, String> {
    let script = || SCRIPTS.iter().map(PathBuf::from).find(|script| script.is_file());
    if let Some(script) = script() {
        return Ok(script);
    }
    package::install(&RABBITMQ, "rabbitmq-server", directory)
        .and_then(|()| script().ok_or_else(|| format!("the package has no {}", SCRIPTS[0])))
        .map_err(|cause| native::missing(&RABBITMQ, &cause))
}

/// Reads the version from a directory name beside the scripts: `lib/rabbitmq_server-3.10.8`.
fn title(script: &Path) -> String {
    let libraries = script.ancestors().nth(2).map(|home| home.join("lib"));
    let entries = libraries.and_then(|libraries| fs::read_dir(libraries).ok());
    let mut names = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let version = names.find_map(|name| name.strip_prefix("rabbitmq_server-").map(str::to_owned));
    format!("RabbitMQ {}", version.unwrap_or_default()).trim_end().to_owned()
}
