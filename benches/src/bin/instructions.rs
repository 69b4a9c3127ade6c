//! Runs one path of the core many times in a function of its own, so that callgrind can count its
//! instructions: `cargo xtask bench instructions` does.
//!
//! Without an argument, it prints the names of the paths.

use std::{env, process::ExitCode};

use otel_messaging_benches::{
    idiomatic,
    ours::{self, Rung},
    providers::Sampling,
    record::Record,
};

/// How often a path runs while its instructions are counted.
const TIMES: usize = 200;

/// The paths; the first is the reference, which is not our code.
const PATHS: [(&str, fn()); 7] = [
    ("reference", reference),
    ("send, recording", || send(Rung::WithMetrics)),
    ("send, sampled out", || send(Rung::SampledOut)),
    ("receive", receive),
    ("process", process),
    ("batch of 100", batch),
    ("consume, disabled", disabled),
];

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        for (name, _) in PATHS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, path)) = PATHS.iter().find(|(known, _)| *known == name) else {
        eprintln!("there is no path `{name}`; without an argument, all are printed");
        return ExitCode::FAILURE;
    };
    path();
    println!("{TIMES}");
    ExitCode::SUCCESS
}

fn reference() {
    let idiomatic = idiomatic::Traced::new(Sampling::Recording);
    let mut record = Record::outgoing();
    count(|| idiomatic.send(&mut record));
}

fn send(rung: Rung) {
    let (instrumenter, mut record) = (rung.instrumenter(), Record::outgoing());
    count(|| ours::send(&instrumenter, &mut record));
}

fn receive() {
    let instrumenter = Rung::WithMetrics.instrumenter();
    let record = Record::incoming().with_offset(42);
    count(|| ours::receive(&instrumenter, &record));
}

fn process() {
    let instrumenter = Rung::WithMetrics.instrumenter();
    let record = Record::incoming().with_offset(42);
    count(|| ours::process(&instrumenter, &record));
}

fn batch() {
    let instrumenter = Rung::WithMetrics.instrumenter();
    let records = Record::incoming_batch(100, true);
    count(|| ours::process_batch(&instrumenter, &records));
}

fn disabled() {
    let instrumenter = Rung::Disabled.instrumenter();
    let record = Record::incoming().with_offset(42);
    count(|| ours::consume(&instrumenter, &record));
}

fn count(mut work: impl FnMut()) {
    // The first runs build what is kept.
    (0..3).for_each(|_| work());
    counted_by_callgrind(&mut work);
}

/// Callgrind counts inside this function only, and finds it by its name.
#[inline(never)]
fn counted_by_callgrind(work: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        work();
    }
}
