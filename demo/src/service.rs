//! Runs a service as a process of its own: sets up its telemetry, lets it work, and stops it.

use std::{
    env,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Runtime, signal, time};

use crate::{Result, log, telemetry::Telemetry};

/// The variable with what the names of a run end in.
pub const SUFFIX: &str = "OTEL_MESSAGING_DEMO_SUFFIX";

/// How many seconds without progress are too many. Clients give up on a message earlier.
const PATIENCE: u32 = 60;
/// The longest time for clients to close: a Kafka consumer waits for its broker's answer.
const CLOSING: Duration = Duration::from_secs(5);

/// A run of the demo, as a service sees it: what its names end in, and how far it has come.
#[derive(Debug)]
pub struct Run {
    /// How many orders there are.
    pub orders: u64,
    suffix: String,
    done: AtomicU64,
}

impl Run {
    /// Makes a run whose names end in `suffix`. Without one, each run has the same names.
    pub fn new(orders: u64, suffix: String) -> Self {
        Self { orders, suffix, done: AtomicU64::new(0) }
    }

    /// Returns what a service or a destination is called on the brokers.
    pub fn name(&self, what: &str) -> String {
        format!("{what}{}", self.suffix)
    }

    /// Counts orders that are done.
    pub fn add(&self, orders: usize) {
        self.done.fetch_add(orders as u64, Ordering::Relaxed);
    }

    /// Sets how many orders are done.
    pub fn set(&self, orders: u64) {
        self.done.store(orders, Ordering::Relaxed);
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Tells whether all orders are done.
    pub fn is_complete(&self) -> bool {
        self.done() >= self.orders
    }
}

/// Returns a variable of the environment, if it is set to anything.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns where a broker is. The error says what to do.
pub fn broker(name: &str, example: &str) -> Result<String> {
    Ok(variable(name).ok_or(format!(
        "{name} does not say where the broker is ({example}): set it, or run \
         `cargo xtask demo --all`, which starts what is not there"
    ))?)
}

/// Runs a service until its work is done. Fails if the work does, if the process is interrupted, if
/// there is no progress for a minute, or if telemetry was not exported.
pub fn run<W>(name: &'static str, orders: u64, work: impl FnOnce(Arc<Run>) -> W) -> Result
where
    W: Future<Output = Result> + Send + 'static,
{
    let run = Arc::new(Run::new(orders, variable(SUFFIX).unwrap_or_default()));
    // Before there is a runtime: the exporter's HTTP client blocks, in threads of its own.
    let telemetry = Telemetry::set_up(name)?;
    let runtime = Runtime::new()?;
    let worked = runtime.block_on(supervise(&run, work(Arc::clone(&run)), Duration::from_secs(1)));
    runtime.shutdown_timeout(CLOSING);
    match (worked, telemetry.shut_down()) {
        (Err(failure), Err(lost)) => Err(format!("{failure}; and {lost}").into()),
        (worked, exported) => worked.and(exported),
    }
}

/// Logs progress once a `tick`, and at the end.
async fn supervise(
    run: &Run,
    work: impl Future<Output = Result> + Send + 'static,
    tick: Duration,
) -> Result {
    let mut work = tokio::spawn(work);
    let (mut interrupted, mut ticks) = (pin!(signal::ctrl_c()), time::interval(tick));
    let (mut last, mut idle) = (0, 0);
    let result = loop {
        tokio::select! {
            ended = &mut work => break ended.unwrap_or_else(|panicked| Err(panicked.into())),
            _ = &mut interrupted => break Err("interrupted before the work was done".into()),
            _ = ticks.tick() => idle += 1,
        }
        if run.done() != last {
            (last, idle) = (run.done(), 0);
            log(format_args!("{last} of {} orders", run.orders));
        } else if idle > PATIENCE {
            break Err(format!("no progress for {:?}; are all services there?", tick * idle).into());
        }
    };
    work.abort();
    log(format_args!("{} of {} orders", run.done(), run.orders));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_changes_nothing_is_no_progress() {
        let run = Arc::new(Run::new(3, String::new()));
        let (working, tick) = (Arc::clone(&run), Duration::from_millis(10));
        let start = time::Instant::now();
        let work = async move {
            time::sleep(tick * PATIENCE / 2).await;
            loop {
                working.set(2);
                time::sleep(tick).await;
            }
        };
        let error = supervise(&run, work, tick).await.unwrap_err().to_string();
        assert!(error.contains("no progress"), "{error}");
        assert!(start.elapsed() > tick * PATIENCE * 3 / 2, "the first orders were progress");
    }
}
