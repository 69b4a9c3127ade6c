//! The diffs that are shown are those of the programs, and they are small.

use std::{env, fs, path::Path};

use similar::{ChangeTag, TextDiff};

const FOLDERS: [&str; 4] = ["kafka", "rabbitmq", "nats", "tracing"];
const PROGRAMS: [&str; 2] = ["bare.rs", "instrumented.rs"];

fn read(folder: &str, file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file)).unwrap()
}

/// Makes the difference as `diff -u` does.
fn difference(folder: &str) -> String {
    let [bare, instrumented] = PROGRAMS.map(|program| read(folder, program));
    let diff = TextDiff::from_lines(&bare, &instrumented);
    diff.unified_diff().header(PROGRAMS[0], PROGRAMS[1]).to_string()
}

#[test]
fn the_difference_is_what_is_shown() {
    for folder in FOLDERS {
        let made = difference(folder);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("difference.diff");
        if env::var_os("WRITE_DIFFERENCES").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let shown = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shown == made,
            "{} is not the difference any more; write it again with `WRITE_DIFFERENCES=1 cargo \
             test -p otel-messaging-applications differences`, and read it: users do",
            path.display()
        );
    }
}

#[test]
fn the_readme_shows_lines_of_the_differences() {
    let readme = read(".", "README.md");
    let blocks = readme.split("```").filter_map(|block| block.strip_prefix("diff\n"));
    let blocks: Vec<&str> = blocks.collect();
    assert_eq!(blocks.len(), FOLDERS.len());
    for (block, folder) in blocks.iter().zip(FOLDERS) {
        let difference = difference(folder);
        for line in block.lines() {
            assert!(difference.lines().any(|known| known == line), "{folder} has no {line:?}");
        }
    }
}

#[test]
fn the_difference_is_small() {
    for folder in FOLDERS {
        let [bare, instrumented] = PROGRAMS.map(|program| read(folder, program));
        let diff = TextDiff::from_lines(&bare, &instrumented);
        let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
        let (gone, new) = (count(ChangeTag::Delete), count(ChangeTag::Insert));
        assert!((1..=6).contains(&gone), "{folder}: {gone} lines are changed or gone");
        assert!((gone + 1..=26).contains(&new), "{folder}: {new} lines are changed or new");
    }
}
