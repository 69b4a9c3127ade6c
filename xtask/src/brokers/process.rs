//! Starts and ends server processes that outlive this program, and locks directories.
//!
//! A server holds the lock of its log file, which it inherits with its output, for as long as it or
//! one of its children runs. This tells whether the server runs even if another process has its pid.

use super::log;
use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Starts a server with its output in a new log, and returns its pid.
pub(super) fn spawn(mut command: Command, log: &Path) -> Result<u32, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let locked = log::attach(&mut command, log)?.lock();
    // In its own process group, the server does not get the Ctrl-C of this terminal.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let spawned = locked.and_then(|()| command.spawn());
    let pid = spawned.map(|child| child.id());
    pid.map_err(|error| format!("{program} could not be started: {error}"))
}

/// Returns true while the server with this log runs.
pub(super) fn is_running(log: &Path) -> bool {
    // A shared lock fails because of the server's lock only, not because of another reader's.
    File::open(log).is_ok_and(|log| log.try_lock_shared().is_err())
}

/// Sends the signals, with time to end after each, and returns when the server is gone.
pub(super) fn end(pid: u32, log: &Path, signals: &[&str]) -> Result<(), String> {
    for signal in signals {
        if !is_running(log) {
            return Ok(());
        }
        // The shell has its own `kill`; a small image may have no other.
        let script = format!("kill -{signal} {pid}");
        let status = Command::new("sh").args(["-c", &script]).status();
        if !status.is_ok_and(|status| status.success()) && is_running(log) {
            return Err(format!("pid {pid} could not be stopped: try `{script}`"));
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while is_running(log) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
    }
    if is_running(log) { Err(format!("pid {pid} does not end")) } else { Ok(()) }
}

/// Locks a directory until the file is dropped, so that two runs do not start the same broker.
pub(super) fn lock(directory: &Path) -> Result<File, String> {
    let path = directory.join("lock");
    let lock = fs::create_dir_all(directory).and_then(|()| File::create(&path)).and_then(|file| {
        if file.try_lock().is_err() {
            eprintln!("brokers: waiting for another `cargo xtask` that starts or stops brokers");
            file.lock()?;
        }
        Ok(file)
    });
    lock.map_err(|error| format!("{} could not be locked: {error}", path.display()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn spawn_sleeper(log: &Path) -> u32 {
        let mut command = Command::new("sh");
        command.args(["-c", "exec sleep 60"]);
        spawn(command, log).unwrap()
    }

    #[test]
    fn a_server_runs_until_it_is_stopped_or_killed() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("server.log");
        for signals in [["TERM", "KILL"].as_slice(), &["KILL"]] {
            let pid = spawn_sleeper(&log);
            assert!(is_running(&log));
            end(pid, &log, signals).unwrap();
            assert!(!is_running(&log));
            end(pid, &log, signals).unwrap();
        }
    }

    #[test]
    fn another_process_with_the_pid_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let [log, ended] = ["server.log", "ended.log"].map(|name| directory.path().join(name));
        let pid = spawn_sleeper(&log);
        end(pid, &ended, &["KILL"]).unwrap();
        fs::write(&ended, "").unwrap();
        end(pid, &ended, &["KILL"]).unwrap();
        assert!(is_running(&log));
        end(pid, &log, &["KILL"]).unwrap();
    }
}
