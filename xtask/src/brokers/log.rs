//! Log files of what runs in the background: made, and quoted when something went wrong.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

const SHOWN: usize = 15;

/// A new, empty log; the one before is kept beside it, as `*.previous`.
pub(crate) fn create(path: &Path) -> Result<File, String> {
    let _ = fs::rename(path, path.with_extension("log.previous"));
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| File::create(path))
        .map_err(|error| format!("{} could not be written: {error}", path.display()))
}

/// The end of a log and its path, as the last part of a message.
pub(crate) fn last_lines(path: &Path) -> String {
    let end = end(path);
    let lines: Vec<&str> = end.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut text = String::new();
    for line in &lines[lines.len().saturating_sub(SHOWN)..] {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text + &format!("  the whole log: {}", path.display())
}

/// What was written last, shortened to one line that fits behind a message.
pub(crate) fn last_line(path: &Path) -> String {
    let end = end(path);
    let line = end.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().take(100).collect()
}

fn end(path: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 * 1024)))?;
        file.read_to_end(&mut bytes)
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_quoted_with_the_path() {
        let path = std::env::temp_dir().join(format!("xtask-log-{}.log", std::process::id()));
        drop(create(&path).unwrap());
        let lines: Vec<String> = (1..=20).map(|line| format!("line {line}")).collect();
        fs::write(&path, lines.join("\n\n") + "\n \n").unwrap();
        let quoted = last_lines(&path);
        assert!(quoted.starts_with("    line 6\n"), "{quoted}");
        assert!(quoted.ends_with(&format!("line 20\n  the whole log: {}", path.display())));
        assert_eq!(last_line(&path), "line 20");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_missing_log_has_no_lines() {
        assert_eq!(last_lines(Path::new("/none")), "  the whole log: /none");
    }
}
