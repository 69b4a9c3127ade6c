//! The lines of a difference between what is expected and what was found.

use std::time::Duration;

use opentelemetry::InstrumentationScope;
use similar::{ChangeTag, TextDiff};

use crate::attributes::show_attributes;

/// How many equal lines are shown before and after different ones.
const CONTEXT: usize = 3;

/// Returns the lines that differ, `-` expected and `+` found, with the equal ones around them;
/// nothing if all are equal.
pub(crate) fn difference(expected: &[String], found: &[String]) -> String {
    if expected == found {
        return String::new();
    }
    let [old, new] = [expected, found].map(|lines| lines.iter().map(String::as_str).collect());
    let (old, new): (Vec<&str>, Vec<&str>) = (old, new);
    // With thousands of different lines a minimal difference would take minutes.
    let diff = TextDiff::configure().timeout(Duration::from_secs(1)).diff_slices(&old, &new);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        if !lines.is_empty() {
            lines.push("  …".to_owned());
        }
        lines.extend(hunk.iter_changes().map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            format!("{sign} {}", change.value())
        }));
    }
    indent(&lines)
}

/// Indents each line and ends it.
pub(crate) fn indent(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// Writes a scope with all that is compared of it.
pub(crate) fn show_scope(scope: &InstrumentationScope) -> String {
    let (version, schema) = (scope.version(), scope.schema_url());
    let (version, schema) = (version.unwrap_or("(no version)"), schema.unwrap_or("(no schema)"));
    format!("scope {} {version} {schema} {}", scope.name(), show_attributes(scope.attributes()))
}
