//! The services as child processes.

use crate::{
    Result,
    day::{Day, SUFFIX},
    options::Variable,
    say,
    service::Service,
    stop,
    telemetry::COLLECTOR,
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{env, pin::pin, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{self, Instant},
};

/// A service gives up by itself where nothing moves; where all goes well, this is never needed.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// When one has failed, the others may still end, and export what they have.
const GRACE: Duration = Duration::from_secs(10);

/// Runs all services to their end, and shows what they say. The error names those that failed.
pub(super) async fn run(day: &Day, variables: &[Variable], collector: &str) -> Result {
    let services: Result<FuturesUnordered<_>> = Service::ALL
        .into_iter()
        .map(|service| Ok(watch(service, start(service, day, variables, collector)?)))
        .collect();
    // Whoever still runs when they are dropped is killed.
    let mut services = services?;
    let mut failures = Vec::new();
    let (mut stop, mut is_stopped) = (pin!(stop::asked()), false);
    let mut limit = pin!(time::sleep(LIMIT));
    loop {
        tokio::select! {
            ended = services.next() => match ended {
                None => break,
                Some(Ok(())) => continue,
                Some(Err(failure)) => failures.push(failure.to_string()),
            },
            () = &mut stop, if !is_stopped => {
                is_stopped = true;
                failures.push("interrupted: what is shown is incomplete".into());
            }
            () = &mut limit => {
                let running = services.len();
                failures.push(format!("{running} of the services did not end, and were killed"));
                break;
            }
        }
        let soon = Instant::now() + GRACE;
        if soon < limit.deadline() {
            limit.as_mut().reset(soon);
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

fn start(service: Service, day: &Day, variables: &[Variable], collector: &str) -> Result<Child> {
    let own = variables.iter().filter(|variable| variable.service == service);
    let child = Command::new(env::current_exe()?)
        .args([service.name(), "--orders", &day.orders.to_string()])
        .env(SUFFIX, day.suffix())
        .env(COLLECTOR, collector)
        // All spans are sampled, whatever the environment says: they are going to be counted.
        .env_remove("OTEL_TRACES_SAMPLER")
        .env_remove("OTEL_TRACES_SAMPLER_ARG")
        .envs(own.map(|variable| (&variable.name, &variable.value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Passes on what the service says, until it ends.
async fn watch(service: Service, mut child: Child) -> Result {
    let name = service.name();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            say(&format!("{name:<7} | {line}"));
        }
    }
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed ({status})").into()) }
}
