//! Runs steps that take a while, with progress messages and a time limit.

use super::log;
use std::{
    fmt::Display,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

const MESSAGE_INTERVAL: Duration = Duration::from_secs(5);
/// Enough for a download or a build on a slow machine.
const TOOL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Runs a tool until it ends, with its output in a log. `title` begins the messages.
pub(super) fn run(
    title: &dyn Display,
    what: &str,
    mut command: Command,
    log: &Path,
) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |cause: String| format!("{what} failed: {cause}\n{}", log::end(log));
    log::attach(&mut command, log)?;
    let mut child = command.spawn().map_err(|error| failed(format!("{program}: {error}")))?;
    let waited = wait(title, what, TOOL_LIMIT, log, || match child.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) if status.success() => Some(Ok(())),
        Ok(Some(status)) => Some(Err(format!("{program} ended with {status}"))),
        Err(error) => Some(Err(error.to_string())),
    });
    if waited.is_err() {
        let _ = child.kill(); // Fails if it has ended by itself.
        let _ = child.wait();
    }
    waited.map_err(failed)
}

/// Prints `what`, then calls `look` until it returns an outcome or the limit is reached. Prints a
/// message with the last line of the log now and then.
pub(super) fn wait(
    title: &dyn Display,
    what: &str,
    limit: Duration,
    log: &Path,
    mut look: impl FnMut() -> Option<Result<(), String>>,
) -> Result<(), String> {
    let begin = Instant::now();
    let mut next_message = MESSAGE_INTERVAL;
    eprintln!("{title}: {what}");
    loop {
        if let Some(outcome) = look() {
            return outcome;
        }
        let waited = begin.elapsed();
        if waited >= limit {
            return Err(format!("not done after {} s, the time limit", limit.as_secs()));
        }
        if waited >= next_message {
            next_message += MESSAGE_INTERVAL;
            let line: String = log::last_lines(log, 1).concat().chars().take(100).collect();
            eprintln!("{title}: {what}: {} s; {line}", waited.as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::{super::nats::NATS, *};

    #[test]
    fn a_failure_comes_with_the_end_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("test.log");
        let run = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            run(&NATS, "testing", command, &log)
        };
        assert_eq!(run("echo fine"), Ok(()));
        let cause = run("echo oh no >&2; exit 3").unwrap_err();
        let expected = "testing failed: sh ended with exit status: 3\n    oh no\n";
        assert!(cause.starts_with(expected), "{cause}");
    }

    #[test]
    fn a_wait_ends_at_the_time_limit() {
        let waited = wait(&NATS, "waiting", Duration::ZERO, "/none".as_ref(), || None);
        assert_eq!(waited, Err("not done after 0 s, the time limit".into()));
    }
}
