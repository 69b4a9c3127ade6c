//! A broker that belongs to one test, which may kill it.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

/// A broker for one test, with its own data. It is stopped when this is dropped.
///
/// It comes from Docker Compose or from this machine, as `cargo xtask brokers` says; never from
/// the environment, because the test may kill it.
#[derive(Debug)]
pub struct OwnBroker {
    broker: &'static str,
    instance: &'static str,
    endpoint: String,
}

impl OwnBroker {
    /// Starts `kafka`, `rabbitmq` or `nats` as the instance of this name, one a test, and waits
    /// until it answers.
    pub fn start(broker: &'static str, instance: &'static str) -> Self {
        // What a run that was interrupted has left.
        xtask("down", broker, instance);
        let endpoint = up(broker, instance);
        Self { broker, instance, endpoint }
    }

    /// Returns the endpoint, in the form that [`kafka`](crate::kafka) returns for the shared broker.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends it as a crash would. What it has stored stays.
    pub fn kill(&self) {
        xtask("kill", self.broker, self.instance);
    }

    /// Starts it again where it was, with what it has stored.
    pub fn restart(&self) {
        let endpoint = up(self.broker, self.instance);
        assert_eq!(endpoint, self.endpoint, "another program has taken its port meanwhile");
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        xtask("down", self.broker, self.instance);
    }
}

/// The endpoint is the end of the last line: `kafka: up at 127.0.0.1:9093`
fn up(broker: &str, instance: &str) -> String {
    let lines = xtask("up", broker, instance);
    let line = lines.lines().last().unwrap_or_default();
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// Runs `cargo xtask brokers`, and gives what it says.
fn xtask(action: &str, broker: &str, instance: &str) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let output = Command::new(cargo)
        .args(["xtask", "brokers", action, "--instance", instance, broker])
        .current_dir(workspace.unwrap_or_else(|| Path::new(".")))
        .stderr(Stdio::inherit())
        .output();
    let output = output.unwrap_or_else(|error| panic!("cargo could not be started: {error}"));
    assert!(output.status.success(), "cargo xtask brokers {action} failed: see above");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
