//! Measures a part of a process: CPU of all threads, time, allocations and peak memory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use otel_messaging_benches::allocations;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What one process measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) messages: usize,
    /// Of all threads that are measured.
    pub(crate) cpu_ns: u64,
    pub(crate) wall_ns: u64,
    /// Rust's allocations and reallocations; zero in runs that do not count them.
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) peak_kib: u64,
    /// From sending to processing; zero in runs without a rate.
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
}

/// Measures from `start` to `stop`.
pub(crate) struct Meter {
    counts_allocations: bool,
    /// The directory of a thread, in `/proc`.
    excluded: Option<PathBuf>,
    at_start: Option<(Duration, Instant)>,
    measured: Measured,
}

impl Meter {
    pub(crate) fn new(messages: usize, counts_allocations: bool) -> Self {
        let measured = Measured { messages, ..Measured::default() };
        Self { counts_allocations, excluded: None, at_start: None, measured }
    }

    /// Runs `work` in a thread whose CPU and allocations do not count.
    pub(crate) fn exclude_thread(&mut self, work: impl FnOnce() + Send + 'static) {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            allocations::exclude_this_thread();
            // `self/task/7`, where the process is `self`.
            let _ = fs::read_link("/proc/thread-self").map(|path| sender.send(path));
            work();
        });
        self.excluded = receiver.recv().ok();
    }

    pub(crate) fn start(&mut self) {
        if self.counts_allocations {
            allocations::count_all_threads(true);
        }
        self.at_start = Some((self.cpu(), Instant::now()));
    }

    pub(crate) fn stop(&mut self) {
        allocations::count_all_threads(false);
        let Some((cpu, time)) = self.at_start else { return };
        self.measured.wall_ns = nanoseconds(time.elapsed());
        self.measured.cpu_ns = nanoseconds(self.cpu().saturating_sub(cpu));
    }

    pub(crate) fn finish(mut self) -> Measured {
        let (allocations, bytes) = allocations::of_all_threads();
        self.measured.allocations = allocations;
        self.measured.allocated_bytes = bytes;
        self.measured.peak_kib = peak_kib();
        self.measured
    }

    fn cpu(&self) -> Duration {
        let of_all = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
        of_all.saturating_sub(self.excluded.as_deref().map_or(Duration::ZERO, cpu_of))
    }
}

/// Reads the CPU of one thread; zero once it has ended, when it is too late to tell.
fn cpu_of(thread: &Path) -> Duration {
    let text = fs::read_to_string(Path::new("/proc").join(thread).join("schedstat"));
    let text = text.unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
