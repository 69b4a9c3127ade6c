//! Checks each property for the committed seeds of its fuzz target and for mutations of them.
//!
//! The mutations are the same in every run. `OTEL_MESSAGING_CASES` says how many there are, and
//! `OTEL_MESSAGING_SEED` chooses others:
//!
//! ```sh
//! OTEL_MESSAGING_CASES=1000000 cargo test --release -p otel-messaging-properties
//! ```

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{env, fs, panic, path::Path};

use arbitrary::Result;
use fastrand::Rng;
use otel_messaging_properties::{contexts, kafka, nats, rabbitmq, stored, view};

const CASES: u64 = 2_000;

#[test]
fn contexts_are_read_as_the_recommendation_says() {
    check("contexts", contexts::check);
}

#[test]
fn stored_contexts_are_restored() {
    check("stored", stored::check);
}

#[test]
fn kafka_records_carry_one_context_and_all_other_headers() {
    check("kafka", kafka::check);
}

#[test]
fn rabbitmq_tables_carry_one_context_and_all_other_entries() {
    check("rabbitmq", rabbitmq::check);
}

#[test]
fn nats_messages_carry_one_context_and_all_other_headers() {
    check("nats", nats::check);
}

#[test]
fn files_of_spans_are_shown() {
    check("view", view::check);
}

fn check(target: &str, property: fn(&[u8]) -> Result<()>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty());
    for seed in &seeds {
        run(property, seed);
    }
    let mut random = Rng::with_seed(number("OTEL_MESSAGING_SEED").unwrap_or(7));
    let (mut inputs, cases) = (0, number("OTEL_MESSAGING_CASES").unwrap_or(CASES));
    while inputs < cases {
        // Bytes that make no input do not count.
        inputs += u64::from(run(property, &mutated(&seeds, &mut random)));
    }
}

fn number(variable: &str) -> Option<u64> {
    Some(env::var(variable).ok()?.parse().expect("it is a number"))
}

/// Returns whether the bytes made an input. If the property does not hold, shows them: they are a
/// new seed.
fn run(property: fn(&[u8]) -> Result<()>, bytes: &[u8]) -> bool {
    panic::catch_unwind(|| property(bytes)).map_or_else(
        |cause| {
            eprintln!("of these bytes: b\"{}\"", bytes.escape_ascii());
            panic::resume_unwind(cause)
        },
        |outcome| outcome.is_ok(),
    )
}

/// Mutates a seed as fuzzers do, without their knowledge of the code.
fn mutated(seeds: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    const WORDS: [&[u8]; 8] = [
        b"-",
        b",",
        b"=",
        b"%",
        b"\0",
        b"\xff",
        b"traceparent",
        b"00000000000000000000000000000000",
    ];
    let mut bytes = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..=8) {
        let (at, other) = (random.usize(..=bytes.len()), random.usize(..=bytes.len()));
        let range = at.min(other)..at.max(other);
        match random.u8(..6) {
            0 => bytes.insert(at, random.u8(..)),
            1 => drop(bytes.drain(range)),
            2 => bytes.extend_from_within(range),
            3 => drop(bytes.splice(at..at, WORDS[random.usize(..WORDS.len())].iter().copied())),
            4 => drop(bytes.splice(range, seeds[random.usize(..seeds.len())].clone())),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.u8(..8);
                }
            }
        }
    }
    bytes.truncate(4096);
    bytes
}
