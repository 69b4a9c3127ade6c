//! Reads the command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use crate::{Result, scenario::Scenario};

/// What to measure, and for how long.
pub(crate) struct Options {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) rounds: usize,
    /// The messages of a round, if not the scenario's own number.
    pub(crate) messages: Option<usize>,
    /// Divides the scenario's own number.
    pub(crate) divisor: usize,
    /// The seconds of a run at a fixed rate; none if zero.
    pub(crate) latency_seconds: usize,
    /// How long to wait for a quiet moment, in seconds.
    pub(crate) wait: u64,
    /// The raw figures: to write, or with `report` to read.
    pub(crate) file: Option<PathBuf>,
    pub(crate) report: bool,
    pub(crate) check: bool,
    /// This program with bound instruments.
    pub(crate) bound: Option<PathBuf>,
}

pub(crate) fn parse() -> Result<Options> {
    let names = Scenario::ALL.map(Scenario::name).join(", ");
    let number = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(usize));
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let path = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    let matches = Command::new("cargo xtask bench brokers")
        .about(
            "Measures what instrumentation adds to a message on real brokers, and prints tables in \
             Markdown",
        )
        .after_help(format!(
            "Scenarios: {names}.\nThe start of a name is enough for several: kafka, nats, \
             jetstream, rabbitmq."
        ))
        .arg(Arg::new("scenario").num_args(0..).help("All of them, if none is named"))
        .arg(flag("quick").help("2 short rounds: to see that all works, not for figures"))
        .arg(number("rounds").help("Rounds of all modes in turns [default: 7]"))
        .arg(number("messages").help("Messages of a round; 5000000 to watch the memory"))
        .arg(
            number("latency-seconds")
                .help("Seconds of each run at half of saturation; 0 for none [default: 3]"),
        )
        .arg(number("wait").help("Seconds to wait for a quiet machine [default: 60]"))
        .arg(flag("check").help("Fail if a budget is missed"))
        .arg(path("report").help("Print the tables of this file of raw figures; measure nothing"))
        .arg(path("output").help("Where to write the raw figures [default: under target/]"))
        .arg(path("bound-program").hide(true))
        .get_matches();
    let is_quick = matches.get_flag("quick");
    let given = |name: &str| matches.get_one::<usize>(name).copied();
    let report = matches.get_one::<PathBuf>("report").cloned();
    let chosen: Vec<_> = matches.get_many::<String>("scenario").into_iter().flatten().collect();
    let mut scenarios = Vec::new();
    for name in &chosen {
        let known = Scenario::ALL.into_iter().filter(|known| known.name().starts_with(*name));
        let before = scenarios.len();
        scenarios.extend(known);
        if scenarios.len() == before {
            return Err(format!("there is no scenario `{name}`; there are {names}").into());
        }
    }
    if chosen.is_empty() {
        scenarios = Scenario::ALL.to_vec();
    }
    Ok(Options {
        scenarios,
        rounds: given("rounds").unwrap_or(if is_quick { 2 } else { 7 }).max(1),
        messages: given("messages"),
        divisor: if is_quick { 5 } else { 1 },
        latency_seconds: given("latency-seconds").unwrap_or(if is_quick { 1 } else { 3 }),
        wait: given("wait").unwrap_or(if is_quick { 0 } else { 60 }) as u64,
        report: report.is_some(),
        file: report.or_else(|| matches.get_one("output").cloned()),
        check: matches.get_flag("check"),
        bound: matches.get_one("bound-program").cloned(),
    })
}
