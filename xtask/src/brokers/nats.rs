//! Runs `nats-server` with JetStream, built by the Go toolchain or from the system's package.

use super::{
    broker::Broker,
    instance::Instance,
    native::{self, Launch},
    package, task,
};
use crate::toolchain::is_in_path;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

pub(super) static NATS: Broker = Broker {
    name: "nats",
    variable: "OTEL_MESSAGING_NATS",
    example: "host:4222",
    local: "127.0.0.1:{port}",
    ports: &[4222],
    request: b"",
    check,
    prepare,
    installs: "\
Go              https://go.dev/doc/install (builds the newest server)
Debian, Ubuntu  sudo apt-get install --no-install-recommends nats-server
macOS           brew install nats-server",
};

const VERSION: &str = "v2.15.2";
const MODULE: &str = "github.com/nats-io/nats-server/v2";

/// Checks for the server's greeting. It comes after JetStream has started.
fn check(answer: &[u8; 12]) -> Result<(), &'static str> {
    if answer.starts_with(b"INFO {") { Ok(()) } else { Err("it does not speak the NATS protocol") }
}

fn prepare(instance: &Instance) -> Result<Launch, String> {
    let program = install(&instance.downloads)?;
    // It prints `nats-server: v2.15.2`.
    let version = native::output_of(&program, &["--version"]).unwrap_or_default();
    let version = version.trim().rsplit(' ').next().unwrap_or_default().trim_start_matches('v');
    let mut command = Command::new(&program);
    command
        .args(["--jetstream", "--addr", "127.0.0.1", "--port", &instance.ports[0].to_string()])
        .arg("--store_dir")
        .arg(instance.data())
        .current_dir(&instance.directory);
    Ok(Launch { title: format!("NATS {version}"), command })
}

/// Prefers the build with Go, which is the newest. A package can be years older.
fn install(directory: &Path) -> Result<PathBuf, String> {
    let binaries = directory.join(VERSION);
    let built = binaries.join("nats-server");
    if built.is_file() {
        return Ok(built);
    }
    if is_in_path("go") {
        let what = format!("building nats-server {VERSION} with Go");
        let mut go = Command::new("go");
        go.arg("install").arg(format!("{MODULE}@{VERSION}")).env("GOBIN", &binaries);
        match task::run(&NATS, &what, go, &directory.join("go.log")) {
            Ok(()) => return Ok(built),
            Err(cause) => eprintln!("{NATS}: {cause}\n{NATS}: trying the system's package"),
        }
    }
    if !is_in_path("nats-server") {
        package::install(&NATS, "nats-server", directory)
            .map_err(|cause| native::missing(&NATS, &cause))?;
    }
    Ok("nats-server".into())
}
