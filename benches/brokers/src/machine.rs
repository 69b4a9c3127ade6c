//! Names the machine, and waits until nothing else runs on it.

use std::{
    fmt, fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// The busy part of all cores, in percent, that counts as quiet: brokers without work take 1 or 2.
const QUIET: f64 = 5.0;
const PROBE: Duration = Duration::from_secs(1);

/// The machine and the compiler.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    rustc: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Self {
            cpu: cpu.unwrap_or("unknown CPU").trim().to_owned(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: rustc.unwrap_or_else(|_| "unknown rustc".to_owned()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, kernel, rustc } = self;
        write!(f, "{cpu}, {cores} cores, Linux {kernel}, {rustc}")
    }
}

/// Returns whether a measurement of `busy` percent, by [`wait_until_quiet`], is of a quiet machine.
pub(crate) fn is_quiet(busy: f64) -> bool {
    busy < QUIET
}

/// Waits for a quiet moment, up to this number of seconds. Returns the busy part of the last probe,
/// in percent.
pub(crate) fn wait_until_quiet(limit: u64) -> f64 {
    let begin = Instant::now();
    loop {
        let percent = busy();
        if is_quiet(percent) || begin.elapsed().as_secs() >= limit {
            return percent;
        }
        eprintln!("waiting for a quiet moment: the machine is {percent:.0} % busy");
    }
}

/// Measures the busy part of all cores for a second.
fn busy() -> f64 {
    let before = ticks();
    thread::sleep(PROBE);
    let after = ticks();
    let (idle, all) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    100.0 * (1.0 - idle as f64 / all.max(1) as f64)
}

/// Returns the idle time and all time since the start, in ticks.
fn ticks() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).take(8).collect();
    (ticks.iter().skip(3).take(2).sum(), ticks.iter().sum())
}
