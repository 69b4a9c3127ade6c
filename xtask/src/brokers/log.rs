//! Writes and quotes the log files of servers and tools.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

/// Sends the output of a command to a new log. The log before is kept as `*.log.previous`.
pub(super) fn attach(command: &mut Command, path: &Path) -> Result<File, String> {
    let _ = fs::rename(path, path.with_extension("log.previous"));
    let attached = File::create(path).and_then(|log| {
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        Ok(log)
    });
    attached.map_err(|error| format!("{} could not be written: {error}", path.display()))
}

/// Returns the last lines and the path of a log, as the end of a message.
pub(super) fn end(path: &Path) -> String {
    let lines = last_lines(path, 15).join("\n    ");
    format!("    {lines}\n  the whole log: {}", path.display())
}

/// Returns the last lines that are not empty.
pub(super) fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_quoted_with_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.log");
        let lines: Vec<String> = (1..=20).map(|line| format!("line {line}")).collect();
        fs::write(&path, lines.join("\n\n") + "\n \n").unwrap();
        let quoted = end(&path);
        assert!(quoted.starts_with("    line 6\n    line 7\n"), "{quoted}");
        assert!(quoted.ends_with(&format!("line 20\n  the whole log: {}", path.display())));
    }
}
