//! Runs the modes of each scenario in turns, each in a process of its own.

use std::{
    env,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    BATCH, Place, Result, calibration,
    child::{self, Job, Task},
    machine::{self, Machine},
    measure::Measured,
    mode::Mode,
    options::Options,
    record::{self, Record, Records, Sample, Variant},
    report,
    scenario::{Scenario, Supply},
};

/// Rounds at a fixed rate: fewer than at full speed, as they take longer.
const LATENCY_ROUNDS: usize = 3;
/// What is compared at a fixed rate.
const LATENCY_MODES: [Mode; 5] =
    [Mode::Header, Mode::OnePercent, Mode::All, Mode::Tutorial, Mode::Careful];

/// Measures, and prints the report. Returns false if a budget is missed that should be checked.
pub(crate) fn main(options: &Options) -> Result<bool> {
    if !cfg!(target_os = "linux") {
        return Err("CPU and memory are read from /proc, which only Linux has".into());
    }
    let records = if options.report {
        record::read(options.file.as_deref().unwrap_or(Path::new("")))?
    } else {
        let path = options.file.clone().unwrap_or_else(default_file);
        let mut driver = Driver {
            programs: [env::current_exe()?, options.bound.clone().unwrap_or_default()],
            records: Records::create(&path)?,
            options,
            places: 0,
        };
        driver.records.add(Record::Machine(Machine::here()))?;
        for &scenario in &options.scenarios {
            driver.scenario(scenario)?;
        }
        eprintln!("raw figures: {}", path.display());
        driver.records.all
    };
    let missed = report::print(&records);
    if options.check && missed > 0 {
        eprintln!("{missed} budgets are missed");
        return Ok(false);
    }
    Ok(true)
}

fn default_file() -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    PathBuf::from(format!("target/bench-brokers/{seconds}.jsonl"))
}

struct Driver<'a> {
    /// This program, with plain and with bound instruments.
    programs: [PathBuf; 2],
    records: Records,
    options: &'a Options,
    /// How many destinations have had a name.
    places: usize,
}

impl Driver<'_> {
    fn scenario(&mut self, scenario: Scenario) -> Result {
        let percent = machine::wait_until_quiet(self.options.wait);
        self.records.add(Record::Busy { scenario, percent })?;
        let messages = self.options.messages.unwrap_or(scenario.messages() / self.options.divisor);
        // Whole batches, so that a batch ends where the warm-up does.
        let messages = messages.next_multiple_of(BATCH);
        let warm_up = (messages / 10).clamp(1_000, 50_000).next_multiple_of(BATCH);
        let mut job = Job {
            scenario,
            mode: Mode::Header,
            task: Task::Fill,
            place: self.place(scenario)?,
            warm_up,
            messages,
        };
        let supplies = match scenario.supply() {
            Supply::Kept => {
                progress(scenario, "filling two destinations");
                let place = self.place(scenario)?;
                let bare = Job { mode: Mode::Bare, place, ..job.clone() };
                Some([self.fill(&bare)?, self.fill(&job)?])
            }
            Supply::None | Supply::Drained => None,
        };
        let mut variants = self.variants(&Mode::ALL);
        variants.retain(|variant| variant.mode != Mode::HandOver || scenario.is_answered());
        for round in 0..self.options.rounds {
            let ns = calibration::careful_send();
            self.records.add(Record::Calibration { scenario, round, ns })?;
            // The other way round in every other round, so that no mode always follows the same.
            variants.reverse();
            for (number, &variant) in variants.iter().enumerate() {
                let of = self.options.rounds;
                let name = variant.name();
                let (at, all) = (number + 1, variants.len());
                progress(scenario, &format!("round {} of {of}, {at} of {all}: {name}", round + 1));
                let tasks = [Task::Throughput, Task::Allocations];
                // Allocations differ little: once is enough.
                for &task in if round == 0 { &tasks[..] } else { &tasks[..1] } {
                    self.measure(&mut job, variant, task, round, supplies.as_ref())?;
                }
            }
        }
        for place in supplies.into_iter().flatten() {
            self.run(&Job { place, task: Task::Delete, ..job.clone() }, false)?;
        }
        if self.options.latency_seconds > 0 {
            self.latency(job)?;
        }
        Ok(())
    }

    /// Measures a mode at full speed.
    fn measure(
        &mut self,
        job: &mut Job,
        variant: Variant,
        task: Task,
        round: usize,
        supplies: Option<&[Place; 2]>,
    ) -> Result {
        job.mode = variant.mode;
        let is_drained = job.scenario.supply() == Supply::Drained;
        job.place = match supplies {
            Some([bare, header]) => if job.mode == Mode::Bare { bare } else { header }.clone(),
            None => self.place(job.scenario)?,
        };
        if is_drained {
            let mode = if job.mode == Mode::Bare { Mode::Bare } else { Mode::Header };
            self.fill(&Job { mode, ..job.clone() })?;
        }
        job.task = task;
        let measured = self.run(job, variant.bound)?;
        if is_drained {
            self.run(&Job { task: Task::Delete, ..job.clone() }, false)?;
        }
        let scenario = job.scenario;
        self.records.add(Record::Sample(Sample { scenario, variant, task, round, measured }))
    }

    /// Measures at half of the rate that the careful code reaches with all spans: a consumer that
    /// does nothing else receives more from the bare client than any code with spans can process.
    fn latency(&mut self, mut job: Job) -> Result {
        progress(job.scenario, "how many messages a second are too many");
        // Never a short run: what waits in buffers has to be little of it.
        (job.warm_up, job.messages) = (job.scenario.messages() / 5, job.scenario.messages() / 2);
        let careful = Variant::plain(Mode::Careful);
        self.measure_pipeline(&mut job, careful, Task::Saturate, 0)?;
        let Some(Record::Sample(Sample { measured, .. })) = self.records.all.last() else {
            return Ok(());
        };
        let nanoseconds = usize::try_from(measured.wall_ns)?.max(1);
        let rate = (measured.messages * 1_000_000_000 / nanoseconds / 2).max(1);
        job.warm_up = rate.next_multiple_of(BATCH);
        job.messages = (rate * self.options.latency_seconds).next_multiple_of(BATCH);
        for round in 0..self.options.rounds.min(LATENCY_ROUNDS) {
            progress(job.scenario, &format!("at {rate} messages a second, round {}", round + 1));
            for variant in self.variants(&LATENCY_MODES) {
                self.measure_pipeline(&mut job, variant, Task::Latency(rate), round)?;
            }
        }
        Ok(())
    }

    fn measure_pipeline(
        &mut self,
        job: &mut Job,
        variant: Variant,
        task: Task,
        round: usize,
    ) -> Result {
        let scenario = job.scenario;
        (job.mode, job.task, job.place) = (variant.mode, task, self.place(scenario)?);
        let measured = self.run(job, variant.bound)?;
        self.records.add(Record::Sample(Sample { scenario, variant, task, round, measured }))
    }

    fn fill(&self, job: &Job) -> Result<Place> {
        let messages = job.messages + job.warm_up;
        self.run(&Job { task: Task::Fill, warm_up: 0, messages, ..job.clone() }, false)?;
        Ok(job.place.clone())
    }

    /// Runs a job in a process of its own.
    fn run(&self, job: &Job, bound: bool) -> Result<Measured> {
        let program = &self.programs[usize::from(bound)];
        let output = Command::new(program)
            .args([child::ARGUMENT, &serde_json::to_string(job)?])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("{} could not be started: {error}", program.display()))?;
        if !output.status.success() {
            let (mode, task, name) = (job.mode.name(), job.task, job.scenario.name());
            return Err(format!(
                "{name}, {mode}, {task:?} failed with {} (see above); is the broker up? \
                 cargo xtask brokers status",
                output.status
            )
            .into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Returns the modes with plain and, where there is that program, with bound instruments.
    fn variants(&self, modes: &[Mode]) -> Vec<Variant> {
        let has_bound = self.options.bound.is_some();
        let bound =
            |mode: Mode| (has_bound && mode.has_bound()).then_some(Variant { mode, bound: true });
        modes.iter().flat_map(|&mode| [Some(Variant::plain(mode)), bound(mode)]).flatten().collect()
    }

    /// Returns a new destination of the scenario's broker.
    fn place(&mut self, scenario: Scenario) -> Result<Place> {
        let variable = scenario.variable();
        let endpoint = env::var(variable).map_err(|_| {
            format!("{variable} does not say where the broker is; run: cargo xtask bench brokers")
        })?;
        self.places += 1;
        Ok(Place { endpoint, name: format!("bench-{}-{}", process::id(), self.places) })
    }
}

fn progress(scenario: Scenario, text: &str) {
    eprintln!("{}: {text}", scenario.name());
}
