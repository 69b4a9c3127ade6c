//! `cargo xtask test`: runs every test of the workspace and prints the totals.

use crate::{UsageError, brokers, browser, cargo, demo, soak, toolchain};
use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

const USAGE: &str = "\
Usage: cargo xtask test [--embedded] [--down] [-- args..]

Runs every test of the workspace, documentation included, and prints the totals as its last line.
It first starts the brokers that integration tests need, as `cargo xtask brokers up` does (its
--help says where they come from), and leaves them running for the next time. `cargo xtask browser`
installs the browser that the viewer's tests drive, also for --embedded.

  --embedded   only the tests that need no broker
  --down       stop the brokers at the end; the default where the environment has CI=true
  -- args..    for the test harness: a name to filter by, --nocapture, --test-threads=1, ..
";

/// The selections that `cargo test` runs, one after the other.
const RUNS: [&[&str]; 4] = [
    // Without benchmarks, which would take minutes: they are `cargo xtask bench`.
    &["--workspace", "--all-features", "--lib", "--bins", "--tests", "--examples"],
    &["--workspace", "--all-features", "--doc"],
    // The default features, which most users build. No feature may change what is recorded.
    &[
        "--package=otel-messaging-core",
        "--package=otel-messaging-testing",
        "--package=otel-messaging-benches",
        "--lib",
        "--tests",
    ],
    // The build without telemetry, with the same call sites.
    &[
        "--package=otel-messaging-core",
        "--package=otel-messaging-flag",
        "--no-default-features",
        "--tests",
    ],
];

/// The tests of the demo that need no broker.
const EMBEDDED_DEMO: &[&str] =
    &["--package=otel-messaging-demo", "--lib", "--bins", "--test=orders"];

/// The packages whose tests need brokers.
const WITH_BROKERS: [&str; 4] = [
    "otel-messaging-applications",
    "otel-messaging-integration-tests",
    demo::PACKAGE,
    soak::PACKAGE,
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    is_embedded: bool,
    is_down: bool,
    harness: &'a [OsString],
}

/// Fails if a test fails, a binary crashes, something does not build, no test runs, or a broker
/// cannot be started or stopped.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let Some(options) = parse(args)? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    if let Err(advice) = toolchain::check() {
        eprintln!("xtask: {advice}");
        return Ok(ExitCode::FAILURE);
    }
    let driver = match browser::driver() {
        Ok(driver) => driver.display().to_string(),
        Err(advice) => {
            eprintln!("xtask: {advice}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let environment = if options.is_embedded { Some(Vec::new()) } else { brokers::up_all() };
    let totals = if let Some(mut environment) = environment {
        environment.push((browser::VARIABLE, driver));
        run_all(&options, &environment)
    } else {
        eprintln!(
            "xtask: a broker that integration tests need could not be started (see above); the \
             tests without brokers: cargo xtask test --embedded"
        );
        Totals { passed: 0, failed: 1 }
    };
    let mut is_good = totals.are_good();
    if !options.is_embedded {
        if !is_good {
            brokers::report_down();
        }
        if options.is_down || env::var("CI").is_ok_and(|value| value == "true") {
            is_good &= brokers::down_all();
        }
    }
    println!("{} passed, {} failed", totals.passed, totals.failed);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns `None` if only help was asked for.
fn parse(args: &[OsString]) -> Result<Option<Options<'_>>, UsageError> {
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let harness = args.get(end + 1..).unwrap_or_default();
    let mut options = Options { harness, ..Options::default() };
    for arg in &args[..end] {
        match arg.to_string_lossy().as_ref() {
            "--embedded" => options.is_embedded = true,
            "--down" => options.is_down = true,
            "-h" | "--help" => return Ok(None),
            arg => {
                let cause = format!("`test` has no option `{arg}`; to filter by name: -- {arg}");
                return Err(UsageError(cause));
            }
        }
    }
    Ok(Some(options))
}

fn run_all(options: &Options<'_>, environment: &[(&str, String)]) -> Totals {
    let mut totals = Totals::default();
    for selection in runs(options.is_embedded) {
        let mut command = cargo::command("test");
        command.arg("--no-fail-fast").args(selection);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("--").args(options.harness);
        if !run_one(&mut command, &mut totals, &mut io::stdout()) {
            break;
        }
    }
    if totals.passed + totals.failed == 0 {
        eprintln!("xtask: no test ran, which counts as a failure: check the filter after `--`");
    }
    totals
}

/// Returns the arguments of each `cargo test`. Embedded, the packages that need brokers are left out.
fn runs(is_embedded: bool) -> Vec<Vec<String>> {
    let own = |selection: &[&str]| selection.iter().map(|&arg| arg.to_owned()).collect();
    let mut runs: Vec<Vec<String>> = RUNS.into_iter().map(own).collect();
    if is_embedded {
        for run in runs.iter_mut().filter(|run| run.iter().any(|arg| arg == "--workspace")) {
            run.extend(WITH_BROKERS.map(|package| format!("--exclude={package}")));
        }
        runs.push(own(EMBEDDED_DEMO));
    }
    runs
}

/// Runs one `cargo test` and adds its results. Returns false if it failed without any result, as it
/// does after a build error: the next run would show the same error again.
fn run_one(command: &mut Command, totals: &mut Totals, shown: &mut impl Write) -> bool {
    let before = *totals;
    let outcome = match stream(command, totals, shown) {
        Ok(status) if status.success() => return true,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let has_results = *totals != before;
    if totals.failed == before.failed {
        eprintln!(
            "xtask: cargo test failed ({outcome}) without a failing test, which counts as one \
             failure: something did not build, or a test binary crashed (see above)"
        );
        totals.failed += 1;
    }
    has_results
}

/// Shows each line of the command's output as it comes, and adds the results in it.
fn stream(
    command: &mut Command,
    totals: &mut Totals,
    shown: &mut impl Write,
) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            totals.add(&String::from_utf8_lossy(&line));
            // An output that is closed (`| head`) must not stop the tests.
            let _ =
                shown.write_all(&[&line, b"\n".as_slice()].concat()).and_then(|()| shown.flush());
        }
    }
    child.wait()
}

/// The sums over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
}

impl Totals {
    /// Returns true if tests ran and all of them passed.
    fn are_good(self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    /// Adds the numbers of a line like `test result: ok. 12 passed; 0 failed; 1 ignored; ..`, which
    /// the harness prints last for each binary. Ignores any other line.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = result.split([' ', ';']).collect();
        let count = |label| {
            let pair = words.windows(2).find(|pair| pair[1] == label);
            pair.and_then(|pair| pair[0].parse::<u64>().ok()).unwrap_or_default()
        };
        self.passed += count("passed");
        self.failed += count("failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: &str = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s\n";
    const FAILED: &str = "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 1.02s\n";

    fn parsed(args: &[&str]) -> Result<Option<(bool, bool, Vec<OsString>)>, String> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let options = parse(&args).map_err(|UsageError(cause)| cause)?;
        Ok(options.map(|options| (options.is_embedded, options.is_down, options.harness.to_vec())))
    }

    #[test]
    fn arguments_after_the_dashes_go_to_the_harness() {
        assert_eq!(parsed(&[]), Ok(Some((false, false, vec![]))));
        assert_eq!(parsed(&["--embedded", "--"]), Ok(Some((true, false, vec![]))));
        let harness = ["r15", "--", "--help", "--embedded"].map(OsString::from).to_vec();
        let args = ["--down", "--", "r15", "--", "--help", "--embedded"];
        assert_eq!(parsed(&args), Ok(Some((false, true, harness))));
        assert_eq!(parsed(&["--embedded", "--help"]), Ok(None));
        let cause = parsed(&["r15"]).unwrap_err();
        assert_eq!(cause, "`test` has no option `r15`; to filter by name: -- r15");
    }

    #[test]
    fn embedded_runs_leave_out_the_packages_with_brokers() {
        assert_eq!(runs(false), RUNS);
        let embedded = runs(true);
        assert_eq!(embedded.len(), RUNS.len() + 1);
        for (run, all) in embedded.iter().zip(RUNS) {
            for package in WITH_BROKERS {
                let is_excluded = run.contains(&format!("--exclude={package}"));
                assert_eq!(is_excluded, all.contains(&"--workspace"));
                assert!(!run.contains(&format!("--package={package}")));
            }
        }
        assert_eq!(embedded[RUNS.len()], EMBEDDED_DEMO);
    }

    #[test]
    fn results_are_summed_and_other_lines_ignored() {
        let mut totals = Totals::default();
        let coloured = "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 4 passed; 0 failed; 0 ignored\n";
        for line in [PASSED, FAILED, coloured, "  test result: ok. 9 passed\n", "running 9 tests\n"]
        {
            totals.add(line);
        }
        assert_eq!(totals, Totals { passed: 7, failed: 1 });
    }

    #[test]
    fn only_tests_that_ran_and_passed_are_good() {
        assert!(Totals { passed: 1, failed: 0 }.are_good());
        assert!(!Totals { passed: 1, failed: 1 }.are_good());
        assert!(!Totals { passed: 0, failed: 0 }.are_good());
    }

    /// Runs a script in place of `cargo test`; gives the totals and whether the next run follows.
    #[cfg(unix)]
    fn run_script(output: &str, end: &str) -> (u64, u64, bool) {
        let (mut totals, mut shown) = (Totals::default(), Vec::new());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("echo \"$OUTPUT\"; {end}")]).env("OUTPUT", output);
        let goes_on = run_one(&mut command, &mut totals, &mut shown);
        assert_eq!(shown, format!("{output}\n").as_bytes());
        (totals.passed, totals.failed, goes_on)
    }

    #[cfg(unix)]
    #[test]
    fn a_failed_run_counts_at_least_one_failure() {
        assert_eq!(run_script(PASSED, "exit 0"), (2, 0, true));
        assert_eq!(run_script("\u{fffd} no line end", "exit 0"), (0, 0, true));
        assert_eq!(run_script(&[PASSED, FAILED].concat(), "exit 101"), (3, 1, true));
        // A test binary crashes after another has passed, or cargo itself is killed.
        let crash = format!("{PASSED}running 4 tests\ntest a ... ok\n");
        assert_eq!(run_script(&crash, "exit 101"), (2, 1, true));
        assert_eq!(run_script(&crash, "kill -KILL $$"), (2, 1, true));
        // Nothing builds.
        assert_eq!(run_script("", "exit 101"), (0, 1, false));
    }
}
