//! Things that take a while: watched, with signs of life, and with a time limit.

use super::{broker::Broker, log};
use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(100);

/// Runs a tool to its end, its output in a log. `what` is said first, and again while it runs.
pub(crate) fn run(
    broker: Broker,
    what: &str,
    command: &mut Command,
    log: &Path,
    limit: Duration,
) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |cause: String| format!("{what} failed: {cause}\n{}", log::last_lines(log));
    let output = log::create(log)?;
    let errors = output.try_clone().map_err(|error| failed(error.to_string()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| failed(format!("{program}: {error}")))?;

    let waited = wait(broker, what, limit, log, || match child.try_wait() {
        Ok(Some(status)) if status.success() => Wait::Over(Ok(())),
        Ok(Some(status)) => Wait::Over(Err(format!("{program} ended with {status}"))),
        Ok(None) => Wait::More,
        Err(error) => Wait::Over(Err(error.to_string())),
    });
    if waited.is_err() {
        let _ = child.kill(); // Where it ended by itself, nothing is left to kill.
        let _ = child.wait();
    }
    waited.map_err(failed)
}

/// What a look at the thing that is waited for has shown.
pub(crate) enum Wait {
    More,
    Over(Result<(), String>),
}

/// Looks until it is over or the limit is reached, and says now and then that we still wait.
pub(crate) fn wait(
    broker: Broker,
    what: &str,
    limit: Duration,
    log: &Path,
    mut look: impl FnMut() -> Wait,
) -> Result<(), String> {
    let begin = Instant::now();
    let mut next_sign = SIGN_OF_LIFE;
    eprintln!("{broker}: {what}");
    loop {
        if let Wait::Over(outcome) = look() {
            return outcome;
        }
        let waited = begin.elapsed();
        if waited >= limit {
            return Err(format!("not done after {} s, the time limit", limit.as_secs()));
        }
        if waited >= next_sign {
            next_sign += SIGN_OF_LIFE;
            let (seconds, line) = (waited.as_secs(), log::last_line(log));
            eprintln!("{broker}: {what}: {seconds} s; {line}");
        }
        thread::sleep(STEP);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::{env, fs, process};

    fn run_script(name: &str, script: &str, limit: Duration) -> Result<(), String> {
        let log = env::temp_dir().join(format!("xtask-task-{name}-{}", process::id()));
        let mut command = Command::new("sh");
        let outcome = run(Broker::Nats, "testing", command.args(["-c", script]), &log, limit);
        fs::remove_file(log).unwrap();
        outcome
    }

    #[test]
    fn failures_come_with_the_end_of_the_log() {
        assert_eq!(run_script("good", "echo fine", Duration::from_secs(60)), Ok(()));
        let cause =
            run_script("bad", "echo oh no >&2; exit 3", Duration::from_secs(60)).unwrap_err();
        assert!(
            cause.starts_with("testing failed: sh ended with exit status: 3\n    oh no\n"),
            "{cause}"
        );
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let cause = run_script("slow", "exec sleep 60", Duration::ZERO).unwrap_err();
        assert!(cause.contains("not done after 0 s"), "{cause}");
    }
}
