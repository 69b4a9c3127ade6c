//! `cargo xtask test`: every test of the workspace, and one closing line with the totals.

use crate::{UsageError, cargo, toolchain, totals::Totals};
use std::{
    ffi::OsString,
    io::{self, Read, Write},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

const USAGE: &str = "\
Usage: cargo xtask test [--embedded] [-- args..]

Runs every test of the workspace, documentation included, and prints the totals as its last line.

  --embedded   only what needs no server (today that is everything)
  -- args..    for the test harness: a name to filter by, --nocapture, --test-threads=1, ..
";

/// What cargo is asked to test, one after the other.
const RUNS: [&[&str]; 3] = [
    // Without benchmarks: criterion would measure them, and measuring is `cargo xtask bench`.
    &["--workspace", "--all-features", "--lib", "--bins", "--tests", "--examples"],
    &["--workspace", "--all-features", "--doc"],
    // What most users build: no feature may change what is recorded.
    &[
        "--package=otel-messaging-core",
        "--package=otel-messaging-testing",
        "--package=otel-messaging-benches",
        "--lib",
        "--tests",
    ],
];

/// Fails if a test failed, a binary crashed, something did not build, or no test ran at all.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let Some(harness) = harness_args(args)? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return Ok(ExitCode::FAILURE);
    }
    let mut totals = Totals::default();
    let mut is_built = true;
    for selection in RUNS {
        let mut command = cargo::command("test");
        command.arg("--no-fail-fast").args(selection).arg("--").args(harness);

        let before = totals.failed;
        match stream(&mut command, &mut totals, &mut io::stdout().lock()) {
            Err(error) => return Ok(cargo::not_started(&error)),
            Ok(status) if status.success() || totals.failed > before => {}
            Ok(status) => {
                eprintln!("xtask: cargo test failed ({status}) without a failing test: see above");
                totals.failed += 1;
                is_built = false;
            }
        }
        if !is_built {
            break; // What does not build has nothing more to test.
        }
    }
    if totals.crashed > 0 {
        let crashed = totals.crashed;
        eprintln!("xtask: {crashed} test binaries crashed: all of their tests count as failed");
    }
    if totals.passed + totals.failed == 0 {
        eprintln!("xtask: no test ran, and that is a failure too: check the filter after `--`");
    }
    println!("{totals}");
    Ok(if totals.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the test harness is to get; `None` if only help was asked for.
fn harness_args(args: &[OsString]) -> Result<Option<&[OsString]>, UsageError> {
    for (index, arg) in args.iter().enumerate() {
        match arg.to_str() {
            Some("--") => return Ok(Some(&args[index + 1..])),
            Some("--embedded") => {}
            Some("-h" | "--help") => return Ok(None),
            _ => {
                let arg = arg.to_string_lossy();
                let cause = format!("`test` has no option `{arg}`; to filter by name: -- {arg}");
                return Err(UsageError(cause));
            }
        }
    }
    Ok(Some(&[]))
}

/// Shows the output while it comes, unfinished lines included, and counts what it says.
fn stream(
    command: &mut Command,
    totals: &mut Totals,
    shown: &mut impl Write,
) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(mut output) = child.stdout.take() {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let length = match output.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            totals.feed(&piece[..length]);
            // Nobody may be reading (`| head`): the tests and their totals matter all the same.
            let _ = shown.write_all(&piece[..length]).and_then(|()| shown.flush());
        }
    }
    totals.finish();
    child.wait()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Vec<String>>, String> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let harness = harness_args(&args).map_err(|UsageError(cause)| cause)?;
        Ok(harness.map(|args| args.iter().map(|arg| arg.to_str().unwrap().to_owned()).collect()))
    }

    #[test]
    fn everything_after_the_dashes_is_for_the_harness() {
        assert_eq!(parse(&[]), Ok(Some(vec![])));
        assert_eq!(parse(&["--embedded"]), Ok(Some(vec![])));
        let harness = Some(vec!["r15".into(), "--".into(), "--help".into()]);
        assert_eq!(parse(&["--embedded", "--", "r15", "--", "--help"]), Ok(harness));
    }

    #[test]
    fn help_is_not_a_run() {
        assert_eq!(parse(&["--help"]), Ok(None));
    }

    #[test]
    fn unknown_options_are_errors_with_advice() {
        let cause = parse(&["r15"]).unwrap_err();
        assert_eq!(cause, "`test` has no option `r15`; to filter by name: -- r15");
        assert!(parse(&["--embeded"]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn output_is_counted_and_the_status_kept() {
        let (mut totals, mut shown) = (Totals::default(), Vec::new());
        let script = "echo 'running 2 tests'; printf '\\377\\n'; exit 3";
        let status =
            stream(Command::new("sh").args(["-c", script]), &mut totals, &mut shown).unwrap();
        assert_eq!(shown, b"running 2 tests\n\xff\n");
        assert_eq!(status.code(), Some(3));
        assert_eq!((totals.failed, totals.crashed), (2, 1));
    }
}
