//! `nats-server` with JetStream, built by the Go toolchain or from the system's package.

use super::{
    Place,
    broker::Broker,
    native::{self, Launch},
    package, task,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const VERSION: &str = "v2.15.2";
const MODULE: &str = "github.com/nats-io/nats-server/v2";
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);

pub(super) fn prepare(place: &Place) -> Result<Launch, String> {
    let &[port] = place.state.ports.as_slice() else { return Err("NATS needs one port".into()) };
    let program = install(&place.downloads)?;
    let mut server = Command::new(&program);
    server
        .args(["--jetstream", "--addr", "127.0.0.1", "--port", &port.to_string(), "--store_dir"])
        .arg(place.directory.join("data"))
        .current_dir(&place.directory);
    Ok(Launch { title: title(&program), server, companion: None })
}

/// Go's own build is the newest; a package may be years older and still serve.
fn install(directory: &Path) -> Result<PathBuf, String> {
    let broker = Broker::Nats;
    let binaries = directory.join(VERSION);
    let built = binaries.join("nats-server");
    if built.is_file() {
        return Ok(built);
    }
    if native::has("go") {
        let what = format!("building nats-server {VERSION} with Go");
        let mut go = Command::new("go");
        go.arg("install").arg(format!("{MODULE}@{VERSION}")).env("GOBIN", &binaries);
        match task::run(broker, &what, &mut go, &directory.join("go.log"), BUILD_LIMIT) {
            Ok(()) => return Ok(built),
            Err(cause) => eprintln!("{broker}: {cause}\n{broker}: falling back to a package"),
        }
    }
    let packaged = PathBuf::from("nats-server");
    if native::has("nats-server") {
        return Ok(packaged);
    }
    let installed = package::install(broker, "nats-server", directory);
    installed.map(|()| packaged).map_err(|cause| {
        native::missing(
            broker,
            &cause,
            &[
                ("with Go", "https://go.dev/doc/install: the newest server is built with it"),
                ("Debian, Ubuntu", "sudo apt-get install --no-install-recommends nats-server"),
                ("macOS", "brew install nats-server"),
            ],
        )
    })
}

/// `nats-server: v2.15.2`
fn title(program: &Path) -> String {
    let words = native::words_of(program, &["--version"]).unwrap_or_default();
    let version = words.trim().rsplit(' ').next().unwrap_or_default().trim_start_matches('v');
    format!("NATS {version}")
}
