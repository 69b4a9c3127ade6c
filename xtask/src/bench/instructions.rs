//! `cargo xtask bench instructions`: counts the instructions of the core's paths with callgrind, and
//! compares them with those in `benches/instructions.txt`.
//!
//! Instructions do not depend on how busy the machine is. They depend on the compiler and the C
//! library: where these are not those of the file, what is compared is each path's ratio to the
//! reference, careful code on the plain API that is counted in the same run.

use crate::{UsageError, cargo};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const PACKAGE: &str = "otel-messaging-benches";
const PROGRAM: &str = "otel-messaging-instructions";
const REFERENCE: &str = "reference";
const ENVIRONMENT: &str = "environment";
/// How much a path may grow, or shrink without that the file says so.
const BOUND: f64 = 0.03;

/// Fails if a path takes more or fewer instructions than the file says, by more than the bound.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let is_blessed = match args {
        [] => false,
        [option] if option == "--bless" => true,
        _ => return Err(UsageError("`bench instructions` has one option, --bless".into())),
    };
    let outcome = count().and_then(|counted| {
        let file = cargo::root().join("benches/instructions.txt");
        if is_blessed {
            fs::write(&file, counted.to_text()).map_err(|error| failed(&file, &error))?;
            println!("{} is written", file.display());
            return Ok(true);
        }
        let text = fs::read_to_string(&file).map_err(|error| failed(&file, &error))?;
        compare(&Counts::parse(&text)?, &counted)
    });
    Ok(match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            eprintln!("xtask: {cause}");
            ExitCode::FAILURE
        }
    })
}

fn failed(file: &Path, error: &dyn std::error::Error) -> String {
    format!("{}: {error}; to write it: cargo xtask bench instructions --bless", file.display())
}

/// The instructions of one run of each path.
#[derive(Debug, PartialEq)]
struct Counts {
    /// The compiler and the C library.
    environment: String,
    paths: BTreeMap<String, f64>,
}

impl Counts {
    fn to_text(&self) -> String {
        let mut text = format!(
            "# Instructions of one run of each path. To write this file: cargo xtask bench \
             instructions --bless\n{ENVIRONMENT}: {}\n",
            self.environment
        );
        let lines = self.paths.iter().map(|(path, count)| format!("{path}: {count:.0}\n"));
        text.extend(lines);
        text
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut counts = Self { environment: String::new(), paths: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) =
                line.split_once(": ").ok_or_else(|| format!("not `name: number`: {line}"))?;
            if name == ENVIRONMENT {
                value.clone_into(&mut counts.environment);
            } else {
                let count = value.parse().map_err(|error| format!("{line}: {error}"))?;
                counts.paths.insert(name.to_owned(), count);
            }
        }
        Ok(counts)
    }
}

/// Prints each path beside what is known of it. Returns false if one is out of the bound, or known
/// or counted only.
fn compare(known: &Counts, counted: &Counts) -> Result<bool, String> {
    let is_absolute = known.environment == counted.environment;
    let scale = if is_absolute {
        1.0
    } else {
        println!(
            "compared by the ratio to the reference, as the file is of another compiler or C \
             library ({}, here {})",
            known.environment, counted.environment
        );
        let reference = |counts: &Counts| {
            counts.paths.get(REFERENCE).copied().ok_or("the reference was not counted")
        };
        reference(counted)? / reference(known)?
    };
    let mut is_good = true;
    let names: BTreeSet<_> = known.paths.keys().chain(counted.paths.keys()).collect();
    for name in names.into_iter().filter(|name| *name != REFERENCE) {
        let (Some(known), Some(counted)) = (known.paths.get(name), counted.paths.get(name)) else {
            println!("{name:<20} is new, or gone: cargo xtask bench instructions --bless");
            is_good = false;
            continue;
        };
        let expected = known * scale;
        let change = counted / expected - 1.0;
        let verdict = if change.abs() <= BOUND { "ok" } else { "OUT OF THE BOUND" };
        is_good &= change.abs() <= BOUND;
        let percent = 100.0 * change;
        println!("{name:<20} {counted:>8.0}, expected {expected:>8.0}, {percent:+.1} % {verdict}");
    }
    if !is_good {
        println!("if the change is wanted: cargo xtask bench instructions --bless");
    }
    Ok(is_good)
}

fn count() -> Result<Counts, String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is missing: sudo apt-get install valgrind".into());
    }
    let program = cargo::build_release(PACKAGE, PROGRAM, "")?;
    let names = output(&mut Command::new(&program))?;
    let mut paths = BTreeMap::new();
    for name in names.lines() {
        eprintln!("counting: {name}");
        paths.insert(name.to_owned(), instructions(&program, name)?);
    }
    Ok(Counts { environment: environment()?, paths })
}

/// Counts the instructions of one run of a path.
fn instructions(program: &Path, name: &str) -> Result<f64, String> {
    let profile = PathBuf::from(format!("{}.callgrind", program.display()));
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=*counted_by_callgrind*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .arg(name);
    let times: f64 = output(&mut command)?.trim().parse().map_err(|error| format!("{error}"))?;
    let text = fs::read_to_string(&profile).map_err(|error| error.to_string())?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap_or_default();
    match total.trim().parse::<f64>() {
        Ok(total) if total > 0.0 => Ok(total / times),
        _ => Err(format!("{} has no totals", profile.display())),
    }
}

fn environment() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = output(Command::new(rustc).arg("--version"))?;
    let libc = output(Command::new("ldd").arg("--version"))?;
    Ok(format!("{}, {}", rustc.trim(), libc.lines().next().unwrap_or_default()))
}

fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(environment: &str, send: f64, reference: f64) -> Counts {
        let paths = [("send".to_owned(), send), (REFERENCE.to_owned(), reference)];
        Counts { environment: environment.to_owned(), paths: paths.into() }
    }

    #[test]
    fn a_change_over_the_bound_fails_in_either_direction() {
        let known = counts("rustc", 1000.0, 2000.0);
        for (send, is_good) in [(1000.0, true), (1029.0, true), (1031.0, false), (960.0, false)] {
            assert_eq!(compare(&known, &counts("rustc", send, 9000.0)), Ok(is_good), "{send}");
        }
    }

    #[test]
    fn another_compiler_is_compared_by_the_reference() {
        let known = counts("rustc", 1000.0, 2000.0);
        assert_eq!(compare(&known, &counts("newer", 1200.0, 2400.0)), Ok(true));
        assert_eq!(compare(&known, &counts("newer", 1000.0, 2400.0)), Ok(false));
    }

    #[test]
    fn a_path_that_is_new_or_gone_fails() {
        let (known, mut more) = (counts("rustc", 1.0, 1.0), counts("rustc", 1.0, 1.0));
        more.paths.insert("receive".to_owned(), 1.0);
        assert_eq!(compare(&known, &more), Ok(false));
        assert_eq!(compare(&more, &known), Ok(false));
    }

    #[test]
    fn counts_are_written_and_read() {
        let counts = counts("rustc 1.95.0, glibc 2.36", 1000.0, 2000.0);
        assert_eq!(Counts::parse(&counts.to_text()), Ok(counts));
        assert!(Counts::parse("send 12").is_err());
    }
}
