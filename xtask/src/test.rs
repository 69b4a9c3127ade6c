//! `cargo xtask test`: every test of the workspace, and one closing line with the totals.

use crate::{
    UsageError,
    brokers::{self, Broker, Failed},
    cargo, toolchain,
    totals::Totals,
};
use std::{
    env,
    ffi::OsString,
    io::{self, Read, Write},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

const USAGE: &str = "\
Usage: cargo xtask test [--embedded] [--down] [-- args..]

Runs every test of the workspace, documentation included, and prints the totals as its last line.
The brokers that integration tests need are brought up first, as `cargo xtask brokers up` does (its
--help says where they come from), and left running for the next time.

  --embedded   only what needs no broker
  --down       stop the brokers at the end; so it is, too, where the environment has CI=true
  -- args..    for the test harness: a name to filter by, --nocapture, --test-threads=1, ..
";

/// What cargo is asked to test, one after the other.
const RUNS: [&[&str]; 4] = [
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
    // The bare clients, with the same call sites.
    &[
        "--package=otel-messaging",
        "--package=otel-messaging-both-ways",
        "--no-default-features",
        "--features=otel-messaging/rdkafka,otel-messaging/lapin,otel-messaging/jetstream,\
         otel-messaging/service,otel-messaging/tokio",
        "--tests",
    ],
];

/// Packages whose tests need brokers.
const WITH_BROKERS: [&str; 4] = [
    "otel-messaging-applications",
    "otel-messaging-both-ways",
    "otel-messaging-integration-tests",
    "otel-messaging-services",
];

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    is_embedded: bool,
    is_down: bool,
    harness: &'a [OsString],
}

/// Fails if a test failed, a binary crashed, something did not build, no test ran at all, or a
/// broker that tests need could not be had.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let Some(options) = parse(args)? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return Ok(ExitCode::FAILURE);
    }
    let environment = if options.is_embedded {
        Ok(Vec::new())
    } else {
        brokers::up(&Broker::ALL).inspect_err(|Failed| {
            eprintln!(
                "xtask: integration tests need a broker that could not be had (see above); \
                 to run what needs none: cargo xtask test --embedded"
            );
        })
    };
    let totals = environment.and_then(|environment| run_tests(&options, &environment));
    if !options.is_embedded && totals.as_ref().is_ok_and(|totals| !totals.are_good()) {
        brokers::complain(&Broker::ALL);
    }
    let is_ci = env::var("CI").is_ok_and(|value| value == "true");
    let is_down = options.is_embedded || !(options.is_down || is_ci) || brokers::down(&Broker::ALL);
    let is_good = totals.is_ok_and(|totals| {
        println!("{totals}");
        totals.are_good()
    });
    Ok(if is_good && is_down { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs all tests with these environment variables.
fn run_tests(options: &Options<'_>, environment: &[(&str, String)]) -> Result<Totals, Failed> {
    let mut totals = Totals::default();
    for selection in RUNS {
        let mut command = cargo::command("test");
        command.arg("--no-fail-fast").args(selected(selection, options.is_embedded));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("--").args(options.harness);

        let before = totals.failed;
        let status =
            stream(&mut command, &mut totals, &mut io::stdout().lock()).map_err(|error| {
                cargo::not_started(&error);
                Failed
            })?;
        if !status.success() && totals.failed == before {
            eprintln!("xtask: cargo test failed ({status}) without a failing test: see above");
            totals.failed += 1;
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
    Ok(totals)
}

/// What a run selects, without the packages that need brokers if there are to be none.
fn selected(selection: &[&str], is_embedded: bool) -> Vec<String> {
    let needs_brokers = |arg: &str| {
        arg.strip_prefix("--package=").is_some_and(|package| WITH_BROKERS.contains(&package))
    };
    let mut selected: Vec<String> = selection
        .iter()
        .filter(|arg| !(is_embedded && needs_brokers(arg)))
        .map(|&arg| arg.to_owned())
        .collect();
    if is_embedded && selection.contains(&"--workspace") {
        selected.extend(WITH_BROKERS.map(|package| format!("--exclude={package}")));
    }
    selected
}

/// `None` if only help was asked for.
fn parse(args: &[OsString]) -> Result<Option<Options<'_>>, UsageError> {
    let mut options = Options::default();
    for (index, arg) in args.iter().enumerate() {
        match arg.to_str() {
            Some("--") => {
                options.harness = &args[index + 1..];
                break;
            }
            Some("--embedded") => options.is_embedded = true,
            Some("--down") => options.is_down = true,
            Some("-h" | "--help") => return Ok(None),
            _ => {
                let arg = arg.to_string_lossy();
                let cause = format!("`test` has no option `{arg}`; to filter by name: -- {arg}");
                return Err(UsageError(cause));
            }
        }
    }
    Ok(Some(options))
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

    fn parsed(args: &[&str]) -> Result<Option<(bool, bool, Vec<String>)>, String> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let options = parse(&args).map_err(|UsageError(cause)| cause)?;
        Ok(options.map(|Options { is_embedded, is_down, harness }| {
            let harness = harness.iter().map(|arg| arg.to_str().unwrap().to_owned()).collect();
            (is_embedded, is_down, harness)
        }))
    }

    #[test]
    fn everything_after_the_dashes_is_for_the_harness() {
        assert_eq!(parsed(&[]), Ok(Some((false, false, vec![]))));
        assert_eq!(parsed(&["--embedded"]), Ok(Some((true, false, vec![]))));
        let harness = vec!["r15".into(), "--".into(), "--help".into(), "--embedded".into()];
        let args = ["--down", "--", "r15", "--", "--help", "--embedded"];
        assert_eq!(parsed(&args), Ok(Some((false, true, harness))));
    }

    #[test]
    fn without_brokers_no_run_selects_what_needs_them() {
        for selection in RUNS {
            assert_eq!(selected(selection, false), selection);
            let selected = selected(selection, true);
            for package in WITH_BROKERS {
                assert!(!selected.contains(&format!("--package={package}")));
                let is_excluded = selected.contains(&format!("--exclude={package}"));
                assert_eq!(is_excluded, selection.contains(&"--workspace"));
            }
        }
        assert!(RUNS.concat().contains(&"--package=otel-messaging-both-ways"));
    }

    #[test]
    fn help_is_not_a_run() {
        assert_eq!(parsed(&["--help"]), Ok(None));
    }

    #[test]
    fn unknown_options_are_errors_with_advice() {
        let cause = parsed(&["r15"]).unwrap_err();
        assert_eq!(cause, "`test` has no option `r15`; to filter by name: -- r15");
        assert!(parsed(&["--embeded"]).is_err());
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
