//! Memory, threads and files of this process, from `/proc`.

use std::{fmt, fs};

/// What the process holds at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    /// MiB that are not of a file, in memory or swapped out.
    pub(crate) memory: f64,
    pub(crate) threads: f64,
    pub(crate) files: f64,
}

impl Figures {
    /// Looks at this process. Returns `None` where there is no `/proc`.
    pub(crate) fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let number = |key: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let files = fs::read_dir("/proc/self/fd").ok()?.count();
        Some(Self {
            memory: (number("RssAnon:")? + number("VmSwap:")?) / 1024.0,
            threads: number("Threads:")?,
            files: files as f64,
        })
    }

    /// Returns whether there are as many threads and files as there were, but for those of the
    /// runtimes: ours, and one that a client starts late and keeps. Clients that leave something
    /// behind do so each time they connect, which soon is more.
    pub(crate) fn is_like(&self, before: Self) -> bool {
        self.threads <= before.threads + 4.0 && self.files <= before.files + 6.0
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, threads, files } = self;
        write!(f, "{memory:.0} MiB, {threads} threads, {files} files")
    }
}

/// Returns by how much a figure grows over all samples, by the straight line that fits them best.
pub(crate) fn growth(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = samples.iter().sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in samples.iter().enumerate() {
        let dx = x as f64 - mean_x;
        covariance += dx * (y - mean_y);
        variance += dx * dx;
    }
    if variance == 0.0 { 0.0 } else { covariance / variance * (count - 1.0) }
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn growth_is_the_trend_and_not_the_noise() {
        let close = |samples: &[f64], expected: f64| {
            let found = growth(samples);
            assert!((found - expected).abs() < 1e-9, "{found}");
        };
        close(&[], 0.0);
        close(&[5.0], 0.0);
        close(&[1.0, 2.0, 3.0, 4.0], 3.0);
        close(&[3.0, 1.0, 1.0, 3.0], 0.0);
    }
}
