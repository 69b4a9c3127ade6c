//! Processes that outlive us: started detached, recognised later, stopped by their own id.

use super::log;
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A pid and when it started: pids are used again, and only both together name a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: String,
}

impl Process {
    /// Starts a command that goes on after we have ended; its output goes to a new file `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let not_started = |error| format!("{program} could not be started: {error}");
        let output = log::create(log)?;
        let errors = output.try_clone().map_err(not_started)?;
        let child = detached(command)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(not_started)?;
        let pid = child.id();
        // It is not waited for: it is to outlive us. If it ends before, `start_of` sees a zombie.
        start_of(pid)
            .map(|start| Self { pid, start })
            .ok_or_else(|| format!("{program} ended at once\n{}", log::last_lines(log)))
    }

    pub(crate) fn is_alive(&self) -> bool {
        start_of(self.pid).as_ref() == Some(&self.start)
    }

    /// Asks it to end, insists after a while, and returns when it is gone.
    pub(crate) fn stop(&self) -> Result<(), String> {
        self.signal(&["TERM", "KILL"])
    }

    /// Gives it no time to end well, and returns when it is gone.
    pub(crate) fn kill(&self) -> Result<(), String> {
        self.signal(&["KILL"])
    }

    fn signal(&self, signals: &[&str]) -> Result<(), String> {
        for signal in signals {
            if !self.is_alive() {
                return Ok(());
            }
            // The shell's own `kill`: a small image may have no other.
            let script = format!("kill -{signal} {}", self.pid);
            let status = Command::new("sh").args(["-c", &script]).status();
            if !status.is_ok_and(|status| status.success()) && self.is_alive() {
                return Err(format!("pid {} could not be stopped: try `{script}`", self.pid));
            }
            let deadline = Instant::now() + STOP_LIMIT;
            while self.is_alive() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(50));
            }
        }
        if self.is_alive() { Err(format!("pid {} does not end", self.pid)) } else { Ok(()) }
    }
}

/// In a process group of its own, it is spared the Ctrl-C that is meant for us.
#[cfg(unix)]
fn detached(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

#[cfg(not(unix))]
fn detached(command: &mut Command) -> &mut Command {
    command
}

/// When the process with this pid started, in whatever words the system has; `None` if it is gone.
fn start_of(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        // `pid (name) state ppid ..`, and the name may hold anything, parentheses included.
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = line.rsplit_once(')')?.1.split_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let ticks = fields.nth(18)?;
        // Ticks count from the boot, so the boot belongs to the name.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        return Some(format!("{ticks} {}", boot.trim()).trim_end().to_owned());
    }
    let columns = ["-o", "stat=", "-o", "lstart=", "-p", &pid.to_string()];
    let output = Command::new("ps").args(columns).env("LC_ALL", "C").output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let (state, start) = line.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| start.trim().to_owned())
}

/// Held while brokers are started or stopped, so that two runs do not start two of each.
pub(crate) fn lock(directory: &Path) -> Result<File, String> {
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
    use std::{env, process};

    fn spawn(name: &str, script: &str) -> Result<Process, String> {
        let log = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
        let spawned = Process::spawn(Command::new("sh").args(["-c", script]), &log);
        fs::remove_file(log).unwrap();
        spawned
    }

    #[test]
    fn a_process_is_stopped_once_and_twice() {
        let sleeper = spawn("sleeper", "exec sleep 60").unwrap();
        assert!(sleeper.is_alive());
        sleeper.stop().unwrap();
        assert!(!sleeper.is_alive());
        sleeper.stop().unwrap();
    }

    #[test]
    fn another_process_with_the_pid_is_left_alone() {
        let sleeper = spawn("recycled", "exec sleep 60").unwrap();
        let earlier = Process { start: "an hour before".into(), ..sleeper.clone() };
        assert!(!earlier.is_alive());
        earlier.stop().unwrap();
        assert!(sleeper.is_alive());
        sleeper.stop().unwrap();
    }

    #[test]
    fn we_are_alive_and_nobody_is_not() {
        let start = start_of(process::id()).unwrap();
        assert!(Process { pid: process::id(), start }.is_alive());
        assert_eq!(start_of(u32::MAX), None);
    }
}
