//! `cargo xtask soak`: runs mixed load on brokers that are killed, and fails if an account is wrong.

use std::{process::ExitCode, time::Duration};

use clap::{Arg, Command, value_parser};
use otel_messaging_soak::{Options, run};

fn main() -> ExitCode {
    let matches = command().get_matches();
    let number = |name| matches.get_one::<u64>(name).copied();
    let duration = Duration::from_secs(60 * number("minutes").unwrap_or_default());
    let seed = number("seed").unwrap_or_else(|| fastrand::u64(..));
    let report = run(&Options { duration, seed, instance: "soak" });
    println!("{report}");
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn command() -> Command {
    let option = |name, value| Arg::new(name).long(name).value_name(value);
    let minutes = option("minutes", "N")
        .default_value("5")
        .value_parser(value_parser!(u64).range(0..=10_000))
        .help("How long to send; 0 kills each broker once");
    let seed = option("seed", "N")
        .value_parser(value_parser!(u64))
        .help("Repeat the choices of a run that has printed its seed");
    Command::new("soak")
        .override_usage("cargo xtask soak [OPTIONS]")
        .about(
            "Sends, receives, processes and settles on Kafka, RabbitMQ and NATS, which it starts \
             for itself, kills and restarts; drops futures at random moments; and gives messages \
             hostile headers. At the end it counts messages, spans and metrics against each other, \
             and looks whether memory, threads and files have grown",
        )
        .args([minutes, seed])
        .after_help(
            "Exit status: 0 if every account is right; 1 if one is wrong; 2 if an option is wrong; \
             101 if a broker could not be started. Ctrl-C ends the load, and then reports.",
        )
}
