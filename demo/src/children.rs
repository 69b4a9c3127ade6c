//! Runs the services as child processes.

use std::{env, process::Stdio, time::Duration};

use futures::{StreamExt, TryStreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    signal, time,
};

use crate::{Result, log, service::SUFFIX, telemetry::COLLECTOR};

/// How long the others may go on when one service has failed: they export what they have.
const GRACE: Duration = Duration::from_secs(10);

/// A service to start.
#[derive(Debug)]
pub struct Program {
    /// The `service.name`.
    pub service: &'static str,
    /// The arguments with which this program runs the service.
    pub args: Vec<String>,
    /// Variables for this service only.
    pub variables: Vec<(String, String)>,
    /// What it reads from standard input.
    pub input: String,
}

/// Runs all services to their end, and logs what they log. The error names the services that failed,
/// or says that the run was interrupted.
///
/// Cancel safety: services that still run are killed.
pub async fn run(programs: Vec<Program>, suffix: &str, collector: &str) -> Result {
    let services = programs.into_iter().map(|program| {
        let child = start(&program, suffix, collector)?;
        Ok(watch(program, child))
    });
    let mut services = services.collect::<Result<FuturesUnordered<_>>>()?;
    let failure = tokio::select! {
        ended = services.by_ref().try_collect::<()>() => match ended {
            Ok(()) => return Ok(()),
            Err(failure) => failure.to_string(),
        },
        _ = signal::ctrl_c() => "interrupted: what is shown is incomplete".to_owned(),
    };
    let mut failures = vec![failure];
    let others = async {
        while let Some(ended) = services.next().await {
            failures.extend(ended.err().map(|failure| failure.to_string()));
        }
    };
    if time::timeout(GRACE, others).await.is_err() {
        failures.push(format!("{} of the services did not end, and were killed", services.len()));
    }
    Err(failures.join("; ").into())
}

fn start(program: &Program, suffix: &str, collector: &str) -> Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(&program.args).env(SUFFIX, suffix).env(COLLECTOR, collector);
    // All spans are counted, so all have to be sampled, whatever the environment says.
    command.env_remove("OTEL_TRACES_SAMPLER").env_remove("OTEL_TRACES_SAMPLER_ARG");
    // The demo's own collector listens on loopback, which no proxy reaches.
    for name in ["NO_PROXY", "no_proxy"] {
        let others = env::var(name).unwrap_or_default();
        command.env(name, format!("127.0.0.1,{others}"));
    }
    command.envs(program.variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command.spawn()?)
}

/// Passes the service its input, logs what it logs, and waits for its end.
async fn watch(Program { service, input, .. }: Program, mut child: Child) -> Result {
    if let Some(mut stdin) = child.stdin.take() {
        // A service that does not read it has failed: its status says so.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            log(format_args!("{service:<7} | {line}"));
        }
    }
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(format!("{service} failed ({status})").into()) }
}
