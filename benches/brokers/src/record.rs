//! Defines the raw figures, one JSON object a line.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    Result, child::Task, machine::Machine, measure::Measured, mode::Mode, scenario::Scenario,
};

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    /// The first line.
    Machine(Machine),
    /// Before a scenario: how busy others kept the machine, in percent of all cores.
    Busy { scenario: Scenario, percent: f64 },
    /// The reference of the budgets: CPU nanoseconds of a careful send in the core's benchmark.
    Calibration { scenario: Scenario, round: usize, ns: f64 },
    /// What one process measured.
    Sample(Sample),
}

/// What one process measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) scenario: Scenario,
    pub(crate) variant: Variant,
    pub(crate) task: Task,
    pub(crate) round: usize,
    pub(crate) measured: Measured,
}

/// A mode, with plain or bound instruments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variant {
    pub(crate) mode: Mode,
    pub(crate) bound: bool,
}

impl Variant {
    pub(crate) const fn plain(mode: Mode) -> Self {
        Self { mode, bound: false }
    }

    pub(crate) fn name(self) -> String {
        format!("{}{}", self.mode.name(), if self.bound { ", bound" } else { "" })
    }
}

/// Keeps the figures, and writes each to the file at once.
pub(crate) struct Records {
    pub(crate) all: Vec<Record>,
    file: File,
}

impl Records {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { all: Vec::new(), file })
    }

    pub(crate) fn add(&mut self, record: Record) -> Result {
        writeln!(self.file, "{}", serde_json::to_string(&record)?)?;
        self.all.push(record);
        Ok(())
    }
}

/// Reads a file of raw figures.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
