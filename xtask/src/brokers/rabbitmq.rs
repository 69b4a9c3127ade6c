//! RabbitMQ from the system's packages, as an ordinary process: nothing of `/etc` or `/var` is used.

use super::{
    Place,
    broker::Broker,
    native::{self, Launch},
    package,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The server's own script. The one that Debian puts in `PATH` insists on root or its own user.
const SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
];

pub(super) fn prepare(place: &Place) -> Result<Launch, String> {
    let &[port, distribution, mapper] = place.state.ports.as_slice() else {
        return Err("RabbitMQ needs three ports".into());
    };
    let directory = &place.directory;
    let script = install(&place.downloads)?;
    for (file, text) in [("enabled_plugins", "[].\n"), ("rabbitmq.conf", ""), ("environment", "")] {
        native::write(&directory.join("etc").join(file), text)?;
    }
    let data = directory.join("data");
    native::write(&data.join("home").join(".keep"), "")?;

    // Without one on its port, Erlang would start a port mapper that nobody ever stops.
    let mut companion = Command::new("epmd");
    companion.args(["-address", "127.0.0.1", "-port", &mapper.to_string()]);

    let title = title(&script);
    let mut server = Command::new(script);
    server
        // Runs the server in this very process, so that the pid is its own.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_NODENAME", format!("otel-messaging-{port}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", mapper.to_string())
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
        )
        .env("RABBITMQ_CONF_ENV_FILE", directory.join("etc").join("environment"))
        .env("RABBITMQ_CONFIG_FILE", directory.join("etc").join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", directory.join("etc").join("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("etc").join("enabled_plugins"))
        .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", data.join("config"))
        .env("RABBITMQ_SCHEMA_DIR", data.join("schema"))
        .env("RABBITMQ_PID_FILE", data.join("pid"))
        .env("RABBITMQ_LOG_BASE", directory.join("log"))
        .env("RABBITMQ_LOGS", "-")
        // Erlang keeps its cookie there.
        .env("HOME", data.join("home"))
        .current_dir(directory);
    Ok(Launch { title, server, companion: Some(companion) })
}

fn install(directory: &Path) -> Result<PathBuf, String> {
    if let Some(script) = script() {
        return Ok(script);
    }
    let missing = |cause: &str| {
        native::missing(
            Broker::RabbitMq,
            cause,
            &[
                ("Debian, Ubuntu", "sudo apt-get install --no-install-recommends rabbitmq-server"),
                ("Fedora, RHEL", "sudo dnf install rabbitmq-server"),
                ("macOS", "brew install rabbitmq"),
            ],
        )
    };
    package::install(Broker::RabbitMq, "rabbitmq-server", directory)
        .map_err(|cause| missing(&cause))?;
    script().ok_or_else(|| missing("rabbitmq-server is installed, but not where it is looked for"))
}

fn script() -> Option<PathBuf> {
    let script = SCRIPTS.iter().map(PathBuf::from).find(|script| script.is_file());
    script.filter(|_| native::has("epmd"))
}

/// The version stands in the name of a directory beside the scripts: `lib/rabbitmq_server-3.10.8`.
fn title(script: &Path) -> String {
    let libraries = script.parent().and_then(Path::parent).map(|home| home.join("lib"));
    let version =
        libraries.and_then(|libraries| fs::read_dir(libraries).ok()).and_then(|entries| {
            entries.flatten().find_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_prefix("rabbitmq_server-").map(str::to_owned)
            })
        });
    format!("RabbitMQ {}", version.unwrap_or_default()).trim_end().to_owned()
}
